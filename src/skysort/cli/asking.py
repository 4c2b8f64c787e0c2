"""Answers by keyboard, a picture at a time. No key agrees with the classifier, which would lead the answer."""

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import typer

from skysort.core.errors import NotUnderstoodError
from skysort.core.text import counted, printable
from skysort.runs.questions import Questions, open_copy
from skysort.work.answers import CANNOT_TELL, OTHER
from skysort.work.journal import Journal

BACK, QUIT, UNSURE, NONE = "z", "q", "u", "o"
SIGNS = "123456789abcdefghijklmnprstvwxy"
"""Keys of classes whose names do not each begin with a letter of its own; those above are left out."""


def keys_of(classes: Sequence[str]) -> dict[str, str]:
    """Return the label of each key: a class by its first letter or a number, `other`, and `?`.

    >>> keys_of(["airplane", "bird"])
    {'a': 'airplane', 'b': 'bird', 'o': 'other', 'u': '?'}
    >>> keys_of(["bird", "bat"])
    {'1': 'bird', '2': 'bat', 'o': 'other', 'u': '?'}

    Raises:
        NotUnderstoodError: when there are more classes than keys.
    """
    shown = [name for name in classes if name != OTHER]
    letters = [name[0].casefold() for name in shown]
    if len(set(letters)) < len(shown) or {BACK, QUIT, UNSURE, NONE} & set(letters):
        if len(shown) > len(SIGNS):
            raise NotUnderstoodError(
                "options-conflict",
                f"--ask has keys for {len(SIGNS)} classes, and there are {len(shown)}; use --format csv and"
                " --answers FILE",
            )
        letters = list(SIGNS[: len(shown)])
    return {**dict(zip(letters, shown, strict=True)), NONE: OTHER, UNSURE: CANNOT_TELL}


def ask(journal: Journal, who: str) -> None:
    """Ask about each picture that waits for a look.

    Args:
        journal: of the pictures.
        who: answers.

    Raises:
        NotUnderstoodError: when there are more classes than keys.
        SkysortError: when nothing arrived under an audit, or the journal cannot be written.
    """
    questions = Questions(journal, who)
    num = len(questions.questions)
    keys = {classes: keys_of(classes) for classes in {question.classes for question in questions.questions}}
    with tempfile.TemporaryDirectory(prefix="skysort-", ignore_cleanup_errors=True) as folder:
        while (question := questions.current) is not None:
            _open(question.path, Path(folder, f"look-{questions.number}{question.path.suffix}"))
            labels = keys[question.classes]
            key = _key(f"{questions.number:,} of {num:,}", labels, can_go_back=questions.num_answers > 0)
            if key == QUIT:
                break
            if key == BACK:
                questions.take_back()
            else:
                questions.answer(labels[key])
    done = questions.num_answers
    print(f"recorded {counted(done, 'answer')}; {num - done:,} to do", file=sys.stderr)


def _open(path: Path, copy: Path) -> None:
    try:
        has_viewer = open_copy(path, copy)
    except OSError as error:
        print(f"cannot read the picture: {error.strerror or error}; u if you cannot tell", file=sys.stderr)
        return
    if not has_viewer:
        print(f"no viewer opens it; look at {printable(str(copy))}", file=sys.stderr)


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
