"""Moving a picture so that it is never lost, never overwritten and never in two places for good.

Within a file system a move is one rename that refuses a name that is taken. Across file systems it is a copy
beside the place, checked and renamed into place the same way, and then the source is removed. While a row of the
journal is unfinished, these files may be there (`source` and `place` as in the row, `coming` beside the place,
`going` beside the source, the last two named by the row's number):

    what was done last          source  coming  place   going   brought to its end by `settle`
    row written                 here                            not done
    copying                     here    part                    coming removed, not done
    name reserved, where no one
      call renames and refuses  here    (here)  reserved        both removed, not done
    renamed into place          here            here            source removed, done; if it cannot be, place is
    source taken out of sight                   here    here    going removed, done
    source removed                              here            done

One rename within a file system goes from the first line to the last. Nothing is ever removed but what was just
read and has the row's digest and time, while another file has the same bytes and its name is on the disk.
"""

import ctypes
import errno
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from skysort.files import sha256, sync_folder
from skysort.work.journal import Journal
from skysort.work.journal_rows import Identity, Row, replaced
from skysort.work.names import (
    ChangedError,
    free_place,
    identity,
    make_folder,
    stands,
    sync_folders,
)  # fmt: skip

End = Literal["done", "not done", "gone"]

COPIED_AT_A_TIME = 2**20
RESERVATION = b"reserved by skysort: a picture takes this name in a moment\n"
RENAME_NOREPLACE = 1  # Linux: linux/fs.h
RENAME_EXCL = 4  # macOS: sys/stdio.h
AT_FDCWD = -100
NOT_SUPPORTED = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)


@dataclass(frozen=True)
class Outcome:
    """What came of a row."""

    row: Row
    end: End | None
    """None when it cannot be told now: the row stays unfinished."""
    error: OSError | None = None
    """Why it is not done."""


@contextmanager
def moving(journal: Journal) -> Iterator[list[Outcome]]:
    """Be the only process that moves pictures for a journal; give what came of what others left unfinished.

    What stays unfinished has the end None, and is not to be moved by another row.

    Raises:
        SkysortError: when another process has moved pictures for a minute.
    """
    with journal.moving():
        yield finish_unfinished(journal)


def act(journal: Journal, rows: Iterable[Row]) -> list[Outcome]:
    """Write down what is to be done, do it, and write what came of it. To be called inside `moving`.

    A row that could not be done is no longer in the journal, and all is as it was.
    """
    ready, outcomes = _with_folders(rows)
    planned = journal.plan(ready)
    outcomes += carry_out(planned)
    note(journal, outcomes)
    return outcomes


def finish_unfinished(journal: Journal) -> list[Outcome]:
    """Bring what a process that was killed left unfinished to its end, as `moving` does."""
    outcomes = []
    for row in journal.unfinished():
        try:
            outcomes.append(Outcome(row, settle(row)))
        except OSError as error:
            outcomes.append(Outcome(row, None, error))
    rows = [outcome.row for outcome in outcomes]
    outcomes = _on_the_disk(
        outcomes, sync_folders(folder for row in rows for folder in (row.source.parent, row.place.parent))
    )
    note(journal, outcomes)
    return outcomes


def note(journal: Journal, outcomes: Iterable[Outcome]) -> None:
    """Write outcomes into the journal."""
    done, dropped = [], []
    for outcome in outcomes:
        row = outcome.row
        if row.id and outcome.end == "not done":
            dropped.append(row)
        elif row.id and outcome.end == "gone":
            done.append(replaced(row, reason="taken away by somebody before it was moved, or since"))
        elif row.id and outcome.end == "done" and row.kind != "stay":
            done.append(row)
    if done or dropped:
        journal.finish(done, dropped)


def carry_out(rows: Sequence[Row]) -> list[Outcome]:
    """Do what rows of the journal intend. All is on the disk, names included, when this returns."""
    outcomes: dict[int, Outcome] = {}
    across: list[Row] = []
    for row in rows:
        try:
            if _place(row):
                across.append(row)
            outcomes[row.id] = Outcome(row, "done")
        except FileExistsError as error:  # another program took the name; nothing has happened
            outcomes[row.id] = Outcome(row, "not done", error)
        except OSError as error:
            outcomes[row.id] = _after(error, row)
    unwritten = sync_folders(row.place.parent for row in rows)
    for row in across:  # after the copies are on the disk under their names
        if row.place.parent in unwritten:
            outcomes[row.id] = Outcome(row, None, unwritten[row.place.parent])
            continue
        try:
            _remove(row)
        except OSError as error:
            outcomes[row.id] = _after(error, row)
    unwritten |= sync_folders(row.source.parent for row in rows if row.kind != "copy")
    return _on_the_disk(outcomes.values(), unwritten)


def _on_the_disk(outcomes: Iterable[Outcome], unwritten: Mapping[Path, OSError]) -> list[Outcome]:
    """Leave unfinished what a power cut may undo: done in folders that could not be brought to the disk."""
    found = []
    for outcome in outcomes:
        folders = (outcome.row.place.parent, outcome.row.source.parent)
        error = next((unwritten[folder] for folder in folders if folder in unwritten), None)
        found.append(Outcome(outcome.row, None, error) if error and outcome.end == "done" else outcome)
    return found


def settle(row: Row) -> End:
    """Bring an unfinished row to one of its ends, by what files there are.

    Returns:
        `done`, `not done`, or `gone` for a picture that somebody took from both places.

    Raises:
        OSError: when that cannot be told now, as of a drive that is not there.
    """
    coming, going = _coming(row), _going(row)
    if row.kind == "stay":
        return "done"
    if stands(coming):
        _remove_reservation(row.place, even_empty=row.by != "undo")
        coming.unlink()
    arrived = _holds(row.place, row)
    if stands(going):
        if arrived and _is_what_was_read(going, row):
            going.unlink()
        else:
            _give_back(going, row.source)
    if row.kind == "remove":
        return "not done" if stands(row.source) else "done"
    if not arrived:
        return _not_arrived(row)
    if row.kind == "move" and _is_what_was_read(row.source, row) and not _came_since(row):
        sync_folder(row.place.parent)
        try:
            _remove(row)
        except OSError:
            if stands(going):
                _give_back(going, row.source)
            if not _holds(row.source, row):
                raise
            row.place.unlink()
            return "not done"
    return "done"


def rename_new(source: Path, target: Path) -> None:
    """Rename a file, in one step, to a name that nothing has.

    Linux and macOS have a call for that, and Windows renames in no other way. Elsewhere, and on file systems that
    know no such call, the name is reserved by a file of our own, made only if there is none, and that is replaced.

    Raises:
        FileExistsError: when something stands at the target.
        OSError: of EXDEV when it is on another file system, and whatever else the system refuses.
    """
    if os.name == "nt":
        source.rename(target)
        return
    if _exclusive_rename is not None:
        if _exclusive_rename(os.fsencode(source), os.fsencode(target)) == 0:
            return
        code = ctypes.get_errno()
        if code not in NOT_SUPPORTED:
            raise OSError(code, os.strerror(code), str(source), None, str(target))
    with target.open("xb") as file:
        file.write(RESERVATION)
    try:
        source.replace(target)
    except OSError:
        _remove_reservation(target)
        raise


def _exclusive_call() -> Callable[[bytes, bytes], int] | None:
    """Return the system's rename that refuses a name that is taken; it returns 0, or sets errno."""
    if os.name == "nt":
        return None
    library = ctypes.CDLL(None, use_errno=True)
    if sys.platform == "linux" and hasattr(library, "renameat2"):
        linux = library.renameat2
        return lambda source, target: int(linux(AT_FDCWD, source, AT_FDCWD, target, RENAME_NOREPLACE))
    if sys.platform == "darwin" and hasattr(library, "renamex_np"):
        macos = library.renamex_np
        return lambda source, target: int(macos(source, target, RENAME_EXCL))
    return None


_exclusive_rename = _exclusive_call()


def _with_folders(rows: Iterable[Row]) -> tuple[list[Row], list[Outcome]]:
    """Make the folders that pictures go to; return the rows that can be done, and outcomes of the others."""
    ready, outcomes = [], []
    for row in rows:
        try:
            make_folder(row.place.parent)
            ready.append(row)
        except OSError as error:
            outcomes.append(Outcome(row, "not done", error))
    return ready, outcomes


def _place(row: Row) -> bool:
    """Bring a picture to its place; tell whether its source is still to be removed."""
    if row.kind == "stay":
        return False
    if not _is(row.source, row.file):
        raise ChangedError(errno.ENOENT, "no longer the same file", str(row.source))
    if row.kind == "remove":
        if not _holds(row.place, row):
            raise ChangedError(errno.ENOENT, "what it is a copy of is no longer there", str(row.place))
        return True
    if row.kind == "move":
        try:
            rename_new(row.source, row.place)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
        else:
            if not (
                _is(row.place, row.file) or _holds(row.place, row)
            ):  # replaced since it was checked: nobody has looked at this one
                _give_back(row.place, row.source)
                raise ChangedError(errno.ENOENT, "no longer the same file", str(row.source))
            return False
    _copy(row)
    return row.kind == "move"


def _copy(row: Row) -> None:
    coming = _coming(row)
    try:
        _copy_by(coming, row)
    except FileExistsError:
        coming.unlink()
        raise


def _copy_by(coming: Path, row: Row) -> None:
    with row.source.open("rb") as source, coming.open("xb") as copy:
        while block := source.read(COPIED_AT_A_TIME):
            copy.write(block)
        copy.flush()
        os.utime(coming, ns=(row.file.mtime_ns, row.file.mtime_ns))
        os.fsync(copy.fileno())
    if not _holds(coming, row):
        raise ChangedError(errno.EIO, "the copy is not what was read before", str(row.source))
    rename_new(coming, row.place)


def _remove(row: Row) -> None:
    """Remove the source, and nothing that may have taken its name."""
    going = _going(row)
    try:
        rename_new(row.source, going)
    except FileNotFoundError:
        return
    if _is_what_was_read(going, row):
        going.unlink()
    else:
        _give_back(going, row.source)


def _after(error: OSError, row: Row) -> Outcome:
    """Tell what came of a row of which a step failed."""
    try:
        return Outcome(row, settle(row), error)
    except OSError:
        return Outcome(row, None, error)


def _not_arrived(row: Row) -> End:
    if stands(row.source):
        _remove_reservation(row.place, even_empty=row.by != "undo")
        return "not done"
    for folder in (row.source.parent, row.place.parent):
        if not folder.is_dir():  # it was there when the row was written: perhaps a drive
            raise FileNotFoundError(errno.ENOENT, "the folder is not there now", str(folder))
    return "gone"


def _give_back(path: Path, source: Path) -> None:
    """Put what was taken by mistake back where it came from, or beside what has come there since."""
    while True:
        with suppress(FileExistsError):
            rename_new(path, free_place(source))
            return


def _remove_reservation(place: Path, *, even_empty: bool = False) -> None:
    """Remove a file that held a name, if there is one.

    Whoever is killed between making it and writing into it leaves it empty. In an inbox, where pictures return to,
    an empty file may as well be an upload that begins.
    """
    with suppress(FileNotFoundError, NotADirectoryError, ChangedError):
        size = identity(place).size
        if (size == 0 and even_empty) or (size == len(RESERVATION) and place.read_bytes() == RESERVATION):
            place.unlink()


def _came_since(row: Row) -> bool:
    """Tell whether what stands at the source came after the picture had been renamed into place."""
    return identity(row.place).inode == row.file.inode != identity(row.source).inode


def _is(path: Path, file: Identity) -> bool:
    try:
        return identity(path) == file
    except (ChangedError, FileNotFoundError, NotADirectoryError):
        return False


def _is_what_was_read(path: Path, row: Row) -> bool:
    """Tell whether a file has the bytes of a row, and its time: cameras write equal black pictures all night."""
    return _holds(path, row) and identity(path).mtime_ns == row.file.mtime_ns


def _holds(path: Path, row: Row) -> bool:
    """Tell whether a file has the bytes of a row."""
    try:
        return identity(path).size == row.file.size and sha256(path) == row.digest
    except (ChangedError, FileNotFoundError, NotADirectoryError):
        return False


def _coming(row: Row) -> Path:
    return row.place.with_name(f".skysort-{row.id}.coming")


def _going(row: Row) -> Path:
    return row.source.with_name(f".skysort-{row.id}.going")
