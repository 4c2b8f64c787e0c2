"""skysort undo: pictures back to where they were."""

import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from skysort.cli.journal import Since, seconds_of
from skysort.cli.options import class_typed
from skysort.core.errors import NotUnderstoodError, SkysortError
from skysort.core.text import counted, printable
from skysort.work.journal import Journal, Takeable
from skysort.work.journal_entries import JournalEntry
from skysort.work.journal_export import absolute_picture
from skysort.work.moves import moving
from skysort.work.undo import UndoRequest, UndoResult, take_back

MOST_LISTED = 10


def undo(
    folder: Annotated[Path, typer.Argument(help="The folder that pictures were put into.")],
    last: Annotated[int | None, typer.Option(min=1, help="Undo the last N moves, such as 20.")] = None,
    picture: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="The picture of this name or path, before or since; with --last, if several are. Repeatable.",
        ),
    ] = None,
    since: Since = None,
    everything: Annotated[bool, typer.Option("--all", help="Undo every move.")] = False,
    redo: Annotated[bool, typer.Option("--redo", help="Take back what was undone instead.")] = False,
    label: Annotated[
        str | None,
        typer.Option(
            parser=class_typed,
            metavar="CLASS",
            help="True class, recorded as a correction.  [default: with --picture, the one class that is left]",
        ),
    ] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Send them on to the --keep-to of watch, not back to the inbox.")
    ] = False,
) -> None:
    """Put pictures back where they were, newest first. Exit code 1 if any could not be."""
    if everything == bool(last or picture or since):
        raise NotUnderstoodError(
            "options-conflict", "say what to take back: --last N, --picture NAME, --since TIME, or --all"
        )
    if redo and (label or keep):
        option = "--label" if label else "--keep"
        raise NotUnderstoodError(
            "options-conflict", f"{option} is for taking back what the classifier did; it goes without --redo"
        )
    sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape")  # type: ignore[union-attr]
    num = num_failed = 0
    with Journal(folder) as journal:
        _finish(journal)
        takeable: Takeable = "undos" if redo else "moves"
        if picture:
            rows = _of_pictures(journal, picture, seconds_of(since), last, takeable)
        else:
            rows = journal.rows(since=seconds_of(since), last=last, takeable=takeable)
        # Who picks pictures one by one says that they were sorted wrong; who rolls back a night says nothing.
        wish = UndoRequest("redo" if redo else "undo", bool(picture) and last is None and not redo, label, keep)
        for taken in take_back(journal, rows, wish):
            row = taken.row
            if taken.problem:
                num_failed += 1
                print(f"not taken back: {printable(str(row.source))}  ({printable(taken.problem)})")
            else:
                num += 1
                print(f"{printable(str(row.place))} -> {printable(str(taken.place))}{_notes(taken)}")
                if wish.is_correction and taken.correction is None:
                    print("  (no correction recorded; say what it is with --label CLASS)")
    if num_failed:
        raise SkysortError(
            "some-not-moved", f"{num_failed:,} of {num + num_failed:,} pictures could not be taken back; see above"
        )
    if not num:
        raise SkysortError("nothing-to-undo", "no move matches these options; skysort journal shows what was done")


def _finish(journal: Journal) -> None:
    """Bring what was interrupted to its end, so that it is taken back like the rest; tell what has none yet."""
    with moving(journal) as left:
        unfinished = [outcome for outcome in left if outcome.end is None]
    for outcome in unfinished[:MOST_LISTED]:
        where = f"{outcome.row.source} -> {outcome.row.place}"
        print(f"not finished yet: {printable(where)}  ({printable(str(outcome.error))})", file=sys.stderr)
    if unfinished:
        print(
            f"{counted(len(unfinished), 'move')} cannot be finished now, so they cannot be undone yet;"
            " the next watch, sort or undo finishes what it can", file=sys.stderr,
        )  # fmt: skip


def _notes(taken: UndoResult) -> str:
    """Return what to say behind a picture that was taken back."""
    notes = [f"remembered as {printable(taken.correction)}"] if taken.correction else []
    notes += [f"it has grown by {counted(taken.num_bytes_more, 'byte')}"] if taken.num_bytes_more else []
    return f"  ({'; '.join(notes)})" if notes else ""


def _of_pictures(
    journal: Journal, names: list[str], since: float | None, last: int | None, takeable: Takeable
) -> Iterator[JournalEntry]:
    """Return the rows of pictures with these names or paths, newest first.

    Raises:
        NotUnderstoodError: when several pictures have one name and `last` does not say how many; the message
            lists them.
        SkysortError: when there is none of a name.
    """
    found: dict[int, JournalEntry] = {}
    for name in names:
        rows = journal.rows(since=since, picture=absolute_picture(name), last=last, takeable=takeable)
        these = list(rows if last else _only_one(name, rows))
        if not these:
            raise SkysortError(
                "nothing-to-undo", f"there is nothing to take back that is or was called '{printable(name)}'"
            )
        found |= {row.id: row for row in these}
    return islice((found[number] for number in sorted(found, reverse=True)), last)


def _only_one(picture: str, rows: Iterator[JournalEntry]) -> Iterator[JournalEntry]:
    """Return rows if they are not of several pictures.

    Raises:
        NotUnderstoodError: when they are; the message lists them.
    """
    found = list(islice(rows, MOST_LISTED))
    if len(found) < 2:
        return iter(found)
    num = len(found) + sum(1 for _ in rows)
    lines = [f"{printable(str(row.place))}  (from {printable(str(row.source))})" for row in found]
    lines += [f"and {num - len(found):,} more"] if num > len(found) else []
    raise NotUnderstoodError(
        "ambiguous-picture",
        "\n  ".join([f"{num:,} pictures are or were called '{printable(picture)}':", *lines])
        + "\ngive the path where one is now, or take the last of them with --last",
    )
