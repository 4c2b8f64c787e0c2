"""Settling an unfinished row of the journal: the files that are there say how far its move went.

While a row is unfinished, these files may be there: `source` and `place` as in the row, `coming` beside the place,
`going` beside the source. The names of the last two hold the journal's token and the row's number, so no file of
another journal, or of anybody else, has such a name.

    last step                   source  coming  place   going   what `settle` does
    row written                 here                            not done
    copying                     here    part                    coming removed, not done
    copy noted in the journal   here    here                    coming removed, not done
    name reserved, where no one
      call renames and refuses  here    (here)  reserved        both removed, not done
    renamed into place          here            here            source removed, done; if that fails, or a program
                                                                still writes to it, place is removed, not done
    source renamed to going                     here    here    going removed, done; or given back as above
    source removed                              here            done

One rename within a file system goes from the first line to the last. The journal's note of a copy tells our own
copy at the place from another picture with the same bytes. A file is removed only if it was just read, has the
digest and the time of the row, and another file has the same bytes and its name is on the disk.
"""

import errno
import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

from skysort.core.files import sha256, sync_folder
from skysort.work.journal_entries import Identity, JournalEntry
from skysort.work.names import LARGEST_INTEGER, ChangedError, exists, identity
from skysort.work.renaming import give_back, remove_guard, remove_reservation
from skysort.work.writers import is_open_for_writing

End = Literal["done", "not done", "gone"]

READ_AT_A_TIME = 2**20
TEMPORARY = re.compile(r"\.skysort-([0-9a-f]+)-[0-9]+\.(?:coming|going|guard)")


def settle(row: JournalEntry) -> End:
    """Finish the move of an unfinished row, or roll it back.

    Returns:
        `done`, `not done`, or `gone` for a picture that somebody took from both places.

    Raises:
        OSError: when the state is not known now, as without the drive.
    """
    coming, going = coming_of(row), going_of(row)
    if row.kind == "stay":
        return "done"
    if exists(coming):
        remove_reservation(row.place, row.mark)
        coming.unlink(missing_ok=True)
        arrived = False
    elif arrived := _has_arrived(row):
        remove_guard(row.place, row.mark)
    else:
        remove_reservation(row.place, row.mark)
    if exists(going):
        if arrived:
            _let_go(row)
        else:
            give_back(going, row.source, row.mark)
    if row.kind == "remove":
        return "not done" if exists(row.source) else "done"
    if not arrived:
        return _not_arrived(row)
    return _without_source(row) if row.kind == "move" and row.copied else "done"


def remove_source(row: JournalEntry) -> bool:
    """Remove the source of a copy, but no other file that may have taken its name; tell whether it is gone.

    If the file has changed since it was read, or a program has it open for writing, it gets its name back.
    """
    try:
        row.source.rename(going_of(row))
    except FileNotFoundError:
        if not exists(going_of(row)):
            return True
    return _let_go(row)


def coming_of(row: JournalEntry) -> Path:
    """Return the name of a copy until it is whole."""
    return row.place.with_name(f"{row.mark}.coming")


def going_of(row: JournalEntry) -> Path:
    """Return the name of a source just before it is removed."""
    return row.source.with_name(f"{row.mark}.going")


def temporary_files_of_others(folders: Iterable[Path], token: str) -> Iterator[Path]:
    """Yield the temporary files below some folders that are of other journals than the one with a token."""
    for top in folders:
        for folder, _, names in os.walk(top):
            for name in names:
                match = TEMPORARY.fullmatch(name)
                if match and match[1] != token:
                    yield Path(folder, name)


def is_file(path: Path, file: Identity) -> bool:
    """Tell whether the file at a path has a given identity."""
    try:
        return identity(path) == file
    except (ChangedError, FileNotFoundError, NotADirectoryError):
        return False


def holds(path: Path, row: JournalEntry) -> bool:
    """Tell whether a file has the bytes of a row."""
    try:
        return identity(path).size == row.file.size and sha256(path) == row.digest
    except (ChangedError, FileNotFoundError, NotADirectoryError):
        return False


def has_grown(path: Path, row: JournalEntry) -> bool:
    """Tell whether a file has the bytes of a row and more after them, as an upload that had not ended."""
    try:
        if identity(path).size <= row.file.size:
            return False
        digest, remaining = hashlib.sha256(), row.file.size
        with path.open("rb") as file:
            while remaining and (block := file.read(min(remaining, READ_AT_A_TIME))):
                digest.update(block)
                remaining -= len(block)
    except (ChangedError, FileNotFoundError, NotADirectoryError):
        return False
    return digest.hexdigest() == row.digest


def _is_what_was_read(path: Path, row: JournalEntry) -> bool:
    """Tell whether a file has the bytes of a row, and its time: at night, cameras write equal black pictures."""
    return holds(path, row) and identity(path).mtime_ns == row.file.mtime_ns


def _has_arrived(row: JournalEntry) -> bool:
    """Tell whether this row put the file at the place there. Call it when there is no `coming`."""
    if not holds(row.place, row):
        return False
    if row.kind == "remove" or row.copied:
        return True
    if row.kind == "copy":
        return False
    if not _is_what_was_read(row.source, row):  # gone, or another picture came since
        return True
    source, place = row.source.lstat(), row.place.lstat()
    return source.st_dev == place.st_dev and place.st_ino & LARGEST_INTEGER == row.file.inode != source.st_ino


def _let_go(row: JournalEntry) -> bool:
    """Remove `going`, or give it its name back; tell whether it was removed."""
    going = going_of(row)
    if is_open_for_writing(going) is not True and _is_what_was_read(going, row):
        going.unlink(missing_ok=True)
        return True
    give_back(going, row.source, row.mark)
    return False


def _without_source(row: JournalEntry) -> End:
    """Remove the source of a copy that has arrived. If the source must stay, remove the copy."""
    if _is_what_was_read(row.source, row):
        sync_folder(row.place.parent)
        try:
            if remove_source(row):
                return "done"
        except OSError:
            if exists(going_of(row)):
                give_back(going_of(row), row.source, row.mark)
            if not holds(row.source, row):
                raise
    elif not has_grown(row.source, row):  # gone, or another picture came since
        return "done"
    if not holds(row.source, row) and not has_grown(row.source, row):
        return "done"
    row.place.unlink(missing_ok=True)
    return "not done"


def _not_arrived(row: JournalEntry) -> End:
    if exists(row.source):
        return "not done"
    for folder in (row.source.parent, row.place.parent):
        if not folder.is_dir():  # it was there when the row was written: perhaps its drive is gone
            raise FileNotFoundError(errno.ENOENT, "the folder is not there now", str(folder))
    return "gone"
