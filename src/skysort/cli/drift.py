"""skysort drift: whether the pictures that a watcher sorts are like its first ones, without answers."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from skysort.core.errors import require

EXAMPLES = """\
skysort drift aside
skysort drift aside --output drift.html
"""


class DriftFormat(StrEnum):
    """Format of the report."""

    text = "text"
    json = "json"


def drift(
    folder: Annotated[Path, typer.Argument(help="Folder that the watcher has as its --aside.")],
    reference: Annotated[
        int, typer.Option(metavar="NUMBER", help="Number of first pictures to compare the others with, e.g. 200.")
    ] = 500,
    since: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Time from which on pictures count, e.g. 2026-11-20, after you looked and all was well.",
        ),
    ] = None,
    check: Annotated[
        bool,
        typer.Option("--check", help="Exit with 1 if there is something to look at, for monitors and cron."),
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Page to write, with thumbnails of the pictures to look at, e.g. drift.html."
        ),
    ] = None,
    form: Annotated[
        DriftFormat, typer.Option("--format", help="Format of the report: text for people, json for programs.")
    ] = DriftFormat.text,
) -> None:
    """Show whether a watcher's pictures are still like its first ones, and which faults the camera has.

    It needs no answers, and it never says that a promise is broken: skysort audit does.
    """
    from skysort.cli.journal import seconds_of
    from skysort.runs.drift import drift_folder
    from skysort.runs.drift_text import as_json, as_text

    if output is not None:
        require("a page with a chart", "photos", "jinja2", "matplotlib")
    sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape")  # type: ignore[union-attr]
    report = drift_folder(folder, reference=reference, since=seconds_of(since))
    if output is not None:
        from skysort.runs.drift_page import write_page_of

        write_page_of(report, output)
    print(as_json(report) if form is DriftFormat.json else as_text(report))
    if check and report.says_look:
        raise typer.Exit(1)
