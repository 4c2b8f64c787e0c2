"""The command `skysort`, forked from a process with all libraries loaded: to load them takes seconds.

Tests of what a command loads, and of how it treats its own process, use `tests.conftest.command` instead. So
do tests that kill it: SIGKILL ends the client, and the fork goes on. Charts in reports are empty.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

BEFORE = "SKYSORT_TEST_BEFORE"
"""Environment variable with lines of Python to run in the fork before the command."""

SERVER = """
import atexit, gc, json, os, runpy, select, signal, socket, sys, threading, traceback
import matplotlib.figure, onnx, sklearn.linear_model, sklearn.metrics
import torch._dynamo, torch.onnx._internal.exporter._core  # what a person's own network is exported by
import skysort.cli.train, skysort.export.own_network, skysort.runs.network_learner, skysort.transfer.network

def run(request, files):
    for number, file in enumerate(files):
        os.dup2(file, number)
    # Python asked the server's own files whether they can seek and are terminals.
    sys.stdin, sys.stdout = open(0, closefd=False), open(1, "w", closefd=False)
    sys.stderr = open(2, "w", errors="backslashreplace", buffering=1, closefd=False)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    exec(os.environ.pop("SKYSORT_TEST_BEFORE", ""), {"os": os, "signal": signal})
    sys.argv = ["skysort", *request["arguments"]]
    code = 0
    try:
        runpy.run_module("skysort", run_name="__main__")
    except SystemExit as ended:
        code = ended.code or 0
        if isinstance(code, str):  # as Python does
            print(code, file=sys.stderr)
            code = 1
    except BaseException:
        code = 1
        traceback.print_exc()
    # What Python does at the end, but for freeing the libraries' memory, which takes seconds.
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    os._exit(code)

def serve(connection):
    message, files, _, _ = socket.recv_fds(connection, 1 << 20, 3)
    child = os.fork()
    if child == 0:
        run(json.loads(message), files)
    for file in files:
        os.close(file)
    connection.send(str(child).encode())
    children[os.pidfd_open(child)] = child, connection

# tests/conftest.py says why.
matplotlib.figure.Figure.draw = lambda figure, renderer: None
gc.collect()
gc.freeze()  # so that a fork shares the memory of the libraries
# It computes nothing, so it has started no threads that a fork would lack.
listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
listener.bind(sys.argv[1])
listener.listen()
print("ready", flush=True)
children = {}
while True:
    for ready in select.select([listener, *children], [], [])[0]:
        if ready is listener:
            serve(listener.accept()[0])
        else:
            child, connection = children.pop(ready)
            connection.send(str(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])).encode())
            connection.close()
            os.close(ready)
"""

COMMAND = """#!{python} -IS
import json, os, signal, socket, sys

connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
connection.connect({socket!r})
request = {{"arguments": sys.argv[1:], "folder": os.getcwd(), "environment": dict(os.environ)}}
socket.send_fds(connection, [json.dumps(request).encode()], [0, 1, 2])
child = int(connection.recv(20))
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda number, _: os.kill(child, number))
code = int(connection.recv(20))
if code < 0:
    signal.signal(-code, signal.SIG_DFL) if -code != signal.SIGKILL else None
    os.kill(os.getpid(), -code)
sys.exit(code)
"""


@dataclass(frozen=True)
class WarmCommand:
    """The command's file, whose folder holds nothing else, so that it may come first in PATH."""

    path: Path
    cache: Path

    def __call__(
        self, *arguments: object, before: str = "", **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command line to its end, after some lines of Python."""
        here = {"SKYSORT_CACHE": str(self.cache), "SKYSORT_OFFLINE": "1", BEFORE: before}
        return subprocess.run(
            [self.path, *map(str, arguments)], env={**os.environ, **here, **environment},
            capture_output=True, text=True, check=False,
        )  # fmt: skip


@contextmanager
def warm_command(folder: Path, cache: Path) -> Iterator[WarmCommand]:
    """Start the process from which commands fork.

    Args:
        folder: empty, for the command and the socket.
        cache: Skysort's, when the command is called from Python.
    """
    (folder / "bin").mkdir()
    path, socket = folder / "bin" / "skysort", folder / "socket"
    path.write_text(COMMAND.format(python=Path(sys.base_prefix) / "bin" / "python3", socket=str(socket)))
    path.chmod(0o755)
    with subprocess.Popen([sys.executable, "-c", SERVER, socket], stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout and server.stdout.readline() == "ready\n"
            yield WarmCommand(path, cache)
        finally:
            server.kill()
