"""Does a process still have a file open for writing? Not every system can tell."""

import errno
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

LOCAL = frozenset(
    {"bcachefs", "btrfs", "exfat", "ext2", "ext3", "ext4", "f2fs", "hfsplus", "jfs", "msdos", "nilfs2", "ntfs3",
     "overlay", "ramfs", "reiserfs", "tmpfs", "ubifs", "vfat", "xfs", "zfs"}
)  # fmt: skip
"""File systems whose read leases are reliable. NFS and SMB refuse leases for other reasons, with the same error
that means a writer elsewhere. FUSE grants a lease without asking the drive behind it."""

MOUNTS = Path("/proc/self/mountinfo")

OPENED = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
WRITES = os.O_WRONLY | os.O_RDWR

_is_local_by_mount: dict[tuple[int, int], bool] = {}
"""By the number of the mount, which the system may reuse, and the number of its device."""


def is_open_for_writing(path: Path) -> bool | None:
    """Tell whether a process has a file open for writing, or mapped into memory for that.

    On a local file system Linux knows for certain, by a read lease, which the file's owner and root may take.
    Elsewhere on Linux, `/proc` shows this user's processes. It can say yes, but never no: another user, or another
    computer on a network drive, may be writing.

    Returns:
        None where the system cannot tell, or the file cannot be opened.
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
        if not _is_local(descriptor):
            return None
        # If another process opens the file at this moment, the kernel sends a signal. Its default would end this
        # process; SIGURG is ignored by default.
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as error:
        return True if error.errno == errno.EAGAIN else None
    finally:
        os.close(descriptor)
    return False


def _is_local(descriptor: int) -> bool:
    """Tell whether an open file is on a local file system, by the kind of its mount: proc_pid_mountinfo(5)."""
    info = Path(f"/proc/self/fdinfo/{descriptor}").read_text("ascii")
    number = int(info.split("mnt_id:", 1)[1].split()[0]) if "mnt_id:" in info else -1
    mount = (number, os.fstat(descriptor).st_dev)
    if mount not in _is_local_by_mount:
        kinds = {
            int(line.split(None, 1)[0]): line.split(b" - ", 1)[1].split()[0].decode("ascii", "replace")
            for line in MOUNTS.read_bytes().splitlines()
        }
        _is_local_by_mount[mount] = kinds.get(number) in LOCAL
    return _is_local_by_mount[mount]


def _is_shown_by_proc(path: Path) -> bool:
    """Search the open files of all processes that this user may inspect."""
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
    """Tell whether a descriptor has a file open for writing: proc_pid_fdinfo(5)."""
    with suppress(OSError, ValueError, IndexError):
        if os.readlink(descriptor.path) == wanted:  # noqa: PTH115 - a Path takes no bytes
            info = Path(os.fsdecode(process), "fdinfo", os.fsdecode(descriptor.name)).read_text("ascii")
            return bool(int(info.split("flags:", 1)[1].split()[0], 8) & WRITES)
    return False
