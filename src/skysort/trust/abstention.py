"""The threshold below which a picture is called unknown, because it resembles none of the classes."""

import math
from fractions import Fraction

import numpy as np

from skysort.classifier.format import KeptShare, OodThreshold
from skysort.classifier.ood import Similarities
from skysort.classifier.ood import scores as ood_scores
from skysort.classifier.proof import Logits
from skysort.trust.guarantee import Groups, largest_by_group

ROUNDING = 1e-5
"""Share by which scores of equal pictures may differ, since batches of other sizes round differently."""


def fewest_for_unknown(keep: float) -> int:
    """Return how many calibration pictures, or groups, a threshold needs to keep a share of them.

    >>> fewest_for_unknown(0.95)
    19
    """
    return math.ceil(1 / _to_lose(keep)) - 1


def threshold_for_unknown(
    logits: Logits,
    keep: float,
    groups: Groups | None = None,
    left_out: int = 0,
    similarities: Similarities | None = None,
) -> OodThreshold:
    """Return the threshold for unknown that keeps a share of pictures like those of the calibration split.

    The threshold is the k-th smallest of n scores, with k = floor((n + 1) (1 - keep)). If a new picture is equally
    likely to take any rank among them, its score is lower with a probability of at most k / (n + 1), and so of at
    most 1 - keep: split conformal prediction. The probability is over the calibration pictures and the new one
    together, so a single calibration split may keep somewhat more or less. If pictures come in groups, groups are
    equally likely to take any rank, and the score of a group is the lowest of its pictures.

    Args:
        logits: (N, classes) of the calibration split, from at least `fewest_for_unknown(keep)` groups.
        keep: share to keep, above 0 and below 1.
        groups: (N,) groups; None if the pictures are independent of each other.
        left_out: number of leaked calibration pictures, which the logits are without.
        similarities: (N,) of a classifier with a reference; None for another.

    Source: V. Vovk, A. Gammerman, G. Shafer, Algorithmic learning in a random world, 2005.
    """
    scores = ood_scores(logits, similarities)
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
    return OodThreshold(
        score="negative-energy" if similarities is None else "negative-energy-and-similarity",
        threshold=threshold,
        keep=keep,
        calibration=kept,
    )


def _to_lose(keep: float) -> Fraction:
    """Return 1 - keep exactly: in floating point, 10 x (1 - 0.9) is below 1."""
    return 1 - Fraction(str(keep))
