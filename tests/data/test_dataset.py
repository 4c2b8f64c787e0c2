import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from skysort.core.progress import SilentProgress
from skysort.data.dataset import Data, Dataset, open_dataset
from skysort.data.decode import Shape
from skysort.data.quality import grouping
from skysort.recipe.sections import Pictures
from tests.conftest import picture_bytes, refused
from tests.data.builtin import test_cifar

SHAPE = Shape(8, 3)
MakeFolder = Callable[..., Path]


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SKYSORT_CACHE", str(tmp_path / "cache"))


def opened(asked: Path | str, shape: Shape = SHAPE, data_dir: Path | None = None) -> Dataset:
    return open_dataset(Data.find(str(asked), data_dir), shape, SilentProgress())


def test_a_name_is_found() -> None:
    assert Data.find("skies").named is not None


def test_a_path_is_found_and_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "birds").mkdir()
    monkeypatch.chdir(tmp_path)
    assert Data.find("birds") == Data(str(tmp_path / "birds"), None)


@pytest.mark.parametrize("asked", ["some/folder", "birds.zip"])
def test_a_path_that_is_not_there_is_an_error(asked: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with refused("path-not-found", asked, exit_code=2):
        Data.find(asked)


def test_an_unknown_name_is_an_error_with_a_suggestion() -> None:
    with refused("unknown-data-set", "'cifar-10'", "'cifar10'?", exit_code=2):
        Data.find("cifar-10")


@pytest.mark.parametrize(
    ("asked", "size", "channels", "expected"),
    [
        ("digits", None, None, Shape(8, 1, "crop")),
        ("digits", 32, 3, Shape(32, 3, "crop")),
        ("mnist", None, 3, Shape(28, 3, "crop")),
        ("/", None, None, Shape(32, 3, "crop")),
        ("/", 64, 1, Shape(64, 1, "crop")),
    ],
)
def test_the_shape_is_the_recipes_else_the_datas_else_32_by_32(
    asked: str, size: int | None, channels: int | None, expected: Shape
) -> None:
    assert Data.find(asked).shape(size, channels, "crop") == expected  # type: ignore[arg-type]


def test_pixels_come_in_the_order_asked_for(make_folder: MakeFolder) -> None:
    dataset = opened(make_folder({"cat": 3, "dog": 3}))
    np.testing.assert_array_equal(dataset.pixels(np.array([4, 0])), np.asarray(dataset.store.pixels)[[4, 0]])


def test_unreadable_pictures_have_their_reason_by_row(make_folder: MakeFolder) -> None:
    folder = make_folder({"cat": 2, "dog": 2})
    (folder / "dog/0.png").write_bytes(b"")
    dataset = opened(folder)
    assert dataset.unreadable == {2: "the file is empty"}
    assert dataset.positions.tolist() == [0, 1, -1, 2]


def test_equal_pictures_are_one_group_and_unreadable_ones_none(make_folder: MakeFolder) -> None:
    folder = make_folder({"cat": 2, "dog": 2})
    (folder / "dog/0.png").write_bytes(b"")
    (folder / "dog/copy.bmp").write_bytes(picture_bytes(1, form="BMP"))
    dataset = opened(folder)
    groups = dict(zip(dataset.listing.paths, groups_of(dataset).tolist(), strict=True))
    assert groups["cat/1.png"] == groups["dog/copy.bmp"]
    assert groups.pop("dog/0.png") == -1
    assert len(set(groups.values())) == 3
    assert min(groups.values()) >= 0


def fingerprint(folder: Path) -> str:
    return opened(folder).fingerprint()


def swap_class_names(folder: Path) -> None:
    (folder / "train/cat").rename(folder / "train/x")
    (folder / "train/dog").rename(folder / "train/cat")
    (folder / "train/x").rename(folder / "train/dog")


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "train/cat/0.png").write_bytes(picture_bytes(99)),
        lambda folder: (folder / "train/cat/0.png").write_bytes(b"unreadable"),
        lambda folder: (folder / "train/cat/0.png").rename(folder / "train/cat/00.png"),
        lambda folder: (folder / "train/cat/0.png").rename(folder / "train/dog/00.png"),
        lambda folder: (folder / "train/cat/1.png").rename(folder / "test/cat/1.png"),
        lambda folder: (folder / "train/cat/1.png").unlink(),
        lambda folder: (folder / "train").rename(folder / "val"),
        swap_class_names,
    ],
    ids=["pixels", "unreadable", "name", "class", "part", "one less", "all splits", "classes swapped"],
)
def test_the_fingerprint_changes_with(make_folder: MakeFolder, change: Callable[[Path], object]) -> None:
    folder = make_folder({"train/cat": 2, "train/dog": 2, "test/cat": 1, "test/dog": 1})
    before = fingerprint(folder)
    change(folder)
    assert fingerprint(folder) != before


@pytest.mark.parametrize(
    "other",
    [
        {"paths": ("train/cat/1.png", "train/dog/0.png")},
        {"labels": np.array([1, 0])},
        {"classes": ("cat", "wolf")},
        {"splits": ("train", "test")},
    ],
    ids=["paths", "labels", "classes", "splits"],
)
def test_each_column_of_the_listing_counts_in_the_fingerprint(
    make_folder: MakeFolder, other: dict[str, Any]
) -> None:
    dataset = opened(make_folder({"train/cat": 1, "train/dog": 1}))
    changed = replace(dataset, listing=replace(dataset.listing, **other))
    assert changed.fingerprint() != dataset.fingerprint()


def test_which_of_two_copies_is_unreadable_counts_in_the_fingerprint(make_folder: MakeFolder) -> None:
    fingerprints = set()
    for number in (0, 1):
        folder = make_folder({"cat": 2, "dog": 1}, f"copies-{number}")
        for name in ("0.png", "1.png"):
            (folder / "cat" / name).write_bytes(picture_bytes(5))
        (folder / "cat" / f"{number}.png").write_bytes(b"")
        fingerprints.add(fingerprint(folder))
    assert len(fingerprints) == 2


def test_a_single_pixel_changes_the_fingerprint(make_folder: MakeFolder) -> None:
    from PIL import Image

    folder = make_folder({"cat": 1, "dog": 1})
    before = opened(folder, Shape(32, 3)).fingerprint()
    with Image.open(folder / "cat/0.png") as file:
        picture = file.copy()
    red, green, blue = picture.getpixel((31, 31))  # type: ignore[misc]
    picture.putpixel((31, 31), (red, green, blue ^ 1))
    picture.save(folder / "cat/0.png")
    assert opened(folder, Shape(32, 3)).fingerprint() != before


def test_the_fingerprint_does_not_depend_on_place_or_time(make_folder: MakeFolder) -> None:
    one, two = (make_folder({"cat": 2, "dog": 2}, name) for name in ("one", "two"))
    os.utime(two / "cat/0.png", ns=(1, 1))
    assert fingerprint(one) == fingerprint(two)


def test_mean_and_std_are_numpys(make_folder: MakeFolder) -> None:
    folder = make_folder({"cat": 4, "dog": 4})
    (folder / "cat/2.png").write_bytes(b"")
    dataset = opened(folder)
    mean, std = dataset.mean_and_std(np.array([1, 2, 6]))
    pixels = np.asarray(dataset.store.pixels)[dataset.positions[[1, 6]]] / 255
    np.testing.assert_allclose(mean, pixels.mean(axis=(0, 2, 3)), rtol=1e-12)
    np.testing.assert_allclose(std, pixels.std(axis=(0, 2, 3)), rtol=1e-12)


def test_a_channel_that_never_changes_is_divided_by_one(tmp_path: Path) -> None:
    from PIL import Image

    for name in ("cat", "dog"):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        Image.new("RGB", (8, 8), (0, 51, 255)).save(tmp_path / "pictures" / name / "1.png")
    mean, std = opened(tmp_path / "pictures").mean_and_std(np.array([0, 1]))
    np.testing.assert_allclose(mean, (0, 0.2, 1), atol=1e-12)
    np.testing.assert_allclose(std, 1)


def test_two_classes_of_cifar_10_come_from_the_store_of_all(tmp_path: Path) -> None:
    test_cifar.write(tmp_path / "cifar-10-batches-bin", test_cifar.binary_batch, ".bin")
    dataset = opened("birds-vs-airplanes", Shape(32, 3), tmp_path)
    assert dataset.listing.classes == ("airplane", "bird")
    assert dataset.listing.paths == ("train/airplane/00000", "train/bird/00001", "test/airplane/00001")
    assert dataset.listing.labels.tolist() == [0, 1, 0]
    assert len(dataset.store.listing) == 12
    pixels = dataset.pixels(np.array([1]))
    np.testing.assert_array_equal(pixels.ravel(), test_cifar.pixels_of(0)[1])


def test_cifar_10_as_a_folder_without_birds_is_an_error_that_names_them(make_folder: MakeFolder) -> None:
    folder = make_folder({"airplane": 2, "dog": 2}, "cifar10")
    with refused("unknown-class", "'bird'", "airplane, dog"):
        opened("birds-vs-airplanes", SHAPE, folder.parent)


def test_skies_smaller_than_they_can_be_drawn_are_an_error_that_names_the_least_size() -> None:
    with refused("wrong-value", "pictures.size", "at least 8", "found 4"):
        opened("skies:4", Shape(4, 3))


def test_named_data_in_a_shape_of_the_recipes_is_brought_to_it() -> None:
    assert opened("digits", Shape(12, 3)).store.pixels.shape == (1797, 3, 12, 12)


def groups_of(dataset: Dataset) -> np.ndarray[Any, Any]:
    return grouping.groups_of(dataset, Pictures(), SilentProgress())


def write_table(folder: Path, groups: dict[str, str]) -> Path:
    rows = "".join(f"{path},{path.split('/')[0]},{group}\n" for path, group in groups.items())
    (folder / "all.csv").write_text(f"path,label,group\n{rows}", encoding="utf-8")
    return folder / "all.csv"


def test_declared_groups_and_equal_pictures_join(make_folder: MakeFolder) -> None:
    folder = make_folder({"cat": 4, "dog": 3})
    (folder / "dog/copy.png").write_bytes(picture_bytes(0))
    (folder / "dog/broken.png").write_bytes(b"")
    declared = {
        "cat/0.png": "a", "cat/1.png": "a", "cat/2.png": "", "cat/3.png": "",
        "dog/0.png": "b", "dog/1.png": "", "dog/2.png": "c", "dog/copy.png": "b", "dog/broken.png": "c",
    }  # fmt: skip
    dataset = opened(write_table(folder, declared))
    groups = dict(zip(dataset.listing.paths, groups_of(dataset).tolist(), strict=True))
    assert groups.pop("dog/broken.png") == -1
    joined = {groups.pop(path) for path in ("cat/0.png", "cat/1.png", "dog/0.png", "dog/copy.png")}
    assert len(joined) == 1
    assert len(set(groups.values()) - joined) == len(groups)
    equal = dict(zip(dataset.listing.paths, dataset.equal().tolist(), strict=True))
    assert equal["cat/0.png"] == equal["dog/copy.png"] != equal["cat/1.png"]


def test_groups_are_kept_in_the_cache(make_folder: MakeFolder) -> None:
    table = write_table(make_folder({"cat": 2, "dog": 1}), {"cat/0.png": "a", "cat/1.png": "a", "dog/0.png": ""})
    for _ in range(2):
        assert opened(table).listing.groups == ("a", "a", "")


def test_other_groups_or_splits_in_the_table_are_seen(make_folder: MakeFolder) -> None:
    folder = make_folder({"cat": 2, "dog": 1})
    before = groups_of(opened(write_table(folder, {"cat/0.png": "a", "cat/1.png": "a", "dog/0.png": "b"})))
    after = groups_of(opened(write_table(folder, {"cat/0.png": "a", "cat/1.png": "b", "dog/0.png": "bc"})))
    assert len(set(before.tolist())) == 2
    assert len(set(after.tolist())) == 3
