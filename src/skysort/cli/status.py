"""skysort status: how a watcher stands."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from skysort.work.status import status_of


class StatusFormat(StrEnum):
    """How the status is written."""

    text = "text"
    json = "json"


def status(
    aside: Annotated[Path, typer.Argument(help="The folder that a watcher was given as --aside.")],
    form: Annotated[
        StatusFormat, typer.Option("--format", help="Text for people, json for programs.")
    ] = StatusFormat.text,
) -> None:
    """Show whether a watcher is running. Exits with 1 if it has ended, is stale or reports a problem."""
    found = status_of(aside)
    print(found.as_json() if form is StatusFormat.json else found.as_text())
    if found.problems:
        raise typer.Exit(1)
