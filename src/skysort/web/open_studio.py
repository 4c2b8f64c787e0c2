"""The studio as a process: started, opened in a browser, ended."""

import logging
import webbrowser
from pathlib import Path

from skysort.core.errors import NotUnderstoodError, require
from skysort.core.files import writing
from skysort.core.log import tell
from skysort.data.dataset import Data


def open_studio(pictures: str | None, runs: Path, aside: Path | None, port: int, *, browser: bool) -> None:
    """Serve the pages of the studio until SIGTERM or Ctrl-C.

    Args:
        pictures: to teach from, named as for `skysort train`; None for none.
        runs: folder of runs: new ones are written to it, and its classifiers can be tried. It is made if there
            are pictures.
        aside: a watcher's folder, whose pictures can be reviewed; None for none.
        port: to listen at; 0 for any that is free.
        browser: whether to open the pages in the person's browser.

    Raises:
        NotUnderstoodError: when the pictures or a folder does not exist or has no journal.
        SkysortError: when the journal is damaged, or the port is taken.
    """
    require("the studio", "web", "fastapi", "uvicorn", "python_multipart", "jinja2", "babel")
    if pictures is not None:
        Data.find(pictures)
        with writing(runs):
            runs.mkdir(parents=True, exist_ok=True)
    if not runs.is_dir():
        raise NotUnderstoodError("path-not-found", f"{runs}: no such folder of runs")
    from skysort.web.open_runs import OpenRuns  # these load FastAPI and NumPy
    from skysort.web.review import Review
    from skysort.web.server import listen, serve
    from skysort.web.studio import studio
    from skysort.web.studio_door import CookieDoor
    from skysort.web.teach import Teach
    from skysort.web.thumbnails import Thumbnails
    from skysort.web.trainings import Trainings
    from skysort.web.trust import Trust
    from skysort.web.trying import Trying

    thumbnails = Thumbnails()
    teach = Teach(pictures, Trainings(runs))
    review = None if aside is None else Review(aside, thumbnails)
    with listen("127.0.0.1", port) as listening:
        port = listening.getsockname()[1]
        door = CookieDoor(port)
        url = f"http://127.0.0.1:{port}/?token="

        def started() -> None:
            tell(logging.INFO, "studio", url=url + door.token)
            if browser:
                webbrowser.open(url + door.token_for_once())

        open_runs = OpenRuns(runs, thumbnails)
        app = studio(teach, review, Trying(open_runs), Trust(open_runs), thumbnails, port, door)
        serve(app, listening, started, teach.end)
    tell(logging.INFO, "ended")
