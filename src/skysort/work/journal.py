"""The journal: what is to be done with each picture, written before, and what came of it.

SQLite beside the folder that pictures are put into, in `<folder>.journal/`. A row is written when something is to
be done, and is on the disk before that is begun; `done` is set when it is. A row whose act did not come about is
deleted: the picture is where it was. So a row without `done` belongs to a process at work, which holds the lock,
or to one that was killed.
"""

import json
import os
import secrets
import sqlite3
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

from skysort.core.errors import NotUnderstoodError
from skysort.core.files import sync_folder
from skysort.core.locks import locked
from skysort.core.log import as_text
from skysort.work.journal_entries import (
    COLUMNS,
    CellError,
    DamagedJournalError,
    JournalEntry,
    JournalError,
    Settings,
    cells_of,
    is_folder,
    mark_of,
    replaced,
    row_of,
    settings_of,
    split,
    token_of,
)  # fmt: skip
from skysort.work.journal_file import (
    OpenedFiles,
    check_whole,
    cut_short,
    damaged,
    has_lost_rows,
    journal_error,
    last_id,
)

Takeable = Literal["moves", "undos"]
"""What can be taken back: moves and copies, or what took those back."""

FORMAT = 1
SECONDS_FOR_OTHERS = 60.0
"""To wait for a process that writes, or moves a burst of pictures."""
ROWS_AT_A_TIME = 1000
TOKEN_BYTES = 6

SCHEMA = """
CREATE TABLE IF NOT EXISTS sessions (
    id INTEGER PRIMARY KEY,
    settings TEXT NOT NULL UNIQUE     -- JSON: what decided, and where pictures went
);
CREATE TABLE IF NOT EXISTS rows (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    session INTEGER NOT NULL REFERENCES sessions(id),
    planned REAL NOT NULL,            -- seconds since 1970
    done REAL,                        -- NULL while it is not
    kind TEXT NOT NULL,               -- move, copy, remove, stay, gone
    by TEXT NOT NULL,                 -- watch, sort, undo, redo
    source_name BLOB NOT NULL, source_folder BLOB NOT NULL,
    place_name BLOB NOT NULL, place_folder BLOB NOT NULL,
    digest TEXT NOT NULL,             -- SHA-256 of the file
    size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, inode INTEGER NOT NULL,
    action TEXT NOT NULL,             -- keep, set-aside, review; empty for sort
    label TEXT,                       -- the likeliest class
    probabilities TEXT NOT NULL,      -- JSON list, in the order of the session's classes
    reason TEXT NOT NULL,
    undoes INTEGER REFERENCES rows(id),
    correction TEXT,                  -- the class that a person says it is
    copied INTEGER NOT NULL           -- 1 once a whole copy is beside the place
);
CREATE TABLE IF NOT EXISTS token (    -- one row: tells this journal's files under way from those of others
    token TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS mounts (   -- where the drive of a folder was mounted when pictures were last moved
    folder BLOB PRIMARY KEY,
    mount BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS by_source ON rows(source_name, source_folder);
CREATE INDEX IF NOT EXISTS by_place ON rows(place_name, place_folder);
CREATE INDEX IF NOT EXISTS by_label ON rows(label);
CREATE INDEX IF NOT EXISTS by_time ON rows(planned);
CREATE INDEX IF NOT EXISTS unfinished ON rows(id) WHERE done IS NULL;
CREATE INDEX IF NOT EXISTS undoing ON rows(undoes) WHERE undoes IS NOT NULL;
CREATE INDEX IF NOT EXISTS corrections ON rows(id) WHERE correction IS NOT NULL;
"""
IN_EFFECT = (
    "rows.done IS NOT NULL"
    " AND NOT EXISTS (SELECT 1 FROM rows AS later WHERE later.undoes = rows.id AND later.done IS NOT NULL)"
)


class Journal:
    """The journal beside a folder.

    Args:
        folder: that pictures are put into.
        make: begin a journal where there is none.

    Raises:
        NotUnderstoodError: when there is none and none is to be made.
        JournalError: when it cannot be opened now.
        DamagedJournalError: when it is no journal, or a newer one.
    """

    def __init__(self, folder: Path, *, make: bool = False) -> None:
        self.folder = journal_folder(folder)
        self.path = self.folder / "journal.sqlite"
        self._lock = self.folder / "lock"
        if make:
            with self._told():
                self.folder.mkdir(exist_ok=True)  # not its parents: a drive that is not there must not be made up
                sync_folder(self.folder.parent)
                self._lock.touch()
        with self._told():
            check_whole(self.path)
        if not make and not self.path.exists():
            raise NotUnderstoodError("no-journal", f"{folder} has no journal: {self.path} is not there")
        self._mounts: dict[Path, Path] = {}
        self._files: OpenedFiles | None = None
        self._last_id = 0
        self._may_write = make or os.access(self.folder, os.W_OK)
        with self._told():
            self._database = self._connect()
        try:
            self._prepare()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    @property
    def token(self) -> str:
        """What tells this journal's files under way from those of others."""
        return self._token

    def close(self) -> None:
        """Close it; what was written is there."""
        with suppress(sqlite3.Error):
            self._database.close()

    @contextmanager
    def moving(self) -> Iterator[None]:
        """Be the only process that moves pictures for this journal; see `skysort.work.moves.moving`.

        Raises:
            SkysortError: when another has done so for a minute.
            JournalError: when its file was removed or replaced since it was opened.
            DamagedJournalError: when it is no longer whole.
        """
        self._check()
        with locked(self._lock, wait=SECONDS_FOR_OTHERS):
            yield

    def _check(self) -> None:
        with self._told():
            if self._files and (shorter := self._files.check()):
                with closing(self._connect()) as reading:
                    if has_lost_rows(reading, self._last_id):
                        raise cut_short(self.path, shorter[0])
                self._files.written()

    def session(self, settings: Settings) -> int:
        """Return the number of the session with these settings, the same each time."""
        text = json.dumps(vars(settings), sort_keys=True)
        with self._told(), self._transaction():
            self._database.execute("INSERT OR IGNORE INTO sessions(settings) VALUES (?)", (text,))
            (number,) = self._database.execute("SELECT id FROM sessions WHERE settings = ?", (text,)).fetchone()
        return int(number)

    def settings(self, session: int) -> Settings:
        """Return the settings of a session."""
        with self._told():
            found = self._database.execute("SELECT settings FROM sessions WHERE id = ?", (session,)).fetchone()
            if found is None:
                raise CellError(f"there are rows of session {session}, which is not there")
            return settings_of(session, found[0])

    def classes(self) -> list[str]:
        """Return the classes of all that decided."""
        with self._told():
            found = self._database.execute("SELECT id, settings FROM sessions").fetchall()
            return sorted({name for number, text in found for name in settings_of(number, text).classes})

    def note_mounts(self, mounts: Mapping[Path, Path]) -> None:
        """Write where the drives of folders are mounted, as far as this journal has not just done so."""
        new = mounts.items() - self._mounts.items()
        if not new:
            return
        cells = [(os.fsencode(folder), os.fsencode(mount)) for folder, mount in new]
        with self._told(), self._transaction():
            self._database.executemany("INSERT OR REPLACE INTO mounts VALUES (?, ?)", cells)
        self._mounts |= mounts

    def mounts(self) -> dict[Path, Path]:
        """Return where the drives of folders were mounted when pictures were moved last."""
        with self._told():
            found = self._database.execute("SELECT folder, mount FROM mounts").fetchall()
            if not all(is_folder(cell) for cells in found for cell in cells):
                raise CellError(f"mounts: expected folders, found {found!r:.200}")
        return {Path(os.fsdecode(folder)): Path(os.fsdecode(mount)) for folder, mount in found}

    def plan(self, rows: Iterable[JournalEntry]) -> list[JournalEntry]:
        """Write what is to be done; it is on the disk when this returns. Pictures that stay are done by that.

        Raises:
            JournalError: when it cannot be written now, or its file was removed or replaced since it was opened.
            DamagedJournalError: when it is no longer whole.
        """
        self._check()
        now = time.time()
        planned = [replaced(row, planned=now, done=now if row.kind == "stay" else None) for row in rows]
        marks = ", ".join("?" * (COLUMNS.count(",") + 1))
        with self._told(), self._transaction():
            numbers = [
                self._database.execute(f"INSERT INTO rows({COLUMNS}) VALUES ({marks})", cells_of(row)).lastrowid
                or 0
                for row in planned
            ]
        self._last_id = max([self._last_id, *numbers])
        return [
            replaced(row, id=number, mark=mark_of(self._token, number))
            for row, number in zip(planned, numbers, strict=True)
        ]

    def note_copied(self, rows: Iterable[JournalEntry]) -> None:
        """Write that whole copies are beside their places; it is on the disk when this returns."""
        with self._told(), self._transaction():
            self._database.executemany("UPDATE rows SET copied = 1 WHERE id = ?", [(row.id,) for row in rows])

    def finish(self, done: Iterable[JournalEntry], dropped: Iterable[JournalEntry]) -> None:
        """Write what was done, with its reason, and delete what did not come about."""
        now = time.time()
        with self._told(), self._transaction():
            self._database.executemany(
                "UPDATE rows SET done = ?, kind = ?, reason = ? WHERE id = ?",
                [(now, row.kind, row.reason, row.id) for row in done],
            )
            self._database.executemany("DELETE FROM rows WHERE id = ?", [(row.id,) for row in dropped])

    def unfinished(self) -> list[JournalEntry]:
        """Return the rows that were begun and have no outcome; to be asked for inside `moving`."""
        return list(self._rows(self._database, "done IS NULL ORDER BY id"))

    def put_at(self, path: Path) -> JournalEntry | None:
        """Return the last row that put a picture at a path, or left it there."""
        where = "place_name = ? AND place_folder = ? ORDER BY id DESC LIMIT 1"
        return next(self._rows(self._database, where, split(path)), None)

    def taken_from(self, path: Path) -> JournalEntry | None:
        """Return the last row that took a picture from a path, or copied it."""
        where = "source_name = ? AND source_folder = ? ORDER BY id DESC LIMIT 1"
        return next(self._rows(self._database, where, split(path)), None)

    def rows(
        self,
        *,
        since: float | None = None,
        label: str | None = None,
        picture: str | None = None,
        takeable: Takeable | None = None,
        last: int | None = None,
    ) -> Iterator[JournalEntry]:
        """Yield rows as they are now, newest first, whatever is written meanwhile.

        Args:
            since: seconds since 1970.
            label: the class that they were given.
            picture: a file name, or the absolute path of source or place.
            takeable: only what can be taken back now: moves and copies, or what took those back.
            last: so many at most.
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
            exact = Path(picture).is_absolute()
            one = "({0}_name = ? AND {0}_folder = ?)" if exact else "{0}_name = ?"
            where.append(f"({one.format('source')} OR {one.format('place')})")
            values += [name, folder] * 2 if exact else [name] * 2
        if takeable:
            by = f"by {'=' if takeable == 'undos' else '!='} 'undo'"
            where.append(f"kind NOT IN ('stay', 'gone') AND {by} AND {IN_EFFECT}")
        clause = " AND ".join(where) or "1"
        order = "id DESC" if since is None else "planned DESC, id DESC"  # each has its index
        yield from self._rows_now(
            f"{clause} ORDER BY {order} LIMIT ?", (*values, -1 if last is None else min(last, sys.maxsize))
        )

    def corrections(self) -> Iterator[JournalEntry]:
        """Yield the rows by which a person said what a picture is, newest first, unless that was taken back."""
        yield from self._rows_now(f"correction IS NOT NULL AND {IN_EFFECT} ORDER BY id DESC")

    def _rows_now(self, where: str, values: Sequence[object] = ()) -> Iterator[JournalEntry]:
        """Yield rows by a connection of their own: one that has read half of an answer may not write."""
        with self._told(), closing(self._connect()) as reading:
            yield from self._rows(reading, where, values)

    def _rows(
        self, database: sqlite3.Connection, where: str, values: Sequence[object] = ()
    ) -> Iterator[JournalEntry]:
        with self._told():
            found = database.execute(f"SELECT {COLUMNS}, id FROM rows WHERE {where}", values)
            while some := found.fetchmany(ROWS_AT_A_TIME):
                yield from (row_of(cells, self._token) for cells in some)

    def _connect(self) -> sqlite3.Connection:
        if self._may_write:
            return sqlite3.connect(self.path, timeout=SECONDS_FOR_OTHERS, isolation_level=None)
        # SQLite would make files for the write-ahead log even to read; without one, nobody is writing.
        written_to = self.path.with_name(self.path.name + "-wal").exists()
        uri = f"{self.path.as_uri()}?mode=ro" + ("" if written_to else "&immutable=1")
        return sqlite3.connect(uri, uri=True, timeout=SECONDS_FOR_OTHERS, isolation_level=None)

    def _prepare(self) -> None:
        with self._told():
            (found,) = self._database.execute("PRAGMA user_version").fetchone()
            if found not in (0, FORMAT):
                raise DamagedJournalError(
                    "newer-format",
                    f"{self.path} is of format {found}, and this Skysort reads format {FORMAT};"
                    " the Skysort that wrote it reads it",
                )
            if self._may_write:
                self._database.execute("PRAGMA journal_mode = WAL")
                self._database.execute("PRAGMA synchronous = FULL")  # what is planned outlives a power cut, too
                if found == 0:
                    # Another process may have begun it since the version was read: the first token stays.
                    token = secrets.token_hex(TOKEN_BYTES)
                    self._database.executescript(
                        f"BEGIN EXCLUSIVE; {SCHEMA}"
                        f" INSERT INTO token SELECT '{token}' WHERE NOT EXISTS (SELECT 1 FROM token);"
                        f" PRAGMA user_version = {FORMAT}; COMMIT;"
                    )
            self._token = token_of(self._database.execute("SELECT token FROM token").fetchall())
            if self._may_write:
                self._last_id = last_id(self._database)
                self._files = OpenedFiles(self.path)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._database.execute("COMMIT")
            if self._files:
                self._files.written()
        except BaseException:
            with suppress(sqlite3.Error):  # a full disk has rolled it back already
                self._database.execute("ROLLBACK")
            raise

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise JournalError(
                "journal-not-available", f"the journal {self.path} cannot be used now: {as_text(error)}"
            ) from None
        except sqlite3.Error as error:
            raise journal_error(self.path, error) from None
        except CellError as error:
            raise damaged(self.path, str(error)) from None


def journal_folder(folder: Path) -> Path:
    """Return where the journal of a folder is: beside it, so that the folder holds pictures alone."""
    folder = folder.resolve()
    return folder.with_name(folder.name + ".journal")
