"""Names in folders: what stands at one, which are free, and bringing them to the disk."""

import errno
import os
import stat
from collections.abc import Collection, Iterable
from itertools import takewhile
from pathlib import Path

from skysort.core.files import sync_folder
from skysort.work.journal_entries import Identity

MAX_NAME_BYTES = 255
LARGEST_INTEGER = 2**63 - 1
"""That SQLite holds. Inode numbers may be larger, and times after the year 2262, or before 1677, be beyond it."""


class ChangedError(OSError):
    """What stands at a path is not the file that was meant."""


def identity(path: Path) -> Identity:
    """Return what tells the file at a path from another of that name; a link is itself.

    Raises:
        OSError: when there is none, or it is not a regular file.
    """
    return identity_of(path.lstat(), path)


def identity_of(found: os.stat_result, path: Path) -> Identity:
    """Return the same from what the system says of a file."""
    if not stat.S_ISREG(found.st_mode):
        raise ChangedError(errno.EINVAL, "not a regular file", str(path))
    mtime_ns = min(max(found.st_mtime_ns, -LARGEST_INTEGER), LARGEST_INTEGER)
    return Identity(found.st_ino & LARGEST_INTEGER, found.st_size, mtime_ns)


def stands(path: Path) -> bool:
    """Tell whether anything stands at a path; `os.path.lexists` takes a drive that fails for no.

    Raises:
        OSError: when that cannot be told now.
    """
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def free_place(wanted: Path, taken: Collection[Path] = ()) -> Path:
    """Return a path at which nothing stands: the one wanted, or with a number.

    Args:
        wanted: path.
        taken: paths that are promised to others.
    """

    def is_free(number: int) -> bool:
        path = numbered(wanted, number)
        # What a drive that fails does not answer is taken for free: the move then says why it fails.
        return path not in taken and not os.path.lexists(path)

    if is_free(1):
        return wanted
    used, free = 1, 2
    while not is_free(free):  # a camera may write to one and the same name a million times
        used, free = free, 2 * free
    while free - used > 1:
        middle = (used + free) // 2
        used, free = (used, middle) if is_free(middle) else (middle, free)
    return numbered(wanted, free)


def numbered(path: Path, number: int) -> Path:
    """Return a path with a number to its name, cut where file systems would refuse it as too long.

    >>> numbered(Path("a/bird.jpg"), 1).name, numbered(Path("a/bird.jpg"), 2).name
    ('bird.jpg', 'bird-2.jpg')
    """
    if number == 1:
        return path
    stem, ending = path.stem, f"-{number}{path.suffix}"
    while len(os.fsencode(stem + ending)) > MAX_NAME_BYTES and stem:
        stem = stem[:-1]
    return path.with_name(stem + ending)


def sync_folders(folders: Iterable[Path]) -> dict[Path, OSError]:
    """Bring the names in some folders to the disk, each folder once; return those where it failed."""
    failed = {}
    for folder in set(folders):
        try:
            sync_folder(folder)
        except OSError as error:
            failed[folder] = error
    return failed


def make_folder(folder: Path) -> None:
    """Make a folder, and those above it, whose names are on the disk when this returns.

    Raises:
        OSError: when it cannot be made.
    """
    for missing in reversed(list(takewhile(lambda above: not above.is_dir(), (folder, *folder.parents)))):
        missing.mkdir(exist_ok=True)
        sync_folder(missing.parent)
