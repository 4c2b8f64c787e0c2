import csv
import io
import json

import pytest

from skysort.classifier.rows import Prediction
from skysort.work.predict import write_predictions

CLASSES = ("air,plane", "bird")
GOOD = Prediction("a/ü.jpg", "bird", 2 / 3, "ok", "", {"air,plane": 1 / 3, "bird": 2 / 3})
BAD = Prediction("b\n\x1b[31m.jpg", None, None, "unreadable", "the file is empty", {})


def written(form: str, *predictions: Prediction) -> tuple[str, tuple[int, int]]:
    file = io.StringIO(newline="")
    counts = write_predictions(predictions, CLASSES, file, form)  # type: ignore[arg-type]
    return file.getvalue(), counts


def test_csv_has_a_row_a_picture_and_a_column_a_class() -> None:
    text, counts = written("csv", GOOD, BAD)
    header, good, bad = csv.reader(io.StringIO(text, newline=""))
    assert header == ["path", "label", "confidence", "status", "reason", "p:air,plane", "p:bird"]
    assert good == ["a/ü.jpg", "bird", "0.666666667", "ok", "", "0.333333333", "0.666666667"]
    assert bad == [BAD.path, "", "", "unreadable", "the file is empty", "", ""]
    assert counts == (2, 1)


def test_csv_keeps_line_ends_in_names() -> None:
    paths = ["a\rb.jpg", "a\nb.jpg", "a\r\n", 'a,"b']
    text, _ = written("csv", *(Prediction(path, None, None, "unreadable", "empty", {}) for path in paths))
    _, *rows = csv.reader(io.StringIO(text, newline=""))
    assert [row[0] for row in rows] == paths
    assert text.startswith("path,label,") and '"a\rb.jpg",,,unreadable,empty,,\n"a\nb.jpg"' in text


@pytest.mark.parametrize("predictions", [(), (GOOD,), (GOOD, BAD)])
def test_json_is_one_array(predictions: tuple[Prediction, ...]) -> None:
    text, counts = written("json", *predictions)
    rows = json.loads(text)
    assert [row["path"] for row in rows] == [prediction.path for prediction in predictions]
    assert counts[0] == len(predictions)


def test_json_keeps_full_precision() -> None:
    assert json.loads(written("json", GOOD)[0])[0]["probabilities"] == GOOD.probabilities


def test_the_table_is_a_line_a_picture_whatever_its_name() -> None:
    text, _ = written("table", GOOD, BAD)
    good, bad = text.splitlines()
    assert good.split() == ["bird", "0.667", "a/ü.jpg"]
    assert bad == r"unreadable         b\n\x1b[31m.jpg  (the file is empty)"
