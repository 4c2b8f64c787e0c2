"""skysort undo: pictures back to where they were."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from skysort.cli.journal import Since


def undo(
    folder: Annotated[Path, typer.Argument(help="The folder that pictures were put into.")],
    last: Annotated[int | None, typer.Option(min=1, help="The last so many that are not taken back yet.")] = None,
    picture: Annotated[
        str | None, typer.Option(metavar="NAME", help="The picture of this name or path, before or since.")
    ] = None,
    since: Since = None,
    everything: Annotated[bool, typer.Option("--all", help="All.")] = False,
    redo: Annotated[bool, typer.Option("--redo", help="Take back what was undone instead.")] = False,
    label: Annotated[
        str | None, typer.Option(metavar="CLASS", help="What they are, to be remembered.  [default: what is left]")
    ] = None,
) -> None:
    """Put pictures back where they were, newest first. Exit code 1 if any could not be."""
    from skysort.cli.journal import seconds_of
    from skysort.errors import NotUnderstoodError, SkysortError
    from skysort.terminal import printable
    from skysort.work.history import absolute_picture
    from skysort.work.journal import Journal
    from skysort.work.undo import take_back

    if everything == bool(last or picture or since):
        raise NotUnderstoodError("say what to take back: --last N, --picture NAME, --since TIME, or --all")
    if redo and label:
        raise NotUnderstoodError("--label is for taking back what the classifier did; it goes without --redo")
    sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape")  # type: ignore[union-attr]
    num = num_failed = 0
    with Journal(folder) as journal:
        rows = journal.rows(
            since=seconds_of(since), picture=absolute_picture(picture), last=last,
            takeable="undos" if redo else "moves",
        )  # fmt: skip
        for taken in take_back(journal, rows, "redo" if redo else "undo", label):
            row = taken.row
            if taken.problem:
                num_failed += 1
                print(f"not taken back: {printable(str(row.source))}  ({printable(taken.problem)})")
            else:
                num += 1
                remembered = f"  (remembered as {printable(taken.correction)})" if taken.correction else ""
                print(f"{printable(str(row.place))} -> {printable(str(row.source))}{remembered}")
    if num_failed:
        raise SkysortError(f"{num_failed:,} of {num + num_failed:,} pictures could not be taken back; see above")
    if not num:
        raise SkysortError("there is nothing to take back that fits")
