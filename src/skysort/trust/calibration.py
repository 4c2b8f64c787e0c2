"""Calibration of confidences: the temperature, the calibration error, the points of a reliability diagram."""

import numpy as np
from numpy.typing import NDArray

from skysort.classifier.format import Temperature
from skysort.classifier.predictions import softmax
from skysort.core.errors import SkysortError
from skysort.core.models import FrozenModel
from skysort.trust.intervals import CONFIDENCE, Interval, wilson

LOWEST_TEMPERATURE, HIGHEST_TEMPERATURE = 0.01, 100.0
FEWEST_TO_FIT = 50
"""Validation pictures; `fit_temperature` says why."""
LIKELIHOOD_RATIO = 3.841
"""The 95 % quantile of chi-squared with one degree of freedom."""
MOST_BINS = 15
"""As Guo et al. have it, and most who print this figure."""
FEWEST_IN_BIN = 20
"""Pictures: of fewer, chance alone moves the accuracy of a bin by a tenth."""
NUM_RESAMPLES = 1_000
TIMES_AS_FAR = np.linspace(0, 3, 13)
"""Multiples of what was seen; between these the interval's ends are interpolated."""
OVERCONFIDENT_BY = np.linspace(0, 1, 25) ** 2
"""Likewise."""

Floats = NDArray[np.float64]


class Point(FrozenModel):
    """A bin of a reliability diagram."""

    pictures: int
    confidence: float
    """Their mean."""
    accuracy: float
    interval95: Interval
    """Of the accuracy."""


class CalibrationError(FrozenModel):
    """How far confidences are from accuracies."""

    value: float
    interval95: Interval | None
    """None of fewer pictures than a bin takes."""
    by_chance: float
    """The value to expect if every one of these confidences were true."""
    points: tuple[Point, ...]
    """The bins, in the order of confidence."""


def fit_temperature(logits: NDArray[np.float32], truth: NDArray[np.int64]) -> Temperature:
    """Return what to divide logits by for the least cross entropy, or 1.

    Few pictures say little of a temperature, and a wrong one spoils every confidence. So it stays 1 where there
    are fewer than 50, and where the likelihood ratio test at 95 % cannot tell it from 1. A simulation led to both:
    logits of which the softmax is true, multiplied by a factor; two classes of 91 % and of 96 % accuracy, and ten
    of 92 %; 200 draws each. Mean change of the true cross entropy in nats, with the test, and in brackets without:

        pictures    factor 1                            factor 1.5                          factor 2.5
        9           +0.001 +0.003 +0.001 (up to +0.053) +0.005 +0.005 +0.003 (up to +0.041) -0.012 -0.001 -0.033
        30          +0.013 +0.001 +0.002 (up to +0.032) +0.003 +0.001 -0.004 (up to +0.007) -0.049 -0.014 -0.101
        50          +0.006 +0.002 +0.010 (up to +0.019) -0.001 +0.000 -0.011 (up to -0.001) -0.068 -0.024 -0.144
        100         +0.001 +0.003 +0.003 (up to +0.008) -0.006 -0.001 -0.020 (up to +0.001) -0.088 -0.036 -0.161
        200         +0.001 +0.001 +0.001 (up to +0.003) -0.012 -0.004 -0.026 (up to -0.007) -0.100 -0.046 -0.166

    From 50 pictures on, a network that is overconfident as many are, by 1.5, gains or loses nothing.

    Where no picture is labelled wrong, the cross entropy falls for ever as the temperature goes to 0 and the
    confidence to 1, though n pictures cannot speak for that. So the temperature goes no lower than to a mean
    confidence of (n + 1) / (n + 2), which is Laplace's rule of succession for n right of n.

    Args:
        logits: (N, classes) of validation pictures, N at least 1.
        truth: (N,) class indices.

    Raises:
        SkysortError: when a logit is not finite.

    Source: C. Guo, G. Pleiss, Y. Sun, K. Weinberger, On calibration of modern neural networks, 2017.
    """
    if not np.isfinite(logits).all():
        raise SkysortError(
            "diverged", "the network's answers to validation pictures are no finite numbers; train it anew"
        )
    num = len(truth)
    if num < FEWEST_TO_FIT:
        return Temperature(reason=f"{num} validation pictures are too few to fit it: {FEWEST_TO_FIT} are needed")
    temperature, is_lowest = _least_cross_entropy(logits.astype(np.float64), truth)
    gained = cross_entropies(logits, truth).sum() - cross_entropies(logits / temperature, truth).sum()
    if 2 * gained < LIKELIHOOD_RATIO:
        reason = f"{num:,} validation pictures cannot tell it from 1 (likelihood ratio test at 95 %)"
        return Temperature(reason=reason)
    end = ", and held at the lower limit, for there were few mistakes" if is_lowest else ""
    return Temperature(value=temperature, reason=f"fitted to {num:,} validation pictures{end}")


def _least_cross_entropy(logits: Floats, truth: NDArray[np.int64]) -> tuple[float, bool]:
    """Return the temperature of the least cross entropy, and whether it is the lowest that is allowed."""
    from scipy.optimize import brentq, minimize_scalar

    most = (len(truth) + 1) / (len(truth) + 2)

    def excess(log: float) -> float:
        return float(softmax(logits / np.exp(log)).max(axis=1).mean()) - most

    lowest, highest = np.log((LOWEST_TEMPERATURE, HIGHEST_TEMPERATURE))
    if excess(highest) >= 0:
        return HIGHEST_TEMPERATURE, False
    if excess(lowest) > 0:
        lowest = brentq(excess, lowest, highest)
    # In the logarithm of the temperature it has one minimum, since it is convex in the inverse.
    log_temperature = minimize_scalar(
        lambda log: cross_entropies(logits / np.exp(log), truth).mean(),
        bounds=(lowest, highest),
        method="bounded",
        options={"xatol": 1e-6},
    ).x
    return float(np.exp(log_temperature)), bool(log_temperature - lowest < 1e-4)


def calibration_error(confidences: Floats, right: NDArray[np.bool_]) -> CalibrationError:
    """Return the expected calibration error with its 95 % interval, and the bins it was taken over.

    Pictures are sorted by confidence into bins of as many each: 15, or fewer, so that each has 20 pictures or
    more. The error is the mean distance of a bin's accuracy from its mean confidence, over pictures. Pictures of
    one confidence share a bin.

    Chance moves each accuracy, and every distance is counted as positive: the figure is too large, by much where
    the true one is small, and the figures of plain resamples larger still, so that their percentiles are no
    interval for the true one. Hence a test is inverted: the interval holds those true errors under which resamples
    (counts of right labels, binomial in each bin) show the figure that was seen, or one less far out than the
    outermost 2.5 % on either side. The bins are taken to be off by a multiple of what was seen; for the upper end
    also by one and the same overconfidence, since where all labels are right, nothing that was seen leads there.
    Fewer pictures than a bin takes have no interval: no error at all could be told from any.

    Args:
        confidences: (N,) probabilities of the labels, N at least 1.
        right: (N,) whether the label is the truth.

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
    low, by_chance, high = _inverted(value, mean, pictures, TIMES_AS_FAR[:, None] * (accuracy - mean))
    _, _, high_if_overconfident = _inverted(value, mean, pictures, -OVERCONFIDENT_BY[:, None])
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
    """Return the least true error that goes with a figure, the figure of none, and the greatest true error.

    Args:
        value: the figure that was seen.
        mean: (bins,) confidences.
        pictures: (bins,) how many.
        off: (errors, bins or 1) how far accuracies may truly be from confidences: first 0, then more.
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


def cross_entropies(logits: NDArray[np.floating], truth: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return (N,) losses in nats, for (N, classes) logits and (N,) class indices."""
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    losses: NDArray[np.float64] = np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(truth)), truth]
    return losses
