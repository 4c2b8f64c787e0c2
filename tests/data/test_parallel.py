import threading
from collections.abc import Iterator

import pytest

from skysort.data.parallel import SMALL_FILE_BYTES, groups, in_order, threads_for


@pytest.mark.parametrize("threads", [1, 3])
def test_results_come_in_the_order_of_the_items(threads: int) -> None:
    later = threading.Event()

    def slow_first(item: int) -> int:
        if threads > 1:
            later.set() if item == 1 else later.wait(10)
        return item * item

    assert list(in_order(slow_first, range(20), threads)) == [item * item for item in range(20)]


@pytest.mark.parametrize("threads", [1, 3])
def test_an_error_in_one_item_reaches_the_caller(threads: int) -> None:
    with pytest.raises(ZeroDivisionError):
        list(in_order(lambda item: 1 // item, [2, 1, 0, 1], threads))


@pytest.mark.parametrize("threads", [1, 3])
def test_nothing_in_gives_nothing_out(threads: int) -> None:
    assert list(in_order(str, [], threads)) == []


def test_items_are_taken_only_as_they_are_needed() -> None:
    taken = []

    def items() -> Iterator[int]:
        for item in range(1000):
            taken.append(item)
            yield item

    results = in_order(str, items(), 2)
    assert next(results) == "0"
    assert len(taken) <= 5
    results.close()


def test_one_thread_works_ahead_when_it_is_asked_to() -> None:
    started = threading.Semaphore(0)
    results = in_order(lambda item: started.release() or threading.get_ident(), range(10), 1, ahead=3)
    assert next(results) != threading.get_ident()
    for _ in range(4):  # the one that was asked for, and three more
        assert started.acquire(timeout=60)
    results.close()


def test_groups_are_taken_only_as_they_are_needed() -> None:
    coming = iter(range(5))
    found = groups(coming, 2)
    assert next(found) == [0, 1] and next(coming) == 2
    assert list(found) == [[3, 4]]


def test_tiny_files_are_decoded_on_one_thread() -> None:
    assert threads_for(SMALL_FILE_BYTES - 1) == 1
