"""skysort train: from pictures to a classifier."""

import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Annotated

import typer

import skysort
from skysort.cli.options import DataDir, GroupBy, LabelBy, MovedTo, Quiet, Settings, with_patterns
from skysort.cli.progress import progress_on_stderr
from skysort.cli.resume import resume as resume_run
from skysort.cli.show import show_run
from skysort.core.environment import configure_process
from skysort.core.errors import NotUnderstoodError


def train(
    data: Annotated[
        list[str] | None,
        typer.Argument(
            help="A name (skysort datasets), a folder or archive with a folder a class, or a .csv. Of several,"
            " a later one corrects the labels of those before."
        ),
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(
            metavar="RECIPE|FILE.py:Class",
            help="A name (skysort recipes), a .toml file, or a network of your own: that runs your file."
            "  [default: swift]",
        ),
    ] = None,
    run: Annotated[Path | None, typer.Option(help="Folder for the run.  [default: one below runs/]")] = None,
    budget: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="60s, 10m, 1h: epochs, and swift's width, so as to end by then."),
    ] = None,
    group_by: GroupBy = None,
    label_by: LabelBy = None,
    ood: Annotated[
        str | None,
        typer.Option(
            metavar="DATA",
            help="Out-of-distribution pictures (of no class): call such unknown, and measure how often.",
        ),
    ] = None,
    settings: Settings = None,
    resume: Annotated[Path | None, typer.Option(metavar="RUN", help="Continue an interrupted run.")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or mps.  [default: auto]")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="To compute with.  [default: one a core]")] = None,
    moved_to: MovedTo = None,
    data_dir: DataDir = None,
    quiet: Quiet = False,
) -> None:
    """Train a network, and measure the classifier that comes out."""
    if resume:
        options = {
            "DATA": data or None,
            "--recipe": recipe,
            "--run": run,
            "--budget": budget,
            "--group-by": group_by,
            "--label-by": label_by,
            "--ood": ood,
            "--set": settings,
            "--device": device,
            "--threads": threads,
        }
        if given := [name for name, value in options.items() if value is not None]:
            raise NotUnderstoodError(
                "options-conflict", f"--resume continues a run as it was started; leave {given[0]} out"
            )
        resume_run(resume, moved_to, data_dir, quiet)
        return
    if moved_to is not None:
        raise NotUnderstoodError(
            "options-conflict", "--data goes with --resume: it says where the run's pictures are now"
        )
    if not data:
        raise NotUnderstoodError(
            "missing-argument",
            "nothing to train on: name a data set (skysort datasets lists them), a folder, an archive or a .csv",
        )
    overrides = with_patterns(settings, group_by=group_by, label_by=label_by)
    overrides += [f"training.device='{device}'"] if device else []
    overrides += [f"training.threads={threads}"] if threads else []
    configure_process(training=True)
    with redirect_stdout(sys.stderr):  # what your own network prints is no part of the figures
        finished = skysort.train(
            data,
            recipe,
            run,
            settings=tuple(overrides),
            budget=budget,
            ood=ood,
            data_dir=data_dir,
            progress=progress_on_stderr(quiet=quiet),
        )
    show_run(finished, sys.stdout)
