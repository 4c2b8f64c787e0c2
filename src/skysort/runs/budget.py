"""The number of epochs and the size of the network that fit into a time budget."""

import re
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

from skysort.classifier.classifier import Classifier
from skysort.core.deadline import Deadline
from skysort.core.errors import NotUnderstoodError, SkysortError, StoppedError
from skysort.core.progress import Progress, SilentProgress, span
from skysort.core.text import counted
from skysort.data.splits import PreparedData, evenly_spaced
from skysort.recipe.schema import Recipe
from skysort.report import charts
from skysort.runs.learner import backbone_learner, network_learner
from skysort.runs.measure import measure_run
from skysort.runs.start import start_run

PICTURES_REHEARSED = 64
"""Pictures per split for a run in small that times the end."""
SHARE_KEPT = 0.02
"""Share of the budget to keep in reserve."""
FEWEST_EPOCHS = 0.5
"""Shorter trainings are refused."""
MOST_FOR_TIMING = 0.1
"""Share of the time left that timing a variant may take; after one that took more, no slower one is timed."""
SECONDS_TO_FINISH_PHOTOS = 11.0
"""With a backbone: time from the features to the end, without measuring."""
DECIDED_BY_BUDGET = ("training.epochs", "network.width", "network.stride")
_UNITS = {"": 1, "s": 1, "m": 60, "min": 60, "h": 3600}


def seconds_of(text: str) -> float:
    """Return the number of seconds in a text such as `60s`, `10m` or `1.5h`.

    Raises:
        NotUnderstoodError: when the text has another form.

    >>> seconds_of("10m")
    600.0
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(\w*)\s*", text)
    if not match or match[2] not in _UNITS or not float(match[1]):
        raise NotUnderstoodError("wrong-value", f"expected a time such as 60s, 10m or 1h, found '{text}'")
    return float(match[1]) * _UNITS[match[2]]


@dataclass(frozen=True)
class Costs:
    """Seconds that a recipe takes on this computer."""

    step: float
    """One step of training."""
    epoch: float
    """One epoch: its steps, the validation and the checkpoint after it."""
    end: float
    """Everything from the last step to the end of the command."""


def within(
    recipe: Recipe, prepared: PreparedData, seconds: float, started: float, progress: Progress
) -> tuple[Recipe, Deadline | None]:
    """Return a recipe with the number of epochs and the variant of its network that fit into a time.

    The choice follows from the time of a few steps of each variant. It is part of the returned recipe, so a resume
    keeps it. The training plans its epochs anew as it goes, by the deadline.

    Args:
        recipe: resolved recipe.
        prepared: its pictures.
        seconds: time for the whole command.
        started: start of the command, by time.perf_counter().
        progress: prints the choice and the expected times.

    Returns:
        The recipe, and when its training has to end; None with a backbone.

    Raises:
        SkysortError: when not even half an epoch fits, or the features of a backbone do not. The message has a
            time that is long enough.
    """
    if recipe.has_backbone:
        check_features_fit(recipe, prepared, seconds, started, progress)
        return recipe, None

    def seconds_for_epochs(costs: Costs) -> float:
        return (1 - SHARE_KEPT) * seconds - (time.perf_counter() - started) - costs.end

    end = seconds_at_the_end(recipe, prepared)
    best = None
    costs, timing = Costs(0.0, 0.0, end), 0.0
    for variant in network_learner().variants(recipe.network, prepared.shape.size):
        available = seconds_for_epochs(costs)
        if best and (available < variant.least_epochs * costs.epoch or timing > MOST_FOR_TIMING * available):
            break  # this one takes even longer
        candidate = recipe.with_values(network=variant.network.model_dump(mode="json", exclude_none=True))
        before = time.perf_counter()
        costs = measured(candidate, prepared, end)
        timing, available = time.perf_counter() - before, seconds_for_epochs(costs)
        least_epochs = variant.least_epochs if best else FEWEST_EPOCHS
        if available < least_epochs * costs.epoch:
            if best is None:
                raise _too_short(seconds, least_epochs * costs.epoch - available)
            break
        best = candidate, costs, variant.size
    assert best is not None  # the first variant fits, or the loop raises
    recipe, costs, size = best
    # Computed last, since measuring further variants took time.
    num_epochs = max(1, int(seconds_for_epochs(costs) / costs.epoch))
    recipe = recipe.with_values(training={"epochs": num_epochs})
    num_steps = recipe.training.steps_per_epoch(len(prepared.splits["train"]))
    at = time.perf_counter() + seconds_for_epochs(costs)
    progress.say(
        f"within {span(seconds)}: about {counted(num_epochs, 'epoch')}{f' of {size}' if size else ''},"
        f" {span(at - time.perf_counter())} of training, and figures after about {span(at - started + costs.end)}"
    )
    return recipe, Deadline(at, costs.step, max(0.0, costs.epoch - num_steps * costs.step))


def check_features_fit(
    recipe: Recipe, prepared: PreparedData, seconds: float, started: float, progress: Progress
) -> None:
    """Make sure that a backbone's features that are not in the cache yet can be computed within a time.

    Args:
        recipe: resolved recipe with a backbone.
        prepared: its pictures.
        seconds: time for the whole command.
        started: start of the command, by time.perf_counter().
        progress: prints the expected times.

    Raises:
        SkysortError: when they cannot. The message has a time that is long enough.
    """
    computing = backbone_learner().seconds_for_features(recipe, prepared)
    elapsed = time.perf_counter() - started
    if lacking := seconds_lacking(computing, seconds, elapsed):
        raise _too_short(seconds, lacking)
    progress.say(
        f"within {span(seconds)}: {span(computing)} to compute features, and figures after about"
        f" {span(elapsed + computing + SECONDS_TO_FINISH_PHOTOS)}"
    )


def seconds_lacking(computing: float, seconds: float, elapsed: float) -> float:
    """Return how many seconds a budget lacks for features; 0 if it lacks none, or all are in the cache.

    Args:
        computing: seconds that the features take.
        seconds: time for the whole command.
        elapsed: seconds that are over.
    """
    available = (1 - SHARE_KEPT) * seconds - elapsed - SECONDS_TO_FINISH_PHOTOS
    return max(0.0, computing - available) if computing else 0.0


def _too_short(seconds: float, lacking: float) -> SkysortError:
    least = span(seconds + lacking / (1 - SHARE_KEPT))
    return SkysortError(
        "budget-too-short",
        f"{span(seconds)} is too short for these pictures on this computer; {least} would be enough",
    )


def measured(recipe: Recipe, prepared: PreparedData, end: float) -> Costs:
    """Return the costs of a recipe on this computer, from a few timed steps.

    Args:
        recipe: resolved recipe.
        prepared: its pictures.
        end: seconds that the end takes with any network and any number of pictures.

    Raises:
        StoppedError: on SIGINT or SIGTERM.
    """
    try:
        per_step, beside_steps, per_picture = network_learner().seconds_of_training(recipe, prepared)
    except StoppedError:
        raise StoppedError("interrupted", "interrupted before the run began") from None
    num_steps = recipe.training.steps_per_epoch(len(prepared.splits["train"]))
    num_validated = len(prepared.splits.get("validation", ()))
    num_measured = sum(map(len, prepared.measured(all_of_train=recipe.speaks_of_train).values()))
    num_ood = len(prepared.ood.rows) if prepared.ood else 0
    views = 2 if recipe.augment.test_time_flip else 1
    return Costs(
        per_step,
        num_steps * per_step + beside_steps + num_validated * per_picture,
        end + (num_measured + num_validated + num_ood) * views * per_picture,  # validation for the temperature
    )


def seconds_at_the_end(recipe: Recipe, prepared: PreparedData) -> float:
    """Return the seconds from the last step to the end of a run with few pictures, timed with one epoch on some.

    Raises:
        StoppedError: on SIGINT or SIGTERM.
    """
    few = {split: evenly_spaced(rows, PICTURES_REHEARSED) for split, rows in prepared.splits.items()}
    small, silent = replace(prepared, splits=few, ood=None), SilentProgress()
    short = recipe.with_values(
        training={"epochs": 1, "log_every": 0}, trust={"keep_known": None}, loss={"class_weights": "none"}
    )
    charts.load()  # the run that follows has it
    with tempfile.TemporaryDirectory() as folder:
        run = start_run(Path(folder) / "run", short, small, silent)
        try:
            learned = network_learner().learn(run, short, small, silent)
            started = time.perf_counter()
            measure_run(run, Classifier(run.classifier), small, learned, silent)
        except StoppedError:
            raise StoppedError("interrupted", "interrupted before the run began") from None
        return learned["export"] + time.perf_counter() - started
