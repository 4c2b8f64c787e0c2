"""A damaged cell is a damaged journal for every reader, and the removal of a journal in use is an error."""

import io
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from skysort.work import journal_database
from skysort.work.journal import Journal
from skysort.work.journal_columns import COLUMNS
from skysort.work.journal_entries import DamagedJournalError, JournalEntry, JournalError, replaced
from skysort.work.journal_export import corrected, write_csv, write_table
from skysort.work.moves import act, moving
from skysort.work.sort import sort_pictures
from skysort.work.undo import UndoRequest, take_back
from tests.conftest import refused
from tests.work.making import FirstPixel, files_below, row_for, with_session
from tests.work.test_watch import AIRPLANE, once

GARBAGE: tuple[Any, ...] = (
    "", "x", "nan", "9e999", -1, 2**62, 0.5, float("inf"), -1e300, b"", b"\0", b"x/y", b"..", b"\xff\xfe", "[",
    "{}", "[1e999]", "[2]", "[true]", '["x"]', "null", None,
)  # fmt: skip


@pytest.fixture
def top(in_memory: Path) -> Path:
    """An inbox with a picture, and a journal with every kind of row."""
    top = in_memory / "top"
    (top / "inbox").mkdir(parents=True)
    with Journal(top / "aside", make=True) as journal, moving(journal):
        journal.note_mounts({top: Path("/")})
        for name in ("a.png", "b.png"):
            (top / "inbox" / name).write_bytes(AIRPLANE + name.encode())
        rows = [row_for(top / "inbox" / name, top / "aside" / name) for name in ("a.png", "b.png")]
        act(journal, with_session(journal, rows))
    with Journal(top / "aside") as journal:
        request = UndoRequest(is_correction=True)
        (undone,) = take_back(journal, journal.rows(takeable="moves", last=1), request)
        assert not undone.problem
    return top


def damage(top: Path, statement: str, *values: object) -> None:
    with sqlite3.connect(top / "aside.journal" / "journal.sqlite") as database:
        database.execute(statement, values)
    database.close()


def read_all(top: Path) -> list[str]:
    """Use the journal in every way; return the messages of errors, each of which must be a DamagedJournalError."""
    said = []

    def opened(use: Callable[[Journal], object]) -> Callable[[], object]:
        def used() -> object:
            with Journal(top / "aside") as journal:
                return use(journal)

        return used

    uses: dict[str, Callable[[], object]] = {
        "table": opened(lambda journal: write_table(journal.rows(), journal, io.StringIO())),
        "csv": opened(lambda journal: write_csv(journal.rows(), journal, io.StringIO(), raw=True)),
        "classes": opened(lambda journal: journal.classes()),
        "corrections": opened(corrected),
        "watch": lambda: once(top),
        "sort": lambda: list(sort_pictures(cast(Any, FirstPixel()), top / "inbox", top / "aside", move=True)),
        "redo": opened(
            lambda journal: list(take_back(journal, journal.rows(takeable="undos"), UndoRequest("redo")))
        ),
        "undo": opened(lambda journal: list(take_back(journal, journal.rows(takeable="moves"), UndoRequest()))),
    }
    for use in uses.values():
        try:
            use()
        except DamagedJournalError as error:
            said.append(str(error))
    return said


@pytest.mark.slow
@pytest.mark.parametrize("column", [column.name for column in COLUMNS])
def test_a_damaged_cell_is_a_damaged_journal(column: str, top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_database, "SECONDS_FOR_OTHERS", 1.0)
    shutil.copytree(top, whole := top.with_name(f"{top.name}-whole"))
    fits = {one.name: one.is_valid for one in COLUMNS}[column]
    num = 0
    for garbage in GARBAGE:
        shutil.rmtree(top)
        shutil.copytree(whole, top)
        try:
            damage(top, f"UPDATE rows SET {column} = ? WHERE id = 2", garbage)
        except sqlite3.Error:
            continue  # SQLite itself refuses it there
        (cell,) = sqlite3.connect(top / "aside.journal" / "journal.sqlite").execute(
            f"SELECT {column} FROM rows ORDER BY id DESC LIMIT 1 OFFSET 1"
        ).fetchone()  # fmt: skip
        said = read_all(top)
        if not fits(cell):
            num += 1
            assert any(f"column {column}:" in line and ".recover" in line for line in said), (
                garbage,
                said,
            )
            assert len(said) >= 2
    assert num >= 3 or column in ("id", "label", "reason", "correction", "undoes", "mtime_ns")


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", '{"by": "me"}', b"x", 7, "["])
def test_damaged_settings_are_a_damaged_journal(text: object, top: Path) -> None:
    damage(top, "UPDATE sessions SET settings = ?", text)
    said = read_all(top)
    assert len(said) >= 3 and all("column settings" in line for line in said)


@pytest.mark.parametrize(
    ("name", "value"),
    [("classes", "bird"), ("classes", [1]), ("keep", None), ("folders", []), ("threshold", "0.5"), ("by", 1),
     ("decision", 3), ("classifier", [])],
)  # fmt: skip
def test_each_setting_is_checked(name: str, value: object, top: Path) -> None:
    with sqlite3.connect(top / "aside.journal" / "journal.sqlite") as database:
        (text,) = database.execute("SELECT settings FROM sessions").fetchone()
    damage(top, "UPDATE sessions SET settings = ?", json.dumps(json.loads(text) | {name: value}))
    said = read_all(top)
    assert said and all(name in line for line in said)


@pytest.mark.parametrize(
    "statement",
    ["DELETE FROM sessions", "DELETE FROM token", "UPDATE token SET token = '../x'", "UPDATE token SET token = 7",
     "UPDATE mounts SET mount = 'x'", "INSERT INTO mounts VALUES (7, 7)", "DROP TABLE token", "DROP TABLE rows",
     "DROP TABLE mounts", "DROP TABLE sessions", "ALTER TABLE rows DROP COLUMN reason",
     "UPDATE rows SET probabilities = '[]'", "PRAGMA user_version = 2", "PRAGMA user_version = -5"],
)  # fmt: skip
def test_a_missing_table_or_row_is_damage(statement: str, top: Path) -> None:
    damage(top, statement)
    assert read_all(top)


def test_text_that_is_not_utf8_is_damage(top: Path) -> None:
    damage(top, "UPDATE rows SET label = CAST(x'ff' AS TEXT)")
    assert any("Could not decode" in line for line in read_all(top))


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9])
def test_a_journal_that_was_cut_or_overwritten_is_damaged(share: float, top: Path) -> None:
    path = top / "aside.journal" / "journal.sqlite"
    content = path.read_bytes()
    cut = int(len(content) * share)
    for damaged in (content[:cut], content[:cut] + os.urandom(len(content) - cut)):
        path.write_bytes(damaged)
        before = files_below(top / "inbox")
        try:
            read_all(top)
        finally:
            after = files_below(top / "inbox", top / "aside")
        assert set(before.values()) <= set(after.values())


# A journal that is removed or damaged while it is in use.


def rows_of(opened: Journal, top: Path, name: str = "c.png") -> list[JournalEntry]:
    path = top / "inbox" / name
    path.write_bytes(AIRPLANE)
    return with_session(opened, [row_for(path, top / "aside" / name)])


def removed(folder: Path) -> None:
    (folder / "journal.sqlite").unlink()


def all_removed(folder: Path) -> None:
    for path in folder.glob("journal.sqlite*"):
        path.unlink()


def folder_removed(folder: Path) -> None:
    shutil.rmtree(folder)


def folder_renamed(folder: Path) -> None:
    folder.rename(folder.with_name("elsewhere"))


def log_removed(folder: Path) -> None:
    (folder / "journal.sqlite-wal").unlink()


def index_removed(folder: Path) -> None:
    (folder / "journal.sqlite-shm").unlink()


def replaced_by_a_backup(folder: Path) -> None:
    shutil.copyfile(folder / "journal.sqlite", folder / "new")
    (folder / "new").replace(folder / "journal.sqlite")


def rows_cut(folder: Path) -> None:
    os.truncate(folder / "journal.sqlite", 0)


def log_cut(folder: Path) -> None:
    os.truncate(folder / "journal.sqlite-wal", 0)


def overwritten(folder: Path) -> None:
    (folder / "journal.sqlite").write_bytes(b"no journal at all ")


@pytest.mark.skipif(os.name != "posix", reason="Windows removes no file that is in use")
@pytest.mark.parametrize("take_away", [
    removed, all_removed, folder_removed, folder_renamed, log_removed, index_removed, replaced_by_a_backup,
    rows_cut, log_cut, overwritten,
])  # fmt: skip
def test_nothing_is_moved_after_the_journal_was_taken_away(take_away: Callable[[Path], None], top: Path) -> None:
    with Journal(top / "aside") as journal:
        rows = rows_of(journal, top)
        with moving(journal):
            journal.note_mounts({top / "inbox": top})  # so that there is a log
        take_away(journal.folder)
        damages = take_away in (rows_cut, log_cut, overwritten)
        code = "damaged-journal" if damages else "journal-not-available"
        suffix = "-wal" if take_away in (log_removed, log_cut) else "-shm" if take_away is index_removed else ""
        fact = f"journal.sqlite{suffix} "
        with refused(code, journal.folder, fact), moving(journal):
            act(journal, rows)
        with refused(code, journal.folder, fact):
            journal.plan(rows)
    assert (top / "inbox" / "c.png").exists() and not (top / "aside" / "c.png").exists()


@pytest.mark.skipif(os.name != "posix", reason="Windows removes no file that is in use")
@pytest.mark.parametrize("take_away", [log_removed, index_removed])
def test_no_row_is_lost_with_the_log(take_away: Callable[[Path], None], top: Path) -> None:
    with Journal(top / "aside") as journal:
        with moving(journal):
            act(journal, rows_of(journal, top))
        take_away(journal.folder)
        with pytest.raises(JournalError), moving(journal):
            pass
    with Journal(top / "aside") as journal:
        assert [row.source.name for row in journal.rows(last=1)] == ["c.png"]


@pytest.mark.skipif(os.name != "posix", reason="Windows removes no file that is in use")
def test_the_log_of_a_former_journal_is_not_applied_to_its_backup(top: Path) -> None:
    with Journal(top / "aside") as journal:
        with moving(journal):
            act(journal, rows_of(journal, top))
        replaced_by_a_backup(journal.folder)
        with refused("journal-not-available", journal.path), moving(journal):
            pass
    with Journal(top / "aside") as journal:
        assert "c.png" not in {row.source.name for row in journal.rows()}
    assert (top / "aside.journal" / "journal.sqlite-wal.former").exists()


def test_a_check_of_the_files_keeps_sqlites_locks(top: Path) -> None:
    """Closing a file releases all locks of this process on it, and SQLite holds some."""
    with Journal(top / "aside") as journal:
        with moving(journal):
            act(journal, rows_of(journal, top))
        script = (
            "import sqlite3, sys; d = sqlite3.connect(sys.argv[1]); d.execute('SELECT id FROM rows').fetchall()"
        )
        subprocess.run([sys.executable, "-c", f"{script}; d.close()", journal.path], check=True)
        assert journal.path.with_name("journal.sqlite-wal").exists()
        with moving(journal):
            assert len(list(journal.rows())) == 4


@pytest.mark.parametrize(
    "statements",
    [("PRAGMA wal_checkpoint(TRUNCATE)",), ("VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)")],
    ids=["checkpoint", "vacuum"],
)
def test_another_process_may_shorten_the_files_by_sqlite(statements: tuple[str, ...], top: Path) -> None:
    with Journal(top / "aside") as journal:
        with moving(journal):
            act(journal, rows_of(journal, top))
        log = journal.path.with_name("journal.sqlite-wal")
        assert log.stat().st_size > 0
        script = (
            "import sqlite3, sys; d = sqlite3.connect(sys.argv[1], isolation_level=None);"
            "[d.execute(statement).fetchall() for statement in sys.argv[2:]]"
        )
        subprocess.run([sys.executable, "-c", script, journal.path, *statements], check=True)
        assert log.stat().st_size == 0
        for name in ("d.png", "e.png"):
            with moving(journal):
                act(journal, rows_of(journal, top, name))
        assert [row.source.name for row in journal.rows(last=3)] == ["e.png", "d.png", "c.png"]
    assert (top / "aside" / "e.png").exists()


def test_older_rows_written_over_the_files_are_damage(top: Path) -> None:
    with Journal(top / "aside") as journal:
        journal.path.with_name("older").write_bytes(journal.path.read_bytes())
        with moving(journal):
            act(journal, rows_of(journal, top))
        other = sqlite3.connect(journal.path)
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        other.close()
        journal.path.write_bytes(journal.path.with_name("older").read_bytes())
        with refused("damaged-journal", "journal.sqlite-wal "), moving(journal):
            pass


def test_a_log_without_its_rows_is_damage(top: Path) -> None:
    (top / "aside.journal" / "journal.sqlite-wal").write_bytes(b"x" * 100)
    for content in (None, b""):
        (top / "aside.journal" / "journal.sqlite").unlink(missing_ok=True)
        if content is not None:
            (top / "aside.journal" / "journal.sqlite").write_bytes(content)
        for make in (False, True):
            with refused("damaged-journal", "journal.sqlite-wal "):
                Journal(top / "aside", make=make)


def test_a_journal_that_another_process_writes_to_for_long_is_named(
    top: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_database, "SECONDS_FOR_OTHERS", 0.05)
    with Journal(top / "aside") as journal:
        other = sqlite3.connect(journal.path, isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        with refused("in-use", journal.path):
            journal.plan([replaced(row, id=0) for row in rows_of_first(journal)])
        other.close()


def rows_of_first(journal: Journal) -> list[JournalEntry]:
    return list(journal.rows(last=1))
