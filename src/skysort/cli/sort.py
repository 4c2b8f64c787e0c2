"""skysort sort: pictures copied or moved into one subfolder per class."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import skysort
from skysort.cli.options import ClassifierFolder, UnsureBelow
from skysort.core.errors import SkysortError
from skysort.core.log import as_text
from skysort.core.text import counted, printable

if TYPE_CHECKING:
    from skysort.work.moves import MoveResult


EXAMPLES = """\
skysort sort runs/photos-swift holiday/ --to sorted
skysort sort runs/photos-swift holiday/ --to sorted --move --unsure-below 0.8
"""


def sort(
    classifier: ClassifierFolder,
    folder: Annotated[Path, typer.Argument(help="Folder of pictures, at any depth.")],
    to: Annotated[
        Path, typer.Option(help="Folder to make the subfolders in. The journal of all moves is written beside it.")
    ],
    move: Annotated[bool, typer.Option("--move", help="Move the pictures instead of copying them.")] = False,
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
        print("           To sort these again, choose another --to. To redo what was undone:")
        print(f"           skysort undo {here} --redo --all")
    for remark in result.passed.remarks():
        print(printable(remark))
    if result.sorted_to:
        print("lowest confidence:")
        for outcome in result.least_sure:
            row = outcome.row
            print(f"    {max(row.probabilities):.3f}  {printable(row.label or '')}  {printable(str(row.place))}")
        print(f"to list the moves: skysort journal {here}")
        print(f"to undo it: skysort undo {here} --all, or --picture NAME")
    if result.staying:
        raise SkysortError("some-not-moved", f"{counted(result.staying, 'picture')} stayed in place; see above")
    if not result.sorted_to and not result.as_before:
        print("nothing to do: no pictures found")


def _print_staying(outcome: "MoveResult") -> None:
    """Print a picture that stays in place, and the reason, at once."""
    row = outcome.row
    if row.done or (outcome.end == "done" and row.kind != "stay"):
        return
    reason = row.reason
    if outcome.error:
        done = {"move": f"moved to {row.place}", "copy": f"copied to {row.place}"}
        reason = f"cannot be {done.get(row.kind, 'read or classified')}: {as_text(outcome.error)}"
    print(f"stays: {printable(str(row.source))}  ({printable(reason)})")
