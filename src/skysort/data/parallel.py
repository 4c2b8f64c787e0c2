"""Decoding on several threads, in order, with little in memory at a time."""

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

SMALL_FILE_BYTES = 4096
"""Below, threads cost more than they bring: Pillow lets the interpreter go for too short a time."""


def num_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):  # Linux, where containers and schedulers may allow fewer
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def threads_for(bytes_a_picture: float) -> int:
    """Return how many threads decode pictures of this file size fastest."""
    return 1 if bytes_a_picture < SMALL_FILE_BYTES else num_cores()


def groups(items: Iterable[Item], num: int) -> Iterator[list[Item]]:
    """Yield so many items at a time, taken only as they are needed; the last group may be smaller."""
    coming = iter(items)
    while group := list(islice(coming, num)):
        yield group


def in_order(
    function: Callable[[Item], Result], items: Iterable[Item], threads: int, ahead: int | None = None
) -> Generator[Result, None, None]:
    """Apply a function on several threads; yield results in order, taking items only as they are needed.

    When the generator is closed, or the function raises, the threads have ended.

    Args:
        function: of one item.
        items: may be without end.
        threads: that apply it.
        ahead: how many items are taken before their results are asked for, with 0 for none, and the work done
            on the thread that asks. Unset: two a thread, and none for one thread.
    """
    if ahead is None:
        ahead = 2 * threads if threads > 1 else 0
    if ahead == 0:
        yield from map(function, items)
        return
    coming = iter(items)
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[Future[Result]] = deque(pool.submit(function, item) for item in islice(coming, ahead))
        try:
            while waiting:
                result = waiting.popleft().result()
                waiting.extend(pool.submit(function, item) for item in islice(coming, 1))
                yield result
        finally:
            for future in waiting:
                future.cancel()
