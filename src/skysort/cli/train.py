"""skysort train: from pictures to a classifier."""

import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Annotated

import typer

import skysort
from skysort.cli.help import PICTURES, RUN, TRAINING
from skysort.cli.options import (
    PICTURES_HELP,
    DataDir,
    Format,
    GroupBy,
    LabelBy,
    MovedTo,
    Quiet,
    RunFormat,
    Settings,
    with_patterns,
)
from skysort.cli.progress import progress_on_stderr
from skysort.cli.resume import resume as resume_run
from skysort.cli.show import print_run
from skysort.core.environment import configure_process
from skysort.core.errors import NotUnderstoodError
from skysort.report.chart_process import charts_drawn_beside

EXAMPLES = """\
skysort train photos/ --budget 10m
skysort train birds-vs-airplanes --recipe convnet --set training.epochs=20
"""
TrainingPictures = Annotated[
    list[str] | None,
    typer.Argument(help=f"{PICTURES_HELP} A picture in several of them has the label of the last."),
]
OodPictures = Annotated[
    str | None,
    typer.Option(
        metavar="DATA",
        help="Pictures of none of the classes, e.g. a folder. The classifier learns to answer 'unknown', and these"
        " show how often it does.",
        rich_help_panel=PICTURES,
    ),
]
RecipeName = Annotated[
    str | None,
    typer.Option(
        metavar="RECIPE|FILE.py:Class",
        help="Recipe to train, by name (skysort recipes) or as a .toml file, or a network of your own, e.g."
        " net.py:Net, which runs that file.",
        show_default="photos for photographs, else swift",
        rich_help_panel=TRAINING,
    ),
]
Budget = Annotated[
    str | None,
    typer.Option(
        metavar="TIME",
        help="Total time the command may take, e.g. 60s, 10m or 1h. Sets the number of epochs and the width of"
        " swift.",
        rich_help_panel=TRAINING,
    ),
]
Device = Annotated[
    str | None,
    typer.Option(
        help="Device to train on: auto, cpu, cuda or mps.", show_default="auto", rich_help_panel=TRAINING
    ),
]
Threads = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="NUMBER",
        help="Number of CPU threads.",
        show_default="one per core",
        rich_help_panel=TRAINING,
    ),
]
RunFolder = Annotated[
    Path | None,
    typer.Option(
        help="Folder to write the run to, e.g. runs/photos.",
        show_default="a new one below runs/",
        rich_help_panel=RUN,
    ),
]
ResumedRun = Annotated[
    Path | None,
    typer.Option(
        metavar="RUN",
        help="Continue the interrupted run in this folder, as skysort resume does.",
        rich_help_panel=RUN,
    ),
]


def train(
    data: TrainingPictures = None,
    recipe: RecipeName = None,
    settings: Settings = None,
    budget: Budget = None,
    device: Device = None,
    threads: Threads = None,
    group_by: GroupBy = None,
    label_by: LabelBy = None,
    ood: OodPictures = None,
    data_dir: DataDir = None,
    moved_to: MovedTo = None,
    run: RunFolder = None,
    resume: ResumedRun = None,
    form: Format = RunFormat.text,
    quiet: Quiet = False,
) -> None:
    """Train a network on pictures, and measure the classifier that it becomes."""
    if resume:
        _check_alone({
            "DATA": data or None, "--recipe": recipe, "--set": settings, "--budget": budget, "--device": device,
            "--threads": threads, "--group-by": group_by, "--label-by": label_by, "--ood": ood, "--run": run,
        })  # fmt: skip
        resume_run(resume, moved_to, data_dir, form, quiet)
        return
    if moved_to is not None:
        why = "--data goes with --resume: it names the new place of the run's pictures"
        raise NotUnderstoodError("options-conflict", why)
    if not data:
        raise NotUnderstoodError(
            "missing-argument",
            "no pictures to train on: name a data set (skysort datasets lists them), a folder, an archive or a"
            " .csv",
        )
    overrides = with_patterns(settings, group_by=group_by, label_by=label_by)
    overrides += [f"training.device='{device}'"] if device else []
    overrides += [f"training.threads={threads}"] if threads else []
    configure_process(training=True)
    progress = progress_on_stderr(quiet=quiet, as_json=form is RunFormat.json)
    with charts_drawn_beside(), redirect_stdout(sys.stderr):  # a network of your own may print
        finished = skysort.train(
            data,
            recipe,
            run,
            settings=tuple(overrides),
            budget=budget,
            ood=ood,
            data_dir=data_dir,
            progress=progress,
        )
    print_run(finished, form)


def _check_alone(others: dict[str, object]) -> None:
    """Make sure that no option is given beside `--resume` that the run already has."""
    options = [name for name, value in others.items() if value is not None]
    if options:
        raise NotUnderstoodError(
            "options-conflict", f"--resume continues a run with the options it has; leave out {options[0]}"
        )
