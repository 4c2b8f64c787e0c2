"""skysort sort: a folder of pictures into one subfolder per class."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import skysort
from skysort.cli.options import UnsureBelow
from skysort.core.errors import SkysortError
from skysort.core.log import as_text
from skysort.core.text import counted, printable

if TYPE_CHECKING:
    from skysort.work.moves import MoveResult


def sort(
    classifier: Annotated[Path, typer.Argument(help="A run, its classifier folder, or a copy of that.")],
    folder: Annotated[Path, typer.Argument(help="Pictures, at any depth.")],
    to: Annotated[Path, typer.Option(help="Where the subfolders are made. The journal is beside it.")],
    move: Annotated[bool, typer.Option("--move", help="Move pictures; else they are copied.")] = False,
    unsure_below: UnsureBelow = None,
) -> None:
    """Sort pictures into one subfolder per class. Exits with 1 if any picture stayed because it got no class."""
    result = skysort.sort(classifier, folder, to, move=move, unsure_below=unsure_below, on_result=_print_staying)
    for label, num in result.sorted_to.most_common():
        print(f"{num:>9,}  {printable(label)}")
    here = printable(shlex.quote(str(to)))
    if result.as_before:
        num = result.as_before
        print(f"{num:>9,}  already copied or undone, according to the journal of {printable(str(to))}")
        print("           to sort these again, take another folder for --to; what was taken back comes again with")
        print(f"           skysort undo {here} --redo --all")
    for remark in result.passed.remarks():
        print(printable(remark))
    if result.sorted_to:
        print("least sure of:")
        for outcome in result.least_sure:
            row = outcome.row
            print(f"    {max(row.probabilities):.3f}  {printable(row.label or '')}  {printable(str(row.place))}")
        print(f"what was done: skysort journal {here}")
        print(f"to take it back: skysort undo {here} --all, or --picture NAME")
    if result.staying:
        raise SkysortError("some-not-moved", f"{counted(result.staying, 'picture')} stayed in place; see above")
    if not result.sorted_to and not result.as_before:
        print("nothing to do: there is no picture")


def _print_staying(outcome: "MoveResult") -> None:
    """Print a picture that stays, and why, as soon as that is known."""
    row = outcome.row
    if row.done or (outcome.end == "done" and row.kind != "stay"):
        return
    why = row.reason
    if outcome.error:
        done = {"move": f"moved to {row.place}", "copy": f"copied to {row.place}"}
        why = f"cannot be {done.get(row.kind, 'read or classified')}: {as_text(outcome.error)}"
    print(f"stays: {printable(str(row.source))}  ({printable(why)})")
