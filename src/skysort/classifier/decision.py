"""A decision: which pictures are set aside, and what was promised of those to keep."""

import math
from collections.abc import Collection, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from skysort.classifier.predictions import Prediction
from skysort.core.errors import NotUnderstoodError, unknown
from skysort.core.models import FrozenModel

ABOVE_ALL = math.nextafter(1.0, 2.0)
"""The lowest threshold that no probability reaches."""

Action = Literal["keep", "set-aside", "review"]


class Calibration(FrozenModel):
    """The pictures of the classes to keep that the threshold comes from."""

    pictures: int = Field(ge=1)
    lost: int = Field(ge=0)
    """How many of them the threshold sets aside."""
    groups: int | None = None
    """None where every picture is a group of its own."""
    lost_groups: int | None = None
    """Groups of which any picture to keep is set aside."""


class SetAside(FrozenModel):
    """How many of some pictures are set aside."""

    pictures: int = Field(ge=1)
    groups: int | None = None
    """What the share is of, if not of pictures: groups of them, which are lost when any picture is."""
    share: float
    interval95: tuple[float, float]


class Decision(FrozenModel):
    """What classifier.json holds of a decision."""

    name: str = Field(min_length=1)
    keep: tuple[str, ...] = Field(min_length=1)
    """Classes, in the classifier's order."""
    threshold: float = Field(gt=0, le=ABOVE_ALL)
    """A picture is set aside when the summed probability of the classes not kept reaches it."""
    lose_at_most: float = Field(gt=0, lt=1)
    """Share of the pictures to keep, or of their groups."""
    confidence: float = Field(gt=0, lt=1)
    calibration: Calibration
    left_out: int = 0
    """Calibration pictures that were not counted, since training or validation has the like."""
    set_aside: SetAside | None
    """Of the calibration pictures of the other classes; None where there are none."""
    date: str
    """When it was made."""

    def action(self, prediction: Prediction) -> Action:
        """Return what to do with a picture; one that got no label is never set aside."""
        if prediction.status != "ok":
            return "review"
        probabilities = np.array([list(prediction.probabilities.values())])
        (score,) = probability_not_kept(probabilities, tuple(prediction.probabilities), self.keep)
        return "set-aside" if score >= self.threshold else "keep"


def check_kept(classes: Sequence[str], keep: Collection[str]) -> None:
    """Make sure that classes can be kept, and that others are left to set aside.

    Raises:
        NotUnderstoodError: when a class to keep is not there, or no other class is left.
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

    A picture's sum is the same to the last bit however many others it is computed with.

    Raises:
        NotUnderstoodError: when a class to keep is not there, or no other class is left.
    """
    check_kept(classes, keep)
    others = [number for number, name in enumerate(classes) if name not in keep]
    # np.sum chooses its order by the shape; what rounding makes of a sum may be above 1.
    sums: NDArray[np.float64] = np.minimum(probabilities[:, others].cumsum(axis=1)[:, -1], 1.0)
    return sums
