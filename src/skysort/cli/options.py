"""Options that several verbs share."""

from pathlib import Path
from typing import Annotated

import typer

GroupBy = Annotated[
    str | None,
    typer.Option(metavar="REGEX", help="Keep pictures together whose paths have the same match, as one visit's."),
]
DataDir = Annotated[Path | None, typer.Option(help="Where named data is.  [default: $SKYSORT_DATA]")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="FIELD=VALUE", help="Override a field of the recipes."),
]
Seeds = Annotated[int, typer.Option(min=1, help="Runs of each recipe.")]
