"""What a finished run's network answers in training mode, as texts measure that never leave it."""

from os import PathLike
from pathlib import Path

from skysort.core.progress import Progress
from skysort.runs.folder import Run
from skysort.runs.learner import learner
from skysort.runs.reopen import prepared_again
from skysort.trust.comparison import Spread, TrainModeAccuracy


def measured_in_training_mode(
    runs: list[Run], data_dir: str | PathLike[str] | None, progress: Progress
) -> TrainModeAccuracy | None:
    """Return the accuracies of runs in training mode; None for a network that is the same in both modes."""
    folder = None if data_dir is None else Path(data_dir)
    found = [learner().train_mode_accuracies(run, prepared_again(run, folder, progress)) for run in runs]
    figures = [accuracies for accuracies in found if accuracies is not None]
    if not figures:
        return None
    return TrainModeAccuracy(
        train=Spread.of(accuracies["train"] for accuracies in figures),
        test=Spread.of(accuracies["test"] for accuracies in figures),
    )
