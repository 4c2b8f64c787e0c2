"""skysort resume: an interrupted run, continued to its end."""

import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Annotated

import typer

import skysort
from skysort.cli.options import DataDir, Format, MovedTo, Quiet, RunFormat
from skysort.cli.progress import progress_on_stderr
from skysort.cli.show import print_run
from skysort.core.environment import configure_process
from skysort.report.chart_process import charts_drawn_beside
from skysort.runs.improvement_text import improvement_text

EXAMPLES = """\
skysort resume runs/photos-swift
skysort resume runs/photos-swift --data /mnt/photos
"""


def resume(
    run: Annotated[Path, typer.Argument(help="Folder of the run to continue.")],
    moved_to: MovedTo = None,
    data_dir: DataDir = None,
    form: Format = RunFormat.text,
    quiet: Quiet = False,
) -> None:
    """Continue an interrupted run. Without --budget, it ends with the same bits as one never interrupted."""
    configure_process(training=True)
    progress = progress_on_stderr(quiet=quiet, as_json=form is RunFormat.json)
    with charts_drawn_beside(), redirect_stdout(sys.stderr):  # a network of your own may print
        finished = skysort.resume(run, moved_to=moved_to, data_dir=data_dir, progress=progress)
    print_run(finished, form)
    if finished.improvement and form is RunFormat.text:
        print(improvement_text(finished.improvement, finished.path))
