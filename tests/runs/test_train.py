from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import skysort
from skysort.core.progress import LineProgress, SilentProgress
from skysort.data.dataset import Data
from skysort.data.splits import MOST_TRAINING_PICTURES, evenly_spaced, prepare
from skysort.recipe.schema import Recipe
from skysort.runs.reopen import prepared_again
from skysort.runs.resolve import resolved
from skysort.trust.calibration import fit_temperature
from skysort.trust.evaluation import labels_in
from tests.conftest import numbers


@pytest.mark.parametrize(
    ("data", "flip", "test_time_flip"),
    [
        ("skies", "alternating", True),
        ("cifar10", "alternating", True),
        ("fashion-mnist", "alternating", True),
        ("mnist", "none", False),
        ("digits", "none", False),
    ],
)
def test_pictures_are_mirrored_unless_that_means_something_else(
    data: str, flip: str, test_time_flip: bool
) -> None:
    augment = resolved(Recipe.load("swift"), Data.find(data)).augment
    assert (augment.flip, augment.test_time_flip) == (flip, test_time_flip)


def test_a_mirroring_that_was_asked_for_stays() -> None:
    asked = Recipe.load("swift", ["augment.flip=random", "augment.test_time_flip=true"])
    augment = resolved(asked, Data.find("mnist")).augment
    assert (augment.flip, augment.test_time_flip) == ("random", True)


def test_folders_of_pictures_are_mirrored(tmp_path: Path) -> None:
    assert resolved(Recipe.load("swift"), Data.find(str(tmp_path))).augment.flip == "alternating"


@pytest.mark.parametrize(("num", "expected"), [(3, [0, 4, 9]), (10, list(range(10))), (20, list(range(10)))])
def test_evenly(num: int, expected: list[int]) -> None:
    assert evenly_spaced(np.arange(10), num).tolist() == expected


def test_figures_of_train_are_of_a_share_unless_a_text_has_one() -> None:
    data = Data.find("skies:3000")
    prepared = prepare(data, resolved(Recipe.load("mlp"), data).pictures, SilentProgress())
    num = len(prepared.splits["train"])
    assert num > MOST_TRAINING_PICTURES
    assert len(prepared.measured(all_of_train=False)["train"]) == MOST_TRAINING_PICTURES
    assert len(prepared.measured(all_of_train=True)["train"]) == num
    assert Recipe.load("convnet").speaks_of_train
    assert not Recipe.load("mlp").speaks_of_train
    assert not Recipe.load("swift").speaks_of_train


@pytest.mark.parametrize(
    ("num_pictures", "epochs"),
    [(5, 400), (250, 400), (260, 400), (500, 200), (520, 200), (10_000, 10), (50_000, 10)],
)
def test_few_pictures_are_passed_more_often(num_pictures: int, epochs: int) -> None:
    assert Recipe.load("swift").training.epochs_for(num_pictures) == epochs
    assert Recipe.load("swift", ["training.epochs=3"]).training.epochs_for(num_pictures) == 3


def test_the_answers_of_swift_are_those_of_both_mirror_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("skysort.trust.calibration.FEWEST_TO_FIT", 1)
    monkeypatch.setattr("skysort.trust.calibration.LIKELIHOOD_RATIO", 0.0)
    settings = ("network.width=4", "training.epochs=2")
    run = skysort.train("skies:240", run=tmp_path / "run", settings=settings)
    assert run.recipe.name == "swift"
    classifier = skysort.load(run.path)
    assert classifier.table.test_time_flip
    pictures = np.random.default_rng(0).integers(0, 256, (5, 3, 32, 32), np.uint8)
    mirrored = np.ascontiguousarray(pictures[..., ::-1])
    assert np.allclose(classifier.logits(pictures), classifier.logits(mirrored), atol=1e-5)
    assert classifier.table.temperature != 1
    assert_calibrated(run.path)
    for figures in run.metrics.splits.values():
        assert figures.calibration_error.before and figures.calibration_error.before.value > 0
    digits = skysort.train("digits", run=tmp_path / "digits", settings=settings)
    assert not skysort.load(digits.path).table.test_time_flip


def assert_calibrated(run: Path) -> None:
    """Make sure that the classifier's temperature is the one that its answers to validation pictures give."""
    classifier, prepared = skysort.load(run), prepared_again(skysort.Run(run), SilentProgress())
    rows = prepared.splits["validation"]
    logits = classifier.logits(prepared.dataset.pixels(rows))
    temperature = classifier.table.temperature
    labels = labels_in(classifier, prepared.dataset, rows)
    again = fit_temperature(logits * np.float32(temperature), labels)
    assert temperature == pytest.approx(again.value, rel=1e-3)
    assert classifier.table.temperature_reason == again.reason


def test_the_temperature_is_that_of_validation_and_part_of_all_figures(finished_run: Path) -> None:
    assert_calibrated(finished_run)
    metrics, table = skysort.Run(finished_run).metrics, skysort.load(finished_run).table
    assert metrics.temperature == table.temperature == 1
    assert metrics.temperature_reason == table.temperature_reason
    assert numbers(table.temperature_reason) == ["24", "50"]
    for figures in metrics.splits.values():
        assert figures.calibration_error.before is None


def test_without_a_validation_part_nothing_is_calibrated(
    make_folder: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = make_folder({"train/a": 20, "train/b": 20, "test/a": 5, "test/b": 5})
    for protocol, num_said in (("tutorial", 0), ("four-way", 1)):
        settings = (f"pictures.protocol={protocol}", "training.epochs=1", "network.hidden=[4]")
        run = skysort.train(data, "mlp", tmp_path / protocol, settings=settings, progress=LineProgress())
        said = [line for line in capsys.readouterr().err.splitlines() if "temperature 1:" in line]
        assert [numbers(line) for line in said] == [["1", "4", "50"]] * num_said
        assert run.metrics.temperature == 1
    tutorial = skysort.Run(tmp_path / "tutorial").metrics.splits["test"]
    assert tutorial.calibration_error.before is None
    smoothed = ("loss.name=cross-entropy", "loss.label_smoothing=0.3")
    settings = ("pictures.protocol=tutorial", "training.epochs=1", "network.hidden=[4]", *smoothed)
    skysort.train(data, "mlp", tmp_path / "smoothed", settings=settings, progress=LineProgress())
    assert "label smoothing 0.3" in capsys.readouterr().err


def test_a_run_of_several_sources_keeps_them_all_and_opens_them_again(
    make_folder: Callable[..., Path], tmp_path: Path
) -> None:
    folder = make_folder({"cat": 8, "dog": 8}, "holiday")
    table = tmp_path / "corrections.csv"
    table.write_text("path,label,split\nholiday/cat/0.png,dog,train\n", encoding="utf-8")
    run = skysort.train([folder, table], "mlp", tmp_path / "run", settings=("training.epochs=1",))
    assert run.data.source == (str(folder), str(table))
    assert prepared_again(run, SilentProgress()).dataset.fingerprint() == run.data.fingerprint
    assert sum(run.data.counts[split]["dog"] for split in run.data.counts) == 9
    assert skysort.resume(run.path).path == run.path


def test_labels_by_a_pattern_are_kept_with_the_run(make_folder: Callable[..., Path], tmp_path: Path) -> None:
    folder = make_folder({"x/cat": 8, "x/dog": 8}, "holiday")
    settings = ("training.epochs=1", "pictures.label_by='(cat|dog)/'")
    run = skysort.train(folder, "mlp", tmp_path / "run", settings=settings)
    assert run.recipe.pictures.label_by == "(cat|dog)/"
    assert prepared_again(run, SilentProgress()).dataset.listing.classes == ("cat", "dog")
