"""The number of epochs and the size of the network that fit into a time budget."""

import re
import time
from dataclasses import dataclass

from skysort.core.errors import NotUnderstoodError, SkysortError, StoppedError
from skysort.core.progress import Progress, span
from skysort.data.splits import PreparedData
from skysort.recipe.schema import Recipe
from skysort.runs.learner import backbone_learner, network_learner

SECONDS_TO_FINISH = 11.0
"""Time from the last step of a run to its figures, without measuring: export, proof, figures, report."""
SHARE_KEPT = 0.06
"""Share of the budget to keep in reserve."""
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

    epoch: float
    """One epoch: its steps, the validation and the checkpoint after it."""
    end: float
    """Everything from the last step to the end of the command."""


def within(recipe: Recipe, prepared: PreparedData, seconds: float, started: float, progress: Progress) -> Recipe:
    """Return a recipe with the number of epochs and the variant of its network that fit into a time.

    The choice follows from the time of a few steps of each variant. It is part of the returned recipe, so a resume
    keeps it.

    Args:
        recipe: resolved recipe.
        prepared: its pictures.
        seconds: time for the whole command.
        started: start of the command, by time.perf_counter().
        progress: prints the choice and the expected times.

    Raises:
        SkysortError: when not even one epoch fits, or the features of a backbone do not. The message has a time
            that is long enough.
    """
    if recipe.has_backbone:
        check_features_fit(recipe, prepared, seconds, started, progress)
        return recipe

    def seconds_for_epochs(costs: Costs) -> float:
        return (1 - SHARE_KEPT) * seconds - (time.perf_counter() - started) - costs.end

    chosen = None
    for variant in network_learner().variants(recipe.network, prepared.shape.size):
        candidate = recipe.with_values(network=variant.network.model_dump(mode="json", exclude_none=True))
        costs = measured(candidate, prepared)
        available = seconds_for_epochs(costs)
        least_epochs = variant.least_epochs if chosen else 1
        if available < least_epochs * costs.epoch:  # the next variants take even longer
            if chosen is None:
                raise _too_short(seconds, costs.epoch - available)
            break
        chosen = candidate, costs, variant.size
    assert chosen is not None  # the first variant fits, or the loop raises
    recipe, costs, size = chosen
    # Computed last, since measuring further variants took time.
    num_epochs = max(1, int(seconds_for_epochs(costs) / costs.epoch))
    recipe = recipe.with_values(training={"epochs": num_epochs})
    expected = time.perf_counter() - started + num_epochs * costs.epoch + costs.end
    progress.say(
        f"within {span(seconds)}: {num_epochs:,} epochs{f' of {size}' if size else ''},"
        f" {span(num_epochs * costs.epoch)} of training, and figures after about {span(expected)}"
    )
    return recipe


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
    available = (1 - SHARE_KEPT) * seconds - elapsed - SECONDS_TO_FINISH
    if computing and computing > available:
        raise _too_short(seconds, computing - available)
    progress.say(
        f"within {span(seconds)}: {span(computing)} to compute features, and figures after about"
        f" {span(elapsed + computing + SECONDS_TO_FINISH)}"
    )


def _too_short(seconds: float, lacking: float) -> SkysortError:
    least = span(seconds + lacking / (1 - SHARE_KEPT))
    return SkysortError(
        "budget-too-short",
        f"{span(seconds)} is too short for these pictures on this computer; {least} would be enough",
    )


def measured(recipe: Recipe, prepared: PreparedData) -> Costs:
    """Return the costs of a recipe on this computer, from a few timed steps.

    Raises:
        StoppedError: on SIGINT or SIGTERM.
    """
    try:
        per_epoch, per_picture = network_learner().seconds_per_epoch_and_picture(recipe, prepared)
    except StoppedError:
        raise StoppedError("interrupted", "interrupted before the run began") from None
    num_validated = len(prepared.splits.get("validation", ()))
    num_measured = sum(map(len, prepared.measured(all_of_train=recipe.speaks_of_train).values()))
    views = 2 if recipe.augment.test_time_flip else 1
    return Costs(
        per_epoch + num_validated * per_picture,
        SECONDS_TO_FINISH + (num_measured + num_validated) * views * per_picture,  # validation for the temperature
    )
