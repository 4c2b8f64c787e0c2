import errno
import hashlib
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skysort.core.files import (
    check_no_links,
    remove_partials,
    sha256,
    whole_file,
    whole_folder,
    write_whole,
    writing,
)
from skysort.core.locks import locked
from tests.conftest import refused


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b"" for path in folder.rglob("*")
    }


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)


def test_a_file_is_there_when_it_is_whole(tmp_path: Path) -> None:
    with whole_file(tmp_path / "x.txt") as file:
        file.write("hello")
        file.flush()
        assert not (tmp_path / "x.txt").exists()
    assert contents(tmp_path) == {"x.txt": b"hello"}


def test_until_the_new_file_is_whole_the_old_one_stays(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("old")
    with whole_file(tmp_path / "x.txt") as file:
        file.write("new")
        file.flush()
        assert (tmp_path / "x.txt").read_text() == "old"
    assert contents(tmp_path) == {"x.txt": b"new"}


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_an_error_in_the_middle_leaves_the_old_file_and_nothing_beside(
    tmp_path: Path, error: type[BaseException]
) -> None:
    (tmp_path / "x.txt").write_text("old")
    with pytest.raises(error), whole_file(tmp_path / "x.txt") as file:
        file.write("half")
        file.flush()
        raise error
    assert contents(tmp_path) == {"x.txt": b"old"}


def test_a_full_disk_leaves_the_old_file_and_nothing_beside(tmp_path: Path, full_disk: None) -> None:
    (tmp_path / "x.txt").write_text("old")
    with refused("system", tmp_path / "x.txt", "No space left on device"):
        write_whole(tmp_path / "x.txt", "new")
    assert contents(tmp_path) == {"x.txt": b"old"}


def test_a_disk_that_fills_while_writing_leaves_the_old_file_and_nothing_beside(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("old")
    with refused("system", "No space left on device"), whole_file(tmp_path / "x.txt") as file:
        file.write("half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert contents(tmp_path) == {"x.txt": b"old"}


def test_a_file_reaches_the_disk_before_it_gets_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events = []
    fsync, replace = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda descriptor: (events.append("fsync"), fsync(descriptor)))
    monkeypatch.setattr(Path, "replace", lambda path, to: (events.append("rename"), replace(path, to))[1])
    write_whole(tmp_path / "x.txt", "new")
    assert events[:2] == ["fsync", "rename"]


@pytest.mark.parametrize(
    "place",
    [
        lambda folder: folder / "nowhere/x.txt",
        lambda folder: folder / "file/x.txt",
        lambda folder: folder / ("n" * 300),
    ],
    ids=["folder that is not there", "below a file", "name too long"],
)
def test_a_place_that_cannot_be_written_is_an_error_that_names_it(
    tmp_path: Path, place: Callable[[Path], Path]
) -> None:
    (tmp_path / "file").write_text("")
    with refused("system", place(tmp_path)):
        write_whole(place(tmp_path), "new")
    assert contents(tmp_path) == {"file": b""}


def test_a_folder_in_the_way_is_an_error_and_stays(tmp_path: Path) -> None:
    (tmp_path / "x" / "inside").mkdir(parents=True)
    with refused("system", tmp_path / "x"):
        write_whole(tmp_path / "x", "new")
    assert contents(tmp_path) == {"x": b"", "x/inside": b""}


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_text_is_written_as_utf_8_with_its_line_ends(tmp_path: Path, text: str) -> None:
    write_whole(tmp_path / "x.txt", text)
    assert (tmp_path / "x.txt").read_bytes() == text.encode("utf-8")


def test_names_that_are_no_utf_8_keep_their_bytes(tmp_path: Path) -> None:
    write_whole(tmp_path / "one", "b\udcff.png")
    with whole_file(tmp_path / "two") as file:
        file.write("b\udcff.png")
    assert contents(tmp_path) == {"one": b"b\xff.png", "two": b"b\xff.png"}


def test_bytes_are_written_as_they_are(tmp_path: Path) -> None:
    write_whole(tmp_path / "x", b"\xff\0\r\n")
    assert (tmp_path / "x").read_bytes() == b"\xff\0\r\n"


def test_a_folder_is_there_when_it_is_whole(tmp_path: Path) -> None:
    with whole_folder(tmp_path / "run") as beside:
        (beside / "x.txt").write_text("hello")
        assert not (tmp_path / "run").exists()
    assert contents(tmp_path) == {"run": b"", "run/x.txt": b"hello"}


def test_the_folders_above_are_made(tmp_path: Path) -> None:
    with whole_folder(tmp_path / "runs/today/run"):
        pass
    assert (tmp_path / "runs/today/run").is_dir()


def test_an_empty_folder_of_the_name_is_taken(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with whole_folder(tmp_path / "run") as beside:
        (beside / "x.txt").write_text("hello")
    assert contents(tmp_path) == {"run": b"", "run/x.txt": b"hello"}


@pytest.mark.parametrize("taken", ["run/mine.txt", "run"], ids=["folder that holds something", "file"])
def test_a_name_that_is_taken_is_an_error_and_keeps_what_it_has(tmp_path: Path, taken: str) -> None:
    (tmp_path / taken).parent.mkdir(exist_ok=True)
    (tmp_path / taken).write_text("mine")
    before = contents(tmp_path)
    with refused("system", tmp_path / "run"), whole_folder(tmp_path / "run") as beside:
        (beside / "x.txt").write_text("new")
    assert contents(tmp_path) == before


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_in_the_middle_leaves_no_folder(tmp_path: Path, error: type[BaseException]) -> None:
    with pytest.raises(error), whole_folder(tmp_path / "run") as beside:
        (beside / "x.txt").write_text("half")
        raise error
    assert contents(tmp_path) == {}


def test_a_full_disk_leaves_no_folder(tmp_path: Path, full_disk: None) -> None:
    with refused("system", tmp_path / "run", "No space"), whole_folder(tmp_path / "run") as beside:
        (beside / "x.txt").write_text("new")
    assert contents(tmp_path) == {}


def test_what_killed_processes_left_of_a_path_is_removed_and_nothing_else(tmp_path: Path) -> None:
    mine = [
        ".a.partial",
        ".a.1f.partial",
        ".a.0123456g.partial",
        ".b.01234567.partial",
        ".a.01234567.partial.jpg",
        "a",
    ]
    for name in mine:
        (tmp_path / name).write_text("mine")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "x.jpg").write_text("mine")
    (tmp_path / ".a.11111111.partial").symlink_to("photos", target_is_directory=True)
    (tmp_path / ".a.01234567.partial").touch()
    (tmp_path / ".a.89abcdef.partial" / "below").mkdir(parents=True)
    assert remove_partials(tmp_path / "a")
    assert contents(tmp_path) == {**dict.fromkeys(mine, b"mine"), "photos": b"", "photos/x.jpg": b"mine"}
    assert not remove_partials(tmp_path / "a")
    assert not remove_partials(tmp_path / "missing" / "a")


def test_a_folder_that_is_still_being_filled_is_not_removed(tmp_path: Path) -> None:
    with whole_folder(tmp_path / "run") as beside:
        (beside / "x.txt").write_text("hello")
        assert not remove_partials(tmp_path / "run")
    assert contents(tmp_path) == {"run": b"", "run/x.txt": b"hello"}


def test_links_in_a_folder_are_refused(tmp_path: Path) -> None:
    (tmp_path / "run" / "below").mkdir(parents=True)
    check_no_links(tmp_path / "run")
    (tmp_path / "link").symlink_to("run", target_is_directory=True)
    check_no_links(tmp_path / "link")  # which its name says, and which a person has named
    for target in ("run", "nowhere", "."):
        link = tmp_path / "run" / "below" / "link"
        link.symlink_to(target)
        with refused("linked-folder", link):
            check_no_links(tmp_path / "run")
        link.unlink()


def test_a_failed_write_names_what_was_being_written() -> None:
    with refused("system", "place: Permission denied"), writing(Path("place")):
        raise OSError(errno.EACCES, os.strerror(errno.EACCES))


def test_other_errors_pass_through_unchanged() -> None:
    error: Any = ValueError("mine")
    with pytest.raises(ValueError, match=r"^mine$") as caught, writing(Path("place")):
        raise error
    assert caught.value is error


def test_the_digest_is_that_of_the_bytes(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"hello" * 100_000)
    assert sha256(tmp_path / "x") == hashlib.sha256(b"hello" * 100_000).hexdigest()


def test_a_lock_is_one_processs_and_ends_with_it(tmp_path: Path) -> None:
    held = tmp_path / "held.txt"
    held.write_text("hello")
    with locked(held), refused("in-use", tmp_path), locked(held):
        pass
    with locked(held):
        assert held.read_text() == "hello"
    assert contents(tmp_path) == {"held.txt": b"hello"}


@pytest.mark.skipif(os.name != "posix", reason="only POSIX has such permissions")
def test_a_secret_file_is_its_owners_alone_from_the_moment_that_it_exists(tmp_path: Path) -> None:
    mask = os.umask(0)
    try:
        with whole_file(tmp_path / "seed", is_secret=True) as file:
            assert stat.S_IMODE(os.fstat(file.fileno()).st_mode) == 0o600
    finally:
        os.umask(mask)
    assert stat.S_IMODE((tmp_path / "seed").stat().st_mode) == 0o600
