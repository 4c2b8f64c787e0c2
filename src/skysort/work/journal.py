"""The journal: every move of a picture, written down before it is made, and its outcome afterwards.

It is a SQLite database in `<folder>.journal/`, beside the folder that receives the pictures. A row is on the disk
before its move begins, and `done` is set after the move. If the move failed, its row is deleted: the picture is
where it was. So a row without `done` belongs to a process that runs and holds the lock, or to one that was killed.
"""

import json
import os
import sqlite3
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Literal

from skysort.core.errors import NotUnderstoodError
from skysort.core.files import sync_folder
from skysort.core.locks import locked
from skysort.work.alarms import Alarms
from skysort.work.answers import Answers
from skysort.work.coins import coin_of, make_seed
from skysort.work.comparisons import Comparisons
from skysort.work.journal_columns import COLUMNS, NAMES, cells_of, entry_of, is_folder, split
from skysort.work.journal_database import SECONDS_FOR_OTHERS, JournalDatabase
from skysort.work.journal_entries import CellError, JournalEntry, Settings, mark_of, replaced, settings_of
from skysort.work.journal_file import check_whole, journal_errors

Takeable = Literal["moves", "undos"]
"""Rows to undo: moves and copies, or earlier undos."""

ROWS_AT_A_TIME = 1000

INSERT = f"INSERT INTO rows({NAMES}) VALUES ({', '.join('?' * len(COLUMNS))})"
IN_EFFECT = (
    "rows.done IS NOT NULL"
    " AND NOT EXISTS (SELECT 1 FROM rows AS later WHERE later.undoes = rows.id AND later.done IS NOT NULL)"
)
"""Condition of a row that is done and was not undone."""


class Journal:
    """The journal beside a folder.

    Args:
        folder: that receives pictures.
        make: create the journal if there is none.

    Raises:
        NotUnderstoodError: when there is no journal and `make` is not set.
        JournalError: when it cannot be opened now.
        DamagedJournalError: when it is damaged, or a newer Skysort wrote it.
    """

    def __init__(self, folder: Path, *, make: bool = False) -> None:
        self.folder = journal_folder(folder)
        self.path = self.folder / "journal.sqlite"
        self._lock = self.folder / "lock"
        with journal_errors(self.path):
            if make:
                self.folder.mkdir(exist_ok=True)  # not its parents: they may be the mount point of a missing drive
                sync_folder(self.folder.parent)
                self._lock.touch()
            check_whole(self.path)
        if not make and not self.path.exists():
            raise NotUnderstoodError("no-journal", f"{folder} has no journal: {self.path} is not there")
        self._database = JournalDatabase(self.path, make=make)
        self.answers = Answers(self._database)
        self.alarms = Alarms(self._database)
        self.comparisons = Comparisons(self._database)
        self._mounts: dict[Path, Path] = {}
        self._seed: bytes | None = None

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    @property
    def token(self) -> str:
        """Tells the temporary files of this journal from those of others."""
        return self._database.token

    def close(self) -> None:
        """Close the journal. All that was written is on the disk."""
        self._database.close()

    @contextmanager
    def moving(self) -> Iterator[None]:
        """Be the only process that moves pictures for this journal; see `skysort.work.moves.moving`.

        Raises:
            SkysortError: when another process has been moving pictures for a minute.
            JournalError: when the journal's file was removed or replaced since it was opened.
            DamagedJournalError: when the file has lost its end.
        """
        self._database.check_files()
        with locked(self._lock, wait=SECONDS_FOR_OTHERS):
            yield

    def session(self, settings: Settings) -> int:
        """Return the number of the session with these settings. Equal settings have the same number."""
        text = json.dumps(vars(settings), sort_keys=True)
        with self._database.transaction() as connection:
            connection.execute("INSERT OR IGNORE INTO sessions(settings) VALUES (?)", (text,))
            (number,) = connection.execute("SELECT id FROM sessions WHERE settings = ?", (text,)).fetchone()
        return int(number)

    def settings(self, session: int) -> Settings:
        """Return the settings of a session."""
        with journal_errors(self.path):
            query = "SELECT settings FROM sessions WHERE id = ?"
            row = self._database.connection.execute(query, (session,)).fetchone()
            if row is None:
                raise CellError(f"there are rows of session {session}, which is not there")
            return settings_of(session, row[0])

    def classes(self) -> list[str]:
        """Return the classes of all classifiers that have decided here, sorted."""
        with journal_errors(self.path):
            rows = self._database.connection.execute("SELECT id, settings FROM sessions").fetchall()
            return sorted({name for number, text in rows for name in settings_of(number, text).classes})

    def note_mounts(self, mounts: Mapping[Path, Path]) -> None:
        """Write the mount points of folders, unless this object has just written the same."""
        new = mounts.items() - self._mounts.items()
        if not new:
            return
        cells = [(os.fsencode(folder), os.fsencode(mount)) for folder, mount in new]
        with self._database.transaction() as connection:
            connection.executemany("INSERT OR REPLACE INTO mounts VALUES (?, ?)", cells)
        self._mounts |= mounts

    def mounts(self) -> dict[Path, Path]:
        """Return the mount points of folders at the last move."""
        with journal_errors(self.path):
            rows = self._database.connection.execute("SELECT folder, mount FROM mounts").fetchall()
            if not all(is_folder(cell) for cells in rows for cell in cells):
                raise CellError(f"mounts: expected folders, found {rows!r:.200}")
        return {Path(os.fsdecode(folder)): Path(os.fsdecode(mount)) for folder, mount in rows}

    def plan(self, entries: Iterable[JournalEntry]) -> list[JournalEntry]:
        """Write planned moves, which are on the disk when this returns. Pictures that stay are done with that.

        Arrivals of an audit get their coins afterwards, after their rows are on the disk.

        Returns:
            The entries with their numbers and marks.

        Raises:
            JournalError: when the journal cannot be written now, or its file was removed or replaced.
            DamagedJournalError: when the file has lost its end.
        """
        self._database.check_files()
        now = time.time()
        entries = [replaced(entry, planned=now, done=now if entry.kind == "stay" else None) for entry in entries]
        with self._database.transaction() as connection:
            entries = [_with_its_coin(connection, entry) for entry in entries]
            numbers = [connection.execute(INSERT, cells_of(entry)).lastrowid or 0 for entry in entries]
        self._database.last_id = max([self._database.last_id, *numbers])
        planned = [
            replaced(entry, id=number, mark=mark_of(self.token, number))
            for entry, number in zip(entries, numbers, strict=True)
        ]
        self._toss_coins(planned)
        return planned

    def _toss_coins(self, entries: Iterable[JournalEntry]) -> None:
        """Write the coins of arrivals of an audit."""
        arrivals = [entry for entry in entries if entry.audit_keep is not None]
        if not arrivals:
            return
        self._seed = self._seed or make_seed(self.folder)
        coins = [(coin_of(self._seed, entry.coin_number, entry.digest), entry.id) for entry in arrivals]
        with self._database.transaction() as connection:
            connection.executemany("UPDATE rows SET coin = ? WHERE id = ?", coins)

    def toss_missing_coins(self) -> None:
        """Write the coins of arrivals whose process was killed before it could. Call it inside `moving`."""
        where = "audit_keep IS NOT NULL AND coin IS NULL ORDER BY id"
        self._toss_coins(list(self._query(self._database.connection, where)))

    def note_copied(self, entries: Iterable[JournalEntry]) -> None:
        """Write that whole copies are beside their places. It is on the disk when this returns."""
        with self._database.transaction() as connection:
            connection.executemany("UPDATE rows SET copied = 1 WHERE id = ?", [(entry.id,) for entry in entries])

    def finish(self, done: Iterable[JournalEntry], dropped: Iterable[JournalEntry]) -> None:
        """Set `done`, kind and reason of finished moves, and delete the rows of moves that were not made."""
        now = time.time()
        with self._database.transaction() as connection:
            connection.executemany(
                "UPDATE rows SET done = ?, kind = ?, reason = ? WHERE id = ?",
                [(now, entry.kind, entry.reason, entry.id) for entry in done],
            )
            for entry in dropped:
                connection.execute("DELETE FROM rows WHERE id = ?", (entry.id,))
                if entry.audit_keep is not None:  # else a move that fails would be a way to another coin
                    attempt = (entry.digest, *split(entry.source), entry.coin_number)
                    connection.execute("INSERT OR IGNORE INTO attempts VALUES (?, ?, ?, ?)", attempt)

    def unfinished(self) -> list[JournalEntry]:
        """Return the moves that were begun and have no outcome. Call it inside `moving`."""
        return list(self._query(self._database.connection, "done IS NULL ORDER BY id"))

    def put_at(self, path: Path) -> JournalEntry | None:
        """Return the last row that put a picture at a path, or left it there."""
        where = "place_name = ? AND place_folder = ? ORDER BY id DESC LIMIT 1"
        return next(self._query(self._database.connection, where, split(path)), None)

    def taken_from(self, path: Path) -> JournalEntry | None:
        """Return the last row that took a picture from a path, or copied it."""
        where = "source_name = ? AND source_folder = ? ORDER BY id DESC LIMIT 1"
        return next(self._query(self._database.connection, where, split(path)), None)

    def rows(
        self,
        *,
        since: float | None = None,
        label: str | None = None,
        picture: str | None = None,
        takeable: Takeable | None = None,
        last: int | None = None,
    ) -> Iterator[JournalEntry]:
        """Yield the rows of this moment, newest first. Rows that are written meanwhile do not appear.

        Args:
            since: seconds since 1970.
            label: only pictures that the classifier gave this class.
            picture: a file name, or the absolute path of source or place.
            takeable: only rows that can be undone now: moves and copies, or earlier undos.
            last: the largest number of rows.
        """
        where: list[str] = []
        values: list[Any] = []
        if since is not None:
            where.append("planned >= ?")
            values.append(since)
        if label is not None:
            where.append("label = ?")
            values.append(label)
        if picture is not None:
            name, folder = split(Path(picture))
            is_path = Path(picture).is_absolute()
            condition = "({0}_name = ? AND {0}_folder = ?)" if is_path else "{0}_name = ?"
            where.append(f"({condition.format('source')} OR {condition.format('place')})")
            values += [name, folder] * 2 if is_path else [name] * 2
        if takeable:
            by = f"by {'=' if takeable == 'undos' else '!='} 'undo'"
            where.append(f"kind NOT IN ('stay', 'gone') AND {by} AND {IN_EFFECT}")
        clause = " AND ".join(where) or "1"
        order = "id DESC" if since is None else "planned DESC, id DESC"  # each has its index
        limit = -1 if last is None else min(last, sys.maxsize)
        yield from self._read(f"{clause} ORDER BY {order} LIMIT ?", (*values, limit))

    def row(self, number: int) -> JournalEntry:
        """Return the row with a number.

        Raises:
            DamagedJournalError: when it is not there.
        """
        with journal_errors(self.path):
            if row := self.find(number):
                return row
            raise CellError(f"there is no row {number}, and another one refers to it")

    def find(self, number: int) -> JournalEntry | None:
        """Return the row with a number; None if there is none."""
        return next(self._query(self._database.connection, "id = ?", (min(number, sys.maxsize),)), None)

    def arrivals(self) -> Iterator[JournalEntry]:
        """Yield the rows of pictures that arrived under an audit, oldest first."""
        yield from self._read("audit_keep IS NOT NULL AND done IS NOT NULL ORDER BY id")

    def classifications(self) -> Iterator[JournalEntry]:
        """Yield the rows in which a watcher's classifier labelled a picture, oldest first."""
        yield from self._read("by = 'watch' AND probabilities != '[]' AND done IS NOT NULL ORDER BY id")

    def undoing(self) -> list[JournalEntry]:
        """Return the rows that undid others, oldest first."""
        return list(self._read("undoes IS NOT NULL AND done IS NOT NULL ORDER BY id"))

    def corrections(self) -> Iterator[JournalEntry]:
        """Yield the corrections that people made and did not undo, newest first."""
        yield from self._read(f"correction IS NOT NULL AND {IN_EFFECT} ORDER BY id DESC")

    def _read(self, where: str, values: Sequence[object] = ()) -> Iterator[JournalEntry]:
        with journal_errors(self.path), closing(self._database.connect()) as connection:
            yield from self._query(connection, where, values)

    def _query(
        self, connection: sqlite3.Connection, where: str, values: Sequence[object] = ()
    ) -> Iterator[JournalEntry]:
        with journal_errors(self.path):
            cursor = connection.execute(f"SELECT {NAMES} FROM rows WHERE {where}", values)
            while rows := cursor.fetchmany(ROWS_AT_A_TIME):
                yield from (entry_of(cells, self.token) for cells in rows)


def _with_its_coin(connection: sqlite3.Connection, entry: JournalEntry) -> JournalEntry:
    """Return an arrival with the number of an earlier attempt to move the picture, which was not made."""
    if entry.audit_keep is None:
        return entry
    query = "DELETE FROM attempts WHERE digest = ? AND source_name = ? AND source_folder = ? RETURNING row"
    attempt = connection.execute(query, (entry.digest, *split(entry.source))).fetchone()
    return replaced(entry, coin_row=attempt[0]) if attempt else entry


def journal_folder(folder: Path) -> Path:
    """Return the folder of a journal. It is beside the folder of pictures, which holds pictures alone."""
    folder = folder.resolve()
    return folder.with_name(folder.name + ".journal")
