import errno
import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from skysort.core.locks import locked
from skysort.work import status as module
from skysort.work import status_file as writing
from skysort.work.journal import journal_folder
from skysort.work.status import status_of
from skysort.work.status_file import Counts, StatusWriter, status_file, watcher_lock
from tests.conftest import numbers, refused
from tests.work.test_watch import AIRPLANE, events, once, put, until, watching


@pytest.fixture
def top(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Path:
    caplog.set_level(logging.INFO, "skysort")
    (tmp_path / "inbox").mkdir()
    return tmp_path


def written(top: Path, ago: float, **changed: Any) -> Path:
    """Write a watcher's status file as of some seconds ago."""
    once(top)
    path = status_file(journal_folder(top / "aside"))
    told = json.loads(path.read_text("utf-8"))
    told |= {"state": "watching", "time": writing.iso_time(time.time() - ago), **changed}
    path.write_text(json.dumps(told), "utf-8")
    return path


def test_a_running_watcher_has_no_problem_until_it_ends(top: Path) -> None:
    with watching(top):
        put(top, {"inbox/a.png": AIRPLANE})
        until((top / "aside" / "a.png").exists)
        found = status_of(top / "aside")
        assert (found.is_alive, found.problems) == (True, [])
        with refused("in-use", top / "inbox"):  # status has not released the lock
            once(top)
    found = status_of(top / "aside")
    (problem,) = found.problems
    assert not found.is_alive and found.file is not None and found.file.state == "ended"
    assert found.file.actions == {"set-aside": 1}
    text = found.as_text()
    assert text.startswith("ended") and "1 set-aside" in text and problem in text
    assert json.loads(found.as_json())["problems"] == [problem]


def test_a_killed_watcher_is_a_problem(top: Path) -> None:
    written(top, 3.0)
    found = status_of(top / "aside")
    assert found.is_alive is False and len(found.problems) == 1


@pytest.mark.parametrize(
    ("ago", "changed", "facts"),
    [
        (3.0, {}, None),
        (300.0, {}, None),
        (3600.0, {}, ["60", "10"]),
        (3.0, {"state": "in trouble", "trouble": "no drive"}, []),
        (3.0, {"failing": 2}, ["2"]),
        (3.0, {"closed": 1}, ["1"]),
        (3.0, {"stuck": 4, "waiting": 9}, None),
    ],
)
def test_each_problem_is_reported(ago: float, changed: dict[str, Any], facts: list[str] | None, top: Path) -> None:
    written(top, ago, **changed)
    with locked(watcher_lock(journal_folder(top / "aside"))):
        problems = status_of(top / "aside").problems
    assert [numbers(problem) for problem in problems] == ([] if facts is None else [facts])
    assert changed.get("trouble", "") in "".join(problems)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b'{"time": 3}', b'{"time": "yesterday"}', b"\xff"])
def test_a_damaged_status_file_is_a_problem(content: bytes, top: Path) -> None:
    written(top, 3.0).write_bytes(content)
    found = status_of(top / "aside")
    (problem,) = found.problems
    assert str(status_file(journal_folder(top / "aside"))) in problem
    assert found.as_text() and found.as_json()


def test_an_unreadable_status_file_is_not_a_missing_one(top: Path) -> None:
    path = written(top, 3.0)
    path.unlink()
    found = status_of(top / "aside")
    assert found.file is None and not found.unreadable and len(found.problems) == 1
    path.mkdir()
    found = status_of(top / "aside")
    (problem,) = found.problems
    assert found.unreadable == f"{path}: {os.strerror(errno.EISDIR)}" and found.unreadable in problem


@pytest.mark.parametrize(
    ("name", "value"),
    [("actions", 3), ("actions", {"keep": "x"}), ("failing", "two"), ("waiting", None), ("last", []),
     ("trouble", 1), ("state", "asleep"), ("closed", -1), ("time", "2026-11-27T00:00:00"), ("process", {})],
)  # fmt: skip
def test_a_status_file_with_a_wrong_value_is_a_problem(name: str, value: object, top: Path) -> None:
    written(top, 3.0, **{name: value})
    found = status_of(top / "aside")
    (problem,) = json.loads(found.as_json())["problems"]
    assert found.file is None and found.as_text() and f"status.json:{name}:" in problem


def test_a_folder_without_a_journal_is_named(top: Path) -> None:
    with refused("no-journal", top / "aside", "--aside", exit_code=2):
        status_of(top / "aside")


@pytest.mark.skipif(sys.platform != "linux", reason="mounts a small file system")
def test_on_a_full_disk_no_old_status_remains(top: Path, caplog: pytest.LogCaptureFixture) -> None:
    disk = top / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], check=False).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        told = StatusWriter(disk / "status.json", None, {})
        told.write(Counts(), "watching")
        with (disk / "large").open("wb", buffering=0) as large, pytest.raises(OSError, match="No space left"):
            while True:
                large.write(bytes(4096))
        told.write(Counts(failures=7), "in trouble")
        assert json.loads((disk / "status.json").read_text())["failures"] == 7, "in the room of the old one"
        (disk / "status.json").unlink()
        (disk / "last").write_bytes(bytes(1))
        told.write(Counts(), "watching")
        assert not (disk / "status.json").exists() and "cannot write status" in events(caplog)
    finally:
        subprocess.run(["umount", disk], check=True)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0 seconds"),
        (1.5, "1 second"),
        (119, "119 seconds"),
        (121, "2 minutes"),
        (7300, "2 hours"),
        (2e5, "2 days"),
    ],
)
def test_times_are_given_in_words(seconds: float, text: str) -> None:
    ago: Callable[[float], str] = module._ago
    assert ago(seconds) == f"{text} ago"
