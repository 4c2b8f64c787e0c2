"""Moving a picture so that it is never lost, never overwritten and never in two places for good.

Within a file system a move is one rename that refuses a name that is taken. Across file systems it is a copy
beside the place, checked and renamed into place the same way, and then the source is removed. `settle` has what
files a process that is killed may leave, and what becomes of them.
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
    """What came of a row."""

    row: JournalEntry
    end: End | None
    """None when it cannot be told now: the row stays unfinished."""
    error: Exception | None = None
    """Why it is not done."""


@contextmanager
def moving(journal: Journal) -> Iterator[list[MoveResult]]:
    """Be the only process that moves pictures for a journal; give what came of what others left unfinished.

    What stays unfinished has the end None. `act` moves nothing of it by another row.

    Raises:
        SkysortError: when another process has moved pictures for a minute.
    """
    with journal.moving():
        yield finish_unfinished(journal)


def act(journal: Journal, rows: Iterable[JournalEntry]) -> list[MoveResult]:
    """Write down what is to be done, do it, and write what came of it. To be called inside `moving`.

    A row that could not be done is no longer in the journal, and all is as it was. No row is written for a picture
    that is no longer where it was when it was read, or that another row has not finished with.
    """
    ready, outcomes = _ready(journal, rows)
    drives = map(mount_of, {row.source.parent for row in ready})  # there may be any number below an inbox
    journal.note_mounts({drive: drive for drive in drives})
    outcomes += carry_out(journal, journal.plan(ready))
    note(journal, outcomes)
    return outcomes


def finish_unfinished(journal: Journal) -> list[MoveResult]:
    """Bring what a process that was killed left unfinished to its end, as `moving` does."""
    outcomes = []
    for row in journal.unfinished():
        try:
            outcomes.append(MoveResult(row, settle(row)))
        except OSError as error:
            outcomes.append(MoveResult(row, None, error))
        except Exception as error:  # nobody foresaw it: it is this row's, and keeps no other from going on
            outcomes.append(MoveResult(row, None, OSError(as_text(error))))
    rows = [outcome.row for outcome in outcomes]
    outcomes = _on_the_disk(
        outcomes, sync_folders(folder for row in rows for folder in (row.source.parent, row.place.parent))
    )
    note(journal, outcomes)
    return outcomes


def note(journal: Journal, outcomes: Iterable[MoveResult]) -> None:
    """Write outcomes into the journal."""
    done, dropped = [], []
    for outcome in outcomes:
        row = outcome.row
        if row.id and outcome.end == "not done":
            dropped.append(row)
        elif row.id and outcome.end == "gone":
            done.append(replaced(row, kind="gone", reason="taken away by somebody before it was moved, or since"))
        elif row.id and outcome.end == "done" and row.kind != "stay":
            done.append(row)
    if done or dropped:
        journal.finish(done, dropped)


def carry_out(journal: Journal, rows: Sequence[JournalEntry]) -> list[MoveResult]:
    """Do what rows of the journal intend. All is on the disk, names included, when this returns."""
    outcomes: dict[int, MoveResult] = {}
    copied: list[JournalEntry] = []
    for row in rows:
        try:
            if _is_copied(row):
                copied.append(replaced(row, copied=True))
            outcomes[row.id] = MoveResult(row, "done")
        except OSError as error:
            outcomes[row.id] = _after(error, row)
    if copied:
        journal.note_copied(copied)
    for row in copied:
        try:
            rename_new(coming_of(row), row.place, row.mark)
            outcomes[row.id] = MoveResult(row, "done")
        except OSError as error:
            outcomes[row.id] = _after(error, row)
    unwritten = sync_folders(row.place.parent for row in rows)
    for row in [outcome.row for outcome in outcomes.values() if outcome.end == "done" and not outcome.error]:
        if row.kind == "remove" or (row.kind == "move" and row.copied):
            # Only after the copies are on the disk under their names.
            outcomes[row.id] = _source_removed(row, unwritten.get(row.place.parent))
    unwritten |= sync_folders(row.source.parent for row in rows if row.kind != "copy")
    return _on_the_disk(outcomes.values(), unwritten)


def _on_the_disk(outcomes: Iterable[MoveResult], unwritten: Mapping[Path, OSError]) -> list[MoveResult]:
    """Leave unfinished what a power cut may undo: done in folders that could not be brought to the disk."""
    found = []
    for outcome in outcomes:
        folders = (outcome.row.place.parent, outcome.row.source.parent)
        error = next((unwritten[folder] for folder in folders if folder in unwritten), None)
        found.append(MoveResult(outcome.row, None, error) if error and outcome.end == "done" else outcome)
    return found


def _ready(journal: Journal, rows: Iterable[JournalEntry]) -> tuple[list[JournalEntry], list[MoveResult]]:
    """Return the rows that can be done, their folders made, and outcomes of the others."""
    begun = {path for row in journal.unfinished() for path in (row.source, row.place)}
    ready, outcomes = [], []
    for row in rows:
        if begun & {row.source, row.place}:
            error = OSError(errno.EBUSY, "a move of it was begun, and cannot be finished now", str(row.source))
            outcomes.append(MoveResult(row, None, error))
            continue
        try:
            if not is_file(row.source, row.file):
                raise _changed(row.source)
            make_folder(row.place.parent)
            ready.append(row)
        except OSError as error:
            outcomes.append(MoveResult(row, "not done", error))
    return ready, outcomes


def _is_copied(row: JournalEntry) -> bool:
    """Bring a picture to its place, or beside it where that takes a copy; tell whether it did."""
    if row.kind == "stay":
        return False
    if not is_file(row.source, row.file):
        raise _changed(row.source)
    if row.kind == "remove":
        if not holds(row.place, row):
            raise ChangedError(errno.ENOENT, "what it is a copy of is no longer there", str(row.place))
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
            if not (is_file(row.place, row.file) or holds(row.place, row)):  # nobody has looked at this one
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
        raise ChangedError(errno.EIO, "the copy is not what was read before", str(row.source))


def _source_removed(row: JournalEntry, unwritten: OSError | None) -> MoveResult:
    """Remove the source of what has arrived, unless its name there is not on the disk."""
    if unwritten:
        return MoveResult(row, None, unwritten)
    try:
        if remove_source(row):
            return MoveResult(row, "done")
        raise ChangedError(errno.EBUSY, "it was written to since it was read", str(row.source))
    except OSError as error:
        return _after(error, row)


def _after(error: OSError, row: JournalEntry) -> MoveResult:
    """Tell what came of a row of which a step failed."""
    try:
        return MoveResult(row, settle(row), error)
    except OSError:
        return MoveResult(row, None, error)


def _changed(path: Path) -> ChangedError:
    return ChangedError(errno.ENOENT, "no longer the same file", str(path))
