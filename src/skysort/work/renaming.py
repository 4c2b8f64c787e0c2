"""Renaming to a free name, in one step, on every system.

Linux and macOS have a system call that fails if the name is taken, and Windows always renames in this way. NFS,
and some drives behind FUSE, do not support the call. There we reserve the name first, and the picture replaces
the reservation.

A reservation is a symbolic link into a folder that does not exist, and its text names the journal's row. The
system makes a link whole or not at all, refuses a name that is taken, and lets nobody write through it. On file
systems without links, a small file with the same text takes its place. While that file may be half written, a
second file stands beside it, the guard.
"""

import ctypes
import errno
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from skysort.work.names import ChangedError, exists, free_place, identity

RENAME_NOREPLACE = 1  # Linux: linux/fs.h
RENAME_EXCL = 4  # macOS: sys/stdio.h
AT_FDCWD = -100
NOT_SUPPORTED = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)
MOST_NAMES_TRIED = 100


def rename_new(source: Path, target: Path, mark: str) -> None:
    """Rename a file, in one step, to a free name.

    Args:
        source: path of the file.
        target: its new path.
        mark: of the journal's row. It marks a reservation as ours.

    Raises:
        FileExistsError: when the target exists.
        OSError: with EXDEV when the target is on another file system, or for another error of the system.
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
    _reserve(target, mark)
    try:
        source.replace(target)
    except OSError:
        if exists(source):  # otherwise it succeeded, whatever a network drive answered
            remove_reservation(target, mark)
        raise
    remove_guard(target, mark)


def give_back(path: Path, source: Path, mark: str) -> None:
    """Rename a file back to its source; if another file has taken that name, to a free name beside it.

    Raises:
        OSError: when that is not possible now.
    """
    remove_reservation(source, mark)
    for _ in range(MOST_NAMES_TRIED):
        try:
            rename_new(path, free_place(source), mark)
        except (FileExistsError, FileNotFoundError) as error:
            if not exists(path):  # a network drive may answer so after a success
                remove_guard(source, mark)
                return
            if isinstance(error, FileNotFoundError):
                raise
        else:
            return
    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(source))


def remove_reservation(target: Path, mark: str) -> None:
    """Remove the reservation of a name for a row of the journal, whole or not, and no other file."""
    with suppress(FileNotFoundError, NotADirectoryError):
        if target.is_symlink() and str(target.readlink()) == _text(mark):
            target.unlink(missing_ok=True)
    guard = _guard(target, mark)
    if not exists(guard):
        return
    with suppress(ChangedError, FileNotFoundError):
        whole = _text(mark).encode()
        if identity(target).size <= len(whole) and whole.startswith(target.read_bytes()):
            target.unlink(missing_ok=True)
    guard.unlink(missing_ok=True)


def remove_guard(target: Path, mark: str) -> None:
    """Remove the guard of a reservation, after a picture has replaced the reservation."""
    _guard(target, mark).unlink(missing_ok=True)


def _reserve(target: Path, mark: str) -> None:
    """Reserve a name. A reservation that this row made before is still valid."""
    try:
        target.symlink_to(_text(mark))
    except FileExistsError:
        if not target.is_symlink() or str(target.readlink()) != _text(mark):
            raise
    except OSError as error:
        if error.errno not in (*NOT_SUPPORTED, errno.EPERM):
            raise
        _reserve_by_file(target, mark)


def _reserve_by_file(target: Path, mark: str) -> None:
    guard = _guard(target, mark)
    guard.touch()
    try:
        file = target.open("xb")
    except FileExistsError:
        guard.unlink(missing_ok=True)  # before it marks the file of somebody else as ours
        raise
    try:
        with file:
            file.write(_text(mark).encode())
    except OSError:
        remove_reservation(target, mark)
        raise


def _text(mark: str) -> str:
    return f"reserved by skysort/{mark}"


def _guard(target: Path, mark: str) -> Path:
    return target.with_name(f"{mark}.guard")


def _exclusive_call() -> Callable[[bytes, bytes], int] | None:
    """Return the system call that renames and fails if the name is taken. It returns 0, or sets errno."""
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
