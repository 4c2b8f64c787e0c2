"""A threshold with a promise: at most a share alpha of the pictures to keep is set aside.

The score of a picture is the summed probability of the classes that are not kept. A picture is set aside if its
score reaches the threshold. Take n independent calibration pictures to keep. Let k be the largest number of lost
ones for which the exact upper bound of the share lost is at most alpha. The threshold is just above the (k+1)-th
largest of the n scores. Then the share of future pictures to keep that it sets aside exceeds alpha with a
probability of at most 1 - confidence, over the draw of the calibration pictures.

Proof: let q be the lowest number with P(score > q) <= alpha. More than alpha is lost only if the (k+1)-th largest
score is below q, and so only if at most k of the n scores reach q. Each score reaches q with a probability of at
least alpha. So this is at most as likely as k or fewer successes in n trials with probability alpha, which is at
most 1 - confidence by the choice of k. The proof allows tied scores. If pictures come in groups, such as the
frames of a visit, groups are independent and pictures are not: n counts groups, and the score of a group is the
largest of its pictures to keep.

Sources: C. J. Clopper, E. S. Pearson, The use of confidence or fiducial limits illustrated in the case of the
binomial, 1934, for the bound; S. Bates, A. Angelopoulos, L. Lei, J. Malik, M. I. Jordan, Distribution-free,
risk-controlling prediction sets, 2021, for thresholds from bounds of any monotone loss. For a loss of 0 or 1, as
here, the threshold is the tolerance limit of S. S. Wilks, Determination of sample sizes for setting tolerance
limits, 1941.
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skysort.classifier.decision import AsideShare, Calibration, Decision, probability_not_kept
from skysort.classifier.proof import LARGEST_DIFFERENCE
from skysort.core.errors import NotUnderstoodError, SkysortError
from skysort.trust.intervals import wilson

MARGIN = 4 * LARGEST_DIFFERENCE
"""Largest difference of a score's log odds between two computers that both pass the classifier's proof."""
LEAST = 1e-9
"""Smallest distance of a promised share from 0 and from 1."""
MOST_NEEDED = 2**40
"""More calibration pictures than anybody has: the end of the search for the number needed."""

Floats = NDArray[np.float64]
Groups = NDArray[Any]
"""(N,) names or numbers, equal for pictures that are not independent of each other."""


def upper_bound(num_lost: ArrayLike, num: ArrayLike, confidence: float) -> Floats:
    """Return the exact one-sided upper bound of a share: the largest share that the count does not contradict.

    >>> upper_bound(0, 299, 0.95).round(6).item()
    0.009969
    """
    from scipy.stats import beta  # takes a second to import

    lost, kept = np.asarray(num_lost), np.subtract(num, num_lost)
    bound: Floats = np.where(kept > 0, beta.ppf(confidence, lost + 1, kept), 1.0)
    return bound


class TooFewError(SkysortError):
    """There are too few calibration pictures for a promise."""

    def __init__(self, needed: int, message: str) -> None:
        self.needed = needed
        """Number of calibration pictures, or groups of them, that would be enough."""
        super().__init__("too-few-pictures", message)


def num_needed(lose_at_most: float, confidence: float, num_lost: int = 0) -> int:
    """Return how many calibration pictures, or groups, a promise needs when num_lost of them are lost.

    >>> num_needed(0.01, 0.95), num_needed(0.01, 0.95, num_lost=1)
    (299, 473)
    """
    _check_shares(lose_at_most, confidence)
    nums = range(num_lost + 1, MOST_NEEDED)

    def is_enough(num: int) -> bool:
        return bool(upper_bound(num_lost, num, confidence) <= lose_at_most)

    return nums[bisect_left(nums, True, key=is_enough)]


def least_possible(num: int, confidence: float) -> float:
    """Return the smallest share, in steps of 0.01 %, that so many pictures, or groups, can promise.

    >>> least_possible(299, 0.95), least_possible(59, 0.95)
    (0.01, 0.0496)

    Raises:
        NotUnderstoodError: when the confidence is out of range.
    """
    _check_share("confidence", confidence, "95 %")
    return math.ceil(1e4 * float(upper_bound(0, num, confidence))) / 1e4


def most_lost(num: int, lose_at_most: float, confidence: float) -> int:
    """Return how many of num calibration pictures, or groups, may be lost; always fewer than num.

    Raises:
        NotUnderstoodError: when a share of the promise is out of range.
        TooFewError: when there are too few, even with none lost.
    """
    _check_shares(lose_at_most, confidence)
    num_allowed = bisect_right(
        range(num), lose_at_most, key=lambda num_lost: float(upper_bound(num_lost, num, confidence))
    )
    if not num_allowed:
        possible = least_possible(num, confidence)
        needed = num_needed(lose_at_most, confidence)
        raise TooFewError(
            needed,
            f"losing at most {_percent(lose_at_most)} with {_percent(confidence)} confidence needs {needed:,}"
            f" calibration pictures to keep, or groups of them; there are {num:,}, enough for a limit of"
            f" {_percent(possible)}",
        )
    return num_allowed - 1


def lowest_threshold(scores: Floats, lose_at_most: float, confidence: float) -> Floats:
    """Return the lowest threshold that keeps the promise.

    Args:
        scores: (…, n) scores of the calibration pictures to keep, or of their groups; one set, or many at once.
        lose_at_most: share that may be lost, above 0 and below 1.
        confidence: probability that the limit holds, above 0 and below 1.

    Returns:
        (…) thresholds. A threshold above 1 sets nothing aside, where nothing else keeps the promise.

    Raises:
        NotUnderstoodError: when a share of the promise is out of range.
        SkysortError: when there are too few scores, or one is not a probability.
    """
    _check_scores(scores)
    num = scores.shape[-1]
    place = num - 1 - most_lost(num, lose_at_most, confidence)
    return _just_above(np.partition(scores, place, axis=-1)[..., place])


def _just_above(scores: Floats) -> Floats:
    """Return thresholds that these scores do not reach, even when another computer computes them again.

    If scores were exactly reproducible, the next larger number would be enough. But logits differ by about 1e-6 in
    another batch or on another computer. Pictures tied at the threshold, such as identical ones, could then pass
    it together, and more would be lost than calibration counted. Rounding the scores would only move the edges at
    which this happens. So the threshold gets a margin in log odds: as much as two computers may differ by the
    classifier's proof, which suits scores near 0 and 1, too. It raises a threshold of 0.98 by 0.00008, and a
    higher threshold loses no more.
    """
    from scipy.special import expit, logit

    above: Floats = np.maximum(np.nextafter(scores, 2.0), expit(logit(scores) + MARGIN))
    return above


@dataclass(frozen=True)
class Scores:
    """Scores of the readable pictures of a split: of the pictures to keep, and of the others."""

    keep: tuple[str, ...]
    """Classes to keep, in the order of the classifier."""
    kept: Floats
    """(n,)"""
    kept_groups: Groups
    others: Floats
    """(m,)"""
    other_groups: Groups

    @classmethod
    def of(
        cls,
        probabilities: Floats,
        truth: NDArray[np.int64],
        classes: Sequence[str],
        keep: Sequence[str],
        groups: Groups | None = None,
        spared: NDArray[np.bool_] | None = None,
    ) -> Self:
        """Return the scores of some pictures.

        Args:
            probabilities: (N, classes) from logits; those in CSV files are rounded.
            truth: (N,) class indices.
            classes: names of all classes.
            keep: names of the classes to keep.
            groups: (N,) groups; None if the pictures are independent of each other.
            spared: (N,) whether a picture scores 0, whatever its probabilities are; None for no such picture.

        Raises:
            NotUnderstoodError: when a class to keep is unknown, or all classes are to keep.
        """
        scores = probability_not_kept(probabilities, classes, keep)
        scores = scores if spared is None else np.where(spared, 0.0, scores)
        keep = tuple(name for name in classes if name in keep)
        groups = np.arange(len(truth)) if groups is None else groups
        is_kept = np.isin(truth, [classes.index(name) for name in keep])
        return cls(keep, scores[is_kept], groups[is_kept], scores[~is_kept], groups[~is_kept])

    def by_group(self) -> Floats:
        """Return the largest score of each group that has a picture to keep."""
        return largest_by_group(self.kept, self.kept_groups)


def decide(
    scores: Scores, lose_at_most: float, confidence: float, today: str, name: str = "", left_out: int = 0
) -> Decision:
    """Return the decision that sets aside the most pictures and keeps the promise.

    The share of other classes set aside is measured on the same split. The threshold depends only on pictures to
    keep, so it is independent of that share, except if a group has pictures of both.

    Args:
        scores: scores of the calibration split, which must not have been used to fit or choose anything else.
        lose_at_most: share of the pictures to keep, or of their groups, that may be lost, above 0 and below 1.
        confidence: probability that the limit holds, above 0 and below 1.
        today: date to record in the decision.
        name: name of the decision; empty for one made of the classes to keep.
        left_out: number of leaked calibration pictures, which the scores are without.

    Raises:
        NotUnderstoodError: when a share of the promise is out of range.
        SkysortError: when there are too few pictures to keep, or a score is not a probability.
    """
    by_group = scores.by_group()
    threshold = float(lowest_threshold(by_group, lose_at_most, confidence))
    is_grouped = len(by_group) < len(scores.kept)
    return Decision(
        name=name or "keep-" + "-and-".join(scores.keep),
        keep=scores.keep,
        threshold=threshold,
        lose_at_most=lose_at_most,
        confidence=confidence,
        calibration=Calibration(
            pictures=len(scores.kept),
            lost=int(_num_reaching(scores.kept, threshold)),
            groups=len(by_group) if is_grouped else None,
            lost_groups=int(_num_reaching(by_group, threshold)) if is_grouped else None,
        ),
        left_out=left_out,
        set_aside=share_set_aside(scores.others, scores.other_groups, threshold),
        date=today,
    )


def share_set_aside(scores: Floats, groups: Groups, threshold: float) -> AsideShare | None:
    """Return the share of pictures that a threshold sets aside, with its 95 % interval; None for no pictures.

    The interval takes the pictures of a group for identical: it uses the effective sample size of the groups. So
    it is too wide rather than too narrow.

    Source: L. Kish, Survey Sampling, 1965, for the effective sample size.
    """
    if not len(scores):
        return None
    share = int(_num_reaching(scores, threshold)) / len(scores)
    _, sizes = np.unique(groups, return_counts=True)
    effective = int(sizes.sum() ** 2 // (sizes**2).sum())
    return AsideShare(pictures=len(scores), share=share, interval95=wilson(round(share * effective), effective))


def share_lost(scores: Scores, threshold: float) -> AsideShare | None:
    """Return the share of the pictures to keep, or of their groups, that a threshold sets aside."""
    by_group = scores.by_group()
    lost = share_set_aside(by_group, np.arange(len(by_group)), threshold)
    if lost is None or len(by_group) == len(scores.kept):
        return lost
    return lost.model_copy(update={"pictures": len(scores.kept), "groups": len(by_group)})


@dataclass(frozen=True)
class Curve:
    """Shares lost and set aside on the calibration split, from the highest threshold to the lowest."""

    thresholds: Floats
    """(m,) thresholds just above each score to keep. Thresholds in between lose as much and set aside less."""
    lost: Floats
    """(m,) share lost of the pictures to keep, or of their groups."""
    bounds: Floats
    """(m,) upper bound of the share lost. Each holds on its own; choosing a threshold by them gives no promise."""
    set_aside: Floats
    """(m,) share set aside of the other pictures; NaN if there are none."""


def curve(scores: Scores, confidence: float) -> Curve:
    """Return the shares lost and set aside on the calibration split, for each threshold that is worth choosing."""
    by_group = scores.by_group()
    thresholds = _just_above(np.unique(by_group))[::-1]
    num, num_others = len(by_group), len(scores.others)
    num_lost = _num_reaching(by_group, thresholds)
    set_aside = (
        _num_reaching(scores.others, thresholds) / num_others if num_others else np.full(num_lost.shape, np.nan)
    )
    return Curve(thresholds, num_lost / num, upper_bound(num_lost, num, confidence), set_aside)


def largest_by_group(scores: Floats, groups: Groups) -> Floats:
    """Return the largest score of each group."""
    names, number = np.unique(groups, return_inverse=True)
    largest = np.full(len(names), -np.inf)
    np.maximum.at(largest, number, scores)
    return largest


def _num_reaching(scores: Floats, thresholds: ArrayLike) -> NDArray[np.int64]:
    """Return how many scores reach each threshold."""
    _check_scores(scores)
    num: NDArray[np.int64] = len(scores) - np.searchsorted(np.sort(scores), thresholds, side="left")
    return num


def _check_scores(scores: Floats) -> None:
    num_wrong = np.count_nonzero(~((scores >= 0) & (scores <= 1)))  # NaN counts as wrong
    if num_wrong:
        raise SkysortError("wrong-value", f"{num_wrong:,} of {scores.size:,} scores are not probabilities")


def _check_shares(lose_at_most: float, confidence: float) -> None:
    _check_share("share to lose at most", lose_at_most, "2 %")
    _check_share("confidence", confidence, "95 %")


def _check_share(name: str, share: float, example: str) -> None:
    if not LEAST <= share <= 1 - LEAST:
        raise NotUnderstoodError(
            "wrong-value",
            f"{name} must be from {100 * LEAST:.7f} % to {100 - 100 * LEAST:.7f} %, got {_percent(share)},"
            f" try {example}",
        )


def _percent(share: float) -> str:
    return f"{np.format_float_positional(100 * share, 10, fractional=False, trim='-')} %"
