"""Locks on files and folders, each held by one process."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from skysort.core.errors import LockedError, SkysortError

BEYOND_ANY_TEXT = 2**30
SECONDS_BETWEEN_TRIES = 0.05


@contextmanager
def locked(path: Path, wait: float = 0.0) -> Iterator[None]:
    """Lock a file for this process. The content stays as it is, and the system unlocks it when the process ends.

    On POSIX systems the path may be a folder.

    Args:
        path: an existing file or folder.
        wait: seconds to retry while another process holds the lock.

    Raises:
        LockedError: if another process holds the lock.
        SkysortError: if the path cannot be opened.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    except OSError as error:
        raise SkysortError("system", f"could not write {path}: {error.strerror or error}") from error
    try:
        deadline = time.monotonic() + wait
        while not lock_descriptor(descriptor):
            if time.monotonic() >= deadline:
                raise LockedError(path)
            time.sleep(SECONDS_BETWEEN_TRIES)
        yield
    finally:
        os.close(descriptor)


def is_locked(path: Path) -> bool:
    """Tell whether another process holds the lock of an existing file or folder.

    Raises:
        SkysortError: if the path cannot be opened.
    """
    try:
        with locked(path):
            return False
    except LockedError:
        return True


def lock_descriptor(descriptor: int) -> bool:
    """Try to lock an open file; return False if another process holds the lock.

    On POSIX systems, a process that inherits the descriptor holds the lock until it has ended, too.
    """
    try:
        if sys.platform == "win32":
            import msvcrt

            os.lseek(descriptor, BEYOND_ANY_TEXT, os.SEEK_SET)  # Windows keeps others from reading locked bytes
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:
        pass  # some network file systems have no locks; go on without one
    return True
