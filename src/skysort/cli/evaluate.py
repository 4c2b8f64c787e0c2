"""skysort evaluate: how good a classifier is."""

import sys
from pathlib import Path
from typing import Annotated

import typer

import skysort
from skysort.cli.options import DataDir, GroupBy, LabelBy, MovedTo, Quiet
from skysort.cli.progress import progress_on_stderr
from skysort.cli.show import show_metrics


def evaluate(
    classifier: Annotated[Path, typer.Argument(help="A run, its classifier folder, or a copy of that.")],
    data: Annotated[
        str | None, typer.Argument(help="Other pictures, as for train.  [default: the run's own]")
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="Folder for metrics.json, predictions.csv and report.html.")
    ] = None,
    group_by: GroupBy = None,
    label_by: LabelBy = None,
    moved_to: MovedTo = None,
    data_dir: DataDir = None,
    quiet: Quiet = False,
) -> None:
    """Measure a classifier on its run's pictures, or on others."""
    metrics = skysort.evaluate(
        classifier,
        data,
        output=output,
        group_by=group_by,
        label_by=label_by,
        moved_to=moved_to,
        data_dir=data_dir,
        progress=progress_on_stderr(quiet=quiet),
    )
    show_metrics(metrics, sys.stdout)
