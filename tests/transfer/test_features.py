from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from skysort.classifier.runtime import FEATURES, OnnxModel
from skysort.core.progress import SilentProgress
from skysort.data.dataset import Dataset
from skysort.transfer import features as module
from skysort.transfer.backbones import Backbone
from skysort.transfer.features import compute_features
from skysort.transfer.network import backbone_model
from tests.conftest import refused


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(module, "CHUNK", 10)
    folder = tmp_path / "features-cache"
    monkeypatch.setattr(module, "cache_folder", lambda: folder)
    return folder


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of pictures of each call of the backbone."""
    sizes: list[int] = []

    class Counted(OnnxModel):
        def compute(self, pictures: np.ndarray, *outputs: str) -> list[np.ndarray]:
            sizes.append(len(pictures))
            return super().compute(pictures, *outputs)

    monkeypatch.setattr(module, "OnnxModel", Counted)
    return sizes


def features_of(dataset: Dataset, backbone: Backbone, *, flip: bool = False) -> np.ndarray:
    return compute_features(dataset, backbone, SilentProgress(), flip=flip).of(np.arange(len(dataset.listing)))


def test_features_are_the_backbones(skies: Dataset, lite0: Backbone) -> None:
    pixels = skies.pixels(np.arange(24))
    model = OnnxModel(backbone_model(lite0))
    (plain,), (mirrored,) = model.compute(pixels, FEATURES), model.compute(pixels[..., ::-1].copy(), FEATURES)
    np.testing.assert_allclose(features_of(skies, lite0), plain, atol=1e-5)
    np.testing.assert_allclose(features_of(skies, lite0, flip=True), (plain + mirrored) / 2, atol=1e-5)


def test_each_picture_is_computed_once(skies: Dataset, lite0: Backbone, calls: list[int]) -> None:
    first = features_of(skies, lite0)
    assert sum(calls) == 24
    np.testing.assert_array_equal(features_of(skies, lite0), first)
    assert sum(calls) == 24


def test_goes_on_after_an_interruption(
    skies: Dataset, lite0: Backbone, calls: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stopped(OnnxModel):
        def compute(self, pictures: np.ndarray, *outputs: str) -> list[np.ndarray]:
            calls.append(len(pictures))
            if sum(calls) > 15:
                raise KeyboardInterrupt
            return super().compute(pictures, *outputs)

    counted = module.OnnxModel
    monkeypatch.setattr(module, "OnnxModel", Stopped)
    with pytest.raises(KeyboardInterrupt):
        features_of(skies, lite0)
    calls.clear()
    monkeypatch.setattr(module, "OnnxModel", counted)
    resumed = features_of(skies, lite0)
    assert sum(calls) == 14  # the first chunk of ten stayed
    monkeypatch.setattr(module, "FORMAT", "another")
    np.testing.assert_array_equal(resumed, features_of(skies, lite0))


@pytest.mark.parametrize("damage", ["cut", "altered", "longer", "no-checksums"])
def test_what_is_damaged_is_computed_again(
    skies: Dataset, lite0: Backbone, calls: list[int], small_chunks: Path, damage: str
) -> None:
    first = features_of(skies, lite0)
    (values,) = small_chunks.glob("features/*/features.bin")
    content = values.read_bytes()
    if damage == "cut":
        values.write_bytes(content[:-100])
    elif damage == "altered":
        values.write_bytes(content[:70_000] + b"\xff" + content[70_001:])
    elif damage == "longer":
        values.write_bytes(content + b"\0" * 999)
    else:
        (values.parent / "checksums.bin").unlink()
    np.testing.assert_array_equal(features_of(skies, lite0), first)
    np.testing.assert_array_equal(features_of(skies, lite0), first)
    assert 24 <= sum(calls) <= 48


def test_a_full_disk_is_an_error_that_keeps_what_is_there(
    skies: Dataset, lite0: Backbone, calls: list[int], monkeypatch: pytest.MonkeyPatch, small_chunks: Path
) -> None:
    crc32 = module.zlib.crc32
    num_chunks = 0

    def full(content: bytes) -> int:
        nonlocal num_chunks
        num_chunks += 1
        if num_chunks == 2:
            raise OSError(28, "No space left on device")
        return crc32(content)

    monkeypatch.setattr(module.zlib, "crc32", full)
    with refused("system", small_chunks, "No space left"):
        features_of(skies, lite0)
    monkeypatch.setattr(module.zlib, "crc32", crc32)
    calls.clear()
    features_of(skies, lite0)
    assert sum(calls) == 14


def test_pictures_of_another_dataset_are_not_computed_again(
    skies: Dataset, lite0: Backbone, calls: list[int]
) -> None:
    everything = features_of(skies, lite0)
    calls.clear()
    rows = np.arange(23, 3, -1)
    some = replace(skies, listing=skies.listing.at(rows), rows=skies.rows[rows])
    assert module.num_missing(some, lite0, flip=False) == 0
    np.testing.assert_array_equal(features_of(some, lite0), everything[rows])
    assert calls == []
    assert module.num_missing(some, lite0, flip=True) == 20, "of another kind"
