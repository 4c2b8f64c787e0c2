"""Predictions as a stream of text: a table, CSV or JSON."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from itertools import chain
from typing import IO, Literal

from skysort.classifier.rows import Prediction, cells, header, write_rows
from skysort.terminal import printable

Format = Literal["table", "csv", "json"]


def write_predictions(
    predictions: Iterable[Prediction], classes: Sequence[str], file: IO[str], form: Format
) -> tuple[int, int]:
    """Write predictions as they come.

    Args:
        predictions: may be without end; none is kept.
        classes: in the classifier's order.
        file: text.
        form: `table` for people, `csv` with a column a class, `json` for one array of objects.

    Returns:
        The numbers of predictions written, and of unreadable pictures among them.
    """
    counts = [0, 0]
    write = {"table": _table, "csv": _csv, "json": _json}[form]
    write(_counted(predictions, counts), classes, file)
    return counts[0], counts[1]


def _counted(predictions: Iterable[Prediction], counts: list[int]) -> Iterator[Prediction]:
    for prediction in predictions:
        counts[0] += 1
        counts[1] += prediction.status == "unreadable"
        yield prediction


def _table(predictions: Iterable[Prediction], classes: Sequence[str], file: IO[str]) -> None:
    width = max(len(printable(name)) for name in (*classes, "unreadable"))
    for prediction in predictions:
        what = printable(prediction.label or prediction.status)
        confidence = "" if prediction.confidence is None else f"{prediction.confidence:.3f}"
        reason = f"  ({printable(prediction.reason)})" if prediction.reason else ""
        file.write(f"{what:<{width}}  {confidence:>5}  {printable(prediction.path)}{reason}\n")


def _csv(predictions: Iterable[Prediction], classes: Sequence[str], file: IO[str]) -> None:
    write_rows(chain([header(classes)], (cells(prediction, classes) for prediction in predictions)), file)


def _json(predictions: Iterable[Prediction], _classes: Sequence[str], file: IO[str]) -> None:
    separator = "[\n"
    for prediction in predictions:
        file.write(separator + json.dumps(asdict(prediction)))
        separator = ",\n"
    file.write("\n]\n" if separator == ",\n" else "[]\n")
