import pickle
import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from skysort.core.errors import SkysortError
from skysort.data.builtin.cifar import CLASSES, PIXEL_BYTES, binary_source, pickled_source
from skysort.data.sources.base import PixelSource
from tests.conftest import refused

NAMES = (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch")
LABELS = [[0, 2], [1, 3], [4, 5], [6, 7], [8, 9], [9, 0]]


def pixels_of(batch: int) -> NDArray[np.uint8]:
    return np.random.default_rng(batch).integers(0, 256, (2, PIXEL_BYTES), dtype=np.uint8)


def binary_batch(labels: list[int], pixels: NDArray[np.uint8]) -> bytes:
    return b"".join(bytes([label]) + row.tobytes() for label, row in zip(labels, pixels, strict=True))


def python2_batch(labels: list[int], pixels: NDArray[np.uint8]) -> bytes:
    """What Python 2's cPickle wrote at protocol 2, as in the files that are handed out."""

    def text(content: bytes) -> bytes:
        return b"U" + bytes([len(content)]) + content

    content = pixels.tobytes()
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\nq\x02cnumpy\nndarray\nq\x03K\x00\x85" + text(b"b") + b"\x87Rq\x04"
        b"(K\x01K" + bytes([len(labels)]) + b"M" + struct.pack("<H", PIXEL_BYTES) + b"\x86"
        b"cnumpy\ndtype\nq\x05" + text(b"u1") + b"K\x00K\x01\x87Rq\x06"
        b"(K\x03" + text(b"|") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        b"\x89T" + struct.pack("<I", len(content)) + content + b"tb"
    )
    numbers = b"](" + b"".join(b"K" + bytes([label]) for label in labels) + b"e"
    filenames = b"](" + text(b"a_s_000.png") + text(b"b_s_000.png") + b"e"
    title = text(b"training batch 1 of 5")
    return (
        b"\x80\x02}q\x01(" + text(b"data") + array + text(b"labels") + numbers
        + text(b"batch_label") + title + text(b"filenames") + filenames + b"u."
    )  # fmt: skip


def python3_batch(labels: list[int], pixels: NDArray[np.uint8]) -> bytes:
    return pickle.dumps({b"labels": labels, b"data": pixels}, protocol=4)


def write(folder: Path, batch: Callable[[list[int], NDArray[np.uint8]], bytes], ending: str = "") -> Path:
    folder.mkdir()
    for number, name in enumerate(NAMES):
        (folder / f"{name}{ending}").write_bytes(batch(LABELS[number], pixels_of(number)))
    return folder


def first_batch(folder: Path, content: bytes) -> PixelSource:
    """A pickled folder whose first batch is other than it should be."""
    write(folder, python3_batch)
    (folder / NAMES[0]).write_bytes(content)
    return pickled_source(folder)


def load_error(source: PixelSource) -> str:
    with pytest.raises(SkysortError) as caught:
        source.load()
    assert caught.value.code == "damaged-data"
    return str(caught.value)


@pytest.fixture(params=["binary", "python 2", "python 3"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> PixelSource:
    if request.param == "binary":
        return binary_source(write(tmp_path / "cifar", binary_batch, ".bin"))
    batch = python2_batch if request.param == "python 2" else python3_batch
    return pickled_source(write(tmp_path / "cifar", batch))


def test_five_batches_are_the_training_part_and_one_the_test_part(source: PixelSource) -> None:
    listing, _ = source.load()
    assert listing.splits == ("train",) * 10 + ("test",) * 2
    assert listing.labels.tolist() == [label for labels in LABELS for label in labels]
    assert listing.classes == CLASSES
    assert listing.paths[1] == "train/bird/00001"
    assert listing.paths[-1] == "test/airplane/00001"


def test_pixels_are_stored_a_channel_after_the_other(source: PixelSource) -> None:
    _, read = source.load()
    pixels = read(11)
    assert not isinstance(pixels, bytes)
    assert (pixels.shape, pixels.dtype) == ((32, 32, 3), np.uint8)
    np.testing.assert_array_equal(pixels.transpose(2, 0, 1).ravel(), pixels_of(5)[1])


@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_pickles_of_every_binary_protocol_of_python_3_are_read(tmp_path: Path, protocol: int) -> None:
    content = pickle.dumps({b"labels": LABELS[0], b"data": pixels_of(0)}, protocol=protocol)
    _, read = first_batch(tmp_path / "cifar", content).load()
    np.testing.assert_array_equal(np.asarray(read(0)).transpose(2, 0, 1).ravel(), pixels_of(0)[0])


@pytest.mark.parametrize("missing", NAMES)
def test_a_missing_batch_is_named(tmp_path: Path, missing: str) -> None:
    folder = write(tmp_path / "cifar", binary_batch, ".bin")
    (folder / f"{missing}.bin").unlink()
    with refused("missing-data", folder, f"{missing}.bin"):
        binary_source(folder)


@pytest.mark.parametrize("size", [0, 1, PIXEL_BYTES, 2 * PIXEL_BYTES + 1])
def test_a_binary_batch_that_is_not_whole_is_an_error(tmp_path: Path, size: int) -> None:
    folder = write(tmp_path / "cifar", binary_batch, ".bin")
    (folder / "data_batch_2.bin").write_bytes(bytes(size))
    message = load_error(binary_source(folder))
    assert str(folder / "data_batch_2.bin") in message
    assert f"{size:,} bytes" in message and "3,073" in message


def test_a_label_beyond_the_classes_is_an_error(tmp_path: Path) -> None:
    folder = write(tmp_path / "cifar", binary_batch, ".bin")
    (folder / "test_batch.bin").write_bytes(binary_batch([0, 10], pixels_of(0)))
    message = load_error(binary_source(folder))
    assert all(fact in message for fact in ("test_batch.bin", "0 to 9", "0 to 10"))


@pytest.mark.parametrize(
    "content",
    [
        {b"labels": [0, 1]},
        {b"data": pixels_of(0)},
        {b"labels": [0], b"data": pixels_of(0)},
        {b"labels": [0, -1], b"data": pixels_of(0)},
        {b"labels": [0, 2**70], b"data": pixels_of(0)},
        {b"labels": ["bird", "cat"], b"data": pixels_of(0)},
        {b"labels": [], b"data": pixels_of(0)[:0]},
        {b"labels": [0, 1], b"data": pixels_of(0).astype(np.float32)},
        {b"labels": [0, 1], b"data": pixels_of(0)[:, :100]},
        [1, 2, 3],
        pixels_of(0),
        None,
    ],
    ids=[
        "no pixels", "no labels", "too few labels", "negative label", "huge label", "label in words", "empty",
        "not bytes", "small pictures", "list", "array", "nothing",
    ],
)  # fmt: skip
def test_a_pickle_that_holds_something_else_is_an_error_that_names_it(tmp_path: Path, content: Any) -> None:
    source = first_batch(tmp_path / "cifar", pickle.dumps(content, protocol=4))
    assert "data_batch_1" in load_error(source)


class Malicious:
    """Calls a function when it is unpickled by a careless reader."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_malicious_pickle_is_refused_and_its_code_does_not_run(tmp_path: Path, protocol: int) -> None:
    marker = tmp_path / "owned"
    content = pickle.dumps({b"labels": [0, 1], b"data": Malicious(Path.mkdir, marker)}, protocol=protocol)
    message = load_error(first_batch(tmp_path / "cifar", content))
    assert "data_batch_1" in message and re.search(r"_codecs\.encode|getattr|mkdir", message)
    assert not marker.exists()


@pytest.mark.parametrize(
    ("content", "asked"),
    [
        (b"cos\nsystem\n(S'true'\ntR.", "os.system"),
        (b"cbuiltins\neval\n(S'1'\ntR.", "builtins.eval"),
        (b"(S'true'\nios\nsystem\n.", "os.system"),
        (b"cnumpy\nload\n(S'x'\ntR.", "numpy.load"),
        (b"cnumpy\nfromfile\n(S'x'\ntR.", "numpy.fromfile"),
        (b"\x80\x04\x8c\x05numpy\x8c\x0endarray.tofile\x93.", "numpy.ndarray.tofile"),
        (b"cnumpy.core.multiarray\nfromfile\n.", "numpy.core.multiarray.fromfile"),
    ],
)
def test_nothing_but_arrays_is_admitted(tmp_path: Path, content: bytes, asked: str) -> None:
    assert f" {asked}," in load_error(first_batch(tmp_path / "cifar", content))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no pickle",
        python3_batch(LABELS[0], pixels_of(0))[:-100],
        b"cnumpy\nndarray\n((I1000000000000000\nttR.",
        b"\x80\x04\x95" + b"\xff" * 8,
    ],
    ids=["empty", "text", "cut off", "more memory than there is", "longer than anything"],
)
def test_a_damaged_pickle_is_an_error_that_names_it(tmp_path: Path, content: bytes) -> None:
    assert "data_batch_1" in load_error(first_batch(tmp_path / "cifar", content))


@pytest.mark.parametrize("align", [b"K\x05", b"N"], ids=["5", "none"])
def test_what_numpy_warns_of_is_damage(tmp_path: Path, align: bytes) -> None:
    """Where `align` of a dtype is no boolean; before numpy 2.4 that is no matter."""
    content = python2_batch(LABELS[0], pixels_of(0)).replace(b"K\x00K\x01\x87R", align + b"K\x01\x87R")
    source = first_batch(tmp_path / "cifar", content)
    try:
        source.load()
    except SkysortError as error:
        assert error.code == "damaged-data" and "data_batch_1" in str(error)


@given(changes=st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), min_size=1, max_size=4))
def test_damage_anywhere_in_a_pickle_gives_pictures_or_an_error(
    tmp_path: Path, changes: list[tuple[int, int]]
) -> None:
    folder = tmp_path / "cifar"
    if not folder.exists():
        write(folder, python3_batch)
    content = bytearray(python3_batch(LABELS[0], pixels_of(0)))
    for place, value in changes:
        content[place if place < 150 else place - 200] = value
    (folder / NAMES[0]).write_bytes(content)
    try:
        listing, read = pickled_source(folder).load()
    except SkysortError as error:
        assert error.code == "damaged-data" and "data_batch_1" in str(error)
    else:
        assert len(listing) == 10 + len(LABELS[0])
        assert np.asarray(read(0)).shape == (32, 32, 3)
