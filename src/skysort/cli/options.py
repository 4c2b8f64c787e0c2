"""Options that several verbs share."""

import json
from pathlib import Path
from typing import Annotated

import typer

GroupBy = Annotated[
    str | None,
    typer.Option(metavar="REGEX", help="Keep pictures together whose paths have the same match, as one visit's."),
]
LabelBy = Annotated[
    str | None,
    typer.Option(metavar="REGEX", help="Read labels from the pictures' paths, as '(cat|dog)_' in cat_17.jpg."),
]
DataDir = Annotated[Path | None, typer.Option(help="Where named data is.  [default: $SKYSORT_DATA]")]
MovedTo = Annotated[
    list[str] | None,
    typer.Option("--data", metavar="PATH", help="Where the run's pictures are now, if they have moved."),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="FIELD=VALUE", help="Override a field of the recipes."),
]
Raw = Annotated[
    bool,
    typer.Option(
        "--raw",
        help="With csv: put no apostrophe before cells that begin with = + - @, as formulas do.",
    ),
]
UnsureBelow = Annotated[
    float | None,
    typer.Option(
        min=0, max=1, metavar="CONFIDENCE",
        help="Leave every picture below this confidence, such as 0.8, for a person to look at. This does not limit"
        " the number of wrong labels.",
    ),
]  # fmt: skip
Seeds = Annotated[int, typer.Option(min=1, help="Runs of each recipe.")]


def class_typed(name: str) -> str:
    """Return a class as its name is written everywhere: keyboards and file lists spell accents in two ways."""
    from skysort.data.listing import class_name

    return class_name(name)


def with_patterns(settings: list[str] | None, *, group_by: str | None, label_by: str | None) -> list[str]:
    """Return settings with those that `--group-by` and `--label-by` stand for."""
    patterns = {"group_by": group_by, "label_by": label_by}
    # As JSON they are TOML, too, whatever is in them.
    by_path = [
        f"pictures.{name}={json.dumps(text, ensure_ascii=False)}" for name, text in patterns.items() if text
    ]
    return [*(settings or []), *by_path]
