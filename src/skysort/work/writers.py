"""Whether a process still has a file open for writing, as far as the system tells."""

import errno
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

OPENED = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
WRITES = os.O_WRONLY | os.O_RDWR


def is_open_for_writing(path: Path) -> bool | None:
    """Tell whether a process has a file open for writing, or mapped into memory for that.

    Linux answers for certain where a read lease can be asked for, which needs a local file system, and the file's
    owner or root. Elsewhere on Linux, what `/proc` shows of this user's processes can say yes, but never no:
    another user, or another computer of a network drive, may write.

    Returns:
        None where the system does not tell, or the file cannot be opened.
    """
    if sys.platform != "linux":
        return None
    by_lease = _by_lease(path)
    return (_is_shown_by_proc(path) or None) if by_lease is None else by_lease


def _by_lease(path: Path) -> bool | None:
    """Ask for a read lease, which Linux refuses while anybody writes: fcntl(2), F_SETLEASE."""
    if sys.platform != "linux":
        return None
    import fcntl

    try:
        descriptor = os.open(path, OPENED)
    except OSError:
        return None
    try:
        # Who opens the file in this moment makes the kernel send a signal, which by itself ends a process. This
        # one does nothing.
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as error:
        return True if error.errno == errno.EAGAIN else None
    finally:
        os.close(descriptor)
    return False


def _is_shown_by_proc(path: Path) -> bool:
    """Look through the open files of all processes that may be looked at."""
    wanted = os.fsencode(path.parent.resolve() / path.name)
    with suppress(OSError), os.scandir(b"/proc") as processes:
        for process in processes:
            if process.name.isdigit():
                with suppress(OSError), os.scandir(process.path + b"/fd") as opened:
                    for descriptor in opened:
                        if _is_written_by(process.path, descriptor, wanted):
                            return True
    return False


def _is_written_by(process: bytes, descriptor: os.DirEntry[bytes], wanted: bytes) -> bool:
    """Tell whether a descriptor is of a file and open for writing: proc_pid_fdinfo(5)."""
    with suppress(OSError, ValueError, IndexError):
        if os.readlink(descriptor.path) == wanted:  # noqa: PTH115 - a Path takes no bytes
            told = Path(os.fsdecode(process), "fdinfo", os.fsdecode(descriptor.name)).read_text("ascii")
            return bool(int(told.split("flags:", 1)[1].split()[0], 8) & WRITES)
    return False
