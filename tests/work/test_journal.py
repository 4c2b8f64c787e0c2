import errno
import os
import sqlite3
from pathlib import Path

import pytest

from skysort.core.errors import SkysortError
from skysort.work.journal import Journal
from skysort.work.journal_entries import Identity, JournalEntry, replaced
from tests.conftest import refused
from tests.work.making import SETTINGS, with_session

ROW = JournalEntry(
    "move", Path("/in/caf\udce9\n.jpg"), Path("/aside/a.jpg"), "ab" * 32, Identity(2**63 - 1, 5, -7), "set-aside",
    "airplane", (2 / 3, 1 / 3), "why", None, "bird", by="undo",
)  # fmt: skip


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "aside", make=True)


def test_a_row_is_read_as_it_was_written(journal: Journal) -> None:
    (row,) = journal.plan(with_session(journal, [ROW]))
    assert journal.unfinished() == [replaced(row, probabilities=(0.666666667, 0.333333333))]
    assert journal.settings(row.session) == SETTINGS
    journal.finish([row], [])
    (found,) = journal.rows()
    assert (found.source, found.file, found.correction) == (ROW.source, ROW.file, "bird")
    assert found.done and found.done >= found.planned and journal.unfinished() == []


def test_a_failed_move_leaves_no_row_and_its_number_is_not_reused(journal: Journal) -> None:
    first, second = journal.plan(with_session(journal, [ROW, ROW]))
    journal.finish([first], [second])
    (third,) = journal.plan(with_session(journal, [ROW]))
    assert [row.id for row in journal.rows()] == [third.id, first.id] and third.id > second.id


def test_two_processes_that_begin_a_journal_together_give_it_one_token(journal: Journal, tmp_path: Path) -> None:
    first = journal.token
    with sqlite3.connect(journal.path) as other:
        other.execute("PRAGMA user_version = 0")  # as a second process may have read it before
    with Journal(tmp_path / "aside", make=True) as second:
        assert second.token == first


def test_equal_settings_are_one_session(journal: Journal) -> None:
    assert journal.session(SETTINGS) == journal.session(SETTINGS)


def test_mounts_are_kept(journal: Journal, tmp_path: Path) -> None:
    with Journal(tmp_path / "aside") as opened:
        assert opened.mounts() == {}
        opened.note_mounts({Path("/mnt/caf\udce9"): Path("/mnt"), Path("/b"): Path("/b")})
        opened.note_mounts({Path("/b"): Path("/")})
    with Journal(tmp_path / "aside") as opened:
        assert opened.mounts() == {Path("/mnt/caf\udce9"): Path("/mnt"), Path("/b"): Path("/")}


def test_a_journal_that_another_process_writes_to_is_read(journal: Journal, tmp_path: Path) -> None:
    other = Journal(tmp_path / "aside")
    journal.plan(with_session(journal, [ROW]))
    assert len(list(other.rows())) == 1


def test_writing_is_all_or_nothing(journal: Journal) -> None:
    rows = with_session(journal, [ROW, ROW])
    with pytest.raises(SkysortError):
        journal.plan([rows[0], replaced(rows[1], digest=None)])
    assert list(journal.rows()) == []


@pytest.mark.parametrize("open_elsewhere", [False, True])
def test_a_user_without_write_permission_can_read(
    open_elsewhere: bool, journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal.plan(with_session(journal, [ROW]))
    if not open_elsewhere:
        journal.close()
    monkeypatch.setattr(os, "access", lambda *_: False)
    before = sorted(journal.folder.iterdir())
    with Journal(tmp_path / "aside") as reading:
        assert len(list(reading.rows())) == 1
        with refused("journal-not-available", reading.path):
            reading.plan([ROW])
    assert sorted(journal.folder.iterdir()) == before


def test_no_journal_is_created_on_a_missing_drive(tmp_path: Path) -> None:
    with refused("journal-not-available", tmp_path / "drive" / "aside.journal", os.strerror(errno.ENOENT)):
        Journal(tmp_path / "drive" / "aside", make=True)
    assert list(tmp_path.iterdir()) == []


def test_reading_creates_no_journal(tmp_path: Path) -> None:
    with refused("no-journal", tmp_path / "aside.journal", exit_code=2):
        Journal(tmp_path / "aside")
    assert list(tmp_path.iterdir()) == []


def test_a_limit_beyond_sqlites_integers_means_all_rows(journal: Journal) -> None:
    journal.plan(with_session(journal, [ROW, ROW]))
    assert len(list(journal.rows(last=10**30))) == 2


def test_a_newer_journal_is_refused(journal: Journal, tmp_path: Path) -> None:
    journal.close()
    with sqlite3.connect(journal.path) as database:
        database.execute("PRAGMA user_version = 2")
    with refused("newer-format", journal.path, "format 2", "format 1"):
        Journal(tmp_path / "aside")


@pytest.mark.parametrize("content", [b"no journal " * 500, b"SQLite format 3\0" + b"x" * 5000])
def test_a_damaged_journal_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "aside.journal").mkdir()
    (tmp_path / "aside.journal" / "journal.sqlite").write_bytes(content)
    with refused("damaged-journal", tmp_path / "aside.journal" / "journal.sqlite", ".recover"):
        Journal(tmp_path / "aside", make=True)


def test_every_query_uses_an_index(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """With ten million rows, a full scan takes minutes."""
    asked: list[str] = []
    plain = journal._database.connect

    def traced() -> sqlite3.Connection:
        database = plain()
        database.set_trace_callback(asked.append)
        return database

    monkeypatch.setattr(journal._database, "connect", traced)
    journal._database.connection.set_trace_callback(asked.append)
    journal.put_at(Path("/a/b"))
    journal.taken_from(Path("/a/b"))
    journal.unfinished()
    list(journal.rows(picture="b"))
    list(journal.rows(picture="/a/b"))
    list(journal.rows(label="bird", last=3))
    list(journal.rows(since=1.0))
    list(journal.corrections())
    journal._database.connection.set_trace_callback(None)
    asked = [question for question in asked if question.startswith("SELECT")]
    assert len(asked) == 8
    for question in asked:
        plan = [row[3] for row in journal._database.connection.execute(f"EXPLAIN QUERY PLAN {question}")]
        assert not any(step.startswith("SCAN") and "INDEX" not in step for step in plan), (question, plan)
