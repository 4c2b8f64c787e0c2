"""Epochs and width of a run whose whole command is to end within a time."""

import re
import time
from dataclasses import dataclass

from skysort.core.errors import NotUnderstoodError, SkysortError, StoppedError
from skysort.core.progress import Progress, span
from skysort.data.splits import PreparedData
from skysort.recipe.schema import Recipe
from skysort.runs.learner import learner

SECONDS_TO_FINISH = 11.0
"""What a run takes from its last step to its figures, measuring apart: export, proof, figures, report."""
SHARE_KEPT = 0.06
"""Of the time, for what was not foreseen."""
DECIDED_BY_BUDGET = ("training.epochs", "network.width", "network.stride")
_UNITS = {"": 1, "s": 1, "m": 60, "min": 60, "h": 3600}


def seconds_of(text: str) -> float:
    """Return the seconds that a text like `60s`, `10m` or `1.5h` stands for.

    Raises:
        NotUnderstoodError: when it is no such text.

    >>> seconds_of("10m")
    600.0
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(\w*)\s*", text)
    if not found or found[2] not in _UNITS or not float(found[1]):
        raise NotUnderstoodError("wrong-value", f"expected a time like 60s, 10m or 1h, found '{text}'")
    return float(found[1]) * _UNITS[found[2]]


@dataclass(frozen=True)
class Costs:
    """What a recipe takes on this computer, in seconds."""

    epoch: float
    """Its steps, and the measuring on validation and the checkpoint after it."""
    end: float
    """From the last step on."""


def within(recipe: Recipe, prepared: PreparedData, seconds: float, started: float, progress: Progress) -> Recipe:
    """Return a recipe with the epochs, and for the network `swift` the width, that fit into a time.

    A few steps of each width are timed, which is what the choice goes by: it is written into the recipe, and a
    resume keeps it.

    Args:
        recipe: resolved.
        prepared: its pictures.
        seconds: from the start of the command to its figures.
        started: when the command started, by time.perf_counter().
        progress: where to say what is expected.

    Raises:
        SkysortError: when not even one epoch fits, naming the time that would do.
    """

    def left_for_epochs(costs: Costs) -> float:
        return (1 - SHARE_KEPT) * seconds - (time.perf_counter() - started) - costs.end

    chosen = None
    for variant in learner().variants(recipe.network, prepared.shape.size):
        candidate = recipe.with_values(network=variant.network.model_dump(mode="json", exclude_none=True))
        costs = measured(candidate, prepared)
        left = left_for_epochs(costs)
        least_epochs = variant.least_epochs if chosen else 1
        if left < least_epochs * costs.epoch:  # the variants to come take longer still
            if chosen is None:
                least = span(seconds + (costs.epoch - left) / (1 - SHARE_KEPT))
                raise SkysortError(
                    "budget-too-short",
                    f"{span(seconds)} are too short for these pictures on this computer; {least} would be enough",
                )
            break
        chosen = candidate, costs, variant.size
    assert chosen is not None  # there is a first variant
    recipe, costs, size = chosen
    # Only now, since it took time to measure the variants after it.
    num_epochs = max(1, int(left_for_epochs(costs) / costs.epoch))
    recipe = recipe.with_values(training={"epochs": num_epochs})
    expected = time.perf_counter() - started + num_epochs * costs.epoch + costs.end
    progress.say(
        f"within {span(seconds)}: {num_epochs:,} epochs{f' of {size}' if size else ''},"
        f" {span(num_epochs * costs.epoch)} of training, and figures after about {span(expected)}"
    )
    return recipe


def measured(recipe: Recipe, prepared: PreparedData) -> Costs:
    """Return what a recipe takes here, by a few steps of it.

    Raises:
        StoppedError: when it was asked to stop.
    """
    try:
        epoch, picture = learner().seconds_per_epoch_and_picture(recipe, prepared)
    except StoppedError:
        raise StoppedError("interrupted", "interrupted before the run began") from None
    num_validated = len(prepared.splits.get("validation", ()))
    num_measured = sum(map(len, prepared.measured(all_of_train=recipe.speaks_of_train).values()))
    views = 2 if recipe.augment.test_time_flip else 1
    return Costs(
        epoch + num_validated * picture,
        SECONDS_TO_FINISH + (num_measured + num_validated) * views * picture,  # validation for the temperature
    )
