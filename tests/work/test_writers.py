import errno
import mmap
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from skysort.work import writers
from skysort.work.writers import is_open_for_writing

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")


@pytest.fixture(params=["lease", "proc"])
def told_by(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "proc":
        monkeypatch.setattr(writers, "_by_lease", lambda path: None)
    return str(request.param)


def test_a_file_is_open_for_writing_until_its_writer_closes_it(told_by: str, tmp_path: Path) -> None:
    path = tmp_path / "a b.jpg"
    nobody = False if told_by == "lease" else None
    path.write_bytes(b"half")
    assert is_open_for_writing(path) is nobody
    with path.open("rb"):
        assert is_open_for_writing(path) is nobody, "who reads is no writer"
    for mode in ("ab", "r+b"):
        with path.open(mode):
            assert is_open_for_writing(path) is True
        assert is_open_for_writing(path) is nobody


def test_writers_in_other_processes_count_and_names_that_are_no_text(told_by: str, tmp_path: Path) -> None:
    path = tmp_path / "caf\udce9.jpg"
    with path.open("wb") as file:
        writer = subprocess.Popen(["sleep", "60"], stdout=file)
    try:
        assert is_open_for_writing(path) is True
    finally:
        writer.kill()
        writer.wait()
    assert not is_open_for_writing(path)


def test_a_file_that_is_mapped_for_writing_is_open(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(bytes(4096))
    with path.open("r+b") as file:
        mapped = mmap.mmap(file.fileno(), 4096)
    assert is_open_for_writing(path) is True
    mapped.close()
    assert is_open_for_writing(path) is False


def test_links_folders_and_missing_files_have_no_answer(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "a")
    for path in (tmp_path / "link", tmp_path, tmp_path / "none"):
        assert not is_open_for_writing(path)


def test_the_check_leaves_no_lease_and_ends_no_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import fcntl

    path = tmp_path / "a.jpg"
    path.write_bytes(b"whole")
    plain: Any = fcntl.fcntl

    def opened_meanwhile(descriptor: int, command: int, argument: int) -> Any:
        if command == fcntl.F_SETLEASE and argument == fcntl.F_UNLCK:
            with pytest.raises(BlockingIOError):  # the kernel notifies the holder of the lease
                os.open(path, os.O_WRONLY | os.O_NONBLOCK)
        return plain(descriptor, command, argument)

    monkeypatch.setattr(fcntl, "fcntl", opened_meanwhile)
    assert is_open_for_writing(path) is False
    assert signal.getsignal(signal.SIGURG) == signal.SIG_DFL
    with path.open("ab"):
        pass


def test_without_leases_the_answer_is_never_no(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import fcntl

    def refused(*_arguments: object) -> None:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    path = tmp_path / "a.jpg"
    path.write_bytes(b"whole")
    monkeypatch.setattr(fcntl, "fcntl", refused)
    assert is_open_for_writing(path) is None
    with path.open("ab"):
        assert is_open_for_writing(path) is True


@pytest.mark.parametrize("kind", ["nfs4", "cifs", "smb3", "fuse.sshfs", "fuseblk", "9p", "virtiofs"])
@pytest.mark.parametrize("is_refused", [False, True])
def test_on_a_network_drive_leases_do_not_count(
    is_refused: bool, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NFS without a delegation and SMB without an oplock refuse a lease although nobody writes."""
    import fcntl

    def lease(*_arguments: object) -> None:
        if is_refused:
            raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    path = tmp_path / "a.jpg"
    path.write_bytes(b"whole")
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    mounts = [line.split(" - ")[0] + f" - {kind} server:/a /b rw\n" for line in lines]
    (tmp_path / "mountinfo").write_text("".join(mounts))
    monkeypatch.setattr(writers, "MOUNTS", tmp_path / "mountinfo")
    monkeypatch.setattr(writers, "_is_local_by_mount", {})
    monkeypatch.setattr(fcntl, "fcntl", lease)
    assert is_open_for_writing(path) is None
    with path.open("ab"):
        assert is_open_for_writing(path) is True, "a process of this computer writes"


def test_the_mounts_are_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.jpg").write_bytes(b"whole")
    assert is_open_for_writing(tmp_path / "a.jpg") is False
    monkeypatch.setattr(writers, "MOUNTS", tmp_path / "none")
    assert is_open_for_writing(tmp_path / "a.jpg") is False
