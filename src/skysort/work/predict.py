"""Predictions as a stream of text: a table, CSV, JSON, or MegaDetector's format."""

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from itertools import chain
from typing import IO, Literal, get_args

from skysort.classifier.decision import Action, Decision
from skysort.classifier.predictions import Prediction, cells, header, write_rows
from skysort.core.text import printable

Format = Literal["table", "csv", "json", "megadetector"]
Writer = Callable[[Iterable[Prediction], Sequence[str], IO[str], Decision | None], None]
WHOLE_FRAME = [0.0, 0.0, 1.0, 1.0]
"""A box as x, y, width and height, as shares of the picture."""
LONGEST_ACTION = max(map(len, get_args(Action)))


def write_predictions(
    predictions: Iterable[Prediction],
    classes: Sequence[str],
    file: IO[str],
    form: Format,
    decision: Decision | None = None,
    *,
    raw: bool = False,
) -> tuple[int, int]:
    """Write predictions one by one, keeping none in memory.

    Args:
        predictions: may be endless.
        classes: in the classifier's order.
        file: text.
        form: `table` for people, `csv` with one column per class, `json` for one array of objects, `megadetector`
            for tools that read MegaDetector's results.
        decision: adds a column `action`, except in `megadetector`.
        raw: leave cells of `csv` as they are, even if a spreadsheet would take them for formulas.

    Returns:
        The number of predictions, and the number of unreadable pictures among them.
    """
    counts = [0, 0]
    writers: dict[Format, Writer] = {
        "table": _table, "csv": partial(_csv, raw=raw), "json": _json, "megadetector": _megadetector,
    }  # fmt: skip
    writers[form](_counted(predictions, counts), classes, file, decision)
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
        label = printable(prediction.label or prediction.status)
        confidence = "" if prediction.confidence is None else f"{prediction.confidence:.3f}"
        reason = f"  ({printable(prediction.reason)})" if prediction.reason else ""
        action = f"{decision.action(prediction):<{LONGEST_ACTION}}  " if decision else ""
        file.write(f"{action}{label:<{width}}  {confidence:>5}  {printable(prediction.path)}{reason}\n")


def _csv(
    predictions: Iterable[Prediction],
    classes: Sequence[str],
    file: IO[str],
    decision: Decision | None,
    *,
    raw: bool,
) -> None:
    first = [*header(classes), *(["action"] if decision else [])]
    rows = (
        [*cells(prediction, classes), *([decision.action(prediction)] if decision else [])]
        for prediction in predictions
    )
    write_rows(chain([first], rows), file, for_people=not raw)


def _json(
    predictions: Iterable[Prediction], _classes: Sequence[str], file: IO[str], decision: Decision | None
) -> None:
    separator = "[\n"
    for prediction in predictions:
        action = {"action": decision.action(prediction)} if decision else {}
        file.write(separator + json.dumps(asdict(prediction) | action))
        separator = ",\n"
    file.write("\n]\n" if separator == ",\n" else "[]\n")


def _megadetector(
    predictions: Iterable[Prediction], classes: Sequence[str], file: IO[str], _decision: Decision | None
) -> None:
    """Write MegaDetector's batch output, format 1.6. The whole frame is the one detection.

    Source: https://lila.science/megadetector-output-format
    """
    numbers = {name: str(number) for number, name in enumerate(classes)}
    head = {
        "info": {"format_version": "1.6", "detector": "skysort"},
        "detection_categories": {"1": "whole frame"},
        "classification_categories": {number: name for name, number in numbers.items()},
    }
    file.write(json.dumps(head, indent=1).removesuffix("\n}") + ',\n "images": [')
    separator = "\n  "
    for prediction in predictions:
        file.write(separator + json.dumps(_image(prediction, numbers)))
        separator = ",\n  "
    file.write("\n ]\n}\n")


def _image(prediction: Prediction, numbers: Mapping[str, str]) -> dict[str, object]:
    path = prediction.path.replace(os.sep, "/")
    if prediction.status == "unreadable":
        return {"file": path, "failure": prediction.reason, "detections": None}
    detection: dict[str, object] = {"category": "1", "conf": 1.0, "bbox": WHOLE_FRAME}
    if prediction.label is not None:
        likeliest_first = sorted(prediction.probabilities.items(), key=lambda share: -share[1])
        detection["classifications"] = [[numbers[name], share] for name, share in likeliest_first]
    return {"file": path, "detections": [detection]}
