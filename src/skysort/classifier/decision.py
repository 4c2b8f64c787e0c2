"""A decision: which pictures are set aside, and the guarantee for those to keep."""

import math
from collections.abc import Collection, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from skysort.classifier.predictions import Prediction
from skysort.core.errors import NotUnderstoodError, unknown
from skysort.core.models import FrozenModel

BURST_SECONDS = 60.0
"""Pictures taken within this time of the one before, in seconds, are of one burst, unless a recipe differs."""
ABOVE_ALL = math.nextafter(1.0, 2.0)
"""The lowest threshold that no probability can reach."""

Action = Literal["keep", "set-aside", "review"]


class Calibration(FrozenModel):
    """The pictures of the classes to keep that the threshold comes from."""

    pictures: int = Field(ge=1)
    lost: int = Field(ge=0)
    """How many of these pictures the threshold sets aside."""
    groups: int | None = None
    """Number of groups; None where every picture is a group of its own."""
    lost_groups: int | None = None
    """Groups with at least one picture that the threshold sets aside."""


class AsideShare(FrozenModel):
    """The share of pictures that is set aside."""

    pictures: int = Field(ge=1)
    groups: int | None = None
    """Number of groups, if `share` is a share of groups: a group counts as lost when one of its pictures is."""
    share: float
    interval95: tuple[float, float]


class Grouping(FrozenModel):
    """How pictures that arrive form groups; those of one group count once."""

    group_by: str | None = None
    """A regular expression. Pictures whose paths match it alike are of one group."""
    burst_seconds: float = Field(default=0.0, ge=0)
    """Pictures of one folder and camera that were taken within this time of the one before are of one group."""


class Decision(FrozenModel):
    """A decision, as classifier.json holds it."""

    name: str = Field(min_length=1)
    keep: tuple[str, ...] = Field(min_length=1)
    """Classes, in the classifier's order."""
    threshold: float = Field(gt=0, le=ABOVE_ALL)
    """A picture is set aside when the summed probability of the other classes reaches this."""
    lose_at_most: float = Field(gt=0, lt=1)
    """Largest share of the pictures to keep, or of their groups, that may be set aside."""
    confidence: float = Field(gt=0, lt=1)
    """Probability that the limit holds."""
    calibration: Calibration
    left_out: int = 0
    """Calibration pictures that are also in training or validation, or nearly so. They do not count."""
    set_aside: AsideShare | None
    """The share of the other classes' calibration pictures that is set aside; None where there are none."""
    date: str
    """The day of the decision."""
    grouping: Grouping | None = None
    """Of the run's pictures, if its recipe declares groups or bursts."""

    @property
    def grouping_in_use(self) -> Grouping | None:
        """How arrivals form groups; None if each picture counts.

        Where calibration pictures were grouped by their looks, or by a table, arrivals are grouped by time.
        """
        if self.grouping is None and self.calibration.groups is not None:
            return Grouping(burst_seconds=BURST_SECONDS)
        return self.grouping

    def action(self, prediction: Prediction) -> Action:
        """Return the action for a picture. A picture without a label goes to review."""
        if prediction.status != "ok":
            return "review"
        probabilities = np.array([list(prediction.probabilities.values())])
        (score,) = probability_not_kept(probabilities, tuple(prediction.probabilities), self.keep)
        return "set-aside" if score >= self.threshold else "keep"


def check_kept(classes: Sequence[str], keep: Collection[str]) -> None:
    """Make sure that the classes to keep exist, and that others remain to set aside.

    Raises:
        NotUnderstoodError: when a class to keep does not exist, or none or all are to be kept.
    """
    for name in keep:
        if name not in classes:
            raise unknown("class", name, classes)
    if not keep or not set(classes) - set(keep):
        raise NotUnderstoodError(
            "wrong-value",
            f"expected at least one class to keep and one to set aside,"
            f" found {len(set(keep))} to keep of {len(classes)}",
        )


def probability_not_kept(
    probabilities: NDArray[np.float64], classes: Sequence[str], keep: Collection[str]
) -> NDArray[np.float64]:
    """Return the (N,) summed probability of the classes that are not kept, from (N, classes) probabilities.

    The sum of a picture does not depend on the other pictures of the batch, to the last bit.

    Raises:
        NotUnderstoodError: when a class to keep does not exist, or none or all are to be kept.
    """
    check_kept(classes, keep)
    others = [number for number, name in enumerate(classes) if name not in keep]
    # cumsum, since the order of np.sum depends on the shape. Rounding may lift a sum above 1.
    sums: NDArray[np.float64] = np.minimum(probabilities[:, others].cumsum(axis=1)[:, -1], 1.0)
    return sums
