"""Run every verb in this one process, for tests that watch what it does from outside.

Arguments: a classifier's run, a folder of pictures, a folder in which CIFAR-10 is, a free port. It works in the
current folder.
"""

import os
import signal
import socket
import sys
import threading
import time

import typer.main

from skysort.cli import app, main

ONCE = ("--once", "--settle", "0")
QUICK = ("--set", "training.epochs=1", "--quiet")


def every_verb(run: str, pictures: str, data: str, port: str) -> list[tuple[str, ...]]:
    return [
        ("check", pictures),
        ("train", pictures, "--recipe", "mlp", "--run", "run", *QUICK, "--set", "training.threads=1"),
        ("resume", "run", "--quiet"),
        ("evaluate", run, "skies:80", "--output", "measured", "--quiet"),
        ("decide", "run", "--keep", "bird", "--lose-at-most", "50%", "--confidence", "50%"),
        ("predict", run, pictures, "--output", "answers.csv"),
        ("watch", run, "inbox", "--aside", "aside", "--keep", "bird", *ONCE),
        ("sort", run, pictures, "--to", "sorted"),
        ("journal", "sorted"),
        ("undo", "aside", "--all"),
        ("watch", "run", "second", "--aside", "aside", "--decision", "keep-bird", "--audit", "50%", *ONCE),
        ("audit", "aside"),
        ("drift", "aside", "--reference", "20"),
        ("undo", "sorted", "--last", "1", "--label", "bird"),
        ("improve", "run", "--from", "sorted", "--run", "run2", "--quiet"),
        ("status", "aside"),
        ("serve", run, "--port", port),
        ("studio", "--runs", ".", "--aside", "aside", "--no-browser", "--port", port),
        ("compare", pictures, "--recipes", "mlp,mlp-small", "--seeds", "1", "--output", "compared", *QUICK),
        ("reproduce", "mlp", "--seeds", "1", "--data-dir", data, "--output", "reproduced", *QUICK),
        ("lessons", "--output", "lessons", "--quiet"),
        ("describe", "convnet"),
        ("recipes",),
        ("fields",),
        ("datasets",),
        ("backbones",),
    ]


def end_by_signal(port: str) -> None:
    """Send this process SIGTERM once a service answers at the port."""
    while True:
        try:
            with socket.create_connection(("127.0.0.1", int(port)), timeout=1) as connection:
                connection.sendall(f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
                assert connection.recv(100).startswith(b"HTTP/1.1 ")
                break
        except ConnectionRefusedError:
            time.sleep(0.1)
    os.kill(os.getpid(), signal.SIGTERM)


def run_all(verbs: list[tuple[str, ...]]) -> None:
    left = set(typer.main.get_command(app).commands) - {words[0] for words in verbs}  # type: ignore[attr-defined]
    assert not left, f"verbs that are run nowhere here: {left}"
    for words in verbs:
        if words[0] in ("serve", "studio"):
            threading.Thread(target=end_by_signal, args=words[-1:], daemon=True).start()
        os.access(f"/verb/{words[0]}", os.F_OK)  # a mark in what is traced
        sys.argv = ["skysort", *words]
        try:
            main()
        except SystemExit as ended:
            if ended.code and words[0] != "status":  # which tells that the watcher has ended
                sys.exit(f"{words}: exit code {ended.code}")


if __name__ == "__main__":
    run_all(every_verb(*sys.argv[1:]))
