import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from skysort.core.errors import SkysortError
from skysort.data.builtin.idx import idx_source, read_idx
from tests.conftest import refused

NAMES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
CLASSES = ("zero", "one", "two")


def idx(array: NDArray[np.uint8], kind: int = 8) -> bytes:
    header = struct.pack(f">HBB{array.ndim}I", 0, kind, array.ndim, *array.shape)
    return header + array.tobytes()


def pictures(num: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (num, 5, 4), dtype=np.uint8)


def write(folder: Path, *, zipped: bool = False) -> Path:
    folder.mkdir()
    arrays = (pictures(4), np.array([2, 0, 1, 1], np.uint8), pictures(2, 1), np.array([1, 0], np.uint8))
    for name, array in zip(NAMES, arrays, strict=True):
        if zipped:
            (folder / f"{name}.gz").write_bytes(gzip.compress(idx(array)))
        else:
            (folder / name).write_bytes(idx(array))
    return folder


@pytest.mark.parametrize("zipped", [False, True])
def test_the_four_files_are_a_training_and_a_test_part(tmp_path: Path, zipped: bool) -> None:
    listing, read = idx_source(write(tmp_path / "mnist", zipped=zipped), CLASSES).load()
    assert listing.paths == (
        "train/two/00000",
        "train/zero/00001",
        "train/one/00002",
        "train/one/00003",
        "test/one/00000",
        "test/zero/00001",
    )
    assert listing.classes == CLASSES
    np.testing.assert_array_equal(read(3), pictures(4)[3])
    np.testing.assert_array_equal(read(5), pictures(2, 1)[1])


@pytest.mark.parametrize("missing", NAMES)
def test_a_missing_file_is_named(tmp_path: Path, missing: str) -> None:
    folder = write(tmp_path / "mnist")
    (folder / missing).unlink()
    with refused("missing-data", folder, missing, f"{missing}.gz"):
        idx_source(folder, CLASSES)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (NAMES[1], idx(np.array([0, 1, 2], np.uint8))),
        (NAMES[1], idx(np.array([0, 1, 2, 3], np.uint8))),
        (NAMES[3], idx(np.array([0, 1, 2], np.uint8))),
        (NAMES[0], idx(np.array([0, 1, 2, 2], np.uint8))),
    ],
    ids=["too few labels", "label beyond the classes", "too many labels", "labels as pictures"],
)
def test_pictures_and_labels_that_do_not_fit_are_an_error(tmp_path: Path, name: str, content: bytes) -> None:
    folder = write(tmp_path / "mnist")
    (folder / name).write_bytes(content)
    with refused("damaged-data", NAMES[2] if name == NAMES[3] else NAMES[0]):
        idx_source(folder, CLASSES).load()


def test_an_array_comes_back_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(idx(pictures(3)))
    np.testing.assert_array_equal(read_idx(tmp_path / "x"), pictures(3))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0\0\x08",
        b"\0\0\x08\1\0\0",
        idx(pictures(3))[:-1],
        idx(pictures(3)) + b"\0",
        idx(pictures(3), kind=13),
        b"\1" + idx(pictures(3))[1:],
        idx(pictures(0)),
        struct.pack(">HBBIII", 0, 8, 3, 2**32 - 1, 2**32 - 1, 2**32 - 1) + b"\0",
        struct.pack(">HBB255I", 0, 8, 255, *[1] * 255) + b"\0",
    ],
    ids=[
        "empty", "half a header", "half a shape", "short", "long", "floats", "no zeros", "no pictures",
        "enormous", "255 dimensions",
    ],
)  # fmt: skip
@pytest.mark.parametrize("ending", ["", ".gz"])
def test_what_is_no_whole_file_of_bytes_is_an_error_that_names_it(
    tmp_path: Path, content: bytes, ending: str
) -> None:
    file = tmp_path / f"x-ubyte{ending}"
    file.write_bytes(gzip.compress(content) if ending else content)
    with refused("damaged-data", file):
        read_idx(file)


@pytest.mark.parametrize(
    "content",
    [b"", b"no gzip", gzip.compress(idx(pictures(3)))[:-12], gzip.compress(idx(pictures(3)))[:-4] + b"zzzz"],
    ids=["empty", "text", "cut off", "wrong length"],
)
def test_a_damaged_gzip_is_an_error_that_names_it(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.gz").write_bytes(content)
    with refused("damaged-data", tmp_path / "x.gz"):
        read_idx(tmp_path / "x.gz")


@given(header=st.binary(max_size=24), body=st.binary(max_size=8))
@example(header=b"\0\0\x08\1\0\0\0\2", body=b"ab")
def test_any_bytes_give_an_array_or_an_error(tmp_path: Path, header: bytes, body: bytes) -> None:
    (tmp_path / "x").write_bytes(header + body)
    try:
        array = read_idx(tmp_path / "x")
    except SkysortError as error:
        assert error.code == "damaged-data"
        return
    assert array.dtype == np.uint8
    assert array.size > 0
