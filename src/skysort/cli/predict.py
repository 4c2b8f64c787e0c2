"""skysort predict: what is on these pictures."""

import sys
from enum import StrEnum
from itertools import chain
from pathlib import Path
from typing import Annotated

import typer

from skysort.classifier.classifier import Classifier
from skysort.cli.lists import all_paths
from skysort.cli.options import Raw
from skysort.core.errors import NotUnderstoodError, SkysortError
from skysort.core.files import whole_file
from skysort.core.text import counted, printable
from skysort.data.listing import is_image_name
from skysort.data.sources.base import SkippedFiles
from skysort.work.predict import write_predictions

MOST_NAMED = 10


class PredictionFormat(StrEnum):
    """How predictions are written."""

    table = "table"
    csv = "csv"
    json = "json"
    megadetector = "megadetector"


def predict(
    classifier: Annotated[Path, typer.Argument(help="A run, its classifier folder, or a copy of that.")],
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Image files, folders (at any depth), zip or tar archives; - for a list of such on stdin."
        ),
    ] = None,
    paths_from: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Read paths from a file, one per line; - for standard input."),
    ] = None,
    nul: Annotated[
        bool, typer.Option("--null", "-0", help="Expect NUL after each path of a list, as find -print0 writes.")
    ] = False,
    form: Annotated[
        PredictionFormat | None,
        typer.Option("--format", help="How to write them.  [default: by --output's ending, else table]"),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="Write to a file, whole or not at all: .csv, .json, or .txt for the table.")
    ] = None,
    decision: Annotated[
        str | None, typer.Option(metavar="NAME", help="Say what to do with each picture (skysort decide).")
    ] = None,
    raw: Raw = False,
) -> None:
    """Label pictures: one row per file, in the order given. Exits with 1 if any could not be read."""
    if decision and form is PredictionFormat.megadetector:
        raise NotUnderstoodError(
            "options-conflict",
            "MegaDetector's format has no place for what to do; use csv or json with --decision",
        )
    form = _form_of(output, form)
    if raw and form is not PredictionFormat.csv:
        raise NotUnderstoodError("options-conflict", "--raw goes with --format csv")
    if output and output.exists() and not output.resolve().is_file():
        raise SkysortError(
            "output-taken", f"{output} is no file to write to; without --output, predictions go to standard output"
        )
    loaded = Classifier(classifier)
    chosen = loaded.decision(decision) if decision else None
    asked = all_paths(paths or (), paths_from, nul=nul)
    if output:
        _check_spares(output, asked, loaded.folder)
    passed = SkippedFiles()
    predictions = loaded.stream(asked, passed)
    first = next(predictions, None)  # nothing is written before there is a picture
    if first is None:
        _print_passed_over(passed)
        more = f" and {len(asked) - MOST_NAMED:,} more" if len(asked) > MOST_NAMED else ""
        raise SkysortError("no-pictures", f"no pictures under {', '.join(map(str, asked[:MOST_NAMED]))}{more}")
    rows = chain([first], predictions)
    if output:
        with whole_file(output.resolve(), newline="") as file:
            num, num_unreadable = write_predictions(rows, loaded.classes, file, form.value, chosen, raw=raw)
    else:
        sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape", newline="")  # type: ignore[union-attr]
        num, num_unreadable = write_predictions(rows, loaded.classes, sys.stdout, form.value, chosen, raw=raw)
        sys.stdout.flush()
    _print_passed_over(passed)
    if num_unreadable:
        say = "its row says why" if num_unreadable == 1 else "their rows say why"
        raise SkysortError(
            "unreadable-pictures", f"{num_unreadable:,} of {counted(num, 'picture')} could not be read; {say}"
        )


def _print_passed_over(passed: SkippedFiles) -> None:
    for remark in passed.remarks():
        print(printable(remark), file=sys.stderr)


def _form_of(output: Path | None, asked: PredictionFormat | None) -> PredictionFormat:
    """Return the form asked for, or that of the output's ending.

    Raises:
        NotUnderstoodError: when the two differ, or nothing that is written here has the ending.
    """
    ending = output.suffix.lower() if output else ""
    as_text = (PredictionFormat.table, *PredictionFormat)
    forms = {
        ".csv": (PredictionFormat.csv,),
        ".json": (PredictionFormat.json, PredictionFormat.megadetector),
        ".txt": as_text,
        "": as_text,
    }
    if ending not in forms:
        raise NotUnderstoodError(
            "wrong-value",
            f"{output}: predictions are written as .csv, which spreadsheets open, .json or .txt, not as {ending}",
        )
    if asked and asked not in forms[ending]:
        raise NotUnderstoodError(
            "options-conflict", f"{output} would be {ending[1:]} by its ending, and --format says {asked.value}"
        )
    return asked or forms[ending][0]


def _check_spares(output: Path, paths: list[Path], classifier: Path) -> None:
    """Make sure that writing predictions replaces none of the pictures, and nothing of the classifier."""
    target = output.resolve()
    if target.is_relative_to(classifier.resolve()):
        raise SkysortError("output-taken", f"{output} would be a part of the classifier; choose another --output")
    if target.exists() and (is_image_name(target.name) or target in [path.resolve() for path in paths]):
        raise SkysortError("output-taken", f"{output} is a picture, which would be lost; choose another --output")
