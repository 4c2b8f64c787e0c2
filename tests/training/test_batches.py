import threading
from contextlib import closing

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from skysort.data.decode import Pixels
from skysort.recipe.sections import num_steps
from skysort.training import batches
from skysort.training.batches import SplitPictures, in_turn, shuffled
from skysort.training.random_streams import Stream, stream_rng

CPU = torch.device("cpu")
PIXELS = np.random.default_rng(0).integers(0, 256, (50, 3, 4, 4), dtype=np.uint8)
SPLIT = SplitPictures(50, lambda rows: PIXELS[rows], np.arange(50) % 7)


@pytest.fixture(params=[1, 600, 2**22])  # of one batch, of some, of all
def _chunks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "CHUNK_BYTES", request.param)


@pytest.mark.usefixtures("_chunks")
@pytest.mark.parametrize(
    ("batch_size", "expected"),
    [
        (1, [1] * 50),
        (4, [4] * 12 + [2]),
        (8, [8] * 6 + [2]),
        (16, [16, 16, 18]),
        (49, [50]),
        (50, [50]),
        (99, [50]),
        (201, [50]),
    ],
)
def test_batches_are_the_parts_pictures_in_the_order_of_seed_and_epoch(
    batch_size: int, expected: list[int]
) -> None:
    order = stream_rng(Stream.ORDER, 5, 2).permutation(50)
    found = list(shuffled(SPLIT, batch_size, 5, 2, 0, CPU))
    assert [len(batch.rows) for batch in found] == expected
    assert num_steps(50, batch_size) == len(expected)
    assert torch.cat([batch.rows for batch in found]).tolist() == order.tolist()
    assert np.array_equal(torch.cat([batch.pictures for batch in found]).numpy(), PIXELS[order])
    assert torch.cat([batch.labels for batch in found]).tolist() == (order % 7).tolist()


def test_in_turn_pictures_come_as_they_lie() -> None:
    rows = [batch.rows.tolist() for batch in in_turn(SPLIT, 20, CPU)]
    assert rows == [list(range(20)), list(range(20, 40)), list(range(40, 50))]


def test_nothing_gives_no_batch() -> None:
    assert list(shuffled(SPLIT, 10, 0, 1, 5, CPU)) == []


def num_threads() -> int:
    return sum(thread.name.startswith("batches") for thread in threading.enumerate())


def test_the_thread_ends_with_its_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "CHUNK_BYTES", 1)
    for _ in shuffled(SPLIT, 16, 0, 1, 0, CPU):
        assert num_threads() == 1
    assert num_threads() == 0


def test_the_thread_ends_when_the_loop_does_not_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "CHUNK_BYTES", 1)
    with pytest.raises(KeyboardInterrupt), closing(shuffled(SPLIT, 16, 0, 1, 0, CPU)) as coming:
        next(coming)
        assert num_threads() == 1
        raise KeyboardInterrupt
    assert num_threads() == 0


def test_what_fails_in_the_thread_is_raised_in_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "CHUNK_BYTES", 1)

    def pixels(rows: NDArray[np.int64]) -> Pixels:
        if len(rows) > 1 and threading.current_thread() is not threading.main_thread() and 49 in rows:
            raise OSError("the disk is gone")
        return PIXELS[rows]

    with pytest.raises(OSError, match="the disk is gone"):
        list(in_turn(SplitPictures(50, pixels, SPLIT.labels), 16, CPU))
    assert num_threads() == 0


def test_little_more_is_gathered_than_has_been_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "CHUNK_BYTES", 1)
    gathered: list[int] = []

    def pixels(rows: NDArray[np.int64]) -> Pixels:
        gathered.extend(rows.tolist())
        return PIXELS[rows]

    with closing(in_turn(SplitPictures(50, pixels, SPLIT.labels), 5, CPU)) as coming:
        next(coming)
    assert max(gathered) < 15


def drawn(epoch: int, first_step: int = 0, counts: tuple[int, ...] = (40, 3, 8)) -> list[int]:
    """Return which pictures a balanced epoch has, in order, of classes with so many pictures."""
    labels = np.repeat(np.arange(len(counts)), counts)
    split = SplitPictures(len(labels), lambda rows: PIXELS[rows % 50], labels)
    return [
        row
        for batch in shuffled(split, 4, 0, epoch, first_step, CPU, balanced=True)
        for row in batch.rows.tolist()
    ]


def test_a_balanced_epoch_has_each_class_and_each_of_its_pictures_as_often_as_any_other() -> None:
    rows = drawn(1)
    times = np.bincount(rows, minlength=51)
    assert len(rows) == 51
    for of_class in (times[:40], times[40:43], times[43:]):
        assert of_class.sum() == 17
        assert of_class.max() - of_class.min() <= 1
    assert np.bincount(drawn(1, counts=(5, 2)), minlength=7)[:5].sum() in (3, 4)


def test_a_balanced_epoch_is_mixed_and_goes_on_where_it_was() -> None:
    rows = drawn(1)
    assert len({tuple(np.searchsorted([40, 43], rows[n : n + 5], side="right")) for n in range(0, 50, 5)}) > 5
    assert drawn(1, first_step=3) == rows[12:]
    assert sorted(drawn(2)) != sorted(rows)  # other pictures of the frequent class
