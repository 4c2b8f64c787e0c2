"""skysort status: whether a watcher is running, and its problems."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

EXAMPLES = """\
skysort status aside
skysort status aside --format json
"""


class StatusFormat(StrEnum):
    """Format of the status."""

    text = "text"
    json = "json"


def status(
    aside: Annotated[Path, typer.Argument(help="Folder that the watcher has as its --aside.")],
    form: Annotated[
        StatusFormat, typer.Option("--format", help="Format of the status: text for people, json for programs.")
    ] = StatusFormat.text,
) -> None:
    """Show whether a watcher is running. Exits with 1 if it has ended, is stale or reports a problem."""
    from skysort.work.status import status_of  # loads NumPy and Pillow, which the help does not need

    watcher = status_of(aside)
    print(watcher.as_json() if form is StatusFormat.json else watcher.as_text())
    if watcher.problems:
        raise typer.Exit(1)
