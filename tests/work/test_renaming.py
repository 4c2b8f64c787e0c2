import errno
import os
from pathlib import Path

import pytest

from skysort.work import renaming
from skysort.work.renaming import give_back, remove_reservation, rename_new
from tests.work.making import files_below

MARK = ".skysort-0123456789ab-7"
OTHER = ".skysort-ba9876543210-7"

pytestmark = pytest.mark.skipif(os.name != "posix", reason="Windows renames in no other way")


def unsupported(_source: bytes, _target: bytes) -> int:
    renaming.ctypes.set_errno(errno.EINVAL)
    return -1


def refused(path: Path, *_arguments: object) -> None:
    raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), str(path))


@pytest.fixture(params=["links", "no links"])
def folder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on a drive without an exclusive rename, and in one case without links."""
    monkeypatch.setattr(renaming, "_exclusive_rename", unsupported)
    if request.param == "no links":
        monkeypatch.setattr(Path, "symlink_to", refused)
    (tmp_path / "a.jpg").write_bytes(b"picture")
    return tmp_path


@pytest.fixture
def with_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(renaming, "_exclusive_rename", unsupported)
    (tmp_path / "a.jpg").write_bytes(b"picture")
    return tmp_path


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_rename_leaves_no_other_file(folder: Path) -> None:
    rename_new(folder / "a.jpg", folder / "b.jpg", MARK)
    assert files_below(folder) == {folder / "b.jpg": b"picture"}


@pytest.mark.parametrize("content", [b"", b"another"])
def test_a_name_that_is_taken_is_refused(folder: Path, content: bytes) -> None:
    (folder / "b.jpg").write_bytes(content)
    with pytest.raises(FileExistsError):
        rename_new(folder / "a.jpg", folder / "b.jpg", MARK)
    remove_reservation(folder / "b.jpg", MARK)
    assert files_below(folder) == {folder / "a.jpg": b"picture", folder / "b.jpg": content}


def test_a_reservation_of_another_journal_stays(folder: Path) -> None:
    renaming._reserve(folder / "b.jpg", OTHER)
    before = names_in(folder)
    with pytest.raises(FileExistsError):
        rename_new(folder / "a.jpg", folder / "b.jpg", MARK)
    remove_reservation(folder / "b.jpg", MARK)
    assert names_in(folder) == before
    remove_reservation(folder / "b.jpg", OTHER)
    assert names_in(folder) == ["a.jpg"]


def test_an_earlier_reservation_of_the_same_row_is_valid(with_links: Path) -> None:
    renaming._reserve(with_links / "b.jpg", MARK)
    rename_new(with_links / "a.jpg", with_links / "b.jpg", MARK)
    assert files_below(with_links) == {with_links / "b.jpg": b"picture"}


def test_no_program_writes_into_a_reservation(with_links: Path) -> None:
    renaming._reserve(with_links / "b.jpg", MARK)
    with pytest.raises(FileNotFoundError):
        (with_links / "b.jpg").write_bytes(b"an upload")


@pytest.mark.parametrize("num_bytes", [0, 1, 20])
def test_a_half_written_reservation_is_recognised(
    num_bytes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "symlink_to", refused)
    renaming._reserve(tmp_path / "b.jpg", MARK)
    os.truncate(tmp_path / "b.jpg", num_bytes)
    remove_reservation(tmp_path / "b.jpg", OTHER)
    assert (tmp_path / "b.jpg").exists()
    remove_reservation(tmp_path / "b.jpg", MARK)
    assert names_in(tmp_path) == []


@pytest.mark.parametrize("content", [b"", b"reserved", b"picture"])
def test_a_file_without_a_guard_is_no_reservation(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "b.jpg").write_bytes(content)
    remove_reservation(tmp_path / "b.jpg", MARK)
    assert files_below(tmp_path) == {tmp_path / "b.jpg": content}


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EXDEV])
def test_a_failed_rename_leaves_no_reservation(code: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(_source: Path, _target: Path) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(Path, "replace", failing)
    with pytest.raises(OSError, match=os.strerror(code)):
        rename_new(folder / "a.jpg", folder / "b.jpg", MARK)
    assert files_below(folder) == {folder / "a.jpg": b"picture"}


def test_a_full_drive_leaves_no_reservation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A link needs no space. Without links, the half-written file is removed."""
    monkeypatch.setattr(renaming, "_exclusive_rename", unsupported)
    monkeypatch.setattr(Path, "symlink_to", refused)
    monkeypatch.setattr(renaming, "_text", lambda _mark: "x" * 100_000)
    (tmp_path / "a.jpg").write_bytes(b"picture")
    import resource

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            rename_new(tmp_path / "a.jpg", tmp_path / "b.jpg", MARK)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert files_below(tmp_path) == {tmp_path / "a.jpg": b"picture"}


@pytest.mark.parametrize("answer", [FileExistsError, FileNotFoundError])
def test_a_file_given_back_counts_although_the_drive_reports_an_error(
    answer: type[OSError], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "going").write_bytes(b"picture")

    def done_and_denied(source: Path, target: Path, _mark: str) -> None:
        source.rename(target)
        raise answer(errno.EEXIST, "denied")

    monkeypatch.setattr(renaming, "rename_new", done_and_denied)
    give_back(tmp_path / "going", tmp_path / "a.jpg", MARK)
    assert files_below(tmp_path) == {tmp_path / "a.jpg": b"picture"}


def test_a_file_that_cannot_be_given_back_stays(tmp_path: Path) -> None:
    (tmp_path / "going").write_bytes(b"picture")
    with pytest.raises(FileNotFoundError):
        give_back(tmp_path / "going", tmp_path / "gone" / "a.jpg", MARK)
    assert files_below(tmp_path) == {tmp_path / "going": b"picture"}
