import errno
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from skysort.core.errors import SkysortError
from skysort.core.files import whole_folder
from skysort.core.progress import SilentProgress
from skysort.data import exif, parallel, store
from skysort.data.decode import Shape, decode
from skysort.data.exif import open_metadata
from skysort.data.formats import opening
from skysort.data.sources import base
from skysort.data.sources.base import ArchiveSource, FolderSource
from skysort.data.store import Store, open_store
from tests.conftest import picture_bytes, refused

SHAPE = Shape(16, 3)
MakeFolder = Callable[..., Path]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SKYSORT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "stores"


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What has been decoded."""
    contents = []

    def counted(content: bytes, shape: Shape) -> Any:
        contents.append(content)
        return decode(content, shape)

    monkeypatch.setattr(store, "decode", counted)
    return contents


def opened(path: Path, shape: Shape = SHAPE) -> Store:
    source = ArchiveSource(path) if path.suffix == ".zip" else FolderSource(path)
    return open_store(source, shape, SilentProgress())


def test_each_row_has_its_own_pixels(make_folder: MakeFolder) -> None:
    folder = make_folder({"cat": 3, "dog": 3})
    found = opened(folder)
    for path, position in zip(found.listing.paths, found.positions, strict=True):
        np.testing.assert_array_equal(found.pixels[position], decode((folder / path).read_bytes(), SHAPE))


def test_a_picture_whose_decoder_came_later_is_read(
    make_folder: MakeFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_folder({"cat": 1})
    pillow_heif.from_pillow(Image.new("RGB", (64, 64), "red")).save(folder / "cat" / "1.heic")
    with monkeypatch.context() as without_decoder:
        for module in (opening, exif, store):
            without_decoder.setattr(module, "READABLE", store.READABLE - {"HEIC"})
        assert [position >= 0 for position in opened(folder).positions] == [True, False]
        assert open_metadata(FolderSource(folder), SilentProgress()).sizes.tolist() == [[32, 32], [0, 0]]
    assert [position >= 0 for position in opened(folder).positions] == [True, True]
    assert open_metadata(FolderSource(folder), SilentProgress()).sizes.tolist() == [[32, 32], [64, 64]]


def test_the_pixels_are_mapped_from_a_file_and_cannot_be_written(make_folder: MakeFolder, cache: Path) -> None:
    found = opened(make_folder({"cat": 2, "dog": 2}))
    pixels = found.pixels
    assert np.shares_memory(pixels, np.frombuffer(found.mapped, np.uint8))
    assert len(found.mapped) == next(cache.glob("*/pixels.bin")).stat().st_size
    assert (pixels.shape, pixels.dtype) == ((4, 3, 16, 16), np.uint8)
    assert not pixels.flags.writeable


def test_a_second_open_decodes_nothing_and_finds_the_same(make_folder: MakeFolder, decoded: list[bytes]) -> None:
    folder = make_folder({"cat": 2, "dog": 2})
    (folder / "cat/x.jpg").write_text("no picture")
    first = opened(folder)
    decoded.clear()
    second = opened(folder)
    assert decoded == []
    np.testing.assert_array_equal(second.pixels, first.pixels)
    np.testing.assert_array_equal(second.positions, first.positions)
    np.testing.assert_array_equal(second.digests, first.digests)
    np.testing.assert_array_equal(second.listing.labels, first.listing.labels)
    assert second.unreadable == first.unreadable
    assert (second.listing.paths, second.listing.classes, second.listing.splits, second.listing.left_out) == (
        first.listing.paths,
        first.listing.classes,
        first.listing.splits,
        first.listing.left_out,
    )


def test_each_picture_is_decoded_once(make_folder: MakeFolder, decoded: list[bytes]) -> None:
    opened(make_folder({"cat": 30, "dog": 30}))
    assert len(decoded) == len(set(decoded)) == 60


def test_a_changed_file_is_decoded_anew(make_folder: MakeFolder) -> None:
    folder = make_folder({"cat": 2, "dog": 2})
    opened(folder)
    (folder / "cat/0.png").write_bytes(picture_bytes(99))
    np.testing.assert_array_equal(opened(folder).pixels[0], decode(picture_bytes(99), SHAPE))


def test_a_file_of_another_time_is_decoded_anew(make_folder: MakeFolder, decoded: list[bytes]) -> None:
    folder = make_folder({"cat": 2, "dog": 2})
    opened(folder)
    decoded.clear()
    os.utime(folder / "cat/0.png", ns=(1, 1))
    opened(folder)
    assert len(decoded) == 4


def test_the_outdated_store_is_removed(make_folder: MakeFolder, cache: Path) -> None:
    folder = make_folder({"cat": 2, "dog": 2})
    opened(folder)
    before = list(cache.iterdir())
    (folder / "cat/2.png").write_bytes(picture_bytes(99))
    opened(folder)
    after = list(cache.iterdir())
    assert len(before) == len(after) == 1
    assert before != after


@pytest.mark.parametrize(
    "name", ["pixels", "sums", "digests", "first_equal", "first_near", "table", "checksums", "metadata"]
)
def test_a_byte_that_was_altered_in_the_cache_is_noticed(
    make_folder: MakeFolder, cache: Path, decoded: list[bytes], name: str
) -> None:
    folder = make_folder({"cat": 2, "dog": 2})
    before, sizes = opened(folder), open_metadata(FolderSource(folder), SilentProgress())
    pixels = before.pixels.copy()
    decoded.clear()
    (file,) = cache.parent.glob("metadata/*" if name == "metadata" else f"stores/*/{name}.*")
    content = bytearray(file.read_bytes())
    content[-9] ^= 1
    file.write_bytes(content)
    after = opened(folder)
    np.testing.assert_array_equal(after.pixels, pixels)
    np.testing.assert_array_equal(after.first_near, before.first_near)
    assert after.listing.paths == before.listing.paths
    assert len(decoded) == (0 if name == "metadata" else 4)
    again = open_metadata(FolderSource(folder), SilentProgress())
    assert again and sizes and again.cameras == sizes.cameras
    np.testing.assert_array_equal(again.sizes, sizes.sizes)


@pytest.mark.parametrize("other", [Shape(8, 3), Shape(16, 1), Shape(16, 3, "crop")])
def test_each_way_of_decoding_has_a_store_of_its_own(
    make_folder: MakeFolder, decoded: list[bytes], other: Shape
) -> None:
    folder = make_folder({"cat": 2, "dog": 2})
    opened(folder)
    opened(folder, other)
    decoded.clear()
    assert opened(folder).pixels.shape == (4, 3, 16, 16)
    assert opened(folder, other).pixels.shape == (4, other.channels, other.size, other.size)
    assert decoded == []


def test_another_folder_has_a_store_of_its_own(make_folder: MakeFolder, cache: Path) -> None:
    opened(make_folder({"cat": 2, "dog": 2}, "one"))
    opened(make_folder({"cat": 2, "dog": 2}, "two"))
    assert len(list(cache.iterdir())) == 2


def test_a_copy_is_the_same_when_the_pixels_are_let_go(
    make_folder: MakeFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = opened(make_folder({"cat": 2, "dog": 2}))
    expected = found.pixels[[3, 0]]
    monkeypatch.setattr(store, "MOST_MAPPED_BYTES", 0)
    for _ in range(2):
        np.testing.assert_array_equal(found.copy(np.array([3, 0])), expected)


def test_equal_pixels_have_equal_digests_whatever_their_files(make_folder: MakeFolder, tmp_path: Path) -> None:
    folder = make_folder({"cat": 2, "dog": 2})
    (folder / "dog/copy.bmp").write_bytes(picture_bytes(0, form="BMP"))
    found = opened(folder)
    rows = [
        found.positions[found.listing.paths.index(path)] for path in ("cat/0.png", "dog/copy.bmp", "cat/1.png")
    ]
    same, copy, other = found.digests[rows].tolist()
    assert same == copy != other


def pipe(path: Path) -> None:
    if not hasattr(os, "mkfifo"):
        pytest.skip("no pipes in folders on this system")
    os.mkfifo(path)


def without_permission(path: Path) -> None:
    if os.name != "posix" or os.geteuid() == 0:
        pytest.skip("root may read everything")
    path.write_bytes(picture_bytes(9))
    path.chmod(0)


@pytest.mark.parametrize(
    "make",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_text("hello"),
        lambda path: path.write_bytes(picture_bytes(9, form="JPEG")[:300]),
        lambda path: path.mkdir(),
        lambda path: path.symlink_to("nowhere.jpg"),
        lambda path: path.symlink_to(path.name),
        pipe,
        without_permission,
    ],
    ids=["empty", "text", "truncated", "folder", "link to nowhere", "link to itself", "pipe", "no permission"],
)
def test_what_cannot_be_read_is_a_row_with_a_reason(
    make_folder: MakeFolder, make: Callable[[Path], object]
) -> None:
    folder = make_folder({"cat": 2, "dog": 2})
    make(folder / "cat/0.jpg")
    found = opened(folder)
    row = found.listing.paths.index("cat/0.jpg")
    assert found.positions[row] == -1
    assert found.unreadable.keys() == {row}
    assert found.unreadable[row]
    assert sorted(found.positions.tolist()) == [-1, 0, 1, 2, 3]
    assert found.pixels.shape[0] == len(found.digests) == 4


def test_a_picture_over_the_limit_is_a_row_with_a_reason(
    make_folder: MakeFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_folder({"cat": 2, "dog": 2})
    (folder / "cat/big.png").write_bytes(picture_bytes(9, (200, 200)))
    monkeypatch.setattr("skysort.data.memory.SMALL_BYTES", 150_000)
    monkeypatch.setattr("skysort.data.memory.MAX_BYTES", 150_000)
    assert opened(folder).unreadable[2].startswith("200 x 200 pixels: ")


def test_a_damaged_member_of_a_zip_is_a_row_with_a_reason(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for seed, name in enumerate(("cat/1.png", "dog/1.png")):
            archive.writestr(name, picture_bytes(seed))
    content = bytearray((tmp_path / "x.zip").read_bytes())
    content[100] ^= 255
    (tmp_path / "x.zip").write_bytes(content)
    found = opened(tmp_path / "x.zip")
    assert found.unreadable.keys() == {0}
    assert found.unreadable[0].startswith("cannot be read from the archive: Bad CRC-32")
    np.testing.assert_array_equal(found.pixels[0], decode(picture_bytes(1), SHAPE))


def test_with_no_readable_picture_at_all_the_error_names_the_first(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        (tmp_path / "pictures" / name / "1.jpg").write_bytes(b"")
    for _ in ("first", "again"):
        with refused("no-readable-pictures", "2 pictures", "cat/1.jpg: the file is empty"):
            opened(tmp_path / "pictures")


def test_many_threads_give_what_one_gives(make_folder: MakeFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_folder({"cat": 20, "dog": 20})
    (folder / "cat/5.png").write_bytes(b"")
    monkeypatch.setattr(store, "CHUNK_PIXEL_BYTES", 3 * 16 * 16 * 3)
    monkeypatch.setattr(store, "threads_for", lambda _: 1)
    one = np.array(opened(folder, SHAPE).pixels)
    monkeypatch.setattr(store, "threads_for", lambda _: 4)
    monkeypatch.setattr(store, "FORMAT", -1)
    np.testing.assert_array_equal(opened(folder, SHAPE).pixels, one)


def test_large_files_are_decoded_on_several_threads(
    make_folder: MakeFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parallel, "num_cores", lambda: 7)
    asked = []
    monkeypatch.setattr(
        store, "in_order", lambda function, items, threads: asked.append(threads) or map(function, items)
    )
    folder = make_folder({"cat": 2, "dog": 2})
    opened(folder)
    for file in folder.glob("*/*.png"):
        file.write_bytes(file.read_bytes() + bytes(parallel.SMALL_FILE_BYTES))
    opened(folder)
    assert asked == [1, 7]


def test_an_interrupted_decoding_leaves_nothing(
    make_folder: MakeFolder, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(content: bytes, shape: Shape) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(store, "decode", interrupted)
    with pytest.raises(KeyboardInterrupt):
        opened(make_folder({"cat": 2, "dog": 2}))
    assert list(cache.iterdir()) == []


def test_a_full_disk_is_an_error_and_leaves_nothing(
    make_folder: MakeFolder, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    folder = make_folder({"cat": 2, "dog": 2})
    monkeypatch.setattr(os, "fsync", full)
    with refused("system", cache, "No space left on device", "$SKYSORT_CACHE"):
        opened(folder)
    assert list(cache.iterdir()) == []


def test_the_store_of_a_faster_process_serves(make_folder: MakeFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    fill = store._fill

    def overtaken(beside: Path, *arguments: Any) -> None:
        fill(beside, *arguments)
        (name,) = [beside.name.removeprefix(".").rsplit(".", 2)[0]]
        with pytest.MonkeyPatch.context() as other:
            other.setattr(os, "getpid", lambda: -1)
            with whole_folder(beside.with_name(name)) as theirs:
                fill(theirs, *arguments)

    monkeypatch.setattr(store, "_fill", overtaken)
    assert opened(make_folder({"cat": 2, "dog": 2})).pixels.shape[0] == 4


def test_attempts_abandoned_a_day_ago_are_removed_and_younger_ones_kept(
    make_folder: MakeFolder, cache: Path
) -> None:
    name = f"{'a' * 32}-{'0' * 32}"
    old, young = cache / f".{name}.01234567.partial", cache / f".{name[::-1]}.01234567.partial"
    mine, other = cache / ".x.01234567.partial", cache / f".{name}.partial"
    for attempt in (old, young, mine, other):
        attempt.mkdir(parents=True)
    for attempt in (old, mine, other):
        os.utime(attempt, (0, 0))
    opened(make_folder({"cat": 2, "dog": 2}))
    assert not old.exists()
    assert young.exists() and mine.exists() and other.exists()


def test_names_that_are_no_unicode_are_kept(make_folder: MakeFolder) -> None:
    folder = make_folder({"cat": 1, "dog": 1})
    odd = "cat/b\udcff.png"
    try:
        (folder / odd).write_bytes(picture_bytes(9))
    except (OSError, UnicodeError):
        pytest.skip("this file system takes no such names")
    opened(folder)
    assert odd in opened(folder).listing.paths


def test_an_error_while_listing_is_not_called_a_failed_write(
    make_folder: MakeFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable_folder(_path: Path) -> Any:
        raise SkysortError("system", "cannot read folder")

    folder = make_folder({"cat": 1, "dog": 1})
    source = FolderSource(folder)
    stamp = source.stamp()
    monkeypatch.setattr(FolderSource, "stamp", lambda _source: stamp)
    monkeypatch.setattr(base, "_walk", unreadable_folder)
    with refused("system", "cannot read folder"):
        open_store(source, SHAPE, SilentProgress())
