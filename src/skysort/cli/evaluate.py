"""skysort evaluate: the figures of a classifier, measured."""

import sys
from pathlib import Path
from typing import Annotated

import typer

import skysort
from skysort.cli.options import ClassifierFolder, DataDir, GroupBy, LabelBy, MovedTo, Quiet
from skysort.cli.progress import progress_on_stderr
from skysort.cli.show import show_metrics

EXAMPLES = """\
skysort evaluate runs/photos-swift
skysort evaluate runs/photos-swift photos-of-may/ --output measured
"""


def evaluate(
    classifier: ClassifierFolder,
    data: Annotated[
        str | None,
        typer.Argument(
            help="Other pictures to measure on: a built-in data set, a folder, an archive or a .csv file.",
            show_default="those of the run",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            help="Folder to write metrics.json, predictions.csv and report.html to, for pictures other than the"
            " run's."
        ),
    ] = None,
    group_by: GroupBy = None,
    label_by: LabelBy = None,
    moved_to: MovedTo = None,
    data_dir: DataDir = None,
    quiet: Quiet = False,
) -> None:
    """Measure a classifier on the pictures of its run, or on others."""
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
