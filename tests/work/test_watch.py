import errno
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
import watchfiles
from prometheus_client.parser import text_string_to_metric_families

from skysort.classifier.classifier import Classifier, Decoded
from skysort.classifier.decision import Calibration, Decision
from skysort.classifier.interruptible import interruptible
from skysort.classifier.predictions import Prediction
from skysort.core.locks import locked
from skysort.core.log import JsonLines, TextLines
from skysort.work import arrivals, batch, mounts, moves
from skysort.work import watcher as module
from skysort.work.arrivals import Stop
from skysort.work.classify import LabelRule, Rule
from skysort.work.inbox import Inbox
from skysort.work.journal import Journal
from skysort.work.journal_entries import JournalEntry
from skysort.work.metrics_file import metrics_text
from skysort.work.sort import sort_pictures
from skysort.work.status_file import Counts, StatusWriter
from skysort.work.undo import UndoRequest, take_back
from skysort.work.watch import watch_inbox
from skysort.work.watch_options import WatchOptions, lock_of
from tests.conftest import numbers, refused
from tests.work.making import (
    CLASSES,
    SETTINGS,
    FirstPixel,
    check_that_nothing_is_lost,
    files_below,
    picture,
    row_for,
    with_session,
)

ROOT = Path(__file__).parents[2]
RULE = LabelRule(("bird",))
AIRPLANE, BIRD = picture(10), picture(200)


@pytest.fixture
def top(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Path:
    caplog.set_level(logging.INFO, "skysort")
    (tmp_path / "inbox").mkdir()
    return tmp_path


def put(top: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_bytes(content)


def once(top: Path, rule: Rule = RULE, **changed: Any) -> Counts:
    options = WatchOptions(top / "inbox", top / "aside", **{"once": True, "settle": 0.01, **changed})
    return watch_inbox(cast(Classifier, FirstPixel()), rule, options, Stop())


def found(top: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(top)): content
        for path, content in files_below(top).items()
        if "aside.journal" not in path.parts
    }


def inbox_of(top: Path, *, by_own_time: bool) -> Inbox:
    return Inbox(top / "inbox", 0.0, 600.0, lambda *_: False, lambda *_: False, by_own_time=by_own_time)


def rows(top: Path) -> list[JournalEntry]:
    with Journal(top / "aside") as journal:
        return list(journal.rows())


def events(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


def test_pictures_go_to_the_folder_of_their_action_and_into_the_journal(top: Path) -> None:
    put(top, {"inbox/a.png": AIRPLANE, "inbox/sub/a.png": BIRD, "inbox/sub/deep/b.png": picture(11)})
    put(top, {"inbox/broken.png": b"no", "inbox/notes.txt": b"hello", "inbox/.hidden.png": BIRD})
    counts = once(top, keep_to=top / "blog", review=top / "review", stuck=0)
    assert counts.actions == {"keep": 1, "set-aside": 2, "review": 1}
    assert found(top) == {
        "aside/a.png": AIRPLANE, "blog/sub/a.png": BIRD, "aside/sub/deep/b.png": picture(11),
        "review/broken.png": b"no", "inbox/notes.txt": b"hello", "inbox/.hidden.png": BIRD,
    }  # fmt: skip
    by_name = {str(row.source.relative_to(top / "inbox")): row for row in rows(top)}
    airplane, broken = by_name["a.png"], by_name["broken.png"]
    assert (airplane.label, airplane.probabilities, airplane.action) == ("airplane", (0.9, 0.1), "set-aside")
    assert airplane.place == top / "aside" / "a.png" and airplane.done
    assert (broken.label, broken.action) == (None, "review")
    assert broken.reason
    folders = {
        "aside": str(top / "aside"),
        "keep-to": str(top / "blog"),
        "review": str(top / "review"),
        "copy": "False",
    }
    with Journal(top / "aside") as journal:
        assert journal.settings(airplane.session) == replace(SETTINGS, folders=folders)


def test_a_picture_that_stays_is_written_down_once(top: Path) -> None:
    put(top, {"inbox/a.png": BIRD, "inbox/broken.png": b"no"})
    assert once(top, stuck=0).actions == {"keep": 1, "review": 1}
    before = rows(top)
    assert [(row.kind, row.source == row.place) for row in before] == [("stay", True)] * 2
    assert once(top, stuck=0).actions == {}
    assert rows(top) == before
    put(top, {"inbox/a.png": AIRPLANE})
    assert once(top).actions == {"set-aside": 1}


def test_another_threshold_is_another_session_that_sorts_again(top: Path) -> None:
    def decision(threshold: float) -> Decision:
        return Decision(
            name="keep-bird", keep=("bird",), threshold=threshold, lose_at_most=0.1, confidence=0.9,
            calibration=Calibration(pictures=100, lost=0), set_aside=None, date="2026-11-23",
        )  # fmt: skip

    put(top, {"inbox/a.png": AIRPLANE})
    assert once(top, decision(0.95)).actions == {"keep": 1}
    assert once(top, decision(0.95)).actions == {}
    assert once(top, decision(0.8)).actions == {"set-aside": 1}
    with Journal(top / "aside") as journal:
        sessions = [journal.settings(row.session) for row in journal.rows()]
    assert [(found.decision, found.threshold) for found in sessions] == [("keep-bird", 0.8), ("keep-bird", 0.95)]


def test_a_name_that_exists_gets_a_number(top: Path) -> None:
    put(top, {"aside/a.png": b"mine"})
    for value in range(4):
        put(top, {"inbox/a.png": picture(value)})
        once(top)
    assert found(top) == {"aside/a.png": b"mine"} | {f"aside/a-{n + 2}.png": picture(n) for n in range(4)}
    assert {row.source.name for row in rows(top)} == {"a.png"}


def test_an_undone_picture_stays_in_every_session(top: Path) -> None:
    put(top, {"inbox/a.png": AIRPLANE})
    once(top)
    with Journal(top / "aside") as journal:
        (taken,) = take_back(journal, journal.rows(takeable="moves"), UndoRequest(is_correction=True))
        assert (taken.problem, taken.correction) == ("", "bird")
    assert once(top, review=top / "review").actions == {}
    os.utime(top / "inbox" / "a.png", ns=(1, 1))  # as on a file system with coarse times
    assert once(top).actions == {}
    assert found(top) == {"inbox/a.png": AIRPLANE}
    with Journal(top / "aside") as journal:
        assert [(row.place.name, row.correction) for row in journal.corrections()] == [("a.png", "bird")]
        (again,) = take_back(journal, journal.rows(takeable="undos"), UndoRequest("redo"))
        assert not again.problem and list(journal.corrections()) == []
    assert found(top) == {"aside/a.png": AIRPLANE}


@pytest.mark.parametrize("on_the_drive", ["inbox", "aside"])
def test_undo_needs_the_drive(on_the_drive: str, top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drives = {Path(top.anchor), top / on_the_drive}
    monkeypatch.setattr(mounts, "is_mount_point", lambda path: path in drives)
    put(top, {"inbox/sub/a.png": AIRPLANE})
    once(top)
    drives.remove(top / on_the_drive)
    (top / "inbox" / "sub").rmdir()
    with Journal(top / "aside") as journal:
        (taken,) = take_back(journal, journal.rows(takeable="moves"), UndoRequest())
        assert str(top / on_the_drive) in taken.problem.split()
        assert found(top) == {"aside/sub/a.png": AIRPLANE} and not (top / "inbox" / "sub").exists()
        drives.add(top / on_the_drive)
        (taken,) = take_back(journal, journal.rows(takeable="moves"), UndoRequest())
        assert not taken.problem and found(top) == {"inbox/sub/a.png": AIRPLANE}


def test_copies_leave_the_inbox_as_it_is(top: Path) -> None:
    put(top, {"inbox/a.png": AIRPLANE, "inbox/b.png": BIRD})
    assert once(top, copy=True, keep_to=top / "blog").actions == {"keep": 1, "set-aside": 1}
    expected = {"inbox/a.png": AIRPLANE, "inbox/b.png": BIRD, "aside/a.png": AIRPLANE, "blog/b.png": BIRD}
    assert found(top) == expected
    assert once(top, copy=True, keep_to=top / "blog").actions == {}
    with Journal(top / "aside") as journal:
        assert [taken.problem for taken in take_back(journal, journal.rows(takeable="moves"), UndoRequest())] == [
            "",
            "",
        ]
    assert found(top) == {"inbox/a.png": AIRPLANE, "inbox/b.png": BIRD}
    assert once(top, copy=True).actions == {}


def test_a_dry_run_logs_its_plan_and_leaves_no_trace(top: Path, caplog: pytest.LogCaptureFixture) -> None:
    put(top, {"inbox/a.png": AIRPLANE, "inbox/b.png": BIRD})
    assert once(top, dry_run=True, keep_to=top / "blog").actions == {"keep": 1, "set-aside": 1}
    assert {"would: keep", "would: set aside"} <= set(events(caplog))
    assert sorted(path.name for path in top.iterdir()) == ["inbox"]


def test_an_incomplete_file_waits_and_is_logged_when_stuck(top: Path, caplog: pytest.LogCaptureFixture) -> None:
    half = AIRPLANE[: len(AIRPLANE) // 2]
    put(top, {"inbox/a.png": half, "inbox/b.png.part": half})
    assert once(top).actions == {}
    assert "stuck" not in events(caplog)
    left = [record.__dict__["facts"]["path"] for record in caplog.records if "not complete" in record.getMessage()]
    assert left == [str(top / "inbox" / "a.png"), str(top / "inbox" / "b.png.part")]
    old = time.time_ns() - 3600 * 10**9
    os.utime(top / "inbox" / "b.png.part", ns=(old, old))
    counts = once(top)
    assert (counts.waiting, counts.stuck) == (2, 1)
    assert events(caplog).count("stuck") == 1
    put(top, {"inbox/a.png": AIRPLANE})
    (top / "inbox" / "b.png.part").rename(top / "inbox" / "b.png")
    put(top, {"inbox/b.png": picture(12)})
    assert once(top).actions == {"set-aside": 2}
    assert found(top) == {"aside/a.png": AIRPLANE, "aside/b.png": picture(12)}


def test_a_file_that_grows_waits(top: Path) -> None:
    put(top, {"inbox/a.png": AIRPLANE})
    ended = threading.Event()

    def grow() -> None:
        with (top / "inbox" / "a.png").open("ab") as file:
            while not ended.wait(0.02):
                file.write(b"more")
                file.flush()

    thread = threading.Thread(target=grow)
    thread.start()
    try:
        assert once(top, settle=0.3).actions == {}
    finally:
        ended.set()
        thread.join()
    assert once(top).actions == {"set-aside": 1}  # bytes after the end of a picture do no harm


def test_links_are_not_followed(top: Path) -> None:
    put(top, {"private/a.png": AIRPLANE, "inbox/sub/b.png": AIRPLANE})
    (top / "inbox" / "link.png").symlink_to(top / "private" / "a.png")
    (top / "inbox" / "folder").symlink_to(top / "private", target_is_directory=True)
    if hasattr(os, "mkfifo"):
        os.mkfifo(top / "inbox" / "pipe.png")
    assert once(top).actions == {"set-aside": 1}
    assert (top / "private" / "a.png").exists() and (top / "inbox" / "link.png").is_symlink()


def test_an_inbox_may_be_a_link_and_pictures_may_be_equal_or_have_two_names(top: Path) -> None:
    put(top, {"inbox/a.png": AIRPLANE, "inbox/b.png": AIRPLANE})
    os.link(top / "inbox" / "a.png", top / "inbox" / "c.png")
    (top / "inbox").rename(top / "cam")
    (top / "inbox").symlink_to(top / "cam", target_is_directory=True)
    assert once(top).actions == {"set-aside": 3}
    assert found(top) == {f"aside/{name}.png": AIRPLANE for name in "abc"}
    assert {row.source.parent for row in rows(top)} == {top / "cam"}


def test_a_closed_folder_stops_no_other(
    top: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    plain = os.scandir

    def scandir(folder: Any) -> Any:
        if Path(folder).name == "closed":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))
        return plain(folder)

    put(top, {"inbox/closed/a.png": AIRPLANE, "inbox/b.png": AIRPLANE})
    inbox = inbox_of(top, by_own_time=False)
    monkeypatch.setattr(os, "scandir", scandir)
    inbox.see(top / "inbox" / "closed")
    inbox.sweep()
    assert list(inbox.waiting) == [top / "inbox" / "b.png"]
    assert events(caplog) == ["cannot read folder"] and inbox.closed == {top / "inbox" / "closed"}


@pytest.mark.parametrize("seen", ["inbox/new", "inbox"])
@pytest.mark.parametrize("error", [FileNotFoundError, NotADirectoryError])
def test_a_folder_that_has_vanished_is_not_closed(
    error: type[OSError], seen: str, top: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    plain = os.scandir

    def scandir(folder: Any) -> Any:
        if Path(folder).name == "new":
            raise error(errno.ENOENT, "it has vanished", str(folder))
        return plain(folder)

    put(top, {"inbox/new/a.png": AIRPLANE, "inbox/b.png": AIRPLANE})
    inbox = inbox_of(top, by_own_time=False)
    monkeypatch.setattr(os, "scandir", scandir)
    inbox.see(top / seen)
    assert inbox.closed == set() and events(caplog) == []
    assert list(inbox.waiting) == ([top / "inbox" / "b.png"] if seen == "inbox" else [])


@pytest.mark.parametrize("by_own_time", [False, True])
def test_the_time_of_a_file_counts_only_for_once(top: Path, by_own_time: bool) -> None:
    put(top, {"inbox/a.png": AIRPLANE})
    os.utime(top / "inbox" / "a.png", (time.time() - 900,) * 2)
    inbox = inbox_of(top, by_own_time=by_own_time)
    inbox.sweep()
    assert inbox.is_young(top / "inbox" / "a.png") is not by_own_time


def test_a_folder_that_becomes_a_link_leads_nowhere(top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(top, {"private/a.png": AIRPLANE, "inbox/sub/a.png": AIRPLANE})
    take = module.Inbox.take

    def exchange(inbox: Any, num: int) -> list[Path]:
        paths = take(inbox, num)
        if paths:
            (top / "inbox" / "sub").rename(top / "old")
            (top / "inbox" / "sub").symlink_to(top / "private", target_is_directory=True)
        return paths

    monkeypatch.setattr(module.Inbox, "take", exchange)
    assert once(top).actions == {}
    assert (top / "private" / "a.png").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse some of these names")
def test_hostile_names_are_moved_like_others(top: Path, caplog: pytest.LogCaptureFixture) -> None:
    names = [
        "caf\udce9.png",
        "x" * 251 + ".png",
        "a\nb\x1b[31m.png",
        "-rf.png",
        "--help.png",
        " .png",
        "ü" * 125 + ".png",
    ]
    put(top, {f"inbox/{name}": picture(number) for number, name in enumerate(names)})
    put(top, {f"aside/{'x' * 251}.png": b"there"})
    assert once(top).actions == {"set-aside": len(names)}
    assert {name for name in found(top) if name.startswith("inbox")} == set()
    for record in caplog.records:
        assert "\n" not in TextLines().format(record) and "\x1b" not in TextLines().format(record)
        assert json.loads(JsonLines().format(record))["event"] == record.getMessage()
    with Journal(top / "aside") as journal:
        assert all(
            not taken.problem for taken in take_back(journal, journal.rows(takeable="moves"), UndoRequest())
        )
    assert {f"inbox/{name}" for name in names} < set(found(top))


@pytest.mark.slow
def test_folders_as_deep_as_they_can_be(in_memory: Path) -> None:
    top = in_memory
    deep = "inbox/" + "d/" * 1500
    try:
        put(top, {deep + "a.png": AIRPLANE})
    except (OSError, RecursionError):
        put(top, {"inbox/" + "d/" * 900 + "a.png": AIRPLANE})
    assert once(top).actions == {"set-aside": 1}


@pytest.mark.parametrize(
    ("inbox", "to", "code", "facts"),
    [
        ("nowhere", {"aside": "aside"}, "path-not-found", ["/nowhere"]),
        ("inbox", {"aside": "inbox/aside"}, "folders-overlap", ["--aside", "/inbox/aside"]),
        ("inbox", {"aside": "aside", "review": "."}, "folders-overlap", ["--review", "/inbox"]),
        (
            "inbox",
            {"aside": "aside", "review": "aside/look"},
            "folders-overlap",
            ["--review", "/aside/look", "--aside"],
        ),
        ("inbox", {"aside": "aside", "keep_to": "aside"}, "folders-overlap", ["--aside", "--keep-to"]),
    ],
)
def test_folders_that_overlap_or_do_not_exist_are_refused(
    top: Path, inbox: str, to: dict[str, str], code: str, facts: list[str]
) -> None:
    options = WatchOptions(top / inbox, **{name: top / folder for name, folder in to.items()}, once=True)  # type: ignore[arg-type]
    with refused(code, *facts, exit_code=2):
        watch_inbox(cast(Classifier, FirstPixel()), RULE, options, Stop())


@pytest.mark.parametrize("seconds", [float("inf"), float("nan"), -1.0])
@pytest.mark.parametrize("name", ["settle", "stuck"])
def test_infinite_and_negative_times_are_refused(name: str, seconds: float, top: Path) -> None:
    with refused("wrong-value", f"--{name}", seconds, exit_code=2):
        once(top, **{name: seconds})


@pytest.mark.parametrize("bound", [float("nan"), -0.1, 1.1, float("inf")])
def test_a_bound_on_confidence_is_from_0_to_1(bound: float, top: Path) -> None:
    with refused("wrong-value", "--unsure-below", bound, exit_code=2):
        once(top, unsure_below=bound)
    with refused("wrong-value", "--unsure-below", bound, exit_code=2):
        list(sort_pictures(cast(Classifier, FirstPixel()), top / "inbox", top / "to", unsure_below=bound))


def test_unsure_pictures_go_to_review_until_the_bound_changes(top: Path) -> None:
    put(top, {"inbox/a.png": AIRPLANE, "inbox/broken.png": b"no"})
    assert once(top, unsure_below=0.95, stuck=0.0).actions == {"review": 2}
    assert once(top, unsure_below=0.95, stuck=0.0).actions == {}
    reasons = {row.source.name: (row.label, row.reason) for row in rows(top)}
    assert (reasons["a.png"][0], numbers(reasons["a.png"][1])) == ("airplane", ["0.900", "0.95"])
    assert reasons["broken.png"][0] is None
    assert once(top, unsure_below=0.9, stuck=0.0).actions == {"set-aside": 1, "review": 1}


def test_no_folder_is_created_for_a_missing_drive(top: Path) -> None:
    with refused("system", top / "drive" / "aside", os.strerror(errno.ENOENT)):
        once(top, review=top / "drive" / "aside")


def test_half_written_files_beside_the_journal_are_removed(top: Path) -> None:
    put(top, {"aside.journal/.status.json.1a2b3c4d.partial": b"{"})
    once(top)
    assert not list((top / "aside.journal").glob(".*"))


def test_a_second_watcher_is_refused(top: Path) -> None:
    with locked(lock_of(top / "inbox")), refused("in-use", top / "inbox"):
        once(top)


def test_with_a_damaged_journal_nothing_is_moved(top: Path) -> None:
    put(top, {"inbox/a.png": AIRPLANE})
    put(top, {"aside.journal/journal.sqlite": b"This is no journal at all. " * 200})
    with refused("damaged-journal", top / "aside.journal" / "journal.sqlite", ".recover"):
        once(top)
    assert found(top) == {"inbox/a.png": AIRPLANE}


def test_labels_to_keep_are_checked() -> None:
    assert LabelRule.among(["bird"], CLASSES) == RULE
    with refused("unknown-class", "'brid'", "'bird'", exit_code=2):
        LabelRule.among(["brid"], CLASSES)
    with refused("wrong-value", exit_code=2):
        LabelRule.among(CLASSES, CLASSES)


def test_a_time_too_late_for_the_journal_works(top: Path) -> None:
    put(top, {"inbox/a.png": AIRPLANE})
    os.utime(top / "inbox" / "a.png", ns=(1, 13_569_465_600 * 10**9))  # the year 2400
    assert once(top).actions == {"set-aside": 1}


def test_an_unfinished_move_is_not_made_a_second_time(
    top: Path, across: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Otherwise the picture would be copied a second time, under another name."""
    put(top, {"inbox/a.png": AIRPLANE})
    rename, unlink = Path.rename, Path.unlink

    def read_only(path: Path, *_arguments: object, **_options: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    with monkeypatch.context() as patched:
        patched.setattr(
            Path, "unlink", lambda path, **how: (read_only if path.suffix == ".png" else unlink)(path, **how)
        )
        patched.setattr(
            Path, "rename", lambda *paths: (read_only if paths[1].suffix == ".going" else rename)(*paths)
        )
        for _ in range(2):
            with refused("some-not-moved", 1):
                once(top)
            assert found(top) == {"inbox/a.png": AIRPLANE, "aside/a.png": AIRPLANE}
    assert events(caplog).count("not finished yet") == 2 and "failed" not in events(caplog)
    once(top)
    assert found(top) == {"aside/a.png": AIRPLANE}
    check_that_nothing_is_lost([AIRPLANE], top / "aside", top / "inbox", top / "aside")


def test_a_file_settled_after_its_classification_gets_no_second_row(
    top: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process was killed when the copy was in place, and the drive failed once at the next start."""
    put(top, {"inbox/a.png": AIRPLANE, "inbox/b.png": AIRPLANE})
    with Journal(top / "aside", make=True) as journal, journal.moving():
        row = row_for(top / "inbox" / "a.png", top / "aside" / "a.png")
        journal.note_copied(journal.plan(with_session(journal, [row])))
    (top / "aside").mkdir()
    shutil.copy2(top / "inbox" / "a.png", top / "aside" / "a.png")
    plain, num_calls = moves.settle, 0

    def settle(*arguments: Any) -> Any:
        nonlocal num_calls
        num_calls += 1
        if num_calls == 1:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return plain(*arguments)

    monkeypatch.setattr(moves, "settle", settle)
    assert once(top).actions == {"set-aside": 1}
    assert found(top) == {"aside/a.png": AIRPLANE, "aside/b.png": AIRPLANE}
    assert sorted(row.source.name for row in rows(top)) == ["a.png", "b.png"]
    with Journal(top / "aside") as journal:
        assert [taken.problem for taken in take_back(journal, journal.rows(takeable="moves"), UndoRequest())] == [
            "",
            "",
        ]


@pytest.mark.parametrize("error", [ValueError("odd"), OverflowError("odd"), KeyError("odd"), RuntimeError("odd")])
def test_a_row_that_cannot_be_settled_stops_no_other_picture(
    error: Exception, top: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    put(top, {"inbox/a.png": AIRPLANE, "inbox/b.png": AIRPLANE})
    with Journal(top / "aside", make=True) as journal, journal.moving():
        journal.plan(with_session(journal, [row_for(top / "inbox" / "a.png", top / "aside" / "a.png")]))

    def settle(row: JournalEntry) -> Any:
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(moves, "settle", settle)
        with refused("some-not-moved", 1):
            once(top)
    assert found(top) == {"inbox/a.png": AIRPLANE, "aside/b.png": AIRPLANE}
    assert events(caplog).count("not finished yet") == 1
    assert once(top).actions == {"set-aside": 1}


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_a_signal_interrupts_classification_and_the_picture_stays(top: Path) -> None:
    class Endless(FirstPixel):
        def answer(self, decoded: Sequence[Decoded]) -> list[Prediction]:
            ended = threading.Event()
            threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGTERM)).start()
            interruptible(lambda: ended.wait(60), ended.set)
            return super().answer(decoded)

    put(top, {"inbox/a.png": AIRPLANE})
    stop = Stop()
    before = signal.signal(signal.SIGTERM, lambda *_: stop.set_by_signal())
    began = time.monotonic()
    try:
        options = WatchOptions(top / "inbox", top / "aside", settle=0.0)
        watch_inbox(cast(Classifier, Endless()), RULE, options, stop)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert time.monotonic() - began < 30
    assert found(top) == {"inbox/a.png": AIRPLANE} and not (top / "aside.journal" / "attempts.json").exists()
    assert json.loads((top / "aside.journal" / "status.json").read_text())["state"] == "ended"
    assert once(top).actions == {"set-aside": 1}


@contextmanager
def watching(top: Path, **changed: Any) -> Iterator[None]:
    """Watch on a thread, as `skysort watch` does until it is stopped."""
    stop = Stop()
    options = WatchOptions(top / "inbox", top / "aside", **{"settle": 0.05, **changed})
    failed: list[BaseException] = []

    def run() -> None:
        try:
            watch_inbox(cast(Classifier, FirstPixel()), RULE, options, stop)
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(60)
    assert failed == [] and not thread.is_alive()


def until(what: Callable[[], bool]) -> None:
    given_up = time.monotonic() + 60
    while not what():
        assert time.monotonic() < given_up, "it took too long"
        time.sleep(0.02)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrivals, "TICK_MS", 50)
    monkeypatch.setattr(arrivals, "POLL_MS", 50)


@pytest.mark.parametrize("poll", [False, True])
def test_pictures_that_arrive_during_the_watch_are_sorted(poll: bool, top: Path, impatient: None) -> None:
    put(top, {"inbox/before.png": AIRPLANE})
    with watching(top, poll=poll, keep_to=top / "blog"):
        until(lambda: (top / "aside" / "before.png").exists())
        put(top, {"upload/new/a.png": AIRPLANE, "upload/new/deep/b.png": BIRD, "inbox/c.png.part": AIRPLANE})
        (top / "upload" / "new").rename(top / "inbox" / "new")
        put(top, {"inbox/caf\udce9.png": BIRD})
        until(lambda: (top / "blog" / "caf\udce9.png").exists())
        (top / "inbox" / "c.png.part").rename(top / "inbox" / "c.png")
        wanted = ["aside/new/a.png", "blog/new/deep/b.png", "aside/c.png"]
        until(lambda: all((top / name).exists() for name in wanted))
    assert json.loads((top / "aside.journal" / "status.json").read_text())["state"] == "ended"


def test_hidden_files_and_pipes_that_arrive_stay(top: Path, impatient: None) -> None:
    with watching(top):
        put(top, {"inbox/first.png": AIRPLANE})
        until((top / "aside" / "first.png").exists)
        left = ["inbox/.a.png", "inbox/._b.png", "inbox/.thumbnails/c.png", "inbox/sub/.d/e.png"]
        put(top, dict.fromkeys(left, AIRPLANE) | {"upload/burst.png/f.png": AIRPLANE})
        (top / "upload" / "burst.png").rename(top / "inbox" / "burst.png")
        if hasattr(os, "mkfifo"):
            os.mkfifo(top / "inbox" / "pipe.png")
        put(top, {"inbox/last.png": AIRPLANE})
        until(lambda: all((top / "aside" / name).exists() for name in ("burst.png/f.png", "last.png")))
        put(top, {"inbox/later.png": AIRPLANE})
        until((top / "aside" / "later.png").exists)
        assert all((top / name).exists() for name in left)


def test_a_backup_may_truncate_the_journals_log_while_it_watches(top: Path, impatient: None) -> None:
    checkpoint = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute('PRAGMA wal_checkpoint(TRUNCATE)')"
    with watching(top):
        put(top, {"inbox/a.png": AIRPLANE})
        until((top / "aside" / "a.png").exists)
        time.sleep(0.2)  # the watcher writes the result, and then nothing
        subprocess.run([sys.executable, "-c", checkpoint, top / "aside.journal" / "journal.sqlite"], check=True)
        assert (top / "aside.journal" / "journal.sqlite-wal").stat().st_size == 0
        put(top, {"inbox/b.png": AIRPLANE})
        until((top / "aside" / "b.png").exists)
    assert [row.source.name for row in rows(top)] == ["b.png", "a.png"]


@pytest.mark.skipif(os.name != "posix", reason="a folder that is watched cannot be removed there")
def test_a_new_inbox_of_the_same_name_is_watched_and_locked(top: Path, impatient: None) -> None:
    with watching(top):
        put(top, {"inbox/a.png": AIRPLANE})
        until((top / "aside" / "a.png").exists)
        (top / "inbox").rmdir()
        (top / "inbox").mkdir()
        put(top, {"inbox/b.png": AIRPLANE})
        until((top / "aside" / "b.png").exists)
        with refused("in-use", top / "inbox"):
            once(top)


@pytest.mark.parametrize(
    "error",
    [
        OSError('OS file watch limit reached. about ["/inbox/sub"]'),
        RuntimeError("Error creating recommended watcher: Too many open files (os error 24)"),
    ],
)
def test_at_the_systems_limit_the_watcher_polls(
    error: Exception, top: Path, impatient: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    plain = watchfiles.watch

    def at_limit(*folders: Any, **options: Any) -> Any:
        if not options["force_polling"]:
            raise error
        return plain(*folders, **options)

    monkeypatch.setattr(watchfiles, "watch", at_limit)
    with watching(top):
        until(lambda: "polling from now on, as with --poll" in events(caplog))
        put(top, {"inbox/a.png": AIRPLANE})
        until((top / "aside" / "a.png").exists)


@pytest.mark.parametrize("error", [RuntimeError("odd"), RecursionError("odd"), OSError("Error creating a file")])
def test_an_error_of_a_sweep_is_not_swallowed_as_one_of_watchfiles(error: Exception, top: Path) -> None:
    def sweep() -> None:
        stop.set()  # so that the loop ends even if it swallows the error
        raise error

    stop = Stop()
    with pytest.raises(type(error), match=str(error)):
        next(arrivals.arrivals(top / "inbox", sweep, stop, poll=False))


@pytest.mark.skipif(sys.platform != "linux", reason="mounts a small file system")
def test_nothing_is_put_on_the_mount_point_of_a_missing_drive(
    top: Path, impatient: None, caplog: pytest.LogCaptureFixture
) -> None:
    def mount() -> int:
        command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", top / "drive"]
        return subprocess.run(command, check=False, capture_output=True).returncode

    below = {"drive/aside/below": b"", "drive/review/below": b""}
    put(top, below)
    if mount():
        pytest.skip("mounting is not allowed here")
    try:
        (top / "drive" / "review").mkdir()
        with watching(top, review=top / "drive" / "review", keep_to=top / "drive" / "aside"):
            until((top / "aside.journal" / "status.json").exists)
            subprocess.run(["umount", top / "drive"], check=True)
            put(top, {"inbox/a.png": BIRD})
            until(lambda: "cannot go on now" in events(caplog))
            assert found(top) == {"inbox/a.png": BIRD, **below}
            mount()
            for name in ("aside", "review"):
                (top / "drive" / name).mkdir()
            until((top / "drive" / "aside" / "a.png").exists)
    finally:
        subprocess.run(["umount", top / "drive"], check=False)


def test_the_watcher_waits_for_a_full_disk(
    top: Path, impatient: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    put(top, {"inbox/a.png": AIRPLANE})
    plain = batch.act

    def full(*_arguments: Any) -> Any:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(batch, "act", full)
    with watching(top):
        until(lambda: "cannot go on now" in events(caplog))
        status = top / "aside.journal" / "status.json"
        until(lambda: "No space left" in json.loads(status.read_text())["trouble"])
        assert found(top) == {"inbox/a.png": AIRPLANE}
        with refused("in-use", top / "inbox"):  # locked during the wait, too
            once(top)
        monkeypatch.setattr(batch, "act", plain)
        until(lambda: found(top) == {"aside/a.png": AIRPLANE})


@pytest.mark.skipif(sys.platform != "linux", reason="mounts a small file system")
def test_a_file_system_that_is_full_takes_pictures_when_there_is_room(top: Path, impatient: None) -> None:
    (top / "aside").mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", top / "aside"], check=False)
    if mounted.returncode:
        pytest.skip("mounting is not allowed here")
    try:
        put(top, {"aside/large": bytes(90_000)})
        pictures = {f"{number}.png": AIRPLANE + os.urandom(9_000) for number in range(6)}
        put(top, {f"inbox/{name}": content for name, content in pictures.items()})
        with refused("some-not-moved"):
            once(top)
        left = [name for name in pictures if (top / "inbox" / name).exists()]
        assert 0 < len(left) < 6
        with watching(top):
            (top / "aside" / "large").unlink()
            until(lambda: not any((top / "inbox").iterdir()))
        check_that_nothing_is_lost(
            list(pictures.values()), top / "aside", top / "inbox", top / "aside", unknown=[]
        )
    finally:
        subprocess.run(["umount", top / "aside"], check=True)


@pytest.mark.skipif(sys.platform != "linux", reason="mounts a small file system")
def test_a_disk_that_is_full_and_holds_the_journal_loses_nothing(top: Path) -> None:
    disk = top / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], check=False)
    if mounted.returncode:
        pytest.skip("mounting is not allowed here")
    try:
        put(disk, {"inbox/first.png": AIRPLANE})
        once(disk)
        pictures = {f"inbox/{number}.png": AIRPLANE + bytes([number]) for number in range(40)}
        put(disk, pictures)
        with suppress(OSError), (disk / "large").open("wb", buffering=0) as large:
            while True:
                large.write(bytes(512))
        with refused("journal-not-available", disk / "aside.journal" / "journal.sqlite"):
            once(disk)
        (disk / "large").unlink()
        assert once(disk).actions == {"set-aside": 40}
        arrived = [AIRPLANE, *pictures.values()]
        check_that_nothing_is_lost(arrived, disk / "aside", disk / "inbox", disk / "aside", unknown=[])
    finally:
        subprocess.run(["umount", disk], check=True)


def test_the_watcher_waits_for_a_read_only_folder(
    top: Path, impatient: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    put(top, {"inbox/a.png": AIRPLANE})
    plain = moves.rename_new

    def read_only(source: Path, target: Path, _mark: str) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(target))

    monkeypatch.setattr(moves, "rename_new", read_only)
    with refused("some-not-moved", 1):
        once(top)
    with watching(top):
        until(lambda: "failed" in events(caplog))
        monkeypatch.setattr(moves, "rename_new", plain)
        until(lambda: found(top) == {"aside/a.png": AIRPLANE})
    assert "Read-only file system" in caplog.text or any(
        "Read-only file system" in str(getattr(record, "facts", "")) for record in caplog.records
    )
    check_that_nothing_is_lost([AIRPLANE], top / "aside", top / "inbox", top / "aside")


def test_the_watcher_waits_for_a_missing_drive(
    top: Path, impatient: None, caplog: pytest.LogCaptureFixture
) -> None:
    with watching(top, keep_to=top / "blog"):
        until((top / "aside.journal" / "status.json").exists)
        (top / "blog").rename(top / "gone")
        put(top, {"inbox/a.png": BIRD})
        until(lambda: "cannot go on now" in events(caplog))
        assert not (top / "blog").exists()
        (top / "gone").rename(top / "blog")
        until(lambda: found(top) == {"blog/a.png": BIRD})


def test_an_error_that_ends_once_is_in_both_status_files(top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_arguments: Any) -> Any:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    put(top, {"inbox/a.png": AIRPLANE})
    with monkeypatch.context() as patched, pytest.raises(OSError, match="No space left"):
        patched.setattr(batch, "act", full)
        once(top, metrics=top / "skysort.prom")
    status = json.loads((top / "aside.journal" / "status.json").read_text())
    assert status["state"] == "ended" and "No space left" in status["trouble"]
    assert "\nskysort_in_trouble 1.0\n" in (top / "skysort.prom").read_text()
    once(top, metrics=top / "skysort.prom")
    assert "\nskysort_in_trouble 0.0\n" in (top / "skysort.prom").read_text()


def test_metrics_are_written_although_the_status_cannot_be(top: Path, caplog: pytest.LogCaptureFixture) -> None:
    StatusWriter(top / "gone" / "status.json", top / "skysort.prom", {}).write(Counts(), "watching")
    assert events(caplog) == ["cannot write status"]
    assert "skysort_in_trouble 0.0" in (top / "skysort.prom").read_text()


def test_prometheus_reads_the_counts() -> None:
    counts = Counts(started=12.5)
    counts.actions["set-aside"] += 3

    def read() -> dict[tuple[str, str], float]:
        families = text_string_to_metric_families(metrics_text(counts).decode())
        return {
            (sample.name.removeprefix("skysort_"), sample.labels.get("action", "")): sample.value
            for family in families
            for sample in family.samples
        }

    assert read() == {
        ("pictures_total", "keep"): 0, ("pictures_total", "set-aside"): 3, ("pictures_total", "review"): 0,
        ("unreadable_total", ""): 0, ("failures_total", ""): 0, ("waiting", ""): 0, ("stuck", ""): 0,
        ("failing", ""): 0, ("closed", ""): 0, ("passed_over", ""): 0, ("stale", ""): 0,
        ("in_trouble", ""): 0,
        ("start_time_seconds", ""): 12.5,
    }  # fmt: skip
    counts.trouble, counts.last = "aside is not there", 13.25
    assert read()["in_trouble", ""] == 1 and read()["last_picture_time_seconds", ""] == 13.25


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks to be quick")
@pytest.mark.parametrize("scenario", ["same", "across", "real"])
def test_killed_at_any_moment_while_pictures_arrive_nothing_is_lost(
    scenario: str, in_memory: Path, tmp_path: Path
) -> None:
    other = tmp_path if scenario == "real" else in_memory
    if scenario == "real" and in_memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second file system to write to")
    script = [sys.executable, "-m", "tests.work.kill_while_watching", scenario, in_memory, other, 100, 0]
    ended = subprocess.run(list(map(str, script)), capture_output=True, text=True, check=False, cwd=ROOT)
    assert ended.returncode == 0, ended.stderr
    assert "100 kills of a watcher" in ended.stdout


def test_temporary_files_of_another_journal_are_logged_once_and_stay(
    top: Path, impatient: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The scan of all folders takes long, so it happens neither at each try nor with --once."""
    event = "temporary file of another journal, left alone"
    theirs = "aside/.skysort-0123456789ab-3.coming"
    put(top, {"inbox/a.png": AIRPLANE, theirs: b"half"})
    plain = batch.act
    num_calls = 0

    def full_at_first(*arguments: Any) -> Any:
        nonlocal num_calls
        num_calls += 1
        if num_calls == 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return plain(*arguments)

    monkeypatch.setattr(batch, "act", full_at_first)
    with watching(top):
        until((top / "aside" / "a.png").exists)
    assert events(caplog).count("cannot go on now") == 1 and events(caplog).count(event) == 1
    assert found(top) == {"aside/a.png": AIRPLANE, theirs: b"half"}
    caplog.clear()
    once(top)
    assert event not in events(caplog)
