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
    from collections import Counter

    from skysort.classifier.classifier import Classifier
    from skysort.errors import SkysortError
    from skysort.terminal import printable
    from skysort.work.sort import sort_pictures

    sorted_to: Counter[str] = Counter()
    num_staying = 0
    for outcome in sort_pictures(Classifier(classifier), folder, to, move=move):
        row = outcome.row
        if outcome.end == "done" and row.kind != "stay":
            sorted_to[row.label or ""] += 1
        else:
            num_staying += 1
            print(f"stays: {printable(str(row.source))}  ({printable(str(outcome.error or row.reason))})")
    for label, num in sorted_to.most_common():
        print(f"{num:>9,}  {printable(label)}")
    if num_staying:
        raise SkysortError(f"{num_staying:,} pictures stayed where they are; see above")
    if not sorted_to:
        print("nothing to do: no picture that was not sorted before")
