"""What figures amount to, in words: whether the test pictures are enough, and whether anything was learned."""

import math

from skysort.core.text import counted
from skysort.trust.intervals import NORMAL_QUANTILE
from skysort.trust.metrics import Metrics, SplitFigures

SMALL_MARGIN = 0.03
"""Of an accuracy either way: narrow enough for most decisions between two classifiers."""


def advice(metrics: Metrics) -> list[str]:
    """Return sentences to be read beside the figures of `metrics.json`."""
    found = [how_sure(metrics.splits["test"])]
    if (train := metrics.splits.get("train")) and not has_learned(train):
        found.insert(
            0,
            f"Not trained yet: even of its training pictures it sorts {100 * train.accuracy:.0f} % right, which"
            " cannot be told from guessing. Train longer (--set training.epochs=…) or at a larger size"
            " (--set pictures.size=…), and check the labels with skysort check.",
        )
    return found


def how_sure(test: SplitFigures) -> str:
    """Return whether the test pictures are enough for their accuracy, and how many would be.

    The number is that of Wilson's interval with its middle where it is now: n = z² p (1 - p) / margin².
    """
    low, high = test.interval95
    widening = test.grouped.widening if test.grouped else 1.0
    margin = (high - low) / 2 * widening
    pictures = counted(test.pictures, "test picture")
    tell = "tells" if test.pictures == 1 else "tell"
    if margin <= SMALL_MARGIN:
        return f"{pictures} {tell} the accuracy to ±{100 * margin:.1f} points."
    middle = (low + high) / 2
    needed = middle * (1 - middle) * (NORMAL_QUANTILE * widening / SMALL_MARGIN) ** 2
    digits = max(0, math.floor(math.log10(needed)) - 1)
    in_round_numbers = math.ceil(needed / 10**digits) * 10**digits
    return (
        f"{pictures} {tell} the accuracy to ±{100 * margin:.0f} points only; about {in_round_numbers:,} would tell"
        f" it to ±{100 * SMALL_MARGIN:.0f}."
    )


def has_learned(train: SplitFigures) -> bool:
    """Return whether the classes' mean recall on training pictures is above chance, as its 95 % interval goes."""
    num_classes = sum(figures.pictures > 0 for figures in train.classes.values())
    return train.balanced_accuracy_interval95[0] > 1 / num_classes
