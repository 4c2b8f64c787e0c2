"""The figures of a part: accuracy, loss, per class, confusion, each with n and a 95 % interval."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

CONFIDENCE = 0.95
NORMAL_QUANTILE = 1.959963984540054
"""Of the standard normal distribution at 0.975."""


class Measured(BaseModel):
    """A part of metrics.json; what a newer Skysort adds is kept."""

    model_config = ConfigDict(frozen=True, extra="allow", use_attribute_docstrings=True)


class ClassFigures(Measured):
    """The figures of a class; a share of no pictures is None."""

    pictures: int
    accuracy: float | None
    recall: float | None
    interval95: tuple[float, float] | None
    labelled: int
    """Pictures of whatever class that were labelled as this one."""
    precision: float | None
    precision_interval95: tuple[float, float] | None


class PartFigures(Measured):
    """The figures of a part."""

    pictures: int
    accuracy: float
    interval95: tuple[float, float]
    loss: float
    """Mean cross entropy, in nats."""
    loss_interval95: tuple[float, float] | None
    classes: dict[str, ClassFigures]
    confusion: tuple[tuple[int, ...], ...]
    """Counts, a row a true class, a column a label."""
    unreadable: int


class Metrics(Measured):
    """metrics.json."""

    splits: dict[str, PartFigures]
    """By part."""
    parameters: int
    seconds: dict[str, float]
    protocol: str
    classifier: str
    """Digest of the classifier measured."""
    data: dict[str, str]
    """Source and fingerprint of the pictures."""


def measure(logits: NDArray[np.float32], truth: NDArray[np.int64], classes: Sequence[str]) -> dict[str, Any]:
    """Return the figures of a part, as metrics.json holds them.

    Args:
        logits: (N, classes), N at least 1.
        truth: (N,) class indices.
        classes: their names.

    Returns:
        pictures, accuracy, interval95, loss (mean cross entropy in nats) and loss_interval95; for each class
        its pictures, accuracy (the share labelled right: its recall) and precision with their intervals;
        confusion as counts, a row a true class, a column a label.
    """
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    losses = np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(truth)), truth]
    confusion = np.zeros((len(classes), len(classes)), np.int64)
    np.add.at(confusion, (truth, logits.argmax(axis=1)), 1)
    num, num_right = len(truth), int(confusion.trace())
    loss = float(losses.mean())
    return {
        "pictures": num,
        "accuracy": num_right / num,
        "interval95": wilson(num_right, num),
        "loss": loss,
        "loss_interval95": _mean_interval(losses) if num > 1 else None,
        "classes": {name: _class_figures(confusion, label) for label, name in enumerate(classes)},
        "confusion": confusion.tolist(),
    }


def _mean_interval(values: NDArray[np.float64]) -> list[float]:
    """Return the 95 % interval of the mean of figures above 0, by the normal approximation."""
    margin = NORMAL_QUANTILE * values.std(ddof=1) / len(values) ** 0.5
    return [max(0.0, float(values.mean() - margin)), float(values.mean() + margin)]


def _class_figures(confusion: NDArray[np.int64], label: int) -> dict[str, Any]:
    right, num, num_labelled = (
        int(n) for n in (confusion[label, label], confusion[label].sum(), confusion[:, label].sum())
    )
    return {
        "pictures": num,
        "accuracy": right / num if num else None,
        "recall": right / num if num else None,
        "interval95": wilson(right, num) if num else None,
        "labelled": num_labelled,
        "precision": right / num_labelled if num_labelled else None,
        "precision_interval95": wilson(right, num_labelled) if num_labelled else None,
    }


def share_of(num: int, num_all: int) -> dict[str, Any]:
    """Return a count as metrics.json holds it: pictures, and their share of all with its 95 % interval."""
    if not num_all:
        return {"pictures": num, "share": None, "interval95": None}
    return {"pictures": num, "share": num / num_all, "interval95": wilson(num, num_all)}


def wilson(num_right: int, num: int) -> list[float]:
    """Return the 95 % Wilson score interval of a share.

    Source: E. B. Wilson, Probable inference, the law of succession, and statistical inference, 1927.

    >>> [round(bound, 4) for bound in wilson(8, 10)]
    [0.4902, 0.9433]
    """
    from scipy.stats import binomtest  # a second's import, for those who measure

    interval = binomtest(num_right, num).proportion_ci(CONFIDENCE, method="wilson")
    return [float(interval.low), float(interval.high)]
