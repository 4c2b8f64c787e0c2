"""The interval of an accuracy by folds."""

from skysort.trust.intervals import Interval, wilson

VARIANCE_RATIO = 1.5
"""Variance of an accuracy by folds, over that of as many independent pictures. The heads of two folds share most
of their pictures, so their mistakes go together. No unbiased estimate of it exists. benchmarks/folds.py measured
1.3 to 1.7 with 3 to 30 pictures per class; docs/folds.md has the figures.

Source: Y. Bengio, Y. Grandvalet, No unbiased estimator of the variance of k-fold cross-validation, 2004.
"""


def folds_interval(num_right: int, num: int) -> Interval:
    """Return the interval of the share of pictures that are right, each judged by a head that has not seen it.

    It is that of two thirds as many independent pictures. It is approximate.

    >>> tuple(round(bound, 3) for bound in folds_interval(80, 100))
    (0.689, 0.878)
    """
    return wilson(num_right / VARIANCE_RATIO, num / VARIANCE_RATIO)
