"""The files of a journal: whether they are still those that were opened, and what SQLite's errors mean."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from skysort.core.log import as_text
from skysort.work.journal_entries import CellError, DamagedJournalError, JournalError

SUFFIXES = ("", "-wal", "-shm")
"""The rows, the log of what is not among them yet, and an index of that."""

WAITS = frozenset({
    sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH, sqlite3.SQLITE_INTERRUPT,
})  # fmt: skip
"""Errors that may pass; those that do not are damage."""
CUT_SHORT = frozenset({sqlite3.SQLITE_IOERR_SHORT_READ, sqlite3.SQLITE_IOERR_CORRUPTFS})


def damaged(path: Path, why: str) -> DamagedJournalError:
    """Return the error for a journal that is no whole one, with what to do."""
    return DamagedJournalError(
        "damaged-journal",
        f"the journal {path} is damaged: {why}; no picture is touched until that is mended. To save what can be"
        f" read, run in {path.parent}: sqlite3 {path.name} .recover | sqlite3 saved.sqlite, and put saved.sqlite,"
        f" or a backup, in its place, without {path.name}-wal and {path.name}-shm. Or move {path.parent} away to"
        " begin a new one, which cannot take back what was done before",
    )


def cut_short(path: Path, file: Path) -> DamagedJournalError:
    """Return the error for a journal of which a file has lost its end."""
    return damaged(path, f"{file.name} was cut short while it was in use")


def journal_error(path: Path, error: sqlite3.Error) -> JournalError | DamagedJournalError:
    """Return what an error of SQLite means for a journal."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    if code & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return JournalError(
            "in-use", f"another process has been writing to the journal {path} for a minute; wait for it"
        )
    if code & 0xFF in WAITS and code not in CUT_SHORT:
        what = (
            "its disk is full, or cannot be read or written" if code & 0xFF == sqlite3.SQLITE_IOERR else str(error)
        )
        return JournalError("journal-not-available", f"the journal {path} cannot be used now: {what}")
    return damaged(path, "a file of it was cut short" if code in CUT_SHORT else str(error))


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
    """Return the largest id that a row has ever had; 0 before the first."""
    (number,) = database.execute("SELECT max(seq) FROM sqlite_sequence WHERE name = 'rows'").fetchone()
    return number or 0


def has_lost_rows(database: sqlite3.Connection, last: int) -> bool:
    """Read every page of a journal by a new connection, which has none of them in memory.

    Args:
        database: the new connection.
        last: the largest id that was seen before.
    """
    try:
        return database.execute("PRAGMA quick_check(1)").fetchone() != ("ok",) or last_id(database) < last
    except sqlite3.DatabaseError as error:
        if isinstance(journal_error(Path(), error), DamagedJournalError):
            return True
        raise


def check_whole(path: Path) -> None:
    """Make sure that the log of a journal is not there without its rows: SQLite would begin new ones with it.

    Raises:
        DamagedJournalError: when it is.
    """
    rows, log = _stat(path), _stat(path.with_name(f"{path.name}-wal"))
    if log and log[1] and not (rows and rows[1]):
        raise damaged(path, f"it is {'empty' if rows else 'missing'}, and its log {path.name}-wal is there")


class OpenedFiles:
    """The files of a journal as they were when it was opened.

    Args:
        path: of the rows.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._files: dict[str, tuple[int, int]] = {}
        self._sizes: dict[str, int] = {}
        for suffix in SUFFIXES:
            found = _stat(self._file(suffix))
            if found:
                self._files[suffix], self._sizes[suffix] = found

    def check(self) -> list[Path]:
        """Make sure that they are the same files: else SQLite goes on in files that are gone.

        They are not opened: to close one would let go of the locks that SQLite has on it, by POSIX.
        Source: https://www.sqlite.org/howtocorrupt.html, section 2.2.

        Returns:
            The files that are shorter than they were. Either one was damaged, or another process has shortened it
            by SQLite: a backup with `PRAGMA wal_checkpoint(TRUNCATE)`, or `VACUUM`.

        Raises:
            JournalError: when one was removed or replaced. The journal must be opened again.
            DamagedJournalError: when the rows are gone.
        """
        shorter = []
        for suffix, file in self._files.items():
            found = _stat(self._file(suffix))
            if found is None or found[0] != file:
                if suffix == "":
                    self._set_log_aside()
                what = "replaced" if found else "removed"
                raise JournalError(
                    "journal-not-available",
                    f"{self._file(suffix)} was {what} while it was in use; the journal is opened anew before"
                    " anything is moved",
                )
            if found[1] < self._sizes[suffix]:
                if suffix == "" and found[1] == 0:  # a new connection would remove the log of an empty file
                    raise cut_short(self.path, self.path)
                shorter.append(self._file(suffix))
        return shorter

    def written(self) -> None:
        """Take note of how long the files are since something was written."""
        for suffix, file in self._files.items():
            found = _stat(self._file(suffix))
            if found and found[0] == file:
                self._sizes[suffix] = found[1]

    def _set_log_aside(self) -> None:
        """Keep the log of the former rows from being taken for the log of those that have come in their place."""
        for suffix in SUFFIXES[1:]:
            found = _stat(self._file(suffix))
            if found and found[0] == self._files.get(suffix):
                self._file(suffix).replace(self._file(f"{suffix}.former"))

    def _file(self, suffix: str) -> Path:
        return self.path.with_name(self.path.name + suffix)


def _stat(path: Path) -> tuple[tuple[int, int], int] | None:
    """Return which file is at a path and its size; None when there is none."""
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return (found.st_dev, found.st_ino), found.st_size
