"""What a watcher does when its decision is marked stale."""

import json
import logging
import sqlite3
import sys
from pathlib import Path
from typing import Any, cast

import pytest

from skysort.classifier.classifier import Classifier
from skysort.work.coins import AuditRates
from skysort.work.journal import Journal
from skysort.work.journal_entries import SPARED, DamagedJournalError
from skysort.work.on_alarm import command_of
from skysort.work.status import status_of
from skysort.work.watch import Stop, watch, watch_inbox
from skysort.work.watch_options import WatchOptions
from tests.conftest import refused
from tests.work.making import FirstPixel
from tests.work.test_coins import RULE, rows
from tests.work.test_watch import AIRPLANE, BIRD, events, picture, put, until, watching

ALARM = "alarm: the decision breaks its promise; run skysort audit"
STARTED = "started the command of --on-alarm"


@pytest.fixture
def top(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Path:
    """A watcher's folders after one picture was set aside."""
    caplog.set_level(logging.INFO, "skysort")
    put(tmp_path, {"inbox/first.png": AIRPLANE})
    once(tmp_path)
    return tmp_path


def once(top: Path, rule: Any = RULE, **more: Any) -> None:
    options = WatchOptions(
        top / "inbox", top / "aside", once=True, settle=0.0, stuck=0.0, audit=AuditRates(1.0, 0.5), **more
    )
    watch_inbox(cast(Classifier, FirstPixel()), rule, options, Stop())


def mark(top: Path) -> None:
    with Journal(top / "aside") as journal:
        row = next(journal.rows(last=1))
        journal.alarms.raise_for(row.session, row.id)


def lift(top: Path) -> None:
    with Journal(top / "aside") as journal:
        (alarm,) = journal.alarms.about(journal.settings(1))
        journal.alarms.lift(alarm)


def writes(top: Path) -> tuple[str, ...]:
    """A command that adds a line to the file `told`."""
    names = "[os.environ[f'SKYSORT_{name}'] for name in ('DECISION', 'KEEP', 'ASIDE', 'PICTURE')]"
    code = f"import json, os; open({str(top / 'told')!r}, 'a').write(json.dumps({names}) + chr(10))"
    return (sys.executable, "-c", code)


@pytest.mark.parametrize("keep_to", [False, True])
def test_a_stale_decision_sets_nothing_aside_until_the_alarm_is_lifted(keep_to: bool, top: Path) -> None:
    mark(top)
    put(top, {"inbox/a.png": picture(11), "inbox/b.png": BIRD, "inbox/broken.png": b"no"})
    folders = {"keep_to": top / "blog", "review": top / "review"} if keep_to else {}
    once(top, **folders)
    assert [path.name for path in (top / "aside").iterdir()] == ["first.png"]
    kept = top / ("blog" if keep_to else "inbox")
    assert {"a.png", "b.png"} <= {path.name for path in kept.iterdir()}
    by_name = {row.source.name: row for row in rows(top)}
    assert (by_name["a.png"].action, by_name["a.png"].reason, by_name["a.png"].is_spared) == ("keep", SPARED, True)
    assert (by_name["b.png"].action, by_name["b.png"].reason, by_name["b.png"].is_spared) == ("keep", "", False)
    assert by_name["broken.png"].action == "review"
    assert by_name["a.png"].coin is not None and by_name["a.png"].is_drawn == (by_name["a.png"].coin < 0.5)
    lift(top)
    put(top, {"inbox/c.png": picture(12)})
    once(top, **folders)
    assert (top / "aside" / "c.png").exists() and not (top / "aside" / "a.png").exists()


def test_by_go_on_a_stale_decision_sets_pictures_aside(top: Path, caplog: pytest.LogCaptureFixture) -> None:
    mark(top)
    put(top, {"inbox/a.png": picture(11)})
    once(top, when_stale="go-on")
    assert (top / "aside" / "a.png").exists() and events(caplog).count(ALARM) == 1


def test_another_decision_is_not_stale(top: Path, caplog: pytest.LogCaptureFixture) -> None:
    mark(top)
    put(top, {"inbox/a.png": picture(11)})
    once(top, RULE.model_copy(update={"threshold": 0.4}))
    assert (top / "aside" / "a.png").exists() and ALARM not in events(caplog)
    assert status_of(top / "aside").file.stale_since is None  # type: ignore[union-attr]


def test_a_running_watcher_notices_within_a_batch(
    top: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.work.test_watch.RULE", RULE)
    command, metrics = writes(top), top / "skysort.prom"
    with watching(top, on_alarm=command, metrics=metrics):
        put(top, {"inbox/a.png": picture(11)})
        until((top / "aside" / "a.png").exists)
        assert "skysort_stale 0.0" in metrics.read_text()
        mark(top)
        put(top, {"inbox/b.png": picture(12)})
        until(lambda: any(row.source.name == "b.png" for row in rows(top)))
        until((top / "told").exists)
        assert status_of(top / "aside").file.stale_since  # type: ignore[union-attr]
    assert (top / "inbox" / "b.png").exists() and "skysort_stale 1.0" in metrics.read_text()
    assert any("breaks its promise" in problem for problem in status_of(top / "aside").problems)
    assert events(caplog).count(ALARM) == events(caplog).count(STARTED) == 1


def test_the_command_runs_once_per_alarm_with_its_facts(top: Path, caplog: pytest.LogCaptureFixture) -> None:
    mark(top)
    once(top)  # without a command
    assert not (top / "told").exists()
    for _ in range(2):
        once(top, on_alarm=writes(top))
    lines = (top / "told").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [
        ["keep-bird", "bird", str(top / "aside"), str(top / "aside" / "first.png")]
    ]
    assert events(caplog).count(ALARM) == 3  # once per start
    lift(top)
    mark(top)
    once(top, on_alarm=writes(top))
    assert len((top / "told").read_text().splitlines()) == 2


def test_a_command_that_fails_stops_no_picture(top: Path, caplog: pytest.LogCaptureFixture) -> None:
    mark(top)
    put(top, {"inbox/b.png": BIRD})
    no_program = top / "no-program"
    no_program.write_bytes(b"\0")
    no_program.chmod(0o755)
    once(top, on_alarm=(str(no_program),), keep_to=top / "blog")
    assert "the command of --on-alarm did not start" in events(caplog) and (top / "blog" / "b.png").exists()
    once(top, on_alarm=(sys.executable, "-c", "raise SystemExit(3)"))  # a start that failed is tried again
    (failure,) = [record for record in caplog.records if record.message == "the command of --on-alarm failed"]
    assert failure.facts == {"exit_code": 3}  # type: ignore[attr-defined]


def test_after_a_kill_between_start_and_mark_the_command_runs_again(
    top: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark(top)
    with monkeypatch.context() as patched:
        patched.setattr("skysort.work.alarms.Alarms.note_told", lambda *_: None)
        once(top, on_alarm=writes(top))
    once(top, on_alarm=writes(top))
    assert len((top / "told").read_text().splitlines()) == 2


@pytest.mark.parametrize(
    ("text", "code"), [("", "wrong-value"), ("say 'x", "wrong-value"), ("no-such-program x", "path-not-found")]
)
def test_commands_that_cannot_run_are_refused(text: str, code: str) -> None:
    with refused(code, "--on-alarm", exit_code=2):
        command_of(text)


def test_options_of_alarms_are_checked(top: Path) -> None:
    with refused("options-conflict", "--on-alarm", exit_code=2):
        watch("nowhere", top / "inbox", top / "aside", keep="bird", on_alarm="env")
    with refused("wrong-value", "--when-stale", exit_code=2):
        WatchOptions(top / "inbox", top / "aside", when_stale=cast(Any, "stop"))


@pytest.mark.parametrize(("column", "cell"), [("raised", "x"), ("lifted", -1.0), ("told", b"x"), ("session", 99)])
def test_a_damaged_alarm_is_a_damaged_journal(column: str, cell: object, top: Path) -> None:
    mark(top)
    with sqlite3.connect(top / "aside.journal" / "journal.sqlite") as database:
        database.execute(f"UPDATE alarms SET {column} = ?", (cell,))
    database.close()
    with pytest.raises(DamagedJournalError):
        once(top)
