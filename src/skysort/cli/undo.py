"""skysort undo: pictures put back where they were."""

import sys
from collections.abc import Iterator
from itertools import islice
from typing import Annotated

import typer

from skysort.cli.journal import Since, seconds_of
from skysort.cli.options import SortedFolder, class_typed
from skysort.core.errors import NotUnderstoodError, SkysortError
from skysort.core.text import counted, printable
from skysort.work.journal import Journal, Takeable
from skysort.work.journal_entries import JournalEntry
from skysort.work.moves import moving
from skysort.work.names import absolute_picture
from skysort.work.undo import UndoRequest, UndoResult, take_back

EXAMPLES = """\
skysort undo aside --last 20
skysort undo aside --picture IMG_17.jpg --label bird
"""
MOST_LISTED = 10


Last = Annotated[int | None, typer.Option(min=1, metavar="N", help="Undo the last N moves, e.g. 20.")]
PictureNames = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME",
        help="Undo the move of the picture with this name or path, before the move or after it. Add --last if"
        " several pictures have the name. Repeatable.",
    ),
]
Everything = Annotated[bool, typer.Option("--all", help="Undo every move.")]
Redo = Annotated[bool, typer.Option("--redo", help="Redo moves that were undone.")]
TrueClass = Annotated[
    str | None,
    typer.Option(
        parser=class_typed,
        metavar="CLASS",
        help="True class of the pictures, e.g. bird, to record as a correction.",
        show_default="with --picture, the only other class possible",
    ),
]
NewClass = Annotated[
    str | None,
    typer.Option(
        parser=class_typed,
        metavar="CLASS",
        help="True class of the pictures, e.g. heron, if the classifier does not have it yet. It stands for"
        " --label.",
    ),
]
Keep = Annotated[
    bool,
    typer.Option("--keep", help="Move pictures on to the --keep-to of watch, instead of back to the inbox."),
]


def undo(
    folder: SortedFolder,
    last: Last = None,
    picture: PictureNames = None,
    since: Since = None,
    everything: Everything = False,
    redo: Redo = False,
    label: TrueClass = None,
    new_class: NewClass = None,
    keep: Keep = False,
) -> None:
    """Put pictures back where they were, newest first. Exits with 1 if any could not be put back."""
    if everything == bool(last or picture or since):
        raise NotUnderstoodError(
            "options-conflict", "name the moves to undo: --last N, --picture NAME, --since TIME, or --all alone"
        )
    _check_labels(label, new_class, redo=redo, keep=keep)
    sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape")  # type: ignore[union-attr]
    # A person who picks single pictures says that they were sorted wrong; one who undoes a night does not.
    is_correction = bool(picture) and last is None and not redo
    request = UndoRequest("redo" if redo else "undo", is_correction, new_class or label, bool(new_class), keep)
    num = num_failed = 0
    with Journal(folder) as journal:
        _finish_interrupted(journal)
        takeable: Takeable = "undos" if redo else "moves"
        if picture:
            rows = _rows_of(picture, journal, seconds_of(since), last, takeable)
        else:
            rows = journal.rows(since=seconds_of(since), last=last, takeable=takeable)
        for result in take_back(journal, rows, request):
            num += 1
            num_failed += bool(result.problem)
            _print_result(result, is_correction=is_correction)
    if num_failed:
        raise SkysortError(
            "some-not-moved", f"{num_failed:,} of {num:,} pictures could not be put back; see above"
        )
    if not num:
        raise SkysortError("nothing-to-undo", "no move matches these options; skysort journal lists all moves")


def _check_labels(label: str | None, new_class: str | None, *, redo: bool, keep: bool) -> None:
    if label and new_class:
        raise NotUnderstoodError(
            "options-conflict", "--label and --new-class do not go together; give one of them"
        )
    if redo and (label or new_class or keep):
        option = "--label" if label else "--new-class" if new_class else "--keep"
        raise NotUnderstoodError("options-conflict", f"{option} goes with undoing; leave it out with --redo")


def _finish_interrupted(journal: Journal) -> None:
    """Finish moves that were interrupted, so that they can be undone like the others; print those that cannot."""
    with moving(journal) as leftovers:
        unfinished = leftovers.unfinished
    for outcome in unfinished[:MOST_LISTED]:
        where = f"{outcome.row.source} -> {outcome.row.place}"
        print(f"not finished yet: {printable(where)}  ({printable(str(outcome.error))})", file=sys.stderr)
    if unfinished:
        print(
            f"{counted(len(unfinished), 'move')} cannot be finished now, so they cannot be undone yet;"
            " the next watch, sort or undo tries again",
            file=sys.stderr,
        )


def _print_result(result: UndoResult, *, is_correction: bool) -> None:
    row = result.row
    if result.problem:
        print(f"not put back: {printable(str(row.source))}  ({printable(result.problem)})")
        return
    notes = [f"remembered as {printable(result.correction)}"] if result.correction else []
    notes += [f"it has grown by {counted(result.num_bytes_more, 'byte')}"] if result.num_bytes_more else []
    note = f"  ({'; '.join(notes)})" if notes else ""
    print(f"{printable(str(row.place))} -> {printable(str(result.place))}{note}")
    if is_correction and result.correction is None:
        print("  (no correction recorded; name the true class with --label CLASS)")


def _rows_of(
    names: list[str], journal: Journal, since: float | None, last: int | None, takeable: Takeable
) -> Iterator[JournalEntry]:
    """Return the rows of pictures with these names or paths, newest first.

    Raises:
        NotUnderstoodError: when several pictures have one name and `last` is None. The message lists them.
        SkysortError: when no picture has a name.
    """
    by_number: dict[int, JournalEntry] = {}
    for name in names:
        rows = journal.rows(since=since, picture=absolute_picture(name), last=last, takeable=takeable)
        of_name = list(rows if last else _only_one(name, rows))
        if not of_name:
            raise SkysortError(
                "nothing-to-undo",
                f"no move of a picture called '{printable(name)}' can be undone; skysort journal lists all moves",
            )
        by_number |= {row.id: row for row in of_name}
    return islice((by_number[number] for number in sorted(by_number, reverse=True)), last)


def _only_one(picture: str, rows: Iterator[JournalEntry]) -> Iterator[JournalEntry]:
    """Return the rows of one picture.

    Raises:
        NotUnderstoodError: when there are several pictures. The message lists them.
    """
    listed = list(islice(rows, MOST_LISTED))
    if len(listed) < 2:
        return iter(listed)
    num = len(listed) + sum(1 for _ in rows)
    lines = [f"{printable(str(row.place))}  (from {printable(str(row.source))})" for row in listed]
    lines += [f"and {num - len(listed):,} more"] if num > len(listed) else []
    raise NotUnderstoodError(
        "ambiguous-picture",
        "\n  ".join([f"{num:,} pictures are or were called '{printable(picture)}':", *lines])
        + "\ngive the present path of one, or add --last 1 for the newest",
    )
