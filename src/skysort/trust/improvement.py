"""Whether a new classifier is better than the old one, and how long it takes to gather pictures for a promise."""

import math
from typing import Literal

from skysort.trust.comparison import PairedComparison

ROUNDING = 1e-12
"""Relative error of a quotient, which must not add a picture."""

Advice = Literal["switch", "do-not-switch", "cannot-tell"]


def advice(
    labels: PairedComparison | None, set_aside: PairedComparison | None, *, lacks_decision: bool, is_stale: bool
) -> Advice:
    """Return whether to switch from an old classifier, the first of each comparison, to a new one, the second.

    Each comparison takes the new one for better, when it is not, with a probability of at most 2.5 %. So if it is
    no better, the advice is to switch with a probability of at most 5 %, unless the old decision is stale.

    Args:
        labels: which test pictures, or groups of them, each labels right; None without test pictures.
        set_aside: which test pictures of other classes each sets aside under the same promise; None without any,
            or without a decision.
        lacks_decision: whether the new classifier lacks the decision that the old one is used with.
        is_stale: whether that decision of the old one breaks its promise, so that it sets nothing aside any more.
    """
    better = {comparison.better for comparison in (labels, set_aside) if comparison}
    if "first" in better:
        return "cannot-tell" if "second" in better else "do-not-switch"
    if lacks_decision or labels is None:
        return "cannot-tell"
    return "switch" if "second" in better or is_stale else "cannot-tell"


def num_to_come(num: int, rate: float, share: float) -> int:
    """Return how many pictures of a class must come, in the mean, until some more of them calibrate.

    >>> num_to_come(149, 0.05, 1.0), num_to_come(149, 0.05, 0.5)
    (2980, 5960)

    Args:
        num: pictures that are lacking.
        rate: of looks.
        share: of the pictures that were looked at that calibrate.
    """
    return math.ceil(num / (rate * share) * (1 - ROUNDING))
