"""Accuracies of networks in training mode, for tutorials that measure in that mode."""

from skysort.experiments.shared_pictures import SharedPictures
from skysort.runs.folder import Run
from skysort.runs.learner import learner
from skysort.trust.comparison import Spread, TrainModeAccuracy


def measured_in_training_mode(runs: list[Run], pictures: SharedPictures) -> TrainModeAccuracy | None:
    """Return the accuracies of runs in training mode; None if the mode changes nothing."""
    measured = [
        learner(run.recipe).train_mode_accuracies(run, pictures.prepared(run.recipe.pictures)) for run in runs
    ]
    figures = [accuracies for accuracies in measured if accuracies is not None]
    if not figures:
        return None
    return TrainModeAccuracy(
        train=Spread.of(accuracies["train"] for accuracies in figures),
        test=Spread.of(accuracies["test"] for accuracies in figures),
    )
