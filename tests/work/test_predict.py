import csv
import io
import json
import re
from dataclasses import replace
from typing import Any

import pytest

from skysort.classifier.predictions import Prediction, spreadsheet_cell
from skysort.work.predict import write_predictions

CLASSES = ("air,plane", "bird")
GOOD = Prediction("a/ü.jpg", "bird", 2 / 3, "ok", "", {"air,plane": 1 / 3, "bird": 2 / 3})
BAD = Prediction("b\n\x1b[31m.jpg", None, None, "unreadable", "the file is empty", {})


def written(form: str, *predictions: Prediction) -> tuple[str, tuple[int, int]]:
    file = io.StringIO(newline="")
    counts = write_predictions(predictions, CLASSES, file, form)  # type: ignore[arg-type]
    return file.getvalue(), counts


def test_csv_has_one_row_per_picture_and_one_column_per_class() -> None:
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


FORMULAS = ["=1+1.jpg", "+a.jpg", "-2+3.jpg", "@a.jpg", "\t=1.jpg", "\r=1.jpg", "\n=1.jpg", "\uff1d1.jpg"]


def test_csv_holds_no_formula_unless_raw() -> None:
    rows = [Prediction(path, None, None, "unreadable", "=reason", {}) for path in [*FORMULAS, "a=b.jpg", "'a.jpg"]]
    for raw, quote in ((False, "'"), (True, "")):
        file = io.StringIO(newline="")
        write_predictions(rows, CLASSES, file, "csv", raw=raw)
        _, *cells = csv.reader(io.StringIO(file.getvalue(), newline=""))
        assert [row[0] for row in cells] == [*(quote + path for path in FORMULAS), "a=b.jpg", "'a.jpg"]
        assert {row[4] for row in cells} == {f"{quote}=reason"}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_name_cannot_steer_the_terminal_that_shows_csv() -> None:
    terminal = Terminal(newline="")
    write_predictions([BAD, GOOD], CLASSES, terminal, "csv")
    _, bad, good = terminal.getvalue().splitlines()
    assert bad.startswith(r"b\n\x1b[31m.jpg,") and good.startswith("a/ü.jpg,")


@pytest.mark.parametrize("number", ["0.5", "-1", "1e-09", "-2.5e+10", "+7"])
def test_numbers_stay_numbers_in_csv(number: str) -> None:
    assert spreadsheet_cell(number) == number


@pytest.mark.parametrize("predictions", [(), (GOOD,), (GOOD, BAD)])
def test_json_is_one_array(predictions: tuple[Prediction, ...]) -> None:
    text, counts = written("json", *predictions)
    rows = json.loads(text)
    assert [row["path"] for row in rows] == [prediction.path for prediction in predictions]
    assert counts[0] == len(predictions)


def test_json_keeps_full_precision() -> None:
    assert json.loads(written("json", GOOD)[0])[0]["probabilities"] == GOOD.probabilities


def test_the_table_has_one_line_per_picture_whatever_its_name() -> None:
    text, _ = written("table", GOOD, BAD)
    good, bad = text.splitlines()
    assert good.split() == ["bird", "0.667", "a/ü.jpg"]
    assert bad == r"unreadable         b\n\x1b[31m.jpg  (the file is empty)"


def check_megadetector(results: dict[str, Any]) -> None:
    """Check results against https://lila.science/megadetector-output-format, format 1.6."""
    categories = {"detection_categories", "classification_categories", "classification_category_descriptions"}
    assert {"info", "images", "detection_categories"} <= set(results) <= {"info", "images"} | categories
    assert results["info"]["format_version"] == "1.6"
    for table in categories & set(results):
        assert all(re.fullmatch("[0-9]+", number) and name for number, name in results[table].items())
    assert "0" not in results["detection_categories"], "reserved for empty pictures"
    for image in results["images"]:
        assert isinstance(image["file"], str)
        if image.get("failure") is not None:
            assert isinstance(image["failure"], str) and image["detections"] is None
            continue
        for detection in image["detections"]:
            assert detection["category"] in results["detection_categories"]
            assert isinstance(detection["conf"], float) and 0 <= detection["conf"] <= 1
            x, y, width, height = detection["bbox"]
            assert 0 <= x <= x + width <= 1 and 0 <= y <= y + height <= 1
            shares = [share for _, share in detection.get("classifications", [])]
            assert shares == sorted(shares, reverse=True)
            assert {number for number, _ in detection.get("classifications", [])} <= set(
                results["classification_categories"]
            )


@pytest.mark.parametrize("predictions", [(), (GOOD,), (BAD, GOOD, replace(GOOD, path="caf\udce9.jpg"))])
def test_megadetectors_format_is_as_published(predictions: tuple[Prediction, ...]) -> None:
    text, counts = written("megadetector", *predictions)
    results = json.loads(text)
    check_megadetector(results)
    assert [image["file"] for image in results["images"]] == [prediction.path for prediction in predictions]
    assert counts == (len(predictions), sum(prediction is BAD for prediction in predictions))


def test_megadetectors_format_classifies_the_whole_frame() -> None:
    results = json.loads(written("megadetector", GOOD, BAD)[0])
    good, bad = results["images"]
    (detection,) = good["detections"]
    assert detection["bbox"] == [0, 0, 1, 1]
    names = results["classification_categories"]
    assert [(names[number], share) for number, share in detection["classifications"]] == [
        ("bird", 2 / 3), ("air,plane", 1 / 3)
    ]  # fmt: skip
    assert bad == {"file": BAD.path, "failure": "the file is empty", "detections": None}
