"""Limits on the memory for decoding, on this computer or in its container."""

import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

SHARE = 0.6
"""Share of all memory that decoding may take. On a computer with 1 GB, the rest is for the system, Python and ONNX
Runtime."""
MAX_BYTES = 2**31
"""Limit on any computer: 500 megapixels of RGB. Larger pictures take minutes, and no camera makes them."""
HEADROOM_BYTES = 100 * 2**20
"""Memory that stays free."""
SMALL_BYTES = 2**24
"""Smaller amounts are not counted, because asking the system for its free memory would take too long."""
ASSUMED_BYTES = 2**31
"""Total memory, if the system does not report it."""

PROC, CGROUPS = Path("/proc"), Path("/sys/fs/cgroup")


class TooLargeError(Exception):
    """A picture needs more memory than decoding may take on this computer."""


@dataclass(frozen=True)
class _Limit:
    total: int
    free: int


def most_bytes() -> int:
    """Return the memory, in bytes, that one picture may take while it is decoded."""
    return min(MAX_BYTES, int(SHARE * min(limit.total for limit in _limits())))


def free_bytes() -> int:
    """Return the bytes that this process can still take, without the headroom."""
    return min(limit.free for limit in _limits()) - HEADROOM_BYTES


_changed = threading.Condition()
_taken = 0


@contextmanager
def room_for(num_bytes: int) -> Iterator[None]:
    """Wait until there is memory for a picture, and reserve it inside the block.

    All threads together take no more than one picture of the largest size. Blocks must not be nested.

    Raises:
        TooLargeError: if the picture can never fit on this computer.
        MemoryError: if it does not fit now, although this process holds no other picture.
    """
    global _taken
    if num_bytes < SMALL_BYTES:
        yield
        return
    most = most_bytes()
    if num_bytes > most:
        raise TooLargeError(f"decoding takes {_megabytes(num_bytes)}, and this computer allows {_megabytes(most)}")
    with _changed:
        _changed.wait_for(lambda: not _taken or num_bytes + _taken <= min(most, free_bytes()))
        free = free_bytes()
        if free < num_bytes:
            raise MemoryError(f"decoding a picture takes {_megabytes(num_bytes)}, and {_megabytes(free)} are free")
        _taken += num_bytes
    try:
        yield
    finally:
        with _changed:
            _taken -= num_bytes
            _changed.notify_all()


def _megabytes(num_bytes: int) -> str:
    return f"{max(0, num_bytes) / 1e6:,.0f} MB"


def _limits() -> Iterator[_Limit]:
    """Yield all limits on this process's memory that the system reports, first that of the computer."""
    yield _computer()
    for directory, limit, usage in _control_groups():
        with suppress(OSError, ValueError):  # a group without a limit holds "max"
            total = int((directory / limit).read_text())
            stat = (directory / "memory.stat").read_text()
            # The kernel frees this part of its cache before it refuses memory.
            cache = re.search(r"^(?:total_)?inactive_file (\d+)", stat, re.MULTILINE)
            used = int((directory / usage).read_text()) - (int(cache[1]) if cache else 0)
            yield _Limit(total, total - used)
    with suppress(ImportError, OSError, ValueError):  # Windows has no such limit
        import resource

        total = resource.getrlimit(resource.RLIMIT_AS)[0]
        if total != resource.RLIM_INFINITY:
            pages = int((PROC / "self/statm").read_text().split()[0])
            yield _Limit(total, total - pages * resource.getpagesize())


def _computer() -> _Limit:
    try:
        meminfo = (PROC / "meminfo").read_text()
        lines = dict(re.findall(r"^(\w+):\s*(\d+) kB", meminfo, re.MULTILINE))
        return _Limit(1024 * int(lines["MemTotal"]), 1024 * int(lines["MemAvailable"]))
    except (OSError, KeyError):  # other systems than Linux do not report free memory here
        pass
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        total = ASSUMED_BYTES
    return _Limit(total, total)


def _control_groups() -> Iterator[tuple[Path, str, str]]:
    """Yield this process's memory control groups and their parents: the folder, the limit file and the usage file.

    In a container, its own group appears as the root; folders that do not exist are skipped later.
    """
    with suppress(OSError):
        text = (PROC / "self/cgroup").read_text()
        for controllers, name in re.findall(r"^\d+:([^:\n]*):(.*)$", text, re.MULTILINE):
            if controllers == "":
                root, limit, usage = CGROUPS, "memory.max", "memory.current"
            elif "memory" in controllers.split(","):
                root, limit, usage = CGROUPS / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes"
            else:
                continue
            group = PurePosixPath(name.lstrip("/"))
            for place in (group, *group.parents):
                yield root / place, limit, usage
