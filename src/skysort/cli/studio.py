"""skysort studio: pages in a browser, for people who would rather not type."""

from pathlib import Path
from typing import Annotated

import typer

from skysort.core.log import log_to_stderr

EXAMPLES = """\
skysort studio pictures --runs runs
skysort studio --aside aside --no-browser --port 8766
"""


def studio(
    pictures: Annotated[
        str | None, typer.Argument(help="Pictures to teach from: a folder with one folder per class.")
    ] = None,
    runs: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Folder of runs, e.g. runs: new ones go there.")
    ] = Path("runs"),
    aside: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Folder that a watcher has as its --aside, to review its pictures."),
    ] = None,
    port: Annotated[
        int,
        typer.Option(min=0, max=65535, metavar="NUMBER", help="Port to listen at, e.g. 8766; 0 takes a free one."),
    ] = 8765,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open the pages in your browser.")
    ] = True,
) -> None:
    """Open pages on which you teach and try classifiers and review a watcher's pictures, until stopped.

    Only this computer reaches the pages, by the address with the token that the command logs.
    """
    from skysort.web.open_studio import open_studio

    log_to_stderr("text")
    open_studio(pictures, runs, aside, port, browser=browser)
