"""The SQLite database of a journal: its tables, its connections and its transactions."""

import os
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from skysort.work.journal_columns import COLUMNS
from skysort.work.journal_entries import DamagedJournalError, token_of
from skysort.work.journal_file import OpenedFiles, cut_short, has_lost_rows, journal_errors, last_id

FORMAT = 1
SECONDS_FOR_OTHERS = 60.0
"""How long to wait for another process that writes, or that moves a batch of pictures."""
TOKEN_BYTES = 6

_ROWS = "\n".join(
    f"    {column.name} {column.sql}{',' if column is not COLUMNS[-1] else ''} -- {column.expected}"
    for column in COLUMNS
)
SCHEMA = f"""
CREATE TABLE IF NOT EXISTS sessions (
    id INTEGER PRIMARY KEY,
    settings TEXT NOT NULL UNIQUE -- JSON: the rule and the folders
);
CREATE TABLE IF NOT EXISTS rows (
{_ROWS}
);
CREATE TABLE IF NOT EXISTS token ( -- one row: tells this journal's temporary files from those of others
    token TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS mounts ( -- where the drive of a folder was mounted at the last move
    folder BLOB PRIMARY KEY,
    mount BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS answers ( -- what people say that pictures show
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    row INTEGER NOT NULL REFERENCES rows(id), -- in which the picture arrived
    label TEXT NOT NULL, -- the true class; other for none of the classes, ? where a person cannot tell
    who TEXT NOT NULL,
    answered REAL NOT NULL, -- seconds since 1970
    undone REAL, -- seconds since 1970, or NULL while it counts
    after INTEGER NOT NULL -- number of the newest row when the answer was given
);
CREATE TABLE IF NOT EXISTS alarms ( -- a decision is stale while one about it is not lifted
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    session INTEGER NOT NULL REFERENCES sessions(id), -- one of the decision
    row INTEGER NOT NULL REFERENCES rows(id), -- in which the picture arrived whose answer raised the alarm
    raised REAL NOT NULL, -- seconds since 1970
    lifted REAL, -- seconds since 1970, or NULL while it holds
    told REAL -- seconds since 1970, or NULL before a watcher started the person's command
);
CREATE TABLE IF NOT EXISTS attempts ( -- moves of an audit that were not made; the next attempt has the same coin
    digest TEXT NOT NULL, -- SHA-256 of the picture
    source_name BLOB NOT NULL,
    source_folder BLOB NOT NULL,
    row INTEGER NOT NULL, -- the number that its coin is made of
    PRIMARY KEY (digest, source_name, source_folder)
);
CREATE TABLE IF NOT EXISTS comparisons ( -- pictures that have tested a new classifier; they test no other one
    digest TEXT PRIMARY KEY, -- SHA-256 of the picture
    classifier TEXT NOT NULL -- SHA-256 of the network
);
CREATE INDEX IF NOT EXISTS by_source ON rows(source_name, source_folder);
CREATE INDEX IF NOT EXISTS by_place ON rows(place_name, place_folder);
CREATE INDEX IF NOT EXISTS by_label ON rows(label);
CREATE INDEX IF NOT EXISTS by_time ON rows(planned);
CREATE INDEX IF NOT EXISTS unfinished ON rows(id) WHERE done IS NULL;
CREATE INDEX IF NOT EXISTS undoing ON rows(undoes) WHERE undoes IS NOT NULL;
CREATE INDEX IF NOT EXISTS arrivals ON rows(id) WHERE audit_keep IS NOT NULL;
CREATE INDEX IF NOT EXISTS without_coin ON rows(id) WHERE audit_keep IS NOT NULL AND coin IS NULL;
CREATE INDEX IF NOT EXISTS corrections ON rows(id) WHERE correction IS NOT NULL;
"""


class JournalDatabase:
    """The open database of a journal.

    Args:
        path: of the file. It may be missing if `make` is set.
        make: create the tables if the file is missing.

    Raises:
        JournalError: when it cannot be opened now.
        DamagedJournalError: when it is damaged, or a newer Skysort wrote it.
    """

    def __init__(self, path: Path, *, make: bool) -> None:
        self.path = path
        self.last_id = 0
        """The largest number of a row that this process has seen."""
        self._files: OpenedFiles | None = None
        self._may_write = make or os.access(path.parent, os.W_OK)
        with journal_errors(path):
            self.connection = self.connect()
        try:
            self.token = self._prepare()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the database. Every finished transaction is on the disk already."""
        with suppress(sqlite3.Error):
            self.connection.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Write all or nothing. The changes are on the disk at the end.

        Raises:
            JournalError: when the journal cannot be written now.
            DamagedJournalError: when it is damaged.
        """
        with journal_errors(self.path):
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield self.connection
                self.connection.execute("COMMIT")
                if self._files:
                    self._files.written()
            except BaseException:
                with suppress(sqlite3.Error):  # a full disk has rolled it back already
                    self.connection.execute("ROLLBACK")
                raise

    def check_files(self) -> None:
        """Make sure that the files are still those that were opened, and have lost no rows.

        Raises:
            JournalError: when a file was removed or replaced since it was opened.
            DamagedJournalError: when rows are lost.
        """
        with journal_errors(self.path):
            if self._files and (shorter := self._files.check()):
                with closing(self.connect()) as connection:
                    if has_lost_rows(connection, self.last_id):
                        raise cut_short(self.path, shorter[0])
                self._files.written()

    def connect(self) -> sqlite3.Connection:
        """Open a connection, which the caller must close. One with an unfinished query may not write."""
        if self._may_write:
            return sqlite3.connect(self.path, timeout=SECONDS_FOR_OTHERS, isolation_level=None)
        # SQLite would create files for the write-ahead log even to read. Without such a file, nobody is writing.
        has_log = self.path.with_name(self.path.name + "-wal").exists()
        uri = f"{self.path.as_uri()}?mode=ro" + ("" if has_log else "&immutable=1")
        return sqlite3.connect(uri, uri=True, timeout=SECONDS_FOR_OTHERS, isolation_level=None)

    def _prepare(self) -> str:
        """Check the format, create the tables of a new journal, and return the journal's token."""
        with journal_errors(self.path):
            (version,) = self.connection.execute("PRAGMA user_version").fetchone()
            if version not in (0, FORMAT):
                raise DamagedJournalError(
                    "newer-format",
                    f"{self.path} has format {version}, and this Skysort reads format {FORMAT};"
                    " use the Skysort that wrote it",
                )
            if self._may_write:
                self.connection.execute("PRAGMA journal_mode = WAL")
                self.connection.execute("PRAGMA synchronous = FULL")  # a planned move must outlive a power cut
                if version == 0:
                    # Another process may have created it since the version was read: the first token stays.
                    token = secrets.token_hex(TOKEN_BYTES)
                    self.connection.executescript(
                        f"BEGIN EXCLUSIVE; {SCHEMA}"
                        f" INSERT INTO token SELECT '{token}' WHERE NOT EXISTS (SELECT 1 FROM token);"
                        f" PRAGMA user_version = {FORMAT}; COMMIT;"
                    )
            token = token_of(self.connection.execute("SELECT token FROM token").fetchall())
            if self._may_write:
                self.last_id = last_id(self.connection)
                self._files = OpenedFiles(self.path)
            return token
