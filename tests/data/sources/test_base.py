import io
import os
import tarfile
import zipfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from skysort.data.dataset import path_source
from skysort.data.formats.opening import UnreadablePictureError
from skysort.data.sources import archive_files, zip_archive
from skysort.data.sources.archive import archive_stamp
from skysort.data.sources.base import (
    ArchiveSource,
    FolderSource,
    PixelSource,
    SkippedFiles,
    image_files,
    is_picture,
    read_file,
    walk,
)
from tests.conftest import lacking, picture_bytes, refused
from tests.data.sources.test_archive import write_tar, write_zip


def fill(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(picture_bytes(0, (4, 4)))
    return folder


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


def test_walking_names_folders_that_hold_nothing(tmp_path: Path) -> None:
    fill(tmp_path, "cat/1.png", "dog/.DS_Store")
    (tmp_path / "cat/old/older").mkdir(parents=True)
    (tmp_path / "cat/around").symlink_to(tmp_path, target_is_directory=True)
    assert list(walk(tmp_path)) == ["cat/1.png", "cat/old/older/", "dog/"]


def test_a_folder_that_cannot_be_read_costs_no_other_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path, "a/1.png", "b/2.png", "c/3.png")
    scandir = os.scandir

    def refusing(folder: Path) -> object:
        if folder == tmp_path / "b":
            raise PermissionError(13, "Permission denied")
        return scandir(folder)

    monkeypatch.setattr("os.scandir", refusing)
    with ExitStack() as opened:
        found = list(image_files([tmp_path], opened, SkippedFiles()))
    assert [path for path, _ in found] == [str(tmp_path / name) for name in ("a/1.png", "b", "c/3.png")]
    with pytest.raises(UnreadablePictureError, match=r"^cannot read folder .*b: Permission denied$"):
        found[1][1]()
    with refused("system", tmp_path / "b", "Permission denied"):
        list(walk(tmp_path))


def test_walking_what_is_not_there_is_an_error_that_names_it(tmp_path: Path) -> None:
    with refused("system", tmp_path / "nowhere", "No such file or directory"):
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
    source = ArchiveSource(write_zip(tmp_path / "x.zip", "cat/1.png"))
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
    assert len({source(path).identity for source in (FolderSource, ArchiveSource) for path in paths}) == 4


def test_a_path_is_a_folder_or_a_zip_whatever_its_name(tmp_path: Path) -> None:
    assert isinstance(path_source(tmp_path), FolderSource)
    assert isinstance(path_source(write_zip(tmp_path / "x.data", "a/1.png")), ArchiveSource)


def test_a_path_to_anything_else_is_not_understood(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("hello")
    with refused("unsupported-data", tmp_path / "x.txt", exit_code=2):
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
        file.truncate(archive_files.MAX_FILE_BYTES + 1)  # a hole, which takes no room
    with pytest.raises(UnreadablePictureError, match="512 MiB"):
        read_file(tmp_path / "x.jpg")


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_zip_is_read_in_place(tmp_path: Path, compression: int) -> None:
    path = write_zip(tmp_path / "x.zip", "cat/1.png", "dog/1.png", compression=compression)
    with ArchiveSource(path).opened() as (listing, read):
        assert listing.classes == ("cat", "dog")
        assert [read(0), read(1)] == [picture_bytes(0, (4, 4)), picture_bytes(1, (4, 4))]
    assert [file.name for file in tmp_path.iterdir()] == ["x.zip"]


@pytest.mark.parametrize("around", ["", "pictures/", "train/", "pictures/train/"])
def test_a_zip_may_have_the_shapes_of_a_folder(tmp_path: Path, around: str) -> None:
    path = write_zip(tmp_path / "x.zip", f"{around}cat/1.png", f"{around}dog/1.png")
    with ArchiveSource(path).opened() as (listing, _):
        assert listing.classes == ("cat", "dog")
        assert listing.splits == ("train" if "train" in around else "",) * 2


def test_the_folders_that_a_zip_lists_are_no_files(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.mkdir("cat")
        archive.mkdir("odd.jpg")
        archive.writestr("cat/1.png", b"")
        archive.writestr("dog/1.png", b"")
    with ArchiveSource(path).opened() as (listing, _):
        assert listing.paths == ("cat/1.png", "dog/1.png")
        assert listing.left_out == ()


@pytest.mark.parametrize("around", ["", "pictures/", "a/b/", "./", "train/", "pictures/train/"])
@pytest.mark.parametrize("ending", [".tar", ".tar.gz"])
def test_a_tar_may_have_the_shapes_of_a_folder(tmp_path: Path, around: str, ending: str) -> None:
    path = write_tar(tmp_path / f"x{ending}", f"{around}cat/1.png", f"{around}dog/1.png")
    with path_source(path).opened() as (listing, read):
        assert listing.classes == ("cat", "dog")
        assert listing.splits == ("train" if "train" in around else "",) * 2
        assert read(1) == picture_bytes(1, (4, 4))


def test_a_class_that_is_a_link_to_a_folder_is_followed(tmp_path: Path) -> None:
    fill(tmp_path, "here/cat/1.png", "elsewhere/2.png")
    (tmp_path / "here/dog").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    with FolderSource(tmp_path / "here").opened() as (listing, read):
        assert listing.classes == ("cat", "dog")
        assert read(1) == picture_bytes(0, (4, 4))


def test_pictures_are_found_in_files_folders_and_archives(tmp_path: Path) -> None:
    fill(tmp_path, "odd-name", "folder/2.png", "folder/10.png")
    write_zip(tmp_path / "a.zip", "z/1.png")
    write_tar(tmp_path / "b.tar.gz", "./1.png", "__MACOSX/1.png")
    (tmp_path / "c.tar").write_bytes(b"no tar")
    paths = [tmp_path / name for name in ("odd-name", "folder", "a.zip", "b.tar.gz", "c.tar")]
    with ExitStack() as archives:
        files = list(image_files(paths, archives, SkippedFiles()))
        found = [path.removeprefix(f"{tmp_path}/") for path, _ in files]
        assert found == ["odd-name", "folder/2.png", "folder/10.png", "a.zip/z/1.png", "b.tar.gz/1.png", "c.tar"]
        assert all(read().startswith(b"\x89PNG") for _, read in files[:-1])
        with pytest.raises(UnreadablePictureError, match="not a readable tar archive"):
            files[-1][1]()


@pytest.mark.parametrize("name", ["1.jpg", "1.HEIC", "1.jfif", "no ending", "1.txt", "1.dat", "1"])
def test_what_begins_as_a_picture_is_one_whatever_its_name(tmp_path: Path, name: str) -> None:
    fill(tmp_path, name)
    assert is_picture(tmp_path / name)


def test_what_does_not_begin_as_a_picture_is_one_by_its_ending_alone(tmp_path: Path) -> None:
    (tmp_path / "1.txt").write_text("BMW is a car")
    (tmp_path / "1.jpg").write_text("no picture, which its row says")
    (tmp_path / "nowhere").symlink_to("nothing")
    assert [is_picture(tmp_path / name) for name in ("1.txt", "1.jpg", "nowhere", "gone")] == [
        False,
        True,
        False,
        False,
    ]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes in folders on this system")
def test_a_pipe_is_no_picture_and_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert not is_picture(tmp_path / "pipe")


@pytest.mark.parametrize("name", ["x", "x.zip", "x.tar"])
def test_pictures_count_by_content_in_every_source(tmp_path: Path, name: str) -> None:
    names = "cat/1.png", "cat/2.thing", "dog/no-ending", "dog/1.heic", "dog/notes.txt"
    pack: Any = {"x": fill, "x.zip": write_zip, "x.tar": write_tar}[name]
    with path_source(pack(tmp_path / name, *names)).opened() as (listing, read):
        assert set(listing.paths) == set(names)
        assert all(cast(bytes, read(row)).startswith(b"\x89PNG") for row in range(len(listing)))


def test_pictures_to_label_count_by_content_and_the_rest_is_named(tmp_path: Path) -> None:
    fill(tmp_path, "a.thing", "b.jpg", "@eaDir/a/SYNO.jpg", ".hidden.png", ".git/x")
    (tmp_path / "notes.txt").write_text("notes")
    write_zip(tmp_path / "x.zip", "__MACOSX/._1.png", "#recycle/1.png", "1.png")
    skipped = SkippedFiles()
    with ExitStack() as archives:
        found = [path for path, _ in image_files([tmp_path, tmp_path / "x.zip"], archives, skipped)]
    assert found == [str(tmp_path / name) for name in ("a.thing", "b.jpg", "x.zip/1.png")]
    hidden, others = skipped.remarks()
    assert lacking(hidden, "2 folders", "(@eaDir, #recycle)", "1 hidden picture (.hidden.png)") == []
    assert lacking(others, "2 files", str(tmp_path / "notes.txt")) == []


def test_hidden_folders_need_not_be_readable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path, "cat/1.png", "lost+found/1.png")
    scandir = os.scandir

    def refusing(folder: Path) -> object:
        if Path(folder).name == "lost+found":
            raise PermissionError(13, "Permission denied")
        return scandir(folder)

    monkeypatch.setattr("os.scandir", refusing)
    assert list(walk(tmp_path)) == ["cat/1.png"]
    skipped = SkippedFiles()
    with ExitStack() as opened:
        assert len(list(image_files([tmp_path], opened, skipped))) == 1


@pytest.mark.parametrize("comment", [b"", b"PK of mine"])
@pytest.mark.parametrize("is_zip64", [False, True])
def test_the_stamp_of_a_zip_changes_with_its_directory_at_the_same_size_and_time(
    comment: bytes, is_zip64: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if is_zip64:
        monkeypatch.setattr(zip_archive, "IN_ZIP64", 2 * (46 + len("cat/1.bmp")))  # the directory's real size
    path = tmp_path / "x.zip"
    stamps = set()
    for content in (b"one", b"two"):
        with zipfile.ZipFile(path, "w") as archive:
            archive.comment = comment
            archive.writestr(zipfile.ZipInfo("cat/1.bmp"), content)
            archive.writestr(zipfile.ZipInfo("cat/2.bmp"), b"same")
        stamps.add(archive_stamp(path))
        size = zip_archive.END.unpack_from(path.read_bytes()[-22 - len(comment) :])[5]
        assert (size == zip_archive.IN_ZIP64) == is_zip64
    assert len(stamps) == 2
    path.write_bytes(b"no zip at all")
    with refused("damaged-archive", path):
        archive_stamp(path)


@pytest.mark.parametrize(
    ("mode", "size"), [("w", 300_000), ("w:gz", 300_000), ("w:bz2", 10_000), ("w:xz", 10_000)]
)
def test_the_stamp_of_a_tar_changes_with_its_content(tmp_path: Path, mode: Any, size: int) -> None:
    stamps = set()
    for swap in (False, True):
        with tarfile.open(tmp_path / "x.tar", mode) as archive:
            for number in range(40):
                entry = tarfile.TarInfo(f"{number}.bmp")
                entry.size = size
                seed = 40 - number if swap else number
                archive.addfile(entry, io.BytesIO(np.random.default_rng(seed).bytes(entry.size)))
        stamps.add(archive_stamp(tmp_path / "x.tar"))
    assert len(stamps) == 2


def test_the_stamp_of_a_folder_does_not_change_with_what_a_system_leaves_in_it(tmp_path: Path) -> None:
    source = FolderSource(fill(tmp_path, "cat/1.png", "dog/1.png"))
    before = source.stamp()
    fill(tmp_path, "cat/@eaDir/1.png/S.jpg", "cat/.DS_Store", "Thumbs.db")
    assert source.stamp() == before
