"""Predictions as a stream of text: a table, CSV or JSON."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from itertools import chain
from typing import IO, Literal, get_args

from skysort.classifier.decision import Action, Decision
from skysort.classifier.rows import Prediction, cells, header, write_rows
from skysort.terminal import printable

Format = Literal["table", "csv", "json"]
LONGEST_ACTION = max(map(len, get_args(Action)))


def write_predictions(
    predictions: Iterable[Prediction],
    classes: Sequence[str],
    file: IO[str],
    form: Format,
    decision: Decision | None = None,
) -> tuple[int, int]:
    """Write predictions as they come.

    Args:
        predictions: may be without end; none is kept.
        classes: in the classifier's order.
        file: text.
        form: `table` for people, `csv` with a column a class, `json` for one array of objects.
        decision: says of each picture what to do with it, in a column `action`.

    Returns:
        The numbers of predictions written, and of unreadable pictures among them.
    """
    counts = [0, 0]
    write = {"table": _table, "csv": _csv, "json": _json}[form]
    write(_counted(predictions, counts), classes, file, decision)
    return counts[0], counts[1]


def _counted(predictions: Iterable[Prediction], counts: list[int]) -> Iterator[Prediction]:
    for prediction in predictions:
        counts[0] += 1
        counts[1] += prediction.status == "unreadable"
        yield prediction


def _table(
    predictions: Iterable[Prediction], classes: Sequence[str], file: IO[str], decision: Decision | None
) -> None:
    width = max(len(printable(name)) for name in (*classes, "unreadable"))
    for prediction in predictions:
        what = printable(prediction.label or prediction.status)
        confidence = "" if prediction.confidence is None else f"{prediction.confidence:.3f}"
        reason = f"  ({printable(prediction.reason)})" if prediction.reason else ""
        action = f"{decision.action(prediction):<{LONGEST_ACTION}}  " if decision else ""
        file.write(f"{action}{what:<{width}}  {confidence:>5}  {printable(prediction.path)}{reason}\n")


def _csv(
    predictions: Iterable[Prediction], classes: Sequence[str], file: IO[str], decision: Decision | None
) -> None:
    first = [*header(classes), *(["action"] if decision else [])]
    rows = (
        [*cells(prediction, classes), *([decision.action(prediction)] if decision else [])]
        for prediction in predictions
    )
    write_rows(chain([first], rows), file)


def _json(
    predictions: Iterable[Prediction], _classes: Sequence[str], file: IO[str], decision: Decision | None
) -> None:
    separator = "[\n"
    for prediction in predictions:
        action = {"action": decision.action(prediction)} if decision else {}
        file.write(separator + json.dumps(asdict(prediction) | action))
        separator = ",\n"
    file.write("\n]\n" if separator == ",\n" else "[]\n")
