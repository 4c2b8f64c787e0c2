from collections.abc import Callable
from pathlib import Path

from skysort.core.progress import SilentProgress
from skysort.data.dataset import Data
from skysort.data.decode import Shape
from skysort.data.ood import open_ood
from tests.conftest import refused
from tests.data.builtin import test_cifar

SHAPE = Shape(32, 3, "stretch")


def test_ood_pictures_are_the_test_part_or_all(make_folder: Callable[..., Path]) -> None:
    parted = make_folder({"train/cat": 3, "test/cat": 2, "test/dog": 1}, "parted")
    ood = open_ood(Data.find(str(parted)), ("airplane", "bird"), SHAPE, SilentProgress())
    paths = [ood.dataset.listing.paths[row] for row in ood.rows]
    assert paths == ["test/cat/0.png", "test/cat/1.png", "test/dog/0.png"]
    whole = make_folder({"cat": 2, "dog": 1}, "whole")
    assert len(open_ood(Data.find(str(whole)), ("airplane", "bird"), SHAPE, SilentProgress()).rows) == 3


def test_ood_pictures_of_one_of_the_classes_are_refused(make_folder: Callable[..., Path]) -> None:
    folder = make_folder({"bird": 1, "cat": 1})
    with refused("overlapping-classes", folder, "'bird'", exit_code=2):
        open_ood(Data.find(str(folder)), ("airplane", "bird"), SHAPE, SilentProgress())


def test_the_others_of_birds_vs_airplanes_are_the_test_pictures_of_the_other_eight(tmp_path: Path) -> None:
    test_cifar.write(tmp_path / "cifar-10-batches-bin", test_cifar.binary_batch, ".bin")
    classes = ("airplane", "bird")
    ood = open_ood(Data.find("birds-vs-airplanes:others", tmp_path), classes, SHAPE, SilentProgress())
    listing = ood.dataset.listing
    assert listing.classes == ("automobile", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
    assert {listing.splits[row] for row in ood.rows} <= {"test"}
    everything = open_ood(Data.find("cifar10", tmp_path), (), SHAPE, SilentProgress())
    of_classes = [everything.dataset.listing.labels[row] in (0, 2) for row in everything.rows]
    assert len(ood.rows) == len(of_classes) - sum(of_classes)
