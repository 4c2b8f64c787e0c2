"""Epochs and width of a run whose whole command is to end within a time."""

import re
import time
from dataclasses import dataclass

from skysort.core.errors import NotUnderstoodError, SkysortError, StoppedError
from skysort.core.progress import Progress, span
from skysort.data.splits import PreparedData
from skysort.recipe.schema import Recipe, SwiftNetwork
from skysort.runs.learner import learner

SECONDS_TO_FINISH = 11.0
"""What a run takes from its last step to its figures, measuring apart: export, proof, figures, report."""
SHARE_KEPT = 0.06
"""Of the time, for what was not foreseen."""
SMALLEST_FOR_WIDER_STRIDE = 16
"""Side of a picture, in pixels."""


@dataclass(frozen=True)
class SwiftSize:
    """A form that the network `swift` may take."""

    stride: int
    """Times that of its recipe."""
    width: int
    least_epochs: int
    """From which on it is better than the forms before it, which are quicker."""


FORMS = (SwiftSize(2, 32, 1), SwiftSize(2, 64, 2), SwiftSize(1, 32, 6), SwiftSize(1, 48, 12))
"""Chosen on a validation part of birds-vs-airplanes, on which the last two are alike; docs/performance.md has the
figures. That the wider one is better where there are more pictures was not measured."""
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
    for candidate, least_epochs in _candidates(recipe, prepared.shape.size):
        costs = measured(candidate, prepared)
        left = left_for_epochs(costs)
        if left < least_epochs * costs.epoch:  # those to come take longer still
            if chosen is None:
                least = span(seconds + (costs.epoch - left) / (1 - SHARE_KEPT))
                raise SkysortError(
                    "budget-too-short",
                    f"{span(seconds)} are too short for these pictures on this computer; {least} would be enough",
                )
            break
        chosen = candidate, costs
    assert chosen is not None  # there is a first candidate
    recipe, costs = chosen
    # Only now, since the forms after it have taken their time to be measured.
    num_epochs = max(1, int(left_for_epochs(costs) / costs.epoch))
    recipe = recipe.with_values(training={"epochs": num_epochs})
    network = recipe.network
    form = ""
    if isinstance(network, SwiftNetwork):
        form = f" of width {network.width} and stride {network.stride}"
    expected = time.perf_counter() - started + num_epochs * costs.epoch + costs.end
    progress.say(
        f"within {span(seconds)}: {num_epochs:,} epochs{form}, {span(num_epochs * costs.epoch)} of training,"
        f" and figures after about {span(expected)}"
    )
    return recipe


def _candidates(recipe: Recipe, size: int) -> list[tuple[Recipe, int]]:
    """Return recipes, the quickest first, with the number of epochs from which on each is the best.

    That of the first is one.
    """
    network = recipe.network
    if not isinstance(network, SwiftNetwork):
        return [(recipe, 1)]
    stride = SwiftNetwork().stride_for(size)  # whatever an earlier budget has chosen
    forms = [form for form in FORMS if form.stride == 1 or size >= SMALLEST_FOR_WIDER_STRIDE]
    return [
        (
            recipe.with_values(network={"width": form.width, "stride": form.stride * stride}),
            form.least_epochs if number else 1,
        )
        for number, form in enumerate(forms)
    ]


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
