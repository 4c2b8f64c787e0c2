"""skysort sort: a folder of pictures into a subfolder a class."""

from pathlib import Path
from typing import Annotated

import typer


def sort(
    classifier: Annotated[Path, typer.Argument(help="A run, its classifier folder, or a copy of that.")],
    folder: Annotated[Path, typer.Argument(help="Pictures, at any depth.")],
    to: Annotated[Path, typer.Option(help="Where the subfolders are made. The journal is beside it.")],
    move: Annotated[bool, typer.Option("--move", help="Move pictures; else they are copied.")] = False,
) -> None:
    """Sort pictures into a subfolder a class. Exit code 1 if any stayed because it got none."""
    import shlex
    from collections import Counter

    from skysort.classifier.classifier import Classifier
    from skysort.errors import SkysortError
    from skysort.terminal import printable
    from skysort.work.sort import sort_pictures

    sorted_to: Counter[str] = Counter()
    num_staying = num_as_before = 0
    for outcome in sort_pictures(Classifier(classifier), folder, to, move=move):
        row = outcome.row
        if row.done:
            num_as_before += 1
        elif outcome.end == "done" and row.kind != "stay":
            sorted_to[row.label or ""] += 1
        else:
            num_staying += 1
            print(f"stays: {printable(str(row.source))}  ({printable(str(outcome.error or row.reason))})")
    for label, num in sorted_to.most_common():
        print(f"{num:>9,}  {printable(label)}")
    if num_as_before:
        print(
            f"{num_as_before:>9,}  as the journal of {printable(str(to))} has them: copied before, or taken back"
        )
        print("           to sort these again, take another folder for --to; what was taken back comes again with")
        print(f"           skysort undo {printable(shlex.quote(str(to)))} --redo --all")
    if num_staying:
        raise SkysortError(f"{num_staying:,} pictures stayed where they are; see above")
    if not sorted_to and not num_as_before:
        print("nothing to do: there is no picture")
