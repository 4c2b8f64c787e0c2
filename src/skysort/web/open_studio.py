"""The studio as a process: started, opened in a browser, ended."""

import logging
import webbrowser
from pathlib import Path

from skysort.core.errors import NotUnderstoodError, require
from skysort.core.log import tell


def open_studio(runs: Path, aside: Path | None, port: int, *, browser: bool) -> None:
    """Serve the pages of the studio until SIGTERM or Ctrl-C.

    Args:
        runs: folder of runs, whose classifiers can be tried.
        aside: a watcher's folder, whose pictures can be reviewed; None for none.
        port: to listen at; 0 for any that is free.
        browser: whether to open the pages in the person's browser.

    Raises:
        NotUnderstoodError: when a folder does not exist or has no journal.
        SkysortError: when the journal is damaged, or the port is taken.
    """
    require("the studio", "web", "fastapi", "uvicorn", "python_multipart", "jinja2")
    if not runs.is_dir():
        raise NotUnderstoodError("path-not-found", f"{runs}: no such folder of runs")
    from skysort.web.review import Review  # these load FastAPI and NumPy
    from skysort.web.server import listen, serve
    from skysort.web.studio import studio
    from skysort.web.studio_door import CookieDoor
    from skysort.web.thumbnails import Thumbnails
    from skysort.web.trying import Trying

    thumbnails = Thumbnails()
    review = None if aside is None else Review(aside, thumbnails)
    with listen("127.0.0.1", port) as listening:
        port = listening.getsockname()[1]
        door = CookieDoor(port)
        url = f"http://127.0.0.1:{port}/?token="

        def started() -> None:
            tell(logging.INFO, "studio", url=url + door.token)
            if browser:
                webbrowser.open(url + door.token_for_once())

        serve(studio(review, Trying(runs), thumbnails, port, door), listening, started)
    tell(logging.INFO, "ended")
