"""Batches: which pictures come when, as arithmetic on (seed, epoch, step)."""

from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skysort.pictures.decode import Pixels

CHUNK_BYTES = 2**22
"""Of pictures that are gathered at once: many small batches, or one that is larger."""
Item = TypeVar("Item")
Made = TypeVar("Made")


@dataclass(frozen=True)
class Part:
    """One part's pictures, as the loop takes them."""

    num_pictures: int
    pixels: Callable[[NDArray[np.int64]], Pixels]
    """Gives (N, C, H, W) uint8 for (N,) numbers below num_pictures; called from another thread than the loop's."""
    labels: NDArray[np.int64]
    """(num_pictures,) class indices."""

    @property
    def num_classes(self) -> int:
        """Number of classes, in a training part: there, each has a picture."""
        return int(self.labels.max()) + 1


class Batch(NamedTuple):
    """What a step takes."""

    pictures: Tensor
    """(N, C, H, W) uint8, on the device."""
    labels: Tensor
    """(N,) int64, on the device."""
    rows: Tensor
    """(N,) int64, on the CPU: which of the part's pictures these are."""


def num_steps(num_pictures: int, batch_size: int) -> int:
    """Return how many steps an epoch has."""
    return -(-num_pictures // batch_size)


def batch_bounds(num_pictures: int, batch_size: int, even: bool = False) -> NDArray[np.int64]:
    """Return where an epoch's batches start and, last, where the last one ends: (steps + 1,).

    The last batch is what is left over or, even, all are of one size, to one picture.

    >>> batch_bounds(10, 4).tolist(), batch_bounds(10, 4, even=True).tolist()
    ([0, 4, 8, 10], [0, 3, 6, 10])
    """
    steps = np.arange(num_steps(num_pictures, batch_size) + 1)
    if even:
        return steps * num_pictures // max(1, len(steps) - 1)
    return np.minimum(steps * batch_size, num_pictures)


def shuffled(
    part: Part,
    batch_size: int,
    seed: int,
    epoch: int,
    first_step: int,
    device: torch.device,
    balanced: bool = False,
    even: bool = False,
) -> Generator[Batch, None, None]:
    """Yield an epoch's batches from a step on, in the order that (seed, epoch) gives.

    Each picture comes once or, balanced, each class as often as any other; even batches are those of
    `batch_bounds`. A thread makes them ahead; close the iterator, as `contextlib.closing` does, to be sure that it
    has ended.
    """
    rng = np.random.default_rng((seed, epoch, 0))
    order = _balanced(part.labels, rng) if balanced else rng.permutation(part.num_pictures)
    yield from _batches(part, order, batch_bounds(len(order), batch_size, even)[first_step:], device)


def _balanced(labels: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Return as many rows as there are labels, in mixed order: each class as often as any other, to one.

    So it is with the pictures of a class, too.
    """
    classes = rng.permutation(np.unique(labels))
    share, rest = divmod(len(labels), len(classes))
    chosen = [
        np.resize(rng.permutation(np.flatnonzero(labels == label)), share + (number < rest))
        for number, label in enumerate(classes)
    ]
    return rng.permutation(np.concatenate(chosen))


def in_turn(part: Part, batch_size: int, device: torch.device) -> Generator[Batch, None, None]:
    """Yield a part's batches as the pictures lie; as `shuffled` otherwise."""
    order = np.arange(part.num_pictures)
    yield from _batches(part, order, batch_bounds(len(order), batch_size), device)


def _batches(
    part: Part, order: NDArray[np.int64], bounds: NDArray[np.int64], device: torch.device
) -> Generator[Batch, None, None]:
    """Gather the pictures of many batches at once, so that little is left to do for each."""

    def gathered(bounds: NDArray[np.int64]) -> Batch:
        rows = order[bounds[0] : bounds[-1]]
        pictures, labels = torch.from_numpy(part.pixels(rows)), torch.from_numpy(part.labels[rows])
        if device.type == "cuda":  # from pinned memory a transfer need not be waited for
            pictures, labels = pictures.pin_memory(), labels.pin_memory()
        return Batch(pictures, labels, torch.from_numpy(rows))

    if len(bounds) < 2:
        return
    largest = int(np.diff(bounds).max()) * part.pixels(order[:1]).nbytes
    steps = max(1, CHUNK_BYTES // largest)
    chunks = [bounds[step : step + steps + 1] for step in range(0, len(bounds) - 1, steps)]
    for chunk, (pictures, labels, rows) in zip(chunks, _ahead(gathered, chunks), strict=True):
        pictures, labels = pictures.to(device, non_blocking=True), labels.to(device, non_blocking=True)
        sizes = np.diff(chunk).tolist()
        yield from map(Batch, *(torch.split(tensor, sizes) for tensor in (pictures, labels, rows)))


def _ahead(function: Callable[[Item], Made], items: Iterable[Item]) -> Generator[Made, None, None]:
    """Apply a function on one thread, always to one item more than has been asked for.

    The thread ends when all is done, when the function fails, which is raised here, and when this is closed.
    """
    with ThreadPoolExecutor(1, "batches") as thread:
        coming: Future[Made] | None = None
        for item in items:
            last, coming = coming, thread.submit(function, item)
            if last is not None:
                yield last.result()
        if coming is not None:
            yield coming.result()
