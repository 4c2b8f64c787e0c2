"""skysort improve: a classifier that learns from corrections, compared with the one before."""

import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Annotated

import typer

import skysort
from skysort.cli.help import RUN
from skysort.cli.options import DataDir, MovedTo, Quiet
from skysort.cli.progress import progress_on_stderr
from skysort.core.environment import configure_process

EXAMPLES = """\
skysort improve runs/cam --from aside --run runs/cam2
skysort improve runs/cam2 --from aside --run runs/cam3 --data /mnt/photos
"""


def improve(
    run: Annotated[Path, typer.Argument(help="Folder of the run to improve, which stays as it is.")],
    aside: Annotated[
        Path,
        typer.Option(
            "--from",
            metavar="FOLDER",
            help="Folder whose journal has the answers, e.g. aside: one that watch or sort filled.",
        ),
    ],
    new_run: Annotated[
        Path,
        typer.Option("--run", help="Folder to write the improved run to, e.g. runs/cam2.", rich_help_panel=RUN),
    ],
    moved_to: MovedTo = None,
    data_dir: DataDir = None,
    quiet: Quiet = False,
) -> None:
    """Learn from corrections, make the decisions anew on audited pictures, and say whether to switch.

    The watcher goes on with the old run until you start it with the new one.
    """
    from skysort.runs.improvement_text import improvement_text

    configure_process(training=True)
    progress = progress_on_stderr(quiet=quiet)
    with redirect_stdout(sys.stderr):  # a network of your own may print
        improved = skysort.improve(run, aside, new_run, moved_to=moved_to, data_dir=data_dir, progress=progress)
    assert improved.improvement  # it was just written
    print(improvement_text(improved.improvement, improved.path))
