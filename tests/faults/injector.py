"""Builds the injector, and says in Python what it can do: see injector.c."""

import ctypes
import errno
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

CALLS = (
    "rename", "renameat2", "link", "symlink", "unlink", "mkdir", "rmdir", "open", "opendir", "stat", "read",
    "write", "copy", "truncate", "utime", "fsync", "flock", "close",
)  # fmt: skip
"""As in the enumeration of injector.c; `copy` is copy_file_range and sendfile."""
MODES = ("fail", "done then error", "short", "kill before", "kill after")
ERRORS: Mapping[str, str] = {
    "rename": "EIO ENOSPC EACCES EXDEV",
    "renameat2": "EIO ENOSPC EACCES EXDEV EINVAL EEXIST",
    "link": "EIO ENOSPC EPERM EMLINK EEXIST",
    "symlink": "EIO ENOSPC EPERM EEXIST",
    "unlink": "EIO EACCES EBUSY",
    "mkdir": "EIO ENOSPC EACCES EEXIST",
    "rmdir": "EIO EBUSY",
    "open": "EIO ENOSPC EACCES EMFILE ESTALE",
    "opendir": "EIO EACCES EMFILE",
    "stat": "EIO EACCES",
    "read": "EIO ESTALE",
    "write": "EIO ENOSPC EDQUOT",
    "copy": "EIO ENOSPC EINVAL EXDEV",
    "truncate": "EIO ENOSPC",
    "utime": "EIO EPERM",
    "fsync": "EIO ENOSPC EINVAL",
    "flock": "EIO ENOLCK",
    "close": "EIO ENOSPC",
}
"""What a call may answer, for that it fails before anything is done."""
DONE_ALL_THE_SAME: Mapping[str, str] = {
    "rename": "EIO ENOENT",
    "renameat2": "EIO ENOENT EEXIST",
    "link": "EIO EEXIST",
    "symlink": "EIO EEXIST",
    "unlink": "EIO ENOENT",
    "mkdir": "EIO EEXIST",
    "rmdir": "EIO ENOENT",
    "open": "EIO",
    "write": "EIO",
    "copy": "EIO",
    "truncate": "EIO",
    "utime": "EIO",
    "close": "EIO",
}
"""What it may answer though it was done: a network drive asks twice where an answer got lost."""
SHORT = ("read", "write", "copy")
HARMLESS = ("opendir", "stat", "read", "flock", "close")
"""Change nothing on a disk: a kill beside one is a kill beside the call before it."""


@dataclass(frozen=True)
class Fault:
    """The so manieth call of a kind goes wrong in some way."""

    call: str
    number: int
    """From 1."""
    mode: str
    error: str = "EIO"

    def __str__(self) -> str:
        how = f" ({self.error})" if self.mode in ("fail", "done then error") else ""
        return f"{self.call} number {self.number}: {self.mode}{how}"


def faults_of(counts: Mapping[str, int]) -> Iterator[Fault]:
    """Yield every fault of a piece of work that makes so many calls of each kind."""
    for call, count in counts.items():
        for number in range(1, count + 1):
            for error in ERRORS[call].split():
                yield Fault(call, number, "fail", error)
            for error in DONE_ALL_THE_SAME.get(call, "").split():
                yield Fault(call, number, "done then error", error)
            if call in SHORT:
                yield Fault(call, number, "short")
            if call not in HARMLESS:
                yield Fault(call, number, "kill before")
                yield Fault(call, number, "kill after")


def compiler() -> str | None:
    """Return the system's C compiler, if it has one."""
    return shutil.which("cc") or shutil.which("gcc")


def build(folder: Path) -> Path:
    """Compile the injector into a folder."""
    library = folder / "injector.so"
    source = Path(__file__).with_name("injector.c")
    cc = compiler()
    assert cc, "no C compiler"
    subprocess.run([cc, "-shared", "-fPIC", "-O1", "-Wall", "-o", library, source, "-ldl"], check=True)
    return library


def arm(fault: Fault | None, folders: Sequence[Path]) -> None:
    """Let a fault happen in this process, which has the injector loaded; None only counts the calls."""
    below = "\n".join(map(str, folders)).encode()
    if fault is None:
        ctypes.CDLL(None).fault_arm(-1, 0, 0, 0, below)
        return
    call, mode, error = CALLS.index(fault.call), MODES.index(fault.mode), getattr(errno, fault.error)
    ctypes.CDLL(None).fault_arm(call, fault.number, mode, error, below)


def counts() -> dict[str, int]:
    """Return how many calls of each kind there were since the injector was armed."""
    found = (ctypes.c_int * len(CALLS))()
    ctypes.CDLL(None).fault_counts(found)
    return dict(zip(CALLS, found, strict=True))
