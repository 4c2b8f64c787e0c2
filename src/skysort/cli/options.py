"""Arguments and options that several verbs share."""

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from skysort.cli.help import PICTURES, RULES, TRAINING


class RunFormat(StrEnum):
    """Format of a run's progress and figures."""

    text = "text"
    json = "json"


PICTURES_HELP = (
    "Pictures: a built-in data set (skysort datasets), a folder or archive with one folder per class, or a .csv."
)
ClassifierFolder = Annotated[
    Path, typer.Argument(help="Folder of a run, its classifier folder, or a copy of that, e.g. runs/skies-swift.")
]
SortedFolder = Annotated[
    Path,
    typer.Argument(help="Folder that pictures were moved or copied into: the --aside of watch, the --to of sort."),
]
GroupBy = Annotated[
    str | None,
    typer.Option(
        metavar="REGEX",
        help="Keep pictures in one split when a regular expression finds the same text in their paths, e.g."
        " 'visit[0-9]+'.",
        rich_help_panel=PICTURES,
    ),
]
LabelBy = Annotated[
    str | None,
    typer.Option(
        metavar="REGEX",
        help="Read the label from the path with a regular expression, e.g. '(cat|dog)_' for cat_17.jpg.",
        rich_help_panel=PICTURES,
    ),
]
DataDir = Annotated[
    Path | None,
    typer.Option(
        help="Folder of the built-in data sets.",
        show_default="$SKYSORT_DATA, else the cache folder",
        rich_help_panel=PICTURES,
    ),
]
MovedTo = Annotated[
    list[str] | None,
    typer.Option(
        "--data",
        metavar="PATH",
        help="New place of the run's pictures, if they have moved. Repeat it if the run has several sources.",
        rich_help_panel=PICTURES,
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Hide progress and advice; errors stay.")]
Format = Annotated[
    RunFormat,
    typer.Option("--format", help="Format of progress and figures: text for people, json for programs."),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="FIELD=VALUE",
        help="Override a field of the recipe, e.g. training.epochs=3 (skysort fields lists them). Repeatable.",
        rich_help_panel=TRAINING,
    ),
]
Raw = Annotated[
    bool,
    typer.Option(
        "--raw",
        help="Write CSV cells unchanged. Otherwise an apostrophe precedes cells that a spreadsheet would take for"
        " a formula, which begin with = + - @.",
    ),
]
UnsureBelow = Annotated[
    float | None,
    typer.Option(
        min=0,
        max=1,
        metavar="CONFIDENCE",
        help="Leave pictures below this confidence, e.g. 0.8, for a person. This does not limit the number of"
        " wrong labels.",
        rich_help_panel=RULES,
    ),
]
Seeds = Annotated[
    int, typer.Option(min=1, metavar="NUMBER", help="Number of runs per recipe.", rich_help_panel=TRAINING)
]


def class_typed(name: str) -> str:
    """Return the name of a class in one Unicode form: keyboards and file systems write accents in two."""
    from skysort.data.listing import class_name

    return class_name(name)


def with_patterns(settings: list[str] | None, *, group_by: str | None, label_by: str | None) -> list[str]:
    """Return settings, with `--group-by` and `--label-by` added as settings."""
    patterns = {"group_by": group_by, "label_by": label_by}
    # A JSON string is a valid TOML string.
    by_path = [
        f"pictures.{name}={json.dumps(text, ensure_ascii=False)}" for name, text in patterns.items() if text
    ]
    return [*(settings or []), *by_path]
