"""skysort studio: pages in a browser, for people who would rather not type."""

from pathlib import Path
from typing import Annotated

import typer

from skysort.core.log import log_to_stderr

EXAMPLES = """\
skysort studio --runs runs --aside aside
skysort studio --no-browser --port 8766
"""


def studio(
    runs: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Folder of runs, e.g. runs, whose classifiers you can try.")
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
    """Open pages on which you review a watcher's pictures and try classifiers, until stopped.

    Only this computer reaches the pages, by the address with the token that the command logs.
    """
    from skysort.web.open_studio import open_studio

    log_to_stderr("text")
    open_studio(runs, aside, port, browser=browser)
