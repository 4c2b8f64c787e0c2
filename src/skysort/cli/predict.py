"""skysort predict: pictures labelled, one row per file."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

import skysort
from skysort.cli.options import ClassifierFolder, Raw
from skysort.core.errors import NotUnderstoodError, SkysortError

EXAMPLES = """\
skysort predict runs/photos-swift holiday/ --output answers.csv
find holiday -name '*.jpg' -print0 | skysort predict runs/photos-swift - -0
"""


class PredictionFormat(StrEnum):
    """Format of the predictions."""

    table = "table"
    csv = "csv"
    json = "json"
    megadetector = "megadetector"


Paths = Annotated[
    list[Path] | None,
    typer.Argument(
        help="Image files, folders (at any depth), zip or tar archives, or - for a list of paths on standard"
        " input."
    ),
]
PathsFrom = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="File with one path per line, e.g. list.txt, or - for standard input."),
]
Nul = Annotated[
    bool, typer.Option("--null", "-0", help="Expect NUL after each path of a list, as find -print0 writes it.")
]
ChosenFormat = Annotated[
    PredictionFormat | None,
    typer.Option(
        "--format", help="Format of the predictions.", show_default="by the ending of --output, else table"
    ),
]
Output = Annotated[
    Path | None,
    typer.Option(help="File to write, e.g. answers.csv, .json or .txt (a table). It appears whole or not at all."),
]
DecisionName = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Decision that says what to do with each picture, e.g. keep-bird (skysort decide makes one).",
    ),
]
Explain = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        help="Folder, e.g. maps, for one image per picture that shows where the evidence for its label lies."
        " It needs a classifier of the recipe photos or swift.",
    ),
]


def predict(
    classifier: ClassifierFolder,
    paths: Paths = None,
    paths_from: PathsFrom = None,
    nul: Nul = False,
    form: ChosenFormat = None,
    output: Output = None,
    decision: DecisionName = None,
    explain: Explain = None,
    raw: Raw = False,
) -> None:
    """Label pictures: one row per file, in the order of the arguments. Exits with 1 if any could not be read."""
    if decision and form is PredictionFormat.megadetector:
        raise NotUnderstoodError(
            "options-conflict", "MegaDetector's format has no field for an action; use csv or json with --decision"
        )
    form = _format_for(output, form)
    if raw and form is not PredictionFormat.csv:
        raise NotUnderstoodError("options-conflict", "--raw needs --format csv")
    if output and output.exists() and not output.resolve().is_file():
        raise SkysortError(
            "output-taken", f"{output} is not a regular file; leave out --output to print the predictions"
        )
    from skysort.cli.lists import all_paths  # these load NumPy and Pillow, which the help does not need
    from skysort.cli.predictions import print_predictions

    loaded = skysort.load(classifier)
    applied = loaded.decision(decision) if decision else None
    pictures = all_paths(paths or (), paths_from, nul=nul)
    print_predictions(loaded, pictures, output, form.value, applied, explain, raw=raw)


def _format_for(output: Path | None, chosen: PredictionFormat | None) -> PredictionFormat:
    """Return the format that a person chose, else the one of the output's ending.

    Raises:
        NotUnderstoodError: when the two differ, or no format has the ending.
    """
    ending = output.suffix.lower() if output else ""
    any_format = (PredictionFormat.table, *PredictionFormat)
    formats = {
        ".csv": (PredictionFormat.csv,),
        ".json": (PredictionFormat.json, PredictionFormat.megadetector),
        ".txt": any_format,
        "": any_format,
    }
    if ending not in formats:
        raise NotUnderstoodError(
            "wrong-value", f"{output}: expected a file that ends in .csv, .json or .txt, got {ending}"
        )
    if chosen and chosen not in formats[ending]:
        raise NotUnderstoodError(
            "options-conflict", f"{output} ends in {ending}, which does not fit --format {chosen.value}"
        )
    return chosen or formats[ending][0]
