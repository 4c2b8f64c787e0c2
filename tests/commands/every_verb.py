"""Run every verb in this one process, for tests that watch what it does from outside.

Arguments: a classifier's run, a folder of pictures, a folder in which CIFAR-10 is. It works in the current folder.
"""

import os
import sys

import typer.main

from skysort.cli import app, main

RUN, PICTURES, DATA = sys.argv[1:]
QUICK = ("--set", "training.epochs=1", "--quiet")
WORDS = [
    ("check", PICTURES),
    ("train", PICTURES, "--recipe", "mlp", "--run", "run", *QUICK, "--set", "training.threads=1"),
    ("evaluate", RUN, "skies:80", "--output", "measured", "--quiet"),
    ("decide", "run", "--keep", "bird", "--lose-at-most", "50%", "--confidence", "50%"),
    ("predict", RUN, PICTURES, "--output", "answers.csv"),
    ("watch", RUN, "inbox", "--aside", "aside", "--keep", "bird", "--once", "--settle", "0"),
    ("sort", RUN, PICTURES, "--to", "sorted"),
    ("journal", "sorted"),
    ("undo", "aside", "--all"),
    ("status", "aside"),
    ("compare", PICTURES, "--recipes", "mlp,mlp-small", "--seeds", "1", "--output", "compared", *QUICK),
    ("reproduce", "mlp", "--seeds", "1", "--data-dir", DATA, "--output", "reproduced", *QUICK),
    ("describe", "convnet"),
    ("recipes",),
    ("fields",),
    ("datasets",),
]


def run_all() -> None:
    left = set(typer.main.get_command(app).commands) - {words[0] for words in WORDS}  # type: ignore[attr-defined]
    assert not left, f"verbs that are run nowhere here: {left}"
    for words in WORDS:
        os.access(f"/verb/{words[0]}", os.F_OK)  # a mark in what is traced
        sys.argv = ["skysort", *words]
        try:
            main()
        except SystemExit as ended:
            if ended.code and words[0] != "status":  # which tells that the watcher has ended
                sys.exit(f"{words}: exit code {ended.code}")


run_all()
