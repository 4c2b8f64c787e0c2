"""A threshold with a promise: of the pictures to keep, at most so many are set aside.

A picture's score is the summed probability of the classes not kept; a picture whose score reaches the threshold is
set aside. Of n calibration pictures to keep, independent of each other, let k be the most that may be lost for the
exact upper bound of the share lost to stay within alpha. The threshold stands just above the (k+1)-th largest of
their scores. Then, over the draw of the calibration pictures, the share of pictures to come that it sets aside is
above alpha with a probability of 1 - confidence at most.

Proof: let q be the lowest number for which P(score > q) <= alpha. More than alpha is lost only if the (k+1)-th
largest score is below q, hence only if k or fewer of the n scores reach q. Each reaches it with a probability of
alpha or more. So this is no likelier than k or fewer of n at probability alpha, which the choice of k keeps at
1 - confidence or less. Scores may be tied. Where pictures come in groups, as the frames of a visit, groups are
independent and pictures are not: n counts groups, and a group's score is the largest of its pictures to keep.

Sources: C. J. Clopper, E. S. Pearson, The use of confidence or fiducial limits illustrated in the case of the
binomial, 1934, for the bound; S. Bates, A. Angelopoulos, L. Lei, J. Malik, M. I. Jordan, Distribution-free,
risk-controlling prediction sets, 2021, for thresholds from bounds of any loss that is monotone in them. With a
loss of 0 or 1, as here, it is the tolerance limit of S. S. Wilks, Determination of sample sizes for setting
tolerance limits, 1941.
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skysort.classifier.decision import Calibration, Decision, SetAside, probability_not_kept
from skysort.classifier.proof import LARGEST_DIFFERENCE
from skysort.core.errors import NotUnderstoodError, SkysortError
from skysort.trust.intervals import wilson

MARGIN = 4 * LARGEST_DIFFERENCE
"""Of a score's log odds: how far apart two computers are at most, each within what a classifier's proof allows."""
LEAST = 1e-9
"""Share, from 0 or from 1, that a promise may speak of."""
MOST_NEEDED = 2**40

Floats = NDArray[np.float64]
Groups = NDArray[Any]
"""(N,) names or numbers, equal for pictures that are not independent of each other."""


def upper_bound(num_lost: ArrayLike, num: ArrayLike, confidence: float) -> Floats:
    """Return the exact one-sided upper bound of a share: the largest that such a count does not speak against.

    >>> upper_bound(0, 299, 0.95).round(6).item()
    0.009969
    """
    from scipy.stats import beta  # a second's import, for those who measure

    lost, kept = np.asarray(num_lost), np.subtract(num, num_lost)
    bound: Floats = np.where(kept > 0, beta.ppf(confidence, lost + 1, kept), 1.0)
    return bound


class TooFewError(SkysortError):
    """There are too few calibration pictures for a promise."""

    def __init__(self, needed: int, message: str) -> None:
        self.needed = needed
        """Calibration pictures, or groups of them, that would do."""
        super().__init__("too-few-pictures", message)


def num_needed(lose_at_most: float, confidence: float, num_lost: int = 0) -> int:
    """Return how many calibration pictures, or groups, a promise takes when so many of them are lost.

    >>> num_needed(0.01, 0.95), num_needed(0.01, 0.95, num_lost=1)
    (299, 473)
    """
    _check_shares(lose_at_most, confidence)
    nums = range(num_lost + 1, MOST_NEEDED)

    def is_enough(num: int) -> bool:
        return bool(upper_bound(num_lost, num, confidence) <= lose_at_most)

    return nums[bisect_left(nums, True, key=is_enough)]


def most_lost(num: int, lose_at_most: float, confidence: float) -> int:
    """Return how many of some calibration pictures, or groups, may be lost; always fewer than there are.

    Raises:
        NotUnderstoodError: when the promise is no share, or nothing that one can be confident of.
        SkysortError: when there are too few, even with none lost.
    """
    _check_shares(lose_at_most, confidence)
    num_allowed = bisect_right(
        range(num), lose_at_most, key=lambda num_lost: float(upper_bound(num_lost, num, confidence))
    )
    if not num_allowed:
        in_reach = math.ceil(1e4 * upper_bound(0, num, confidence)) / 1e4
        needed = num_needed(lose_at_most, confidence)
        raise TooFewError(
            needed,
            f"to lose at most {_percent(lose_at_most)} with {_percent(confidence)} confidence takes"
            f" {needed:,} calibration pictures to keep, or groups of them; there are {num:,}, which do for"
            f" {_percent(in_reach)}",
        )
    return num_allowed - 1


def lowest_threshold(scores: Floats, lose_at_most: float, confidence: float) -> Floats:
    """Return the lowest threshold that keeps the promise.

    Args:
        scores: (…, n) of the calibration pictures to keep, or of their groups: one set of them, or many at once.
        lose_at_most: share that may be lost, above 0 and below 1.
        confidence: probability to keep it, likewise.

    Returns:
        (…) thresholds; above 1 where only that no picture is set aside keeps the promise.

    Raises:
        NotUnderstoodError: when the promise is no share, or nothing that one can be confident of.
        SkysortError: when there are too few scores, or one is no probability.
    """
    _check_scores(scores)
    num = scores.shape[-1]
    place = num - 1 - most_lost(num, lose_at_most, confidence)
    return _just_above(np.partition(scores, place, axis=-1)[..., place])


def _just_above(scores: Floats) -> Floats:
    """Return thresholds that scores do not reach, not even when they are computed again elsewhere.

    The next number up would be enough for the promise, were a picture's score always the same. But logits come out
    differently in another batch or on another computer, by 1e-6 or so. Then all pictures tied at a threshold, as
    equal ones are, might pass it together, and what calibration lost could not be counted again. Rounding scores
    would only move the edges at which this happens. A margin in log odds is as wide as a classifier's proof allows
    two computers to differ, also near 0 and 1 where a step in probability would be too much or too little. To a
    threshold of 0.98 it adds 0.00008, and being higher it loses no more.
    """
    from scipy.special import expit, logit

    above: Floats = np.maximum(np.nextafter(scores, 2.0), expit(logit(scores) + MARGIN))
    return above


@dataclass(frozen=True)
class Scores:
    """The scores of a split's readable pictures, those to keep apart from the others."""

    keep: tuple[str, ...]
    """Classes, in the classifier's order."""
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
    ) -> Self:
        """Return the scores of some pictures.

        Args:
            probabilities: (N, classes), from logits; what a CSV file holds is rounded.
            truth: (N,) class indices.
            classes: their names.
            keep: the names of those to keep.
            groups: None where every picture is independent of the others.

        Raises:
            NotUnderstoodError: when a class to keep is not there, or no other class is left.
        """
        scores = probability_not_kept(probabilities, classes, keep)
        keep = tuple(name for name in classes if name in keep)
        groups = np.arange(len(truth)) if groups is None else groups
        is_kept = np.isin(truth, [classes.index(name) for name in keep])
        return cls(keep, scores[is_kept], groups[is_kept], scores[~is_kept], groups[~is_kept])

    def by_group(self) -> Floats:
        """Return the largest score to keep of each group that has any."""
        return largest_by_group(self.kept, self.kept_groups)


def decide(
    scores: Scores, lose_at_most: float, confidence: float, today: str, name: str = "", left_out: int = 0
) -> Decision:
    """Return the decision that sets aside the most and keeps the promise.

    The share of other classes set aside is measured on the same split. The threshold comes from the classes to
    keep alone, so that it is independent of that share, but where a group holds both.

    Args:
        scores: of the calibration split, which nothing else was fitted or chosen by.
        lose_at_most: share of the pictures to keep, or of their groups, above 0 and below 1.
        confidence: probability to keep the promise, likewise.
        today: date, noted in the decision.
        name: of the decision; by default from the classes to keep.
        left_out: calibration pictures that the scores are without, since training or validation has the like.

    Raises:
        NotUnderstoodError: when the promise is no share, or nothing that one can be confident of.
        SkysortError: when there are too few pictures to keep, or a score is no probability.
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


def share_set_aside(scores: Floats, groups: Groups, threshold: float) -> SetAside | None:
    """Return the share of some pictures that a threshold sets aside, with its 95 % interval; None for no pictures.

    Pictures in groups count for as many independent ones as they would be worth if those of a group were all
    alike, so that the interval is rather too wide than too narrow.

    Source: L. Kish, Survey Sampling, 1965, for what unequal weights are worth.
    """
    if not len(scores):
        return None
    share = int(_num_reaching(scores, threshold)) / len(scores)
    _, sizes = np.unique(groups, return_counts=True)
    worth = int(sizes.sum() ** 2 // (sizes**2).sum())
    return SetAside(pictures=len(scores), share=share, interval95=wilson(round(share * worth), worth))


def share_lost(scores: Scores, threshold: float) -> SetAside | None:
    """Return the share of the pictures to keep that a threshold sets aside, counted as the promise counts them."""
    by_group = scores.by_group()
    lost = share_set_aside(by_group, np.arange(len(by_group)), threshold)
    if lost is None or len(by_group) == len(scores.kept):
        return lost
    return lost.model_copy(update={"pictures": len(scores.kept), "groups": len(by_group)})


@dataclass(frozen=True)
class Curve:
    """What thresholds lose and set aside on calibration; from the highest threshold to the lowest."""

    thresholds: Floats
    """(m,), just above each of the scores to keep: between two of them a higher one only sets less aside."""
    lost: Floats
    """(m,) share of the pictures to keep, or of their groups."""
    bounds: Floats
    """(m,) its upper bound. Each holds by itself; a threshold picked by looking at them has no promise."""
    set_aside: Floats
    """(m,) share of the others; no number where there are none."""


def curve(scores: Scores, confidence: float) -> Curve:
    """Return what each threshold worth choosing loses and sets aside on the calibration split."""
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
    """Return how many scores each threshold sets aside."""
    _check_scores(scores)
    num: NDArray[np.int64] = len(scores) - np.searchsorted(np.sort(scores), thresholds, side="left")
    return num


def _check_scores(scores: Floats) -> None:
    num_wrong = np.count_nonzero(~((scores >= 0) & (scores <= 1)))  # no number counts as wrong
    if num_wrong:
        raise SkysortError("wrong-value", f"{num_wrong:,} of {scores.size:,} scores are no probabilities")


def _check_shares(lose_at_most: float, confidence: float) -> None:
    for name, share, example in (
        ("share to lose at most", lose_at_most, "2 %"),
        ("confidence", confidence, "95 %"),
    ):
        if not LEAST <= share <= 1 - LEAST:
            raise NotUnderstoodError(
                "wrong-value",
                f"{name} must be from {100 * LEAST:.7f} % to {100 - 100 * LEAST:.7f} %, got {_percent(share)},"
                f" try {example}",
            )


def _percent(share: float) -> str:
    return f"{np.format_float_positional(100 * share, 10, fractional=False, trim='-')} %"
