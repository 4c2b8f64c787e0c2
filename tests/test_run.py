from pathlib import Path

import numpy as np
import pytest

import skysort
from skysort.pictures.collection import Data
from skysort.pictures.prepare import MOST_TRAINING_PICTURES, evenly, prepare
from skysort.progress import Progress
from skysort.recipe import Recipe
from skysort.run import resolved


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
    assert evenly(np.arange(10), num).tolist() == expected


def test_figures_of_train_are_of_a_share_unless_a_text_has_one() -> None:
    data = Data.find("skies:3000")
    prepared = prepare(data, resolved(Recipe.load("mlp"), data).pictures, None, Progress())
    num = len(prepared.parts["train"])
    assert num > MOST_TRAINING_PICTURES
    assert len(prepared.measured(all_of_train=False)["train"]) == MOST_TRAINING_PICTURES
    assert len(prepared.measured(all_of_train=True)["train"]) == num
    assert Recipe.load("convnet").speaks_of_train
    assert not Recipe.load("mlp").speaks_of_train
    assert not Recipe.load("swift").speaks_of_train


@pytest.mark.parametrize(
    ("num_pictures", "epochs"), [(5, 400), (250, 400), (500, 200), (10_000, 10), (50_000, 10)]
)
def test_few_pictures_are_passed_more_often(num_pictures: int, epochs: int) -> None:
    assert Recipe.load("swift").training.epochs_for(num_pictures) == epochs
    assert Recipe.load("swift", ["training.epochs=3"]).training.epochs_for(num_pictures) == 3


def test_the_answers_of_swift_are_those_of_both_mirror_images(tmp_path: Path) -> None:
    settings = ("network.width=4", "training.epochs=2")
    run = skysort.train("skies:240", run=tmp_path / "run", settings=settings)
    assert run.recipe.name == "swift"
    classifier = skysort.load(run.path)
    assert classifier.table.test_time_flip
    pictures = np.random.default_rng(0).integers(0, 256, (5, 3, 32, 32), np.uint8)
    mirrored = np.ascontiguousarray(pictures[..., ::-1])
    assert np.allclose(classifier.logits(pictures), classifier.logits(mirrored), atol=1e-5)
    digits = skysort.train("digits", run=tmp_path / "digits", settings=settings)
    assert not skysort.load(digits.path).table.test_time_flip
