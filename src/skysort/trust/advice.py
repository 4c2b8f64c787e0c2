"""Advice on figures: are there enough test pictures, and has the network learned anything?"""

import math
from typing import TYPE_CHECKING

from skysort.core.text import counted
from skysort.trust.intervals import NORMAL_QUANTILE

if TYPE_CHECKING:
    from skysort.trust.metrics import Metrics, SplitFigures

SMALL_MARGIN = 0.03
"""Half the width of an accuracy's interval that is narrow enough for most choices between two classifiers."""


def advice(metrics: "Metrics") -> list[str]:
    """Return sentences to show beside the figures."""
    sentences = [how_sure(metrics.held_out, "test picture" if metrics.held_out_split == "test" else "picture")]
    if (train := metrics.splits.get("train")) and not has_learned(train):
        sentences.insert(
            0,
            f"The classifier has not learned yet: it sorts only {100 * train.accuracy:.0f} % of its training"
            " pictures right, which could be guessing. Check the labels with skysort check. A network may also"
            " need more training (--set training.epochs=…) or larger pictures (--set pictures.size=…).",
        )
    return sentences


def how_sure(test: "SplitFigures", noun: str = "test picture") -> str:
    """Return how precisely the test pictures measure the accuracy, and how many would measure it well enough.

    Args:
        test: figures of pictures that were not learned from.
        noun: word for one of them.

    The number needed gives a Wilson interval around the same middle p: n = z² p (1 - p) / margin².
    """
    low, high = test.interval95
    widening = test.grouped.widening if test.grouped else 1.0
    margin = (high - low) / 2 * widening
    pictures = counted(test.pictures, noun)
    measure = "measures" if test.pictures == 1 else "measure"
    if round(margin, 3) <= SMALL_MARGIN:  # as it is shown
        return f"{pictures} {measure} the accuracy to ±{100 * margin:.1f} percentage points."
    middle = (low + high) / 2
    needed = middle * (1 - middle) * (NORMAL_QUANTILE * widening / SMALL_MARGIN) ** 2
    digits = max(0, math.floor(math.log10(needed)) - 1)
    in_round_numbers = math.ceil(needed / 10**digits) * 10**digits
    return (
        f"{pictures} {measure} the accuracy only to ±{100 * margin:.1f} percentage points; about"
        f" {in_round_numbers:,} would measure it to ±{100 * SMALL_MARGIN:.0f}."
    )


def has_learned(train: "SplitFigures") -> bool:
    """Return whether the balanced accuracy on training pictures is above chance, by its 95 % interval."""
    num_classes = sum(figures.pictures > 0 for figures in train.classes.values())
    return train.balanced_accuracy_interval95[0] > 1 / num_classes
