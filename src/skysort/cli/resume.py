"""skysort resume: an interrupted run, continued."""

import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Annotated

import typer

import skysort
from skysort.cli.options import DataDir, MovedTo, Quiet
from skysort.cli.progress import progress_on_stderr
from skysort.cli.show import show_run
from skysort.core.environment import configure_process


def resume(
    run: Annotated[Path, typer.Argument(help="Folder of the run.")],
    moved_to: MovedTo = None,
    data_dir: DataDir = None,
    quiet: Quiet = False,
) -> None:
    """Continue an interrupted run. It ends with the same bits as a run that was never interrupted."""
    configure_process(training=True)
    progress = progress_on_stderr(quiet=quiet)
    with redirect_stdout(sys.stderr):  # what your own network prints is no part of the figures
        finished = skysort.resume(run, moved_to=moved_to, data_dir=data_dir, progress=progress)
    show_run(finished, sys.stdout)
