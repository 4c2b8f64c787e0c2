"""Commands in forks of a process that has loaded PyTorch: loading takes longer than a small run.

That process computes nothing, so it has started no threads that a fork would lack.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SERVER = """
import json, os, runpy, sys
import matplotlib.figure, onnx, sklearn.metrics, skysort.runs.network_learner

for line in sys.stdin:
    request = json.loads(line)
    child = os.fork()
    if child == 0:
        for number, name in enumerate((os.devnull, "out", "err")):
            os.dup2(os.open(name, os.O_RDWR | os.O_CREAT | os.O_TRUNC), number)
        exec(request["before"])
        sys.argv = ["skysort", *request["arguments"]]
        runpy.run_module("skysort", run_name="__main__")
        sys.exit()
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class Forks:
    """Runs commands, one after another."""

    def __init__(self, server: subprocess.Popen[str], folder: Path) -> None:
        self._server, self._folder = server, folder

    def command(self, *arguments: object, before: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command line to its end, after some lines of Python."""
        assert self._server.stdin and self._server.stdout
        words = [str(argument) for argument in arguments]
        self._server.stdin.write(json.dumps({"arguments": words, "before": before}) + "\n")
        self._server.stdin.flush()
        line = self._server.stdout.readline()
        assert line, "the process that forks has ended"
        out, err = ((self._folder / name).read_text("utf-8") for name in ("out", "err"))
        return subprocess.CompletedProcess(words, int(line), out, err)


@contextmanager
def forks(folder: Path, cache: Path) -> Iterator[Forks]:
    """Start the process, which works in a folder of its own; `cache` is Skysort's."""
    environment = {**os.environ, "SKYSORT_CACHE": str(cache), "SKYSORT_OFFLINE": "1"}
    with subprocess.Popen(
        [sys.executable, "-c", SERVER],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=folder, env=environment,
    ) as server:  # fmt: skip
        yield Forks(server, folder)
        assert server.stdin
        server.stdin.close()
