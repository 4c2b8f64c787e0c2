import os
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from skysort.errors import NotUnderstoodError, SkysortError
from skysort.pictures import sources
from skysort.pictures.decode import UnreadablePictureError
from skysort.pictures.sources import (
    FolderSource,
    PixelSource,
    ZipSource,
    open_zip,
    path_source,
    read_file,
    read_member,
    walk,
)
from tests.conftest import picture_bytes

CENTRAL = b"PK\x01\x02"
LOCAL = b"PK\x03\x04"


def fill(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(picture_bytes(0, (4, 4)))
    return folder


def write_zip(path: Path, *names: str, compression: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for seed, name in enumerate(names):
            archive.writestr(name, picture_bytes(seed, (4, 4)))
    return path


def patch(path: Path, header: bytes, offset: int, value: bytes) -> Path:
    """Overwrite a field of the first header of a kind."""
    content = bytearray(path.read_bytes())
    start = content.index(header) + offset
    content[start : start + len(value)] = value
    path.write_bytes(content)
    return path


def member_reason(path: Path, name: str = "cat/1.png") -> str:
    with open_zip(path) as archive, pytest.raises(UnreadablePictureError) as caught:
        read_member(archive, name)
    return str(caught.value)


def test_walking_goes_in_natural_order(tmp_path: Path) -> None:
    fill(tmp_path, "cat/10.png", "cat/9.png", "b/1.png", "loose.txt")
    assert list(walk(tmp_path)) == ["b/1.png", "cat/9.png", "cat/10.png", "loose.txt"]


def test_walking_passes_over_what_systems_leave_behind(tmp_path: Path) -> None:
    fill(
        tmp_path,
        "cat/1.png",
        "cat/.DS_Store",
        "cat/._1.png",
        "cat/Thumbs.db",
        ".git/1.png",
        "cat/.ipynb_checkpoints/1.png",
        "cat/__pycache__/1.png",
    )
    assert list(walk(tmp_path)) == ["cat/1.png"]


def test_walking_follows_links_to_folders_but_not_in_circles(tmp_path: Path) -> None:
    fill(tmp_path, "here/cat/1.png", "elsewhere/2.png")
    (tmp_path / "here/dog").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (tmp_path / "here/cat/around").symlink_to(tmp_path / "here", target_is_directory=True)
    assert list(walk(tmp_path / "here")) == ["cat/1.png", "dog/2.png"]


def test_walking_what_is_not_there_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(SkysortError, match=r"^cannot read folder .*nowhere: No such file or directory$"):
        list(walk(tmp_path / "nowhere"))


def test_a_folder_gives_the_bytes_of_each_row(tmp_path: Path) -> None:
    fill(tmp_path, "cat/1.png", "dog/1.png")
    (tmp_path / "dog/1.png").write_bytes(b"dog")
    with FolderSource(tmp_path).opened() as (listing, read):
        assert read(listing.paths.index("dog/1.png")) == b"dog"


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "cat/1.png").write_bytes(b"longer or shorter"),
        lambda folder: os.utime(folder / "cat/1.png", ns=(1, 1)),
        lambda folder: (folder / "cat/1.png").rename(folder / "cat/2.png"),
        lambda folder: (folder / "cat/1.png").unlink(),
        lambda folder: (folder / "cat/3.png").write_bytes(b""),
    ],
    ids=["size", "time", "name", "one less", "one more"],
)
def test_the_stamp_of_a_folder_changes_with_its_files(tmp_path: Path, change: Callable[[Path], object]) -> None:
    source = FolderSource(fill(tmp_path, "cat/1.png", "dog/1.png"))
    before = source.stamp()
    assert source.stamp() == before
    change(tmp_path)
    assert source.stamp() != before


def test_a_stamp_can_be_taken_of_a_folder_with_a_link_to_nowhere(tmp_path: Path) -> None:
    fill(tmp_path, "cat/1.png")
    (tmp_path / "cat/2.png").symlink_to("nowhere.png")
    assert FolderSource(tmp_path).stamp()


def test_the_stamp_of_a_zip_changes_with_its_size_and_time(tmp_path: Path) -> None:
    source = ZipSource(write_zip(tmp_path / "x.zip", "cat/1.png"))
    os.utime(source.path, ns=(1, 1))
    before = source.stamp()
    os.utime(source.path, ns=(2, 2))
    assert source.stamp() != before


def test_the_stamp_of_pixels_is_that_of_their_files(tmp_path: Path) -> None:
    file = tmp_path / "batch.bin"
    file.write_bytes(b"1")
    source = PixelSource("some", (file,), lambda: pytest.fail("loaded"))
    before = source.stamp()
    file.write_bytes(b"12")
    assert source.stamp() != before


def test_different_sources_have_different_identities(tmp_path: Path) -> None:
    paths = tmp_path / "a", tmp_path / "b"
    assert len({source(path).identity for source in (FolderSource, ZipSource) for path in paths}) == 4


def test_a_path_is_a_folder_or_a_zip_whatever_its_name(tmp_path: Path) -> None:
    assert isinstance(path_source(tmp_path), FolderSource)
    assert isinstance(path_source(write_zip(tmp_path / "x.data", "a/1.png")), ZipSource)


def test_a_path_to_anything_else_is_not_understood(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("hello")
    with pytest.raises(NotUnderstoodError, match=r"x\.txt is neither a folder nor a"):
        path_source(tmp_path / "x.txt")


def test_a_file_gives_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "x.jpg").write_bytes(b"bytes")
    assert read_file(tmp_path / "x.jpg") == b"bytes"


def test_a_file_that_is_gone_has_a_reason(tmp_path: Path) -> None:
    with pytest.raises(UnreadablePictureError, match=r"^cannot be read: No such file or directory$"):
        read_file(tmp_path / "x.jpg")


def test_a_folder_in_place_of_a_file_has_a_reason(tmp_path: Path) -> None:
    with pytest.raises(UnreadablePictureError, match=r"^not a regular file$"):
        read_file(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes in folders on this system")
def test_a_pipe_has_a_reason_and_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.jpg")
    with pytest.raises(UnreadablePictureError, match=r"^not a regular file$"):
        read_file(tmp_path / "x.jpg")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_has_a_reason(tmp_path: Path) -> None:
    (tmp_path / "x.jpg").write_bytes(b"bytes")
    (tmp_path / "x.jpg").chmod(0)
    with pytest.raises(UnreadablePictureError, match=r"^cannot be read: Permission denied$"):
        read_file(tmp_path / "x.jpg")


def test_an_enormous_file_has_a_reason_and_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "x.jpg").open("wb") as file:
        file.truncate(sources.MAX_FILE_BYTES + 1)  # a hole, which takes no room
    with pytest.raises(UnreadablePictureError, match=r"^a file of 512 MiB, more than 512"):
        read_file(tmp_path / "x.jpg")


@pytest.mark.parametrize(
    "compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
)
def test_a_zip_is_read_in_place(tmp_path: Path, compression: int) -> None:
    path = write_zip(tmp_path / "x.zip", "cat/1.png", "dog/1.png", compression=compression)
    with ZipSource(path).opened() as (listing, read):
        assert listing.classes == ("cat", "dog")
        assert [read(0), read(1)] == [picture_bytes(0, (4, 4)), picture_bytes(1, (4, 4))]
    assert [file.name for file in tmp_path.iterdir()] == ["x.zip"]


@pytest.mark.parametrize("around", ["", "pictures/", "train/", "pictures/train/"])
def test_a_zip_may_have_the_shapes_of_a_folder(tmp_path: Path, around: str) -> None:
    path = write_zip(tmp_path / "x.zip", f"{around}cat/1.png", f"{around}dog/1.png")
    with ZipSource(path).opened() as (listing, _):
        assert listing.classes == ("cat", "dog")
        assert listing.parts == ("train" if "train" in around else "",) * 2


def test_the_folders_that_a_zip_lists_are_no_files(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.mkdir("cat")
        archive.mkdir("odd.jpg")
        archive.writestr("cat/1.png", b"")
        archive.writestr("dog/1.png", b"")
    with ZipSource(path).opened() as (listing, _):
        assert listing.paths == ("cat/1.png", "dog/1.png")
        assert listing.left_out == ()


@pytest.mark.parametrize(
    "name",
    [
        "../cat/1.png",
        "cat/../../1.png",
        "cat/..",
        "/cat/1.png",
        "C:/cat/1.png",
        "..\\cat\\1.png",
        "cat\\..\\..\\1.png",
        "C:\\1.png",
    ],
)
def test_a_zip_with_a_path_that_leads_out_is_refused(tmp_path: Path, name: str) -> None:
    path = write_zip(tmp_path / "x.zip", "dog/1.png", name)
    with pytest.raises(SkysortError, match=r"a path that leads out of the archive; refused$"), open_zip(path):
        pytest.fail("opened")


@pytest.mark.parametrize("name", ["cat/..1.png", "cat/a..b.png", "cat/...png"])
def test_dots_inside_a_name_lead_nowhere(tmp_path: Path, name: str) -> None:
    with open_zip(write_zip(tmp_path / "x.zip", name)) as archive:
        assert archive.namelist() == [name]


def test_a_zip_bomb_is_refused_before_anything_is_unpacked(tmp_path: Path) -> None:
    path = patch(write_zip(tmp_path / "x.zip", "cat/1.png"), CENTRAL, 24, struct.pack("<I", 2**32 - 16))
    with pytest.raises(SkysortError, match=r"would unpack to 4\.0 GiB, more than 100 times its size; refused$"):  # noqa: SIM117
        with open_zip(path):
            pytest.fail("opened")


def test_many_large_pictures_are_no_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "MAX_UNPACKED_BYTES", 10)
    path = write_zip(tmp_path / "x.zip", *(f"cat/{number}.png" for number in range(20)))
    with open_zip(path) as archive:
        assert len(archive.namelist()) == 20


def test_a_member_larger_than_any_picture_has_a_reason(tmp_path: Path) -> None:
    path = patch(
        write_zip(tmp_path / "x.zip", "cat/1.png"), CENTRAL, 24, struct.pack("<I", sources.MAX_FILE_BYTES + 2**20)
    )
    assert member_reason(path).startswith("a file of 513 MiB, more than 512")


def test_a_member_that_unpacks_to_more_than_it_says_does_not_fill_the_memory(tmp_path: Path) -> None:
    true_size = 2**24
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("cat/1.png", bytes(true_size))
    patch(path, CENTRAL, 24, struct.pack("<I", 100))
    patch(path, LOCAL, 22, struct.pack("<I", 100))
    tracemalloc.start()
    try:
        member_reason(path)
        assert tracemalloc.get_traced_memory()[1] < true_size / 4
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("content", [b"", b"no zip at all", b"PK\x05\x06"], ids=["empty", "text", "cut off"])
def test_a_corrupt_zip_is_an_error_that_names_it(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.zip").write_bytes(content)
    with pytest.raises(SkysortError, match=r"x\.zip is not a readable zip archive: "):  # noqa: SIM117
        with path_source(tmp_path / "x.zip").opened():
            pytest.fail("opened")


def test_half_a_zip_is_an_error_that_names_it(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "x.zip", "cat/1.png", "dog/1.png")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(SkysortError, match=r"x\.zip is not a readable zip archive: "), open_zip(path):
        pytest.fail("opened")


def test_an_encrypted_member_has_a_reason(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "x.zip", "cat/1.png")
    patch(patch(path, CENTRAL, 8, b"\1"), LOCAL, 6, b"\1")
    assert "encrypted" in member_reason(path)


def test_a_member_of_unsupported_compression_has_a_reason(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "x.zip", "cat/1.png")
    patch(patch(path, CENTRAL, 10, struct.pack("<H", 97)), LOCAL, 8, struct.pack("<H", 97))
    assert "compression" in member_reason(path)


@pytest.mark.parametrize(
    "compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
)
def test_a_damaged_member_has_a_reason_and_the_others_are_read(tmp_path: Path, compression: int) -> None:
    path = write_zip(tmp_path / "x.zip", "cat/1.png", "dog/1.png", compression=compression)
    patch(path, LOCAL, 30 + len("cat/1.png") + 12, b"\xff\x00\xff\x00")
    assert member_reason(path).startswith("cannot be read from the archive: ")
    with open_zip(path) as archive:
        assert read_member(archive, "dog/1.png") == picture_bytes(1, (4, 4))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), compression=st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA]))
def test_damage_anywhere_in_a_zip_gives_bytes_a_reason_or_an_error(
    tmp_path: Path, data: st.DataObject, compression: int
) -> None:
    path = write_zip(tmp_path / "x.zip", "cat/1.png", compression=compression)
    content = bytearray(path.read_bytes())
    places = st.integers(0, len(content) - 1)
    for place, value in data.draw(st.lists(st.tuples(places, st.integers(0, 255)), min_size=1, max_size=4)):
        content[place] = value
    path.write_bytes(content[: data.draw(st.just(len(content)) | places)])
    try:
        with open_zip(path) as archive:
            for name in archive.namelist():
                try:
                    assert isinstance(read_member(archive, name), bytes)
                except UnreadablePictureError as reason:
                    assert str(reason)
    except SkysortError as error:
        assert "x.zip" in str(error)
