"""Names in folders: the identity of a file, free names, and folders whose names are on the disk."""

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
"""The largest that SQLite stores. Inode numbers, and times before 1677 or after 2262, may be beyond it."""


class ChangedError(OSError):
    """The file at a path is not the expected one."""


def identity(path: Path) -> Identity:
    """Return the identity of the file at a path, without following a link.

    Raises:
        OSError: when there is no file, or it is not a regular one.
    """
    return identity_of(path.lstat(), path)


def identity_of(status: os.stat_result, path: Path) -> Identity:
    """Return the identity of a file from its status.

    Raises:
        ChangedError: when it is not a regular file.
    """
    if not stat.S_ISREG(status.st_mode):
        raise ChangedError(errno.EINVAL, "not a regular file", str(path))
    mtime_ns = min(max(status.st_mtime_ns, -LARGEST_INTEGER), LARGEST_INTEGER)
    return Identity(status.st_ino & LARGEST_INTEGER, status.st_size, mtime_ns)


def exists(path: Path) -> bool:
    """Tell whether a path exists. `os.path.lexists` would return False for a drive that fails.

    Raises:
        OSError: when the system cannot tell now.
    """
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def free_place(wanted: Path, taken: Collection[Path] = ()) -> Path:
    """Return a free path: the one wanted, or the same with a number.

    Args:
        wanted: path.
        taken: paths that are reserved for others.
    """

    def is_free(number: int) -> bool:
        path = numbered(wanted, number)
        # On a drive that fails, every path counts as free: the move then reports the error.
        return path not in taken and not os.path.lexists(path)

    if is_free(1):
        return wanted
    used, free = 1, 2
    while not is_free(free):  # a camera may write the same name a million times
        used, free = free, 2 * free
    while free - used > 1:
        middle = (used + free) // 2
        used, free = (used, middle) if is_free(middle) else (middle, free)
    return numbered(wanted, free)


def numbered(path: Path, number: int) -> Path:
    """Return a path with a number added to its name, which is shortened to what file systems accept.

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
    """Sync the names in folders to the disk, each folder once; return the folders that failed."""
    failed = {}
    for folder in set(folders):
        try:
            sync_folder(folder)
        except OSError as error:
            failed[folder] = error
    return failed


def make_folder(folder: Path) -> None:
    """Make a folder and its parents. Their names are on the disk when this returns.

    Raises:
        OSError: when the system refuses.
    """
    for missing in reversed(list(takewhile(lambda above: not above.is_dir(), (folder, *folder.parents)))):
        missing.mkdir(exist_ok=True)
        sync_folder(missing.parent)


def absolute_picture(picture: str | None) -> str | None:
    """Return a file name as it is, and a path as the absolute path that the journal holds."""
    if picture is None or os.path.basename(picture) == picture:  # noqa: PTH119 - "a/." is not "a"
        return picture
    path = Path(picture)
    return str(path.parent.resolve() / path.name)
