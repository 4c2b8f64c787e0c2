"""Several runs of several recipes: means, spreads, differences, and comparisons with published figures."""

from collections.abc import Iterable, Sequence
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from skysort.core.models import FrozenModel
from skysort.trust.intervals import CONFIDENCE, paired_difference_interval

NUM_RESAMPLES = 4_000
DRAWN_AT_ONCE = 5_000_000
"""Pictures to draw at a time, which bounds the memory."""
WIDEST = 0.02
"""Half the width of a prediction interval above which there is no verdict."""

Mode = Literal["training", "evaluation"]
Verdict = Literal["meets", "short", "undecided"]


class Spread(FrozenModel):
    """A figure of several runs that differ only in their seed."""

    values: tuple[float, ...]
    """One per run, in the order of the seeds."""
    mean: float
    std: float | None
    """Sample standard deviation over the runs; None for a single run."""

    @classmethod
    def of(cls, values: Iterable[float]) -> Self:
        """Return the spread of some figures, at least one."""
        values = tuple(values)
        std = float(np.std(values, ddof=1)) if len(values) > 1 else None
        return cls(values=values, mean=float(np.mean(values)), std=std)


class Difference(FrozenModel):
    """Difference in accuracy between two recipes on the same test pictures."""

    mean: float
    interval95: tuple[float, float]


class TrainModeAccuracy(FrozenModel):
    """Accuracies of a network in training mode, for comparison with texts that measure in that mode."""

    train: Spread
    test: Spread


class ComparisonRow(FrozenModel):
    """One recipe's runs."""

    name: str
    description: str
    parameters: int
    test: Spread
    train: Spread
    gap: float
    """Overfitting: mean train accuracy minus mean test accuracy."""
    difference: Difference | None
    """Difference from the first row; None for the first row itself."""
    seconds: Spread
    """Duration of training."""
    losses: tuple[float, ...]
    """Training loss of each epoch, as the mean over the runs."""
    elapsed: tuple[float, ...]
    """Seconds of training at the end of each epoch, as the mean over the runs."""
    training_mode: TrainModeAccuracy | None = None
    shifted: tuple[Spread, ...] = ()
    """Test accuracy with the pictures shifted by 0, 1, 2 … pixels; empty if that was not measured."""


class PairedComparison(FrozenModel):
    """Two classifiers on the same pictures."""

    first: str
    """Name of the first classifier."""
    second: str
    """Name of the second classifier."""
    both: int
    """Pictures that both label right. The next three fields count the other cases."""
    only_first: int
    only_second: int
    neither: int
    difference: Difference
    """Accuracy of the first minus that of the second, with Newcombe's interval."""
    p: float
    """Probability that two equally good classifiers differ by as much or more: exact McNemar test, two-sided."""
    better: Literal["first", "second"] | None
    """None if p is above 0.05: the pictures do not show which one is better."""

    @property
    def num(self) -> int:
        """How many pictures there are."""
        return self.both + self.only_first + self.only_second + self.neither

    @classmethod
    def of(cls, names: tuple[str, str], first: NDArray[np.bool_], second: NDArray[np.bool_]) -> Self:
        """Compare which of (N,) pictures two classifiers label right, N at least 1.

        Source: Q. McNemar, Note on the sampling error of the difference between correlated proportions or
        percentages, 1947.
        """
        from scipy.stats import binomtest

        both, only_first = int((first & second).sum()), int((first & ~second).sum())
        only_second, neither = int((~first & second).sum()), int((~first & ~second).sum())
        apart = only_first + only_second
        p = float(binomtest(only_first, apart).pvalue) if apart else 1.0
        better: Literal["first", "second"] = "first" if only_first > only_second else "second"
        return cls(
            first=names[0],
            second=names[1],
            both=both,
            only_first=only_first,
            only_second=only_second,
            neither=neither,
            difference=Difference(
                mean=(only_first - only_second) / len(first),
                interval95=paired_difference_interval(both, only_first, only_second, neither),
            ),
            p=p,
            better=better if p <= 1 - CONFIDENCE else None,
        )


class Comparison(FrozenModel):
    """What comparison.json holds."""

    title: str
    description: str
    source: str
    """Name or path of the pictures."""
    fingerprint: str
    protocol: str
    pictures: int
    """Number of pictures in the test split."""
    seeds: tuple[int, ...]
    settings: tuple[str, ...]
    """Settings that all recipes share."""
    rows: tuple[ComparisonRow, ...]
    machine: str
    versions: dict[str, str]
    date: str


class ReproducedFigure(FrozenModel):
    """One published accuracy beside the measured one."""

    recipe: str
    source: str
    """Tutorial that published it."""
    data: str
    split: Literal["train", "test"]
    mode: Mode
    """Mode of the network in which both were measured."""
    pictures: int
    published: float | None
    """None if the tutorial has no figure for the mode."""
    measured: Spread
    interval95: tuple[float, float] | None
    """Prediction interval for one more run; it includes the binomial error of the published figure."""
    verdict: Verdict | None
    short_by: float | None
    """Published figure minus measured mean; None unless the verdict is `short`."""


class ReproducedCurve(FrozenModel):
    """A published curve of losses beside the measured one."""

    recipe: str
    epochs: tuple[int, ...]
    published: tuple[float, ...]
    measured: tuple[float, ...]
    """Means over the runs."""


class Reproduction(FrozenModel):
    """What reproduction.json holds."""

    figures: tuple[ReproducedFigure, ...]
    losses: tuple[ReproducedCurve, ...]
    settings: tuple[str, ...]
    """Settings that differ from the tutorials. The verdicts are for the changed recipes."""
    seeds: dict[str, int]
    """Number of runs by recipe."""
    seconds: dict[str, float]
    """Mean seconds of training by recipe."""
    machine: str
    versions: dict[str, str]
    date: str


def difference(right: NDArray[np.bool_], reference: NDArray[np.bool_], rng: np.random.Generator) -> Difference:
    """Return the difference in accuracy of two recipes with its 95 % percentile bootstrap interval.

    Each resample draws one set of pictures for both recipes, since both were tested on the same ones, and a set of
    runs for each recipe. With one run per recipe, the interval reflects the choice of pictures only.

    Args:
        right: (runs, pictures) whether the label of the first recipe is the true class.
        reference: (runs, pictures) the same for the recipe to compare with.
        rng: draws the resamples.

    Source: B. Efron, R. Tibshirani, An introduction to the bootstrap, 1993, chapters 8 and 13.
    """
    num_pictures = right.shape[1]
    both = np.concatenate([right, reference]).astype(np.float32)
    differences = []
    at_once = max(1, DRAWN_AT_ONCE // num_pictures)
    for start in range(0, NUM_RESAMPLES, at_once):
        num = min(at_once, NUM_RESAMPLES - start)
        drawn = rng.integers(0, num_pictures, (num, num_pictures))
        # Each resample has its own range of numbers, so that one bincount counts them all.
        offsets = num_pictures * np.arange(num)[:, None]
        counts = np.bincount((drawn + offsets).ravel(), minlength=num * num_pictures)
        sums = counts.reshape(drawn.shape).astype(np.float32) @ both.T  # (resamples, runs of both)
        ours = _drawn_mean(sums[:, : len(right)], rng)
        differences.append((ours - _drawn_mean(sums[:, len(right) :], rng)) / num_pictures)
    tail = 100 * (1 - CONFIDENCE) / 2
    low, high = np.percentile(np.concatenate(differences), [tail, 100 - tail])
    return Difference(mean=float(right.mean() - reference.mean()), interval95=(float(low), float(high)))


def _drawn_mean(sums: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Return the mean over runs for each resample, which draws as many runs as there are."""
    drawn = rng.integers(0, sums.shape[1], sums.shape)
    mean: NDArray[np.float32] = np.take_along_axis(sums, drawn, axis=1).mean(axis=1)
    return mean


def pooled_std(groups: Iterable[Sequence[float]]) -> tuple[float, int]:
    """Return the pooled standard deviation within groups, and its degrees of freedom.

    >>> pooled_std([[1.0, 3.0], [10.0, 10.0], [7.0]])
    (1.0, 2)
    """
    several = [group for group in groups if len(group) > 1]
    freedom = sum(len(group) - 1 for group in several)
    squares = sum(float(np.var(group)) * len(group) for group in several)
    return ((squares / freedom) ** 0.5 if freedom else 0.0), freedom


def prediction_interval(
    measured: Spread, published: float, num_pictures: int, std: float, freedom: int
) -> tuple[float, float] | None:
    """Return the 95 % prediction interval of one more run, measured on as many other pictures as the tutorial's.

    Args:
        measured: accuracies of our runs.
        published: accuracy of the tutorial, which has a binomial error.
        num_pictures: number of pictures that the tutorial measured on.
        std: standard deviation of runs, pooled over recipes.
        freedom: degrees of freedom of std. With 0, std is unknown and there is no interval.

    Source: the prediction interval of a normal sample, with degrees of freedom by Welch and Satterthwaite, since
    the binomial part of the variance is known and the part of the runs is estimated.
    """
    from scipy.stats import t

    if not freedom:
        return None
    of_runs = std**2 * (1 + 1 / len(measured.values))
    of_pictures = published * (1 - published) / num_pictures
    variance = of_runs + of_pictures
    effective = freedom * (variance / of_runs) ** 2 if of_runs else np.inf
    margin = float(t.ppf((1 + CONFIDENCE) / 2, effective)) * variance**0.5
    return measured.mean - margin, measured.mean + margin


def verdict_on(
    published: float, measured: Spread, interval: tuple[float, float] | None
) -> tuple[Verdict, float | None]:
    """Return whether the runs meet a published figure, and how far they fall short of it."""
    if interval is None or interval[1] - measured.mean > WIDEST:
        return "undecided", None
    if published <= interval[1]:
        return "meets", None
    return "short", published - measured.mean
