from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from skysort.core.progress import SilentProgress
from skysort.data.dataset import Data
from skysort.data.splits import PreparedData, prepare, size_advice
from skysort.recipe.sections import Pictures
from tests.conftest import lacking, picture_bytes


def test_leaks_are_pictures_of_which_an_earlier_part_has_the_like() -> None:
    splits = {
        "train": np.array([0, 1, 2]), "validation": np.array([3]),
        "calibration": np.array([4, 5, 6, 7]), "test": np.array([8, 9, 10, 11]),
    }  # fmt: skip
    near = np.array([0, 1, 2, 3, 0, 5, 6, 7, 8, 7, 10, 1])  # 4 as 0, 9 as 7, 11 as 1
    groups = np.array([0, 1, 2, 3, 4, 3, 6, 7, 6, 9, 10, 11])  # 5 with 3, 8 with 6
    prepared = PreparedData(None, None, SimpleNamespace(near=lambda: near), groups, splits, "four-way")
    assert prepared.leaks("calibration").tolist() == [4, 5]
    assert prepared.to_calibrate().tolist() == [6, 7]
    assert prepared.leaks("test").tolist() == [8, 9, 11]


def test_of_a_group_with_the_like_of_a_training_picture_none_is_new() -> None:
    splits = {"train": np.array([0]), "calibration": np.array([1, 2, 3]), "test": np.array([4])}
    near, groups = np.array([0, 0, 2, 3, 4]), np.array([0, 1, 1, 3, 4])  # near-duplicates may be parted
    prepared = PreparedData(None, None, SimpleNamespace(near=lambda: near), groups, splits, "four-way")
    assert prepared.leaks("calibration").tolist() == [1, 2]


@pytest.mark.parametrize(("side", "said"), [(64, False), (128, True)])
def test_pictures_that_are_much_larger_than_the_network_sees_them_are_told_of(
    side: int, said: bool, tmp_path: Path
) -> None:
    for number in range(16):
        folder = tmp_path / "ab"[number % 2]
        folder.mkdir(exist_ok=True)
        (folder / f"{number}.png").write_bytes(picture_bytes(number, (side + 10, side)))
    (tmp_path / "a" / "broken.png").write_bytes(b"no picture")
    pictures = Pictures(size=32, channels=3, protocol="four-way")
    prepared = prepare(Data.find(str(tmp_path)), pictures, SilentProgress())
    found = size_advice(prepared)
    assert (found is not None) == said
    if found:
        assert lacking(found, "138x128", "32x32", "--set pictures.size=64") == []
    assert size_advice(prepare(Data.find("skies:60"), pictures, SilentProgress())) is None
