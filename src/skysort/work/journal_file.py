"""The files of a journal: are they still those that were opened? And the meaning of SQLite's errors."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from skysort.core.log import as_text
from skysort.work.journal_entries import CellError, DamagedJournalError, JournalError

SUFFIXES = ("", "-wal", "-shm")
"""The database, its write-ahead log, and the index of the log."""

WAITS = frozenset({
    sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH, sqlite3.SQLITE_INTERRUPT,
})  # fmt: skip
"""Errors that may pass. All others mean damage."""
CUT_SHORT = frozenset({sqlite3.SQLITE_IOERR_SHORT_READ, sqlite3.SQLITE_IOERR_CORRUPTFS})


def damaged(path: Path, why: str) -> DamagedJournalError:
    """Return the error for a damaged journal, with the ways to mend it."""
    return DamagedJournalError(
        "damaged-journal",
        f"the journal {path} is damaged: {why}. Skysort moves no picture until you mend it. To save the readable"
        f" rows, run in {path.parent}: sqlite3 {path.name} .recover | sqlite3 saved.sqlite. Rename saved.sqlite,"
        f" or a backup, to {path.name}, and delete {path.name}-wal and {path.name}-shm. Or move {path.parent}"
        " away to start a new journal; then earlier moves cannot be undone",
    )


def cut_short(path: Path, file: Path) -> DamagedJournalError:
    """Return the error for a journal with a file that has lost its end."""
    return damaged(path, f"{file.name} was cut short while it was in use")


def journal_error(path: Path, error: sqlite3.Error) -> JournalError | DamagedJournalError:
    """Return the error of ours for an error of SQLite."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    if code & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return JournalError(
            "in-use", f"another process has been writing to the journal {path} for a minute; wait until it ends"
        )
    if code & 0xFF in WAITS and code not in CUT_SHORT:
        why = "its disk is full or fails" if code & 0xFF == sqlite3.SQLITE_IOERR else str(error)
        return JournalError("journal-not-available", f"the journal {path} cannot be used now: {why}")
    return damaged(path, "one of its files was cut short" if code in CUT_SHORT else str(error))


@contextmanager
def journal_errors(path: Path) -> Iterator[None]:
    """Turn errors of SQLite, of the system and of cells into errors that name the journal.

    Raises:
        JournalError: when the journal cannot be used now.
        DamagedJournalError: when it is damaged.
    """
    try:
        yield
    except OSError as error:
        raise JournalError(
            "journal-not-available", f"the journal {path} cannot be used now: {as_text(error)}"
        ) from None
    except sqlite3.Error as error:
        raise journal_error(path, error) from None
    except CellError as error:
        raise damaged(path, str(error)) from None


def last_id(database: sqlite3.Connection) -> int:
    """Return the largest id that a row ever had; 0 before the first row."""
    (number,) = database.execute("SELECT max(seq) FROM sqlite_sequence WHERE name = 'rows'").fetchone()
    return number or 0


def has_lost_rows(database: sqlite3.Connection, last: int) -> bool:
    """Tell whether a journal has lost rows, by reading every page of it.

    Args:
        database: a new connection, which has no page in memory.
        last: the largest id seen before.
    """
    try:
        return database.execute("PRAGMA quick_check(1)").fetchone() != ("ok",) or last_id(database) < last
    except sqlite3.DatabaseError as error:
        if isinstance(journal_error(Path(), error), DamagedJournalError):
            return True
        raise


def check_whole(path: Path) -> None:
    """Make sure that the log of a journal does not stand alone: SQLite would use it in a new database.

    Raises:
        DamagedJournalError: when it does.
    """
    rows, log = _stat(path), _stat(path.with_name(f"{path.name}-wal"))
    if log and log[1] and not (rows and rows[1]):
        raise damaged(path, f"it is {'empty' if rows else 'missing'}, and its log {path.name}-wal is there")


class OpenedFiles:
    """The files of a journal at the time when it was opened.

    Args:
        path: of the database.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._files: dict[str, tuple[int, int]] = {}
        self._sizes: dict[str, int] = {}
        for suffix in SUFFIXES:
            status = _stat(self._file(suffix))
            if status:
                self._files[suffix], self._sizes[suffix] = status

    def check(self) -> list[Path]:
        """Make sure that they are the same files: SQLite would go on writing to deleted ones.

        This does not open them: by POSIX, closing a file would release the locks that SQLite holds on it.
        Source: https://www.sqlite.org/howtocorrupt.html, section 2.2.

        Returns:
            The files that are shorter than before. Either a file was damaged, or another process shortened it
            through SQLite: a backup with `PRAGMA wal_checkpoint(TRUNCATE)`, or `VACUUM`.

        Raises:
            JournalError: when a file was removed or replaced. The journal must be opened again.
            DamagedJournalError: when the database is empty.
        """
        shorter = []
        for suffix, file in self._files.items():
            status = _stat(self._file(suffix))
            if status is None or status[0] != file:
                if suffix == "":
                    self._set_log_aside()
                event = "replaced" if status else "removed"
                raise JournalError(
                    "journal-not-available",
                    f"{self._file(suffix)} was {event} while it was in use; Skysort must open the journal again"
                    " before it moves anything",
                )
            if status[1] < self._sizes[suffix]:
                if suffix == "" and status[1] == 0:  # a new connection would remove the log of an empty file
                    raise cut_short(self.path, self.path)
                shorter.append(self._file(suffix))
        return shorter

    def written(self) -> None:
        """Record the sizes of the files after a write."""
        for suffix, file in self._files.items():
            status = _stat(self._file(suffix))
            if status and status[0] == file:
                self._sizes[suffix] = status[1]

    def _set_log_aside(self) -> None:
        """Rename the log of the former database, so that SQLite does not apply it to the new one."""
        for suffix in SUFFIXES[1:]:
            status = _stat(self._file(suffix))
            if status and status[0] == self._files.get(suffix):
                self._file(suffix).replace(self._file(f"{suffix}.former"))

    def _file(self, suffix: str) -> Path:
        return self.path.with_name(self.path.name + suffix)


def _stat(path: Path) -> tuple[tuple[int, int], int] | None:
    """Return device and inode of a file, and its size; None if there is no file."""
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return (status.st_dev, status.st_ino), status.st_size
