"""Calibration of confidences: temperature, calibration error, and the points of a reliability diagram."""

import numpy as np
from numpy.typing import NDArray

from skysort.classifier.format import Temperature
from skysort.classifier.predictions import cross_entropies, softmax
from skysort.core.errors import SkysortError
from skysort.core.models import FrozenModel
from skysort.trust.intervals import CONFIDENCE, Interval, wilson
from skysort.trust.root import root

LOWEST_TEMPERATURE, HIGHEST_TEMPERATURE = 0.01, 100.0
PRECISION = 1e-6
"""Of the logarithm of a temperature."""
FEWEST_TO_FIT = 50
"""Validation pictures that a temperature needs; `fit_temperature` has the reason."""
LIKELIHOOD_RATIO = 3.841
"""The 95 % quantile of chi-squared with one degree of freedom."""
MOST_BINS = 15
"""The number of Guo et al., and the most usual."""
FEWEST_IN_BIN = 20
"""Pictures per bin. With fewer, chance alone changes the accuracy of a bin by a tenth."""
NUM_RESAMPLES = 1_000
MULTIPLES = np.linspace(0, 3, 13)
"""True errors to try, as multiples of the measured ones. Interpolation between them gives the interval's ends."""
OVERCONFIDENCES = np.linspace(0, 1, 25) ** 2
"""True errors to try that are the same in every bin."""

Floats = NDArray[np.float64]


class Point(FrozenModel):
    """A bin of a reliability diagram."""

    pictures: int
    confidence: float
    """Mean of its pictures."""
    accuracy: float
    interval95: Interval
    """Interval of the accuracy."""


class CalibrationError(FrozenModel):
    """Expected calibration error: how far confidences are from accuracies."""

    value: float
    interval95: Interval | None
    """None for fewer pictures than a bin needs."""
    by_chance: float
    """Value to expect if all confidences were true."""
    points: tuple[Point, ...]
    """Bins in the order of confidence."""


def fit_temperature(
    logits: NDArray[np.float32], truth: NDArray[np.int64], what: str = "validation pictures"
) -> Temperature:
    """Return the temperature, by which to divide logits for the lowest cross entropy, or 1.

    Few pictures determine a temperature poorly, and a wrong one spoils every confidence. So it stays 1 with fewer
    than 50 pictures, and if the likelihood ratio test at 95 % cannot tell it from 1. Both rules come from a
    simulation. Its logits have a true softmax and are multiplied by a factor; there are two classes at 91 % and at
    96 % accuracy, and ten at 92 %, with 200 draws each. The table has the mean change of the true cross entropy in
    nats with the test, and in brackets the largest of the three without it:

        pictures    factor 1                            factor 1.5                          factor 2.5
        9           +0.001 +0.003 +0.001 (up to +0.053) +0.005 +0.005 +0.003 (up to +0.041) -0.012 -0.001 -0.033
        30          +0.013 +0.001 +0.002 (up to +0.032) +0.003 +0.001 -0.004 (up to +0.007) -0.049 -0.014 -0.101
        50          +0.006 +0.002 +0.010 (up to +0.019) -0.001 +0.000 -0.011 (up to -0.001) -0.068 -0.024 -0.144
        100         +0.001 +0.003 +0.003 (up to +0.008) -0.006 -0.001 -0.020 (up to +0.001) -0.088 -0.036 -0.161
        200         +0.001 +0.001 +0.001 (up to +0.003) -0.012 -0.004 -0.026 (up to -0.007) -0.100 -0.046 -0.166

    From 50 pictures on, a network with a typical overconfidence, by a factor of 1.5, loses nothing.

    If no picture is labelled wrong, the cross entropy keeps falling as the temperature goes to 0 and the
    confidence to 1, which n pictures cannot justify. So the temperature stops at a mean confidence
    of (n + 1) / (n + 2), by Laplace's rule of succession for n right of n.

    Args:
        logits: (N, classes) of pictures that the network did not learn from, N at least 1.
        truth: (N,) class indices.
        what: what these are called in the reason.

    Raises:
        SkysortError: when a logit is not finite.

    Source: C. Guo, G. Pleiss, Y. Sun, K. Weinberger, On calibration of modern neural networks, 2017.
    """
    if not np.isfinite(logits).all():
        raise SkysortError("diverged", f"the network's logits for {what} are NaN or infinite; train it again")
    num = len(truth)
    if num < FEWEST_TO_FIT:
        return Temperature(reason=f"{num} {what} are too few to fit it; it needs {FEWEST_TO_FIT}")
    temperature, is_lowest = _least_cross_entropy(logits.astype(np.float64), truth)
    gained = cross_entropies(logits, truth).sum() - cross_entropies(logits / temperature, truth).sum()
    if 2 * gained < LIKELIHOOD_RATIO:
        reason = f"{num:,} {what} cannot tell it from 1 (likelihood ratio test at 95 %)"
        return Temperature(reason=reason)
    end = ", and held at its lower limit, since they have few mistakes" if is_lowest else ""
    return Temperature(value=temperature, reason=f"fitted to {num:,} {what}{end}")


def _least_cross_entropy(logits: Floats, truth: NDArray[np.int64]) -> tuple[float, bool]:
    """Return the temperature with the lowest cross entropy, and whether it is the lowest allowed."""
    most = (len(truth) + 1) / (len(truth) + 2)
    logits_of_truth = np.take_along_axis(logits, truth[:, None], axis=1).mean()

    def excess(log: float) -> float:
        return float(softmax(logits / np.exp(log)).max(axis=1).mean()) - most

    def slope(log: float) -> float:
        """Return the derivative of the mean cross entropy by 1 / temperature, which falls as temperatures rise."""
        return float((softmax(logits / np.exp(log)) * logits).sum(axis=1).mean() - logits_of_truth)

    lowest, highest = np.log((LOWEST_TEMPERATURE, HIGHEST_TEMPERATURE)).tolist()
    if excess(highest) >= 0:
        return HIGHEST_TEMPERATURE, False
    if excess(lowest) > 0:
        lowest = root(excess, lowest, highest, PRECISION)
    # The cross entropy is convex in 1 / temperature, so its derivative crosses zero once.
    log_temperature = root(slope, lowest, highest, PRECISION)
    return float(np.exp(log_temperature)), bool(log_temperature - lowest < 1e-4)


def calibration_error(confidences: Floats, right: NDArray[np.bool_]) -> CalibrationError:
    """Return the expected calibration error with its 95 % interval and its bins.

    Pictures are sorted by confidence into bins of equal size: 15 bins, or fewer, so that each has at least 20
    pictures. Pictures with the same confidence share a bin. The error is the mean over pictures of the distance
    between the accuracy and the mean confidence of a bin.

    Chance changes each accuracy, and every distance counts as positive. So the figure is too large, by much if the
    true error is small, and the figures of plain resamples are larger still: their percentiles are not an interval
    for the true error. Therefore a test is inverted. The interval holds the true errors for which the measured
    figure is not among the outermost 2.5 % of resampled figures on either side; a resample draws the number of
    right labels per bin from a binomial distribution. The true errors to try are multiples of the measured ones.
    For the upper end they are also the same overconfidence in every bin, since with all labels right no multiple
    leads to a larger error. With fewer pictures than a bin needs, no error can be excluded, so there is no
    interval.

    Args:
        confidences: (N,) probabilities of the labels, N at least 1.
        right: (N,) whether the label is the true class.

    Sources: R. Roelofs, N. Cain, J. Shlens, M. Mozer, Mitigating bias in calibration error estimation, 2022, for
    bins of equal mass; J. Carpenter, Test inversion bootstrap confidence intervals, 1999.
    """
    order = np.argsort(confidences, kind="stable")
    confidences, hits = confidences[order], right[order].astype(np.float64)
    num = len(hits)
    num_bins = min(max(num // FEWEST_IN_BIN, 1), MOST_BINS)
    equal = np.arange(num_bins) * num // num_bins
    starts = np.unique(np.searchsorted(confidences, confidences[equal]))
    pictures = np.diff(np.append(starts, num))
    mean, accuracy = (np.add.reduceat(values, starts) / pictures for values in (confidences, hits))
    value = float(np.average(np.abs(accuracy - mean), weights=pictures))
    low, by_chance, high = _inverted(value, mean, pictures, MULTIPLES[:, None] * (accuracy - mean))
    _, _, high_if_overconfident = _inverted(value, mean, pictures, -OVERCONFIDENCES[:, None])
    interval = min(low, value), max(value, high, high_if_overconfident)
    return CalibrationError(
        value=value,
        interval95=interval if num >= FEWEST_IN_BIN else None,
        by_chance=by_chance,
        points=tuple(
            Point(pictures=n, confidence=c, accuracy=a, interval95=wilson(round(a * n), n))
            for n, c, a in zip(pictures.tolist(), mean.tolist(), accuracy.tolist(), strict=True)
        ),
    )


def _inverted(value: float, mean: Floats, pictures: NDArray[np.int64], off: Floats) -> tuple[float, float, float]:
    """Return the lowest true error that fits a figure, the figure to expect without error, and the highest.

    Args:
        value: the measured figure.
        mean: (bins,) mean confidences.
        pictures: (bins,) numbers of pictures.
        off: (errors, bins or 1) differences of true accuracies from confidences to try, from 0 upwards.
    """
    rng = np.random.default_rng(0)
    accuracy = np.clip(mean + off, 0, 1)
    errors = np.average(np.abs(accuracy - mean), axis=1, weights=pictures)
    drawn = rng.binomial(pictures, accuracy, (NUM_RESAMPLES, *accuracy.shape)) / pictures
    figures = np.average(np.abs(drawn - mean), axis=2, weights=pictures)  # (resamples, errors)
    tail = 100 * (1 - CONFIDENCE) / 2
    lowest, highest = np.maximum.accumulate(np.percentile(figures, [tail, 100 - tail], axis=0), axis=1)
    return (
        float(np.interp(value, highest, errors)),
        float(figures[:, 0].mean()),
        float(np.interp(value, lowest, errors)),
    )
