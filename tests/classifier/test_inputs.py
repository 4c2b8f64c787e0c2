import io
import multiprocessing
import pickle
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import skysort
from skysort.classifier.classifier import Classifier
from skysort.classifier.predictions import Prediction
from tests.conftest import picture_bytes, refused


@pytest.fixture(scope="module")
def classifier(finished_run: Path) -> Classifier:
    return skysort.load(finished_run)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "1.png").write_bytes(picture_bytes(1, (50, 40)))
    return tmp_path / "1.png"


def said(prediction: Prediction) -> tuple[object, ...]:
    return prediction.status, prediction.label, prediction.probabilities


def like(prediction: Prediction) -> tuple[object, ...]:
    return prediction.status, prediction.label, pytest.approx(prediction.probabilities, abs=1e-6)


def test_every_kind_of_picture_gets_the_same_answer(classifier: Classifier, path: Path) -> None:
    content = path.read_bytes()
    with Image.open(path) as opened:
        image = opened.copy()
    array = np.asarray(image)
    (expected,) = classifier.predict(path)
    ways: dict[str, Any] = {
        "text": str(path), "bytes": content, "bytearray": bytearray(content), "view": memoryview(content),
        "image": image, "array": array, "strided array": array[::-1][::-1], "frozen array": array.copy(),
    }  # fmt: skip
    ways["frozen array"].flags.writeable = False
    for name, given in ways.items():
        assert [said(found) for found in classifier.predict(given)] == [like(expected)], name
        assert [said(found) for found in classifier.predict([given, given])] == 2 * [like(expected)], name
        assert [said(found) for found in classifier.predict(iter([given]))] == [like(expected)], name
    with path.open("rb") as file:
        (found,) = classifier.predict(file)
    assert (said(found), found.path) == (like(expected), str(path))
    assert [said(found) for found in classifier.predict([io.BytesIO(content), path])] == 2 * [like(expected)]
    with Image.open(path) as lazy:
        (found,) = classifier.predict(lazy)
    assert (said(found), found.path) == (like(expected), str(path))


def test_pictures_without_a_file_name_get_a_number(classifier: Classifier, path: Path) -> None:
    array = np.zeros((8, 8, 3), np.uint8)
    rows = classifier.predict([array, path, Image.new("L", (3, 3)), path.read_bytes()])
    assert [row.path for row in rows] == ["<picture 0>", str(path), "<picture 2>", "<picture 3>"]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "I;16", "HSV", "LAB"])
def test_images_of_every_mode_are_accepted(mode: str, classifier: Classifier) -> None:
    assert classifier.predict(Image.new(mode, (20, 10)))[0].status == "ok"


def test_an_image_in_memory_is_turned_and_laid_over_white_as_a_file_is(
    classifier: Classifier, tmp_path: Path
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 50, 4), np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pixels).save(tmp_path / "sideways.png", exif=exif)
    with Image.open(tmp_path / "sideways.png") as image:
        found, expected = classifier.predict([image, tmp_path / "sideways.png"])
    assert said(found) == like(expected)
    plain = classifier.predict(Image.fromarray(pixels))[0]
    assert plain.probabilities != pytest.approx(found.probabilities, abs=1e-6)


def test_a_grey_array_is_a_grey_picture(classifier: Classifier) -> None:
    grey = np.random.default_rng(0).integers(0, 256, (30, 30), np.uint8)
    first, second = classifier.predict([grey, np.stack([grey] * 3, axis=-1)])
    assert said(first) == like(second)


def test_a_damaged_picture_in_memory_is_a_row(classifier: Classifier, path: Path) -> None:
    content = path.read_bytes()
    with Image.open(io.BytesIO(content[: len(content) // 2])) as cut:
        rows = classifier.predict([b"", content[:60], io.BytesIO(b"no picture"), cut, content])
    assert [row.status for row in rows] == ["unreadable"] * 4 + ["ok"]
    assert "empty" in rows[0].reason
    assert "damaged" in rows[3].reason


@pytest.mark.parametrize(
    ("given", "facts"),
    [
        (None, ["NoneType"]),
        (7, ["int"]),
        ([None], ["picture 0", "NoneType"]),
        ([b"", 7.5], ["picture 1", "float"]),
        (io.StringIO("a"), ["text"]),
        (np.zeros((8, 8, 3)), ["float64", "(8, 8, 3)"]),
        (np.zeros((8, 8, 4), np.uint8), ["uint8", "(8, 8, 4)"]),
        (np.zeros((3, 8, 8), np.uint8), ["(3, 8, 8)"]),
        (np.zeros((2, 8, 8, 3), np.uint8), ["(2, 8, 8, 3)"]),
        (np.zeros((0, 8, 3), np.uint8), ["(0, 8, 3)"]),
        (np.zeros(8, np.uint8), ["(8,)"]),
        (np.array([print]), ["object"]),
        ([[b""]], ["list"]),
    ],
)
def test_anything_else_is_refused(given: Any, facts: list[str], classifier: Classifier) -> None:
    with refused("wrong-value", *facts, exit_code=2):
        classifier.predict(given)


def test_predict_refuses_a_missing_path(classifier: Classifier) -> None:
    with refused("path-not-found", "nothing.jpg", exit_code=2):
        classifier.predict("nothing.jpg")


def test_a_list_is_checked_before_any_picture_is_read(classifier: Classifier, path: Path) -> None:
    with path.open("rb") as file:
        with refused("wrong-value", "picture 1", exit_code=2):
            classifier.predict([file, 7])  # type: ignore[list-item]
        assert file.tell() == 0


def test_an_array_may_be_reused_for_every_picture(classifier: Classifier) -> None:
    def frames() -> Iterator[NDArray[np.uint8]]:
        frame = np.zeros((20, 20, 3), np.uint8)
        for value in range(0, 250, 10):
            frame[:] = value
            yield frame

    expected = classifier.predict([np.full((20, 20, 3), value, np.uint8) for value in range(0, 250, 10)])
    assert [said(row) for row in classifier.predict(frames())] == [like(row) for row in expected]


def test_a_stream_reads_no_more_of_an_endless_source_than_it_needs(classifier: Classifier) -> None:
    num_taken = 0

    def frames() -> Iterator[NDArray[np.uint8]]:
        nonlocal num_taken
        while True:
            num_taken += 1
            yield np.zeros((4, 4), np.uint8)

    stream = classifier.stream(frames())
    assert next(stream).status == "ok"
    stream.close()
    assert num_taken < 2000


def test_a_classifier_is_pickled_by_its_folder(
    classifier: Classifier, finished_run: Path, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(finished_run)
    again = pickle.loads(pickle.dumps(skysort.load("classifier")))
    monkeypatch.chdir(path.parent)
    assert again.folder == finished_run / "classifier"
    assert said(again.predict(path)[0]) == like(classifier.predict(path)[0])
    assert len(pickle.dumps(again)) < 1000


def test_threads_share_a_classifier(classifier: Classifier, tmp_path: Path) -> None:
    contents = [picture_bytes(number) for number in range(40)]
    expected = classifier.predict(contents)
    with ThreadPoolExecutor(8) as pool:
        rows = list(pool.map(classifier.predict, contents))
    assert [said(row) for (row,) in rows] == [like(row) for row in expected]


def test_processes_get_a_classifier_of_their_own(classifier: Classifier, path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        (found,) = pool.apply(classifier.predict, (path.read_bytes(),))
    assert said(found) == like(classifier.predict(path)[0])
