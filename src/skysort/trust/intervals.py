"""95 % intervals in closed form, for shares and for figures computed from shares."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from skysort.trust.root import root

CONFIDENCE = 0.95
NORMAL_QUANTILE = 1.959963984540054
"""Quantile of the standard normal distribution at 0.975."""
ROUNDING = 1e-12
"""Rounding error of an average precision near 0 or 1. That of real pictures is much farther from both."""

Interval = tuple[float, float]
"""The lower and the upper bound."""


def wilson(num_right: float, num: float) -> Interval:
    """Return the Wilson score interval of a share.

    Source: E. B. Wilson, Probable inference, the law of succession, and statistical inference, 1927.

    >>> tuple(round(bound, 4) for bound in wilson(8, 10))
    (0.4902, 0.9433)
    """
    square = NORMAL_QUANTILE**2
    middle = num_right + square / 2
    margin = NORMAL_QUANTILE * math.sqrt(num_right * (num - num_right) / num + square / 4)
    low, high = (middle - margin) / (num + square), (middle + margin) / (num + square)
    share = num_right / num
    # Rounding must not put the share outside of its interval.
    return 0.0 if num_right == 0 else min(low, share), 1.0 if num_right == num else max(high, share)


def mean_interval(values: NDArray[np.float64]) -> Interval:
    """Return the interval of the mean of values that are not negative, by the normal approximation."""
    margin = NORMAL_QUANTILE * values.std(ddof=1) / math.sqrt(len(values))
    return max(0.0, float(values.mean() - margin)), float(values.mean() + margin)


def mean_share_interval(shares: Sequence[float], intervals: Sequence[Sequence[float]]) -> Interval:
    """Return the interval of a mean of independent shares, such as balanced accuracy, from Wilson intervals.

    Source: G. Y. Zou, W. Huang, X. Zhang, A note on confidence interval estimation for a linear function of
    binomial proportions, 2009.
    """
    mean = float(np.mean(shares))
    below, above = (np.linalg.norm(np.array(shares) - bounds) / len(shares) for bounds in np.transpose(intervals))
    return mean - float(below), mean + float(above)


def f1_interval(num_right: int, num_wrong: int) -> Interval:
    """Return the interval of F1, which follows from the Wilson interval of num_right / (num_right + num_wrong).

    Args:
        num_right: pictures of the class with its label.
        num_wrong: pictures of the class with another label, and pictures of other classes with its label.

    Source: K. Lam, V. Gopal, J. Qian, Confidence intervals for the F1 score: a comparison of four methods, 2023,
    method "Wilson indirect".
    """
    low, high = wilson(num_right, num_right + num_wrong)
    return 2 * low / (1 + low), 2 * high / (1 + high)


def average_precision_interval(precision: float, num_of_class: int) -> Interval | None:
    """Return the interval of an average precision, by the normal approximation of its logit.

    Average precisions of 0 and 1, up to rounding, have no interval: None.

    Source: K. Boyd, K. Eng, C. Page, Area under the precision-recall curve: point estimates and confidence
    intervals, 2013.
    """
    if not ROUNDING < precision < 1 - ROUNDING:
        return None
    margin = NORMAL_QUANTILE / math.sqrt(num_of_class * precision * (1 - precision))
    logit = math.log(precision / (1 - precision))
    return _expit(logit - margin), _expit(logit + margin)


def _expit(logit: float) -> float:
    """Return the share with this logit. Unlike `1 / (1 + exp(-logit))`, it cannot overflow."""
    return (1 + math.tanh(logit / 2)) / 2


def roc_auc_interval(area: float, num_of_class: int, num_of_others: int) -> Interval:
    """Return the interval of an area under the ROC curve: the true areas that do not contradict the measured one.

    Source: R. Newcombe, Confidence intervals for an effect size measure based on the Mann-Whitney statistic,
    part 2, 2006, method 5.
    """
    others = (num_of_class + num_of_others) / 2 - 1

    def lowest(area: float) -> float:
        def too_low(true: float) -> float:
            spread = true * (1 - true) * (1 + others * ((1 - true) / (2 - true) + true / (1 + true)))
            error = math.sqrt(spread / (num_of_class * num_of_others))
            return area - true - NORMAL_QUANTILE * error

        nearly = area * (1 - 1e-12)  # a true area of 1 has no error, so it would end the search
        return root(too_low, 0, nearly) if too_low(nearly) < 0 < area else area

    # The upper end is the lower end for the classes swapped.
    return lowest(area), 1 - lowest(1 - area)


def paired_difference_interval(both: int, only_first: int, only_second: int, neither: int) -> Interval:
    """Return the interval of the difference of two shares of the same pictures, first minus second.

    Args:
        both: pictures that both classifiers label right.
        only_first: pictures that only the first labels right.
        only_second: pictures that only the second labels right.
        neither: pictures that neither labels right.

    Source: R. Newcombe, Improved confidence intervals for the difference between binomial proportions based on
    paired data, 1998, method 10.
    """
    num = both + only_first + only_second + neither
    first, second = both + only_first, both + only_second
    (low1, high1), (low2, high2) = wilson(first, num), wilson(second, num)
    share1, share2 = first / num, second / num
    together = float(both * neither - only_first * only_second)
    if together > 0:
        together = max(together - num / 2, 0.0)  # the source's continuity correction
    spreads = first * (num - first) * second * (num - second)
    phi = together / math.sqrt(spreads) if spreads else 0.0

    def margin(one: float, other: float) -> float:
        return math.sqrt(max(one**2 - 2 * phi * one * other + other**2, 0.0))

    difference = share1 - share2
    return (
        difference - margin(share1 - low1, high2 - share2),
        difference + margin(high1 - share1, share2 - low2),
    )
