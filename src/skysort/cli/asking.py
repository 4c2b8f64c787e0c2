"""Answers by keyboard, one picture after the other, each opened by the system's viewer.

An answer measures only if nothing leads it. So neither the classifier's label nor the folder that the picture went
to is shown, the viewer opens a copy that is called by its number, and no key agrees with the classifier.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from skysort.core.errors import NotUnderstoodError
from skysort.core.text import counted, printable

if TYPE_CHECKING:
    from skysort.work.journal import Journal

BACK, QUIT, UNSURE, NONE = "z", "q", "u", "o"
SIGNS = "123456789abcdefghijklmnprstvwxy"
"""Keys of classes whose names do not each begin with a letter of its own; those above are left out."""


def keys_of(classes: Sequence[str], other: str, cannot_tell: str) -> dict[str, str]:
    """Return the label of each key: a class by its first letter or a number, `other`, and that nobody can tell.

    >>> keys_of(["airplane", "bird"], "other", "?")
    {'a': 'airplane', 'b': 'bird', 'o': 'other', 'u': '?'}
    >>> keys_of(["bird", "bat"], "other", "?")
    {'1': 'bird', '2': 'bat', 'o': 'other', 'u': '?'}

    Raises:
        NotUnderstoodError: when there are more classes than keys.
    """
    shown = [name for name in classes if name != other]
    letters = [name[0].casefold() for name in shown]
    if len(set(letters)) < len(shown) or {BACK, QUIT, UNSURE, NONE} & set(letters):
        if len(shown) > len(SIGNS):
            raise NotUnderstoodError(
                "options-conflict",
                f"--ask has keys for {len(SIGNS)} classes, and there are {len(shown)}; use --format csv and"
                " --answers FILE",
            )
        letters = list(SIGNS[: len(shown)])
    return {**dict(zip(letters, shown, strict=True)), NONE: other, UNSURE: cannot_tell}


def check_terminal() -> None:
    """Make sure that a person can see the question and press a key.

    Raises:
        NotUnderstoodError: when standard input or standard error is no terminal.
    """
    if not (sys.stdin and sys.stdin.isatty() and sys.stderr.isatty()):
        raise NotUnderstoodError(
            "options-conflict",
            "--ask needs a terminal to read keys from; without one, use --format csv and --answers FILE",
        )


def ask(journal: "Journal", who: str) -> None:
    """Ask about each picture that waits for a look. Every answer is in the journal at once.

    Args:
        journal: of the pictures.
        who: answers.

    Raises:
        SkysortError: when nothing arrived under an audit, or the journal cannot be written.
    """
    from skysort.runs.audit import report_of
    from skysort.work.answers import CANNOT_TELL, OTHER

    report = report_of(journal)
    due = [(look.row, path) for look in report.due if (path := report.found.places.get(look.row.id))]
    labels = {
        session: keys_of(journal.settings(session).classes, OTHER, CANNOT_TELL)
        for session in {row.session for row, _ in due}
    }
    answers: dict[int, int] = {}
    """Number of the answer to each picture, by its place in the list."""
    at = 0
    with tempfile.TemporaryDirectory(prefix="skysort-", ignore_cleanup_errors=True) as folder:
        while at < len(due):
            row, path = due[at]
            _open(path, Path(folder, f"look-{at + 1}{path.suffix}"))
            key = _key(f"{at + 1:,} of {len(due):,}", labels[row.session], can_go_back=bool(answers))
            if key == QUIT:
                break
            if key == BACK:
                at = max(answers)
                journal.answers.withdraw(answers.pop(at))
                continue
            (answers[at],) = journal.answers.add([(row.id, labels[row.session][key])], who)
            at += 1
    print(f"recorded {counted(len(answers), 'answer')}; {len(due) - len(answers):,} to do", file=sys.stderr)


def _open(path: Path, copy: Path) -> None:
    """Open a copy of a picture by the system's viewer."""
    try:
        shutil.copyfile(path, copy)
    except OSError as error:
        print(f"cannot read the picture: {error.strerror or error}; u if you cannot tell", file=sys.stderr)
        return
    if not _launch(copy):
        print(f"no viewer opens it; look at {printable(str(copy))}", file=sys.stderr)


def _launch(path: Path) -> bool:
    """Open a file by the system's program for it; tell whether there is one. What it prints is of no use here."""
    if sys.platform == "win32":
        os.startfile(path)
        return True
    opener = "open" if sys.platform == "darwin" else "xdg-open"
    nothing = subprocess.DEVNULL
    try:
        return not subprocess.run([opener, path], stdin=nothing, stdout=nothing, stderr=nothing).returncode
    except OSError:
        return False


def _key(picture: str, labels: dict[str, str], *, can_go_back: bool) -> str:
    """Ask until a key is pressed that means something. The end of input, as by Ctrl-D, means to quit."""
    shown = [
        f"{key.upper()} {'cannot tell' if key == UNSURE else printable(name)}" for key, name in labels.items()
    ]
    shown += ["Z take the last back"] * can_go_back + ["Q quit"]
    print(f"{picture}:  {'   '.join(shown)}", file=sys.stderr, flush=True)
    while True:
        try:
            key = typer.getchar().casefold()
        except EOFError:
            return QUIT
        if key in labels or key == QUIT or (key == BACK and can_go_back):
            return key
