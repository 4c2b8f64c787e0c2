"""skysort lessons: the tutorials as pages to read and to play with."""

import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from skysort.cli.options import DataDir, Quiet
from skysort.cli.progress import progress_on_stderr
from skysort.core.cache import cache_folder
from skysort.core.errors import require

EXAMPLES = """\
skysort lessons
skysort lessons --output site
"""


def lessons(
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="Folder to write the pages to, e.g. site, instead of opening them in a browser."
        ),
    ] = None,
    data_dir: DataDir = None,
    quiet: Quiet = False,
) -> None:
    """Make pages that show how a network learns from pictures, and open them in your browser.

    The program computes every figure. The pages work without a network, from a disk or from any web server. They
    show CIFAR-10's photographs if these are in the data folder, else pictures that the program draws.
    """
    require("the lessons", "train", "torch", "jinja2")
    from skysort.lessons.book import write_lessons  # loads PyTorch

    folder = output or cache_folder() / "lessons"
    first = write_lessons(folder, data_dir, progress_on_stderr(quiet=quiet))
    print(first)
    if output is None:
        webbrowser.open(first.absolute().as_uri())
