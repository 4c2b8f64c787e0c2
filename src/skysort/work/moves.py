"""Moves that never lose a picture, never overwrite one, and never leave one in two places.

Within a file system a move is one rename, which fails if the new name is taken. Across file systems it is a copy
beside the place, which is checked and renamed into place in the same way; then the source is removed. `settle`
lists the files that a killed process may leave, and cleans up after it.
"""

import errno
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from skysort.core.log import as_text
from skysort.work.journal import Journal
from skysort.work.journal_entries import JournalEntry, replaced
from skysort.work.mounts import mount_of
from skysort.work.names import ChangedError, make_folder, sync_folders
from skysort.work.renaming import give_back, rename_new
from skysort.work.settle import End, coming_of, holds, is_file, remove_source, settle
from skysort.work.writers import is_open_for_writing

COPIED_AT_A_TIME = 2**20


@dataclass(frozen=True)
class MoveResult:
    """The result of one move."""

    row: JournalEntry
    end: End | None
    """None when it is not known now: the row stays unfinished."""
    error: Exception | None = None
    """Why the move was not made."""


@dataclass(frozen=True)
class Leftovers:
    """The moves that earlier processes left unfinished, after `moving` tried to finish them."""

    results: list[MoveResult]

    @property
    def unfinished(self) -> list[MoveResult]:
        """Those that cannot be finished now."""
        return [result for result in self.results if result.end is None]

    def by_path(self) -> dict[Path, MoveResult]:
        """Return the results by source and by place."""
        return {path: result for result in self.results for path in result.row.paths}


@contextmanager
def moving(journal: Journal) -> Iterator[Leftovers]:
    """Be the only process that moves pictures for a journal, and first finish what others left unfinished.

    `act` makes no second move of a picture whose move stays unfinished.

    Raises:
        SkysortError: when another process has been moving pictures for a minute.
    """
    with journal.moving():
        yield Leftovers(finish_unfinished(journal))


def act(journal: Journal, rows: Iterable[JournalEntry]) -> list[MoveResult]:
    """Write planned moves into the journal, make them, and write their results. Call it inside `moving`.

    If a move fails, its row is deleted, and all is as it was. A picture that has changed since it was read gets no
    row; nor does one with an unfinished move.
    """
    ready, results = _ready(journal, rows)
    mounts = map(mount_of, {row.source.parent for row in ready})  # any number of drives may be below an inbox
    journal.note_mounts({mount: mount for mount in mounts})
    results += carry_out(journal, journal.plan(ready))
    note(journal, results)
    return results


def finish_unfinished(journal: Journal) -> list[MoveResult]:
    """Finish the moves that killed processes left unfinished, as `moving` does."""
    results = []
    for row in journal.unfinished():
        try:
            results.append(MoveResult(row, settle(row)))
        except OSError as error:
            results.append(MoveResult(row, None, error))
        except Exception as error:  # unforeseen, and of this row: the others must go on
            results.append(MoveResult(row, None, OSError(as_text(error))))
    unsynced = sync_folders(path.parent for result in results for path in result.row.paths)
    results = _without_unsynced(results, unsynced)
    note(journal, results)
    return results


def note(journal: Journal, results: Iterable[MoveResult]) -> None:
    """Write results into the journal."""
    finished, dropped = [], []
    for result in results:
        row = result.row
        if row.id and result.end == "not done":
            dropped.append(row)
        elif row.id and result.end == "gone":
            finished.append(replaced(row, kind="gone", reason="somebody took it away before or after the move"))
        elif row.id and result.end == "done" and row.kind != "stay":
            finished.append(row)
    if finished or dropped:
        journal.finish(finished, dropped)


def carry_out(journal: Journal, rows: Sequence[JournalEntry]) -> list[MoveResult]:
    """Make the moves of rows. Files and names are on the disk when this returns."""
    results: dict[int, MoveResult] = {}
    copied: list[JournalEntry] = []
    for row in rows:
        try:
            if _rename_or_copy(row):
                copied.append(replaced(row, copied=True))
            results[row.id] = MoveResult(row, "done")
        except OSError as error:
            results[row.id] = _after(error, row)
    if copied:
        journal.note_copied(copied)
    for row in copied:
        try:
            rename_new(coming_of(row), row.place, row.mark)
            results[row.id] = MoveResult(row, "done")
        except OSError as error:
            results[row.id] = _after(error, row)
    unsynced = sync_folders(row.place.parent for row in rows)
    for row in [result.row for result in results.values() if result.end == "done" and not result.error]:
        if row.kind == "remove" or (row.kind == "move" and row.copied):
            # Only now: the names of the copies are on the disk.
            results[row.id] = _source_removed(row, unsynced.get(row.place.parent))
    unsynced |= sync_folders(row.source.parent for row in rows if row.kind != "copy")
    return _without_unsynced(results.values(), unsynced)


def _without_unsynced(results: Iterable[MoveResult], unsynced: Mapping[Path, OSError]) -> list[MoveResult]:
    """Return results, with moves in folders that did not sync as unfinished: a power cut may undo them."""
    checked = []
    for result in results:
        folders = (result.row.place.parent, result.row.source.parent)
        error = next((unsynced[folder] for folder in folders if folder in unsynced), None)
        checked.append(MoveResult(result.row, None, error) if error and result.end == "done" else result)
    return checked


def _ready(journal: Journal, rows: Iterable[JournalEntry]) -> tuple[list[JournalEntry], list[MoveResult]]:
    """Make the folders of rows; return the rows that can be carried out, and the results of the others."""
    begun = {path for row in journal.unfinished() for path in row.paths}
    ready, results = [], []
    for row in rows:
        if begun & set(row.paths):
            error = OSError(errno.EBUSY, "an earlier move of it cannot be finished now", str(row.source))
            results.append(MoveResult(row, None, error))
            continue
        try:
            if not is_file(row.source, row.file):
                raise _changed(row.source)
            make_folder(row.place.parent)
            ready.append(row)
        except OSError as error:
            results.append(MoveResult(row, "not done", error))
    return ready, results


def _rename_or_copy(row: JournalEntry) -> bool:
    """Rename a picture to its place, or copy it beside the place; tell whether it was copied."""
    if row.kind == "stay":
        return False
    if not is_file(row.source, row.file):
        raise _changed(row.source)
    if row.kind == "remove":
        if not holds(row.place, row):
            raise ChangedError(errno.ENOENT, "the original of the copy is no longer there", str(row.place))
        return False
    if is_open_for_writing(row.source):
        raise ChangedError(errno.EBUSY, "another program still has it open for writing", str(row.source))
    if row.kind == "move":
        try:
            rename_new(row.source, row.place, row.mark)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
        else:
            if not (is_file(row.place, row.file) or holds(row.place, row)):  # another file, never classified
                give_back(row.place, row.source, row.mark)
                raise _changed(row.source)
            return False
    _copy(row)
    return True


def _copy(row: JournalEntry) -> None:
    coming = coming_of(row)
    with row.source.open("rb") as source, coming.open("xb") as copy:
        while block := source.read(COPIED_AT_A_TIME):
            copy.write(block)
        copy.flush()
        os.utime(coming, ns=(row.file.mtime_ns, row.file.mtime_ns))
        os.fsync(copy.fileno())
    if not holds(coming, row):
        raise ChangedError(errno.EIO, "the copy differs from the file that was read before", str(row.source))


def _source_removed(row: JournalEntry, unsynced: OSError | None) -> MoveResult:
    """Remove the source of a copy, unless the name of the copy is not on the disk."""
    if unsynced:
        return MoveResult(row, None, unsynced)
    try:
        if remove_source(row):
            return MoveResult(row, "done")
        raise ChangedError(errno.EBUSY, "a program wrote to it after it was read", str(row.source))
    except OSError as error:
        return _after(error, row)


def _after(error: OSError, row: JournalEntry) -> MoveResult:
    """Settle a row after a failed step."""
    try:
        return MoveResult(row, settle(row), error)
    except OSError:
        return MoveResult(row, None, error)


def _changed(path: Path) -> ChangedError:
    return ChangedError(errno.ENOENT, "no longer the same file", str(path))
