"""Predictions, and their rows in every CSV file: path,label,confidence,status,reason,p:<class>,…"""

import csv
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import IO, Literal

import numpy as np
from numpy.typing import NDArray

from skysort.core.text import printable

SIGNIFICANT_DIGITS = 9
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""Characters that begin a formula in a spreadsheet. The last four are the first four in full width."""
NUMBER = re.compile(r"[+-]?\d+(\.\d+)?(e[+-]?\d+)?")


@dataclass(frozen=True)
class Prediction:
    """A classifier's prediction for one picture."""

    path: str
    label: str | None
    """The likeliest class; None for an unreadable or unknown picture."""
    confidence: float | None
    """Probability of the label."""
    status: Literal["ok", "unknown", "unreadable"]
    """`unknown`: like none of the classes, by the classifier's threshold, if it has one."""
    reason: str
    """Why there is no label; empty if there is one."""
    probabilities: dict[str, float]
    """By class, in the classifier's order; empty for an unreadable picture."""
    similarity: float | None = None
    """How much its features are like those of training pictures; None if the classifier keeps none of these."""


def softmax(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return (N, classes) probabilities for (N, classes) logits."""
    exponentials = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    shares: NDArray[np.float64] = exponentials / exponentials.sum(axis=1, keepdims=True)
    return shares


def cross_entropies(logits: NDArray[np.floating], truth: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return (N,) losses in nats, for (N, classes) logits and (N,) class indices."""
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    losses: NDArray[np.float64] = np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(truth)), truth]
    return losses


def labelled(
    path: str,
    shares: NDArray[np.float64],
    classes: Sequence[str],
    why_unknown: str = "",
    similarity: float | None = None,
) -> Prediction:
    """Return the prediction for a picture from its (classes,) probabilities.

    Args:
        path: of the picture.
        shares: the probabilities.
        classes: in the same order.
        why_unknown: the reason if the picture is unknown; it then gets no label.
        similarity: to training pictures, if it is known.
    """
    best = int(shares.argmax())
    probabilities = dict(zip(classes, shares.tolist(), strict=True))
    if why_unknown:
        return Prediction(path, None, None, "unknown", why_unknown, probabilities, similarity)
    return Prediction(path, classes[best], float(shares[best]), "ok", "", probabilities, similarity)


def unreadable(path: str, reason: str) -> Prediction:
    """Return the prediction for a picture that cannot be read."""
    return Prediction(path, None, None, "unreadable", reason, {})


def write_rows(rows: Iterable[Sequence[str]], file: IO[str], *, for_people: bool = False) -> None:
    """Write rows as CSV, each with a line feed at its end.

    Files and pipes get every name as it is, because a program opens pictures by it. A terminal would obey control
    characters in a name, so there they are escaped, as `ls` does.

    Args:
        rows: of cells.
        file: text.
        for_people: whether a person may open it in a spreadsheet, which would compute cells that look like
            formulas.
    """
    if for_people:
        rows = (list(map(spreadsheet_cell, row)) for row in rows)
    if file.isatty():
        rows = (list(map(printable, row)) for row in rows)
    # Python quotes only the characters of its own line end. With "\r\n" it also quotes a name with a \r in it.
    csv.writer(_LineFeeds(file), lineterminator="\r\n").writerows(rows)


def spreadsheet_cell(cell: str) -> str:
    """Return a cell with an apostrophe in front if a spreadsheet would take it for a formula.

    Numbers stay as they are. Source: https://owasp.org/www-community/attacks/CSV_Injection

    >>> spreadsheet_cell("=1+1.jpg"), spreadsheet_cell("-0.5"), spreadsheet_cell("bird.jpg")
    ("'=1+1.jpg", '-0.5', 'bird.jpg')
    """
    return f"'{cell}" if cell.startswith(FORMULA_STARTS) and not NUMBER.fullmatch(cell) else cell


class _LineFeeds:
    """Stands for the file, and shortens the line end of each row that the CSV writer writes."""

    def __init__(self, file: IO[str]) -> None:
        self.file = file

    def write(self, row: str) -> int:
        return self.file.write(row.removesuffix("\r\n") + "\n")


def header(classes: Sequence[str]) -> list[str]:
    """Return the columns of prediction rows."""
    return ["path", "label", "confidence", "status", "reason", *(f"p:{name}" for name in classes)]


def cells(prediction: Prediction, classes: Iterable[str]) -> list[str]:
    """Return the row of a prediction, in the order of the header."""
    return [
        prediction.path,
        prediction.label or "",
        _digits(prediction.confidence),
        prediction.status,
        prediction.reason,
        *(_digits(prediction.probabilities.get(name)) for name in classes),
    ]


def _digits(figure: float | None) -> str:
    return "" if figure is None else f"{figure:.{SIGNIFICANT_DIGITS}g}"
