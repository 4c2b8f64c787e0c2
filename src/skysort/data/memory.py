"""How much memory decoding may take, on this computer or in the container around it."""

import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

SHARE = 0.6
"""Of all memory, for decoding. On a computer of 1 GB the rest holds the system, Python and ONNX Runtime."""
MAX_BYTES = 2**31
"""On any computer: 500 megapixels of RGB. What is larger takes minutes, and no camera makes it."""
HEADROOM_BYTES = 100 * 2**20
"""Stay free."""
SMALL_BYTES = 2**24
"""What takes less is not counted: asking the system would cost more than it brings."""
ASSUMED_BYTES = 2**31
"""Where the system does not say how much memory there is."""

PROC, CGROUPS = Path("/proc"), Path("/sys/fs/cgroup")


class TooLargeError(Exception):
    """Something takes more memory than decoding may ever take here."""


@dataclass(frozen=True)
class _Limit:
    total: int
    free: int


def most_bytes() -> int:
    """Return how many bytes one picture may take while it is decoded."""
    return min(MAX_BYTES, int(SHARE * min(limit.total for limit in _limits())))


def free_bytes() -> int:
    """Return how many bytes this process can still take, the headroom left aside."""
    return min(limit.free for limit in _limits()) - HEADROOM_BYTES


_changed = threading.Condition()
_taken = 0


@contextmanager
def room_for(num_bytes: int) -> Iterator[None]:
    """Wait until there is memory for a picture, and count it as taken inside the block.

    All threads together take no more than one of the largest pictures may. Not to be nested.

    Raises:
        TooLargeError: when there can never be room for it on this computer.
        MemoryError: when there is no room now, with nothing else of ours in memory.
    """
    global _taken
    if num_bytes < SMALL_BYTES:
        yield
        return
    most = most_bytes()
    if num_bytes > most:
        raise TooLargeError(f"{_megabytes(num_bytes)} to decode, more than the {_megabytes(most)} allowed here")
    with _changed:
        _changed.wait_for(lambda: not _taken or num_bytes + _taken <= min(most, free_bytes()))
        free = free_bytes()
        if free < num_bytes:
            raise MemoryError(
                f"a picture takes {_megabytes(num_bytes)} to decode, and {_megabytes(free)} are free"
            )
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
    """Yield each bound on this process's memory that the system tells of; the computer's own first."""
    yield _computer()
    for directory, limit, usage in _control_groups():
        with suppress(OSError, ValueError):  # a group without a bound says "max"
            total = int((directory / limit).read_text())
            stat = (directory / "memory.stat").read_text()
            # The kernel gives this part of its cache back before it refuses.
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
    except (OSError, KeyError):  # not Linux: what is free is not told
        pass
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        total = ASSUMED_BYTES
    return _Limit(total, total)


def _control_groups() -> Iterator[tuple[Path, str, str]]:
    """Yield this process's memory groups and those above: the folder, its file of the bound, and of the use.

    A container sees its own group as the root, so folders that are not there count as the root.
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
