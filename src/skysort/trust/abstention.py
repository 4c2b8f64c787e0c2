"""The threshold below which a picture is called unknown, because it is like none of the classes."""

import math
from fractions import Fraction

import numpy as np

from skysort.classifier.format import KeptShare, OodThreshold
from skysort.classifier.ood import scores as ood_scores
from skysort.classifier.proof import Logits
from skysort.trust.guarantee import Groups, largest_by_group

ROUNDING = 1e-5
"""Of a score: equal pictures get scores that differ by less, when batches of other sizes round differently."""


def fewest_for_unknown(keep: float) -> int:
    """Return how many calibration pictures, or groups, a threshold for unknown takes that keeps a share of them.

    >>> fewest_for_unknown(0.95)
    19
    """
    return math.ceil(1 / _to_lose(keep)) - 1


def threshold_for_unknown(
    logits: Logits, keep: float, groups: Groups | None = None, left_out: int = 0
) -> OodThreshold:
    """Return the threshold for unknown that keeps a share of pictures like those of the calibration split.

    It is the k-th smallest of n scores, k = floor((n + 1) (1 - keep)). If one more picture is as likely to be in
    any place among them, its score is less with a probability of at most k / (n + 1), hence of 1 - keep: split
    conformal prediction (Vovk, Gammerman, Shafer, Algorithmic Learning in a Random World, 2005). The probability
    is over calibration pictures and the new one alike: one calibration split may keep somewhat more or less. Of
    pictures in groups, groups are as likely in any place, and a group's score is the least of its pictures.

    Args:
        logits: (N, classes), of the calibration split, of at least `fewest_for_unknown(keep)` groups.
        keep: above 0 and below 1.
        groups: None where every picture is independent of the others.
        left_out: calibration pictures that these are without, since training or validation has the like.
    """
    scores = ood_scores(logits)
    by_group = np.sort(scores if groups is None else -largest_by_group(-scores, groups))
    number = math.floor((len(by_group) + 1) * _to_lose(keep))
    if not number:
        raise ValueError(f"expected at least {fewest_for_unknown(keep)} pictures, found {len(by_group)}")
    threshold = float(by_group[number - 1])
    threshold -= ROUNDING * max(1.0, abs(threshold))
    kept = KeptShare(
        pictures=len(scores),
        kept=int((scores >= threshold).sum()),
        groups=len(by_group) if len(by_group) < len(scores) else None,
        left_out=left_out,
    )
    return OodThreshold(threshold=threshold, keep=keep, calibration=kept)


def _to_lose(keep: float) -> Fraction:
    """Return 1 - keep as it is written: in floating point, 10 x (1 - 0.9) is below 1."""
    return 1 - Fraction(str(keep))
