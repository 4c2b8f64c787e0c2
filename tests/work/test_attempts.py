import errno
import json
import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from skysort.classifier.classifier import Classifier, Decoded
from skysort.classifier.predictions import Prediction
from skysort.core.errors import SkysortError
from skysort.work import attempts as noting
from skysort.work import batch, watcher
from skysort.work import classify as module
from skysort.work.arrivals import Stop
from skysort.work.attempts import Attempts
from skysort.work.classify import LabelRule
from skysort.work.inbox import Inbox
from skysort.work.journal import Journal
from skysort.work.journal_entries import Identity
from skysort.work.names import identity
from skysort.work.status_file import Counts
from skysort.work.watch import watch_inbox
from skysort.work.watch_options import WatchOptions
from tests.conftest import lacking, numbers, refused
from tests.work.making import FirstPixel, files_below
from tests.work.test_watch import AIRPLANE, BIRD, events, picture, put

GOOD = {f"inbox/{number}.png": picture(number) for number in range(5)}


def once(top: Path, classifier: Any = None, **changed: Any) -> Counts:
    options = WatchOptions(top / "inbox", top / "aside", **{"once": True, "settle": 0.0, "stuck": 0.0, **changed})
    return watch_inbox(cast(Classifier, classifier or FirstPixel()), LabelRule(("bird",)), options, Stop())


@pytest.fixture
def top(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Path:
    caplog.set_level(logging.INFO, "skysort")
    put(tmp_path, GOOD)
    return tmp_path


def test_a_file_is_suspect_after_one_death_and_given_up_after_two(tmp_path: Path) -> None:
    path = tmp_path / "caf\udce9.png"
    path.write_bytes(AIRPLANE)
    file = identity(path)

    def died() -> Attempts:
        begun = Attempts(tmp_path / "attempts.json").recording([path])
        begun.__enter__()
        note = (tmp_path / "attempts.json").read_bytes()
        begun.__exit__(None, None, None)
        (tmp_path / "attempts.json").write_bytes(note)  # a killed process cannot remove it
        return Attempts(tmp_path / "attempts.json")

    assert not Attempts(tmp_path / "attempts.json").is_suspect(path, file)
    once = died()
    assert once.is_suspect(path, file) and not once.is_given_up(path, file)
    assert Attempts(tmp_path / "attempts.json").is_suspect(path, file), "also after a start that judged nothing"
    assert died().is_given_up(path, file)
    path.write_bytes(BIRD + b"longer")
    assert not Attempts(tmp_path / "attempts.json").is_suspect(path, identity(path)), "it is another file"
    assert not (tmp_path / "attempts.json").exists()


@pytest.mark.parametrize(
    "content",
    ['[["\\u0000", 1, 1, 1, 1, true]]', '[["x", 1, 1, 1, Infinity, true]]', '[["\\ud800", 1, 1, 1, 1, true]]',
     "[" * 100_000, "{}", "[3]", "\xff"],
)  # fmt: skip
def test_a_damaged_record_stops_no_classification(content: str, tmp_path: Path) -> None:
    (tmp_path / "attempts.json").write_text(content, "latin-1")
    assert not Attempts(tmp_path / "attempts.json").is_suspect(tmp_path / "a.png", Identity(1, 1, 1))


@pytest.mark.parametrize("error", [MemoryError(), KeyboardInterrupt(), SkysortError("failed", "odd")])
def test_an_error_that_the_process_survives_makes_no_suspect(error: BaseException, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(AIRPLANE)
    with pytest.raises(type(error)), Attempts(tmp_path / "attempts.json").recording([tmp_path / "a.png"]):
        raise error
    assert not (tmp_path / "attempts.json").exists()


def test_a_signal_during_the_write_of_the_record_makes_no_suspect(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.png").write_bytes(AIRPLANE)
    plain = noting.write_whole

    def interrupted(path: Path, text: str) -> None:
        plain(path, text)
        raise KeyboardInterrupt

    attempts = Attempts(tmp_path / "attempts.json")
    monkeypatch.setattr(noting, "write_whole", interrupted)
    with pytest.raises(KeyboardInterrupt), attempts.recording([tmp_path / "a.png"]):
        pass
    assert not (tmp_path / "attempts.json").exists()


def test_a_suspect_stays_one_if_the_record_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(AIRPLANE)
    file = identity(path)
    row = [str(path), file.inode, file.size, file.mtime_ns, 1, False]
    (tmp_path / "attempts.json").write_text(json.dumps([row]), "utf-8")
    attempts = Attempts(tmp_path / "attempts.json")

    def full(_path: Path, _text: str) -> None:
        raise SkysortError("system", "no space left")

    with monkeypatch.context() as patched:
        patched.setattr(noting, "write_whole", full)
        with pytest.raises(SkysortError), attempts.recording([path]):
            pass
    assert attempts.is_suspect(path, file) and Attempts(tmp_path / "attempts.json").is_suspect(path, file)


@pytest.mark.parametrize(
    "note", [b"", b"{", b"[[1]]", b'{"a": 1}', b"[1, 2]", b"\xff\xfe", b'[["a", "b", 1, 1, 1, 1]]']
)
def test_an_unreadable_record_is_logged_and_removed(
    note: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "attempts.json").write_bytes(note)
    Attempts(tmp_path / "attempts.json")
    assert not (tmp_path / "attempts.json").exists()
    assert note[:3] == b'[["' or events(caplog) == ["cannot read the record of attempts"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills a process")
def test_a_picture_that_kills_two_processes_is_unreadable_and_the_others_are_sorted(
    top: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(top, {"inbox/2b.png": BIRD})
    plain = module.decode

    def decode(content: bytes, shape: Any) -> Any:
        if content == BIRD:
            os.kill(os.getpid(), signal.SIGKILL)
        return plain(content, shape)

    monkeypatch.setattr(module, "decode", decode)
    for _ in range(2):
        process = os.fork()
        if process == 0:
            once(top, review=top / "review")
            os._exit(1)
        assert os.WIFSIGNALED(os.waitpid(process, 0)[1])
        assert (top / "inbox" / "2b.png").exists()
    put(top, {"inbox/new.png": picture(7)})
    assert once(top, review=top / "review").actions["review"] == 1
    assert files_below(top / "review") == {top / "review" / "2b.png": BIRD}
    assert not files_below(top / "inbox")
    with Journal(top / "aside") as journal:
        reasons = {row.place.name: row.reason for row in journal.rows()}
    assert numbers(reasons.pop("2b.png")) == ["2"] and not any(reasons.values())
    once(top)
    assert not (top / "aside.journal" / "attempts.json").exists()


def test_suspects_come_one_by_one_and_after_all_others(top: Path) -> None:
    suspects = {top / "inbox" / "0.png", top / "inbox" / "2.png"}
    inbox = Inbox(top / "inbox", 0.0, 0.0, lambda *_: False, lambda path, _: path in suspects, by_own_time=True)
    inbox.sweep()
    taken = []
    while burst := inbox.take(2):
        taken.append(set(burst))
        for path in burst:
            inbox.forget(path)
    assert [len(burst) for burst in taken] == [2, 1, 1, 1]
    assert taken[2] | taken[3] == suspects


def test_a_lack_of_memory_is_never_a_property_of_a_picture(
    top: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    put(top, {"inbox/2b.png": BIRD})
    plain = module.decode
    lacking = True

    def decode(content: bytes, shape: Any) -> Any:
        if lacking and content == BIRD:
            raise MemoryError
        return plain(content, shape)

    monkeypatch.setattr(module, "decode", decode)
    with refused("some-not-moved", 1):
        once(top, review=top / "review")
    assert set(files_below(top / "inbox", top / "review")) == {top / "inbox" / "2b.png"}
    assert [vars(record)["facts"]["error"] for record in caplog.records if record.getMessage() == "failed"] == [
        "MemoryError: "
    ]
    lacking = False
    assert once(top, keep_to=top / "blog").actions == {"keep": 1}


def test_if_a_batch_fails_each_picture_runs_alone(top: Path) -> None:
    class Small(FirstPixel):
        """Has memory for one picture only."""

        def answer(self, decoded: Sequence[Decoded]) -> list[Prediction]:
            if len(decoded) > 1:
                raise MemoryError
            return super().answer(decoded)

    assert once(top, Small()).actions == {"set-aside": 5}


@pytest.mark.parametrize(
    "error", [RuntimeError("odd"), SkysortError("failed", "odd"), OverflowError("odd"), ValueError("odd")]
)
def test_an_error_of_one_picture_stops_no_other_and_is_logged_once(
    error: Exception, top: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Odd(FirstPixel):
        def answer(self, decoded: Sequence[Decoded]) -> list[Prediction]:
            if any(path.endswith("3.png") for path, _ in decoded):
                raise error
            return super().answer(decoded)

    with refused("some-not-moved", 1):
        once(top, Odd())
    assert set(files_below(top / "inbox")) == {top / "inbox" / "3.png"}
    assert events(caplog).count("failed") == 1


@pytest.mark.parametrize(
    "error", [RuntimeError("odd"), OverflowError("odd"), KeyError("odd"), RecursionError("odd")]
)
@pytest.mark.parametrize("step", ["decode", "act", "free_place"])
def test_an_unforeseen_error_of_one_picture_stops_no_other(
    step: str, error: Exception, top: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    target: Any = {"decode": module, "act": batch, "free_place": watcher}[step]
    plain = getattr(target, step)

    def odd(*arguments: Any, **more: Any) -> Any:
        content = GOOD["inbox/3.png"]
        if step == "act":
            is_odd = any(row.source.name == "3.png" for row in arguments[1])
        else:
            is_odd = arguments[0] == (content if step == "decode" else top / "aside" / "3.png")
        if is_odd:
            raise error
        return plain(*arguments, **more)

    monkeypatch.setattr(target, step, odd)
    if step == "decode":
        assert once(top, review=top / "review").actions == {"set-aside": 4, "review": 1}
        with Journal(top / "aside") as journal:
            (row,) = (row for row in journal.rows() if row.action == "review")
        assert f"{type(error).__name__}: {error}" in row.reason
    else:
        with refused("some-not-moved", 1):
            once(top)
        assert set(files_below(top / "inbox")) == {top / "inbox" / "3.png"}
        assert events(caplog).count("failed") == 1
        monkeypatch.setattr(target, step, plain)
        assert once(top).actions == {"set-aside": 1}


@pytest.mark.parametrize("seconds", [-(10**10), -1, 0, 9_300_000_000, 10**11, -9_300_000_000, 10**12])
def test_every_modification_time_of_a_file_system_works(seconds: int, in_memory: Path) -> None:
    put(in_memory, {"inbox/a.png": AIRPLANE, "inbox/b.png": BIRD})
    os.utime(in_memory / "inbox" / "a.png", (seconds, seconds))
    assert once(in_memory).actions == {"set-aside": 1, "keep": 1}
    assert once(in_memory).actions == {}


@pytest.mark.skipif(sys.platform != "linux", reason="bounds memory as Linux does")
def test_a_disk_error_of_one_picture_is_tried_again(top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = os.open

    def failing(path: Any, *arguments: Any, **more: Any) -> int:
        if str(path).endswith("3.png"):
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))
        return plain(path, *arguments, **more)

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", failing)
        with refused("some-not-moved", 1):
            once(top)
    assert once(top).actions == {"set-aside": 1}


def test_the_record_is_on_the_disk_during_classification(top: Path) -> None:
    noted: list[list[str]] = []

    class Looking(FirstPixel):
        def answer(self, decoded: Sequence[Decoded]) -> list[Prediction]:
            rows = json.loads((top / "aside.journal" / "attempts.json").read_text("utf-8"))
            noted.append(sorted(Path(row[0]).name for row in rows))
            return super().answer(decoded)

    once(top, Looking())
    assert noted == [[f"{number}.png" for number in range(5)]]


def test_a_file_that_memory_is_too_short_for_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    large = tmp_path / "large.tif"
    with large.open("wb") as file:
        file.truncate(20_000_000)
    monkeypatch.setattr("skysort.data.memory.free_bytes", lambda: 5_000_000)
    judged, failed = module.classify(cast(Classifier, FirstPixel()), [large], Attempts(tmp_path / "attempts.json"))
    assert (judged, list(failed)) == ([], [large])
    assert lacking(str(failed[large]), "20 MB", "5 MB") == []
