import zipfile
from pathlib import Path

import numpy as np
import pytest

from skysort.core import errors
from skysort.core.errors import MissingExtraError
from skysort.data.builtin import skies
from skysort.data.builtin.registry import DIGITS, NAMED, data_folder, find_named
from skysort.data.sources.base import ArchiveSource, FolderSource, PixelSource
from tests.conftest import picture_bytes, refused
from tests.data.builtin import test_cifar, test_idx


def open_named(name: str, folder: Path, size: int = 32) -> object:
    named = find_named(name)
    assert named is not None
    return named.open(folder, size)


def test_the_names_are_those_of_the_plan() -> None:
    assert set(NAMED) == {"skies", "digits", "birds-vs-airplanes", "cifar10", "mnist", "fashion-mnist"}


def test_what_is_no_name_is_left_to_paths() -> None:
    assert find_named("birds") is None


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("skies", (32, 3)),
        ("skies:5", (32, 3)),
        ("digits", (8, 1)),
        ("birds-vs-airplanes", (32, 3)),
        ("cifar10", (32, 3)),
        ("mnist", (28, 1)),
        ("fashion-mnist", (28, 1)),
    ],
)
def test_named_data_has_its_own_size_and_channels(name: str, shape: tuple[int, int]) -> None:
    named = find_named(name)
    assert named is not None
    assert (named.size, named.channels) == shape


def test_the_tutorials_data_is_three_of_them() -> None:
    assert {name for name, data in NAMED.items() if data.in_tutorials} == {
        "birds-vs-airplanes",
        "cifar10",
        "mnist",
    }


@pytest.mark.parametrize("number", ["", "0", "-3", "many", "1.5", "²"])
def test_skies_need_a_sensible_number(number: str) -> None:
    with refused("wrong-value", "'skies:'", "10,000,000", f"'{number}'", exit_code=2):
        find_named(f"skies:{number}")


def test_skies_are_drawn_in_the_number_and_size_asked_for(tmp_path: Path) -> None:
    source = open_named("skies:7", tmp_path, 16)
    assert isinstance(source, PixelSource)
    listing, read = source.load()
    assert len(listing) == 7
    assert listing.classes == skies.CLASSES
    assert listing.labels.tolist() == [0, 1, 0, 1, 0, 1, 0]
    np.testing.assert_array_equal(read(3), skies.draw(3, 16))


def test_skies_in_another_number_are_another_source(tmp_path: Path) -> None:
    one, other = open_named("skies:7", tmp_path), open_named("skies:8", tmp_path)
    assert isinstance(one, PixelSource)
    assert isinstance(other, PixelSource)
    assert one.identity != other.identity


def test_digits_are_scikit_learns(tmp_path: Path) -> None:
    from sklearn.datasets import load_digits

    source = open_named("digits", tmp_path)
    assert isinstance(source, PixelSource)
    listing, read = source.load()
    found = load_digits()
    assert len(listing) == 1797
    assert listing.classes == DIGITS
    assert listing.labels.tolist() == found.target.tolist()
    pixels = np.asarray(read(5))
    assert (pixels.shape, pixels.dtype, pixels.max()) == ((8, 8), np.uint8, 255)
    np.testing.assert_allclose(pixels / 255, found.images[5] / 16, atol=1 / 255)


def test_digits_without_scikit_learn_say_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(errors, "find_spec", lambda _name: None)
    source = open_named("digits", tmp_path)
    assert isinstance(source, PixelSource)
    with pytest.raises(MissingExtraError, match=r"pip install -e \S+\[train\]'?$"):
        source.load()


def test_data_is_looked_for_where_asked_then_where_the_environment_says_then_in_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SKYSORT_DATA", str(tmp_path / "environment"))
    monkeypatch.setenv("SKYSORT_CACHE", str(tmp_path / "cache"))
    assert data_folder(tmp_path / "asked") == tmp_path / "asked"
    assert data_folder(None) == tmp_path / "environment"
    monkeypatch.delenv("SKYSORT_DATA")
    assert data_folder(None) == tmp_path / "cache" / "data"


@pytest.mark.parametrize("name", ["cifar10", "birds-vs-airplanes", "mnist", "fashion-mnist"])
def test_data_that_is_not_there_says_where_it_was_looked_for_and_what_to_do(tmp_path: Path, name: str) -> None:
    with refused("missing-data", tmp_path, "--data-dir", "$SKYSORT_DATA"):
        open_named(name, tmp_path)


def test_cifar_10_is_found_in_its_binary_shape(tmp_path: Path) -> None:
    test_cifar.write(tmp_path / "cifar-10-batches-bin", test_cifar.binary_batch, ".bin")
    assert isinstance(open_named("cifar10", tmp_path), PixelSource)


def test_cifar_10_is_found_as_torchvisions_pickles(tmp_path: Path) -> None:
    test_cifar.write(tmp_path / "cifar-10-batches-py", test_cifar.python2_batch)
    assert isinstance(open_named("cifar10", tmp_path), PixelSource)


def test_cifar_10_is_found_as_a_folder(tmp_path: Path) -> None:
    (tmp_path / "cifar10").mkdir()
    assert open_named("cifar10", tmp_path) == FolderSource(tmp_path / "cifar10")


def test_cifar_10_is_found_as_a_zip(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "cifar10.zip", "w") as archive:
        archive.writestr("bird/1.png", picture_bytes(0))
    assert open_named("cifar10", tmp_path) == ArchiveSource(tmp_path / "cifar10.zip")


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_idx_data_is_found_in_a_folder_of_its_name(tmp_path: Path, name: str) -> None:
    test_idx.write(tmp_path / name)
    source = open_named(name, tmp_path)
    assert isinstance(source, PixelSource)
    listing, _ = source.load()
    assert len(listing) == 6
    assert len(listing.classes) == 10
