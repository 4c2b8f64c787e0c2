"""skysort sort: a folder of pictures into one subfolder per class."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from skysort.cli.options import UnsureBelow

if TYPE_CHECKING:
    from skysort.work.journal_entries import JournalEntry

LEAST_SURE = 5


def sort(
    classifier: Annotated[Path, typer.Argument(help="A run, its classifier folder, or a copy of that.")],
    folder: Annotated[Path, typer.Argument(help="Pictures, at any depth.")],
    to: Annotated[Path, typer.Option(help="Where the subfolders are made. The journal is beside it.")],
    move: Annotated[bool, typer.Option("--move", help="Move pictures; else they are copied.")] = False,
    unsure_below: UnsureBelow = None,
) -> None:
    """Sort pictures into one subfolder per class. Exits with 1 if any picture stayed because it got no class."""
    import shlex
    from collections import Counter
    from heapq import nsmallest

    from skysort.classifier.classifier import Classifier
    from skysort.core.errors import SkysortError
    from skysort.core.text import counted, printable
    from skysort.work.sort import UnsortedFiles, sort_pictures

    sorted_to: Counter[str] = Counter()
    unsure: list[tuple[float, str, str]] = []
    passed = UnsortedFiles()
    num_staying = num_as_before = 0
    outcomes = sort_pictures(
        Classifier(classifier), folder, to, move=move, unsure_below=unsure_below, passed=passed
    )
    for outcome in outcomes:
        row = outcome.row
        if row.done:
            num_as_before += 1
        elif outcome.end == "done" and row.kind != "stay":
            sorted_to["unsure" if row.action == "look" else row.label or ""] += 1
            unsure = nsmallest(LEAST_SURE, [*unsure, (max(row.probabilities), row.label or "", str(row.place))])
        else:
            num_staying += 1
            why = _why_not_done(row, outcome.error) if outcome.error else row.reason
            print(f"stays: {printable(str(row.source))}  ({printable(why)})")
    for label, num in sorted_to.most_common():
        print(f"{num:>9,}  {printable(label)}")
    here = printable(shlex.quote(str(to)))
    if num_as_before:
        print(f"{num_as_before:>9,}  already copied or undone, according to the journal of {printable(str(to))}")
        print("           to sort these again, take another folder for --to; what was taken back comes again with")
        print(f"           skysort undo {here} --redo --all")
    for remark in passed.remarks():
        print(printable(remark))
    if sorted_to:
        print("least sure of:")
        for confidence, label, place in unsure:
            print(f"    {confidence:.3f}  {printable(label)}  {printable(place)}")
        print(f"what was done: skysort journal {here}")
        print(f"to take it back: skysort undo {here} --all, or --picture NAME")
    if num_staying:
        raise SkysortError("some-not-moved", f"{counted(num_staying, 'picture')} stayed in place; see above")
    if not sorted_to and not num_as_before:
        print("nothing to do: there is no picture")


def _why_not_done(row: "JournalEntry", error: Exception) -> str:
    from skysort.work.status_file import as_text

    done = {"move": f"moved to {row.place}", "copy": f"copied to {row.place}"}.get(row.kind, "read or classified")
    return f"cannot be {done}: {as_text(error)}"
