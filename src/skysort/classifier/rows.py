"""Prediction rows as they are everywhere: path,label,confidence,status,reason,p:<class>,…"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

SIGNIFICANT_DIGITS = 9


@dataclass(frozen=True)
class Prediction:
    """What a classifier says of one picture."""

    path: str
    label: str | None
    """The likeliest class; None for an unreadable picture."""
    confidence: float | None
    """Probability of the label."""
    status: Literal["ok", "unreadable"]
    reason: str
    """Why there is no label; empty when there is one."""
    probabilities: dict[str, float]
    """By class, in the classifier's order; empty for an unreadable picture."""


def header(classes: Sequence[str]) -> list[str]:
    """Return the columns of prediction rows."""
    return ["path", "label", "confidence", "status", "reason", *(f"p:{name}" for name in classes)]


def cells(prediction: Prediction, classes: Iterable[str]) -> list[str]:
    """Return one row, in the order of the header."""
    given = prediction.probabilities
    return [
        prediction.path,
        prediction.label or "",
        _digits(prediction.confidence),
        prediction.status,
        prediction.reason,
        *(_digits(given.get(name)) for name in classes),
    ]


def _digits(figure: float | None) -> str:
    return "" if figure is None else f"{figure:.{SIGNIFICANT_DIGITS}g}"
