"""Files and folders held for one process alone."""

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
    """Hold a file for this process alone, its content untouched; the system lets go however the process ends.

    Where the system can, the path may be a folder.

    Args:
        path: of what is there.
        wait: seconds to go on trying while another process holds it.

    Raises:
        LockedError: when another process holds it.
        SkysortError: when it cannot be opened.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    except OSError as error:
        raise SkysortError("system", f"could not write {path}: {error.strerror or error}") from error
    try:
        given_up = time.monotonic() + wait
        while not _lock(descriptor):
            if time.monotonic() >= given_up:
                raise LockedError(path)
            time.sleep(SECONDS_BETWEEN_TRIES)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    """Tell whether no other process held it."""
    try:
        if sys.platform == "win32":
            import msvcrt

            os.lseek(descriptor, BEYOND_ANY_TEXT, os.SEEK_SET)  # bytes that are locked nobody else can read
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:
        pass  # network file systems may know no locks; without one all is as it was before there were any
    return True
