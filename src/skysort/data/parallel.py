"""Maps a function over items on several threads, in order, with few items in memory."""

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

SMALL_FILE_BYTES = 4096
"""Below this size, threads slow decoding down: Pillow releases the interpreter's lock for too short a time."""


def num_cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # on Linux, containers and schedulers may allow fewer
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def threads_for(bytes_per_picture: float) -> int:
    """Return the number of threads that decodes pictures of this file size fastest."""
    return 1 if bytes_per_picture < SMALL_FILE_BYTES else num_cores()


def groups(items: Iterable[Item], num: int) -> Iterator[list[Item]]:
    """Yield items in lists of `num`, taking items only when needed. The last list may be shorter."""
    iterator = iter(items)
    while group := list(islice(iterator, num)):
        yield group


def in_order(
    function: Callable[[Item], Result], items: Iterable[Item], threads: int, ahead: int | None = None
) -> Generator[Result, None, None]:
    """Apply a function on several threads, and yield the results in order. Items are taken only when needed.

    The threads end when the generator is closed or the function raises.

    Args:
        function: takes one item.
        items: may be endless.
        threads: number of threads.
        ahead: number of items that are processed in advance; 0: none, and the calling thread does the work. Unset:
            two per thread, or none for one thread.
    """
    if ahead is None:
        ahead = 2 * threads if threads > 1 else 0
    if ahead == 0:
        yield from map(function, items)
        return
    iterator = iter(items)
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[Future[Result]] = deque(pool.submit(function, item) for item in islice(iterator, ahead))
        try:
            while waiting:
                result = waiting.popleft().result()
                waiting.extend(pool.submit(function, item) for item in islice(iterator, 1))
                yield result
        finally:
            for future in waiting:
                future.cancel()
