"""Batches: the pictures of each step, in an order that follows from (seed, epoch) alone."""

from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skysort.data.decode import Pixels
from skysort.recipe.sections import num_steps
from skysort.training.random_streams import Stream, stream_rng

CHUNK_BYTES = 2**22
"""Pictures are gathered in chunks of about this size: many small batches, or one larger batch."""
Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class SplitPictures:
    """One split's pictures, as the loop takes them."""

    num_pictures: int
    pixels: Callable[[NDArray[np.int64]], Pixels]
    """Returns (N, C, H, W) uint8 for (N,) numbers below num_pictures. A thread beside the loop calls it."""
    labels: NDArray[np.int64]
    """(num_pictures,) class indices."""

    @property
    def num_classes(self) -> int:
        """Number of classes. Correct for a training split, where each class has a picture."""
        return int(self.labels.max()) + 1


class Batch(NamedTuple):
    """The pictures of one step."""

    pictures: Tensor
    """(N, C, H, W) uint8, on the device."""
    labels: Tensor
    """(N,) int64, on the device."""
    rows: Tensor
    """(N,) int64, on the CPU: the numbers of these pictures in the split."""


def shuffled(
    split: SplitPictures,
    batch_size: int,
    seed: int,
    epoch: int,
    first_step: int,
    device: torch.device,
    balanced: bool = False,
) -> Generator[Batch, None, None]:
    """Yield an epoch's batches, starting at a step, in the order of (seed, epoch).

    Each picture comes once; if balanced, each class comes equally often. A thread gathers the next batches ahead.
    Close the iterator, for example with `contextlib.closing`, to end that thread.
    """
    rng = stream_rng(Stream.ORDER, seed, epoch)
    order = _balanced(split.labels, rng) if balanced else rng.permutation(split.num_pictures)
    if first_step < num_steps(len(order), batch_size):  # a small rest has joined the last batch
        yield from _batches(split, order[first_step * batch_size :], batch_size, device)


def _balanced(labels: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Return as many rows as there are labels, in random order; classes come equally often, give or take one.

    Within a class, the same holds for its pictures.
    """
    classes = rng.permutation(np.unique(labels))
    share, rest = divmod(len(labels), len(classes))
    chosen = [
        np.resize(rng.permutation(np.flatnonzero(labels == label)), share + (number < rest))
        for number, label in enumerate(classes)
    ]
    return rng.permutation(np.concatenate(chosen))


def in_turn(split: SplitPictures, batch_size: int, device: torch.device) -> Generator[Batch, None, None]:
    """Yield a split's batches in the order of its pictures; otherwise like `shuffled`."""
    yield from _batches(split, np.arange(split.num_pictures), batch_size, device)


def _batches(
    split: SplitPictures, order: NDArray[np.int64], batch_size: int, device: torch.device
) -> Generator[Batch, None, None]:
    """Gather the pictures of several batches at once, which costs less than one by one."""

    def gathered(rows: NDArray[np.int64]) -> Batch:
        pictures, labels = torch.from_numpy(split.pixels(rows)), torch.from_numpy(split.labels[rows])
        if device.type == "cuda":  # transfers from pinned memory are asynchronous
            pictures, labels = pictures.pin_memory(), labels.pin_memory()
        return Batch(pictures, labels, torch.from_numpy(rows))

    if not len(order):
        return
    bytes_per_picture = split.pixels(order[:1]).nbytes
    steps_per_chunk = max(1, CHUNK_BYTES // (batch_size * bytes_per_picture))
    chunks = np.split(order, _inner_starts(len(order), batch_size)[steps_per_chunk - 1 :: steps_per_chunk])
    for pictures, labels, rows in _ahead(gathered, chunks):
        pictures, labels = pictures.to(device, non_blocking=True), labels.to(device, non_blocking=True)
        inner = _inner_starts(len(rows), batch_size)
        yield from map(Batch, *(torch.tensor_split(tensor, inner) for tensor in (pictures, labels, rows)))


def _inner_starts(num_pictures: int, batch_size: int) -> list[int]:
    """Return where batches start, except the first."""
    return [step * batch_size for step in range(1, num_steps(num_pictures, batch_size))]


def _ahead(function: Callable[[Item], Result], items: Iterable[Item]) -> Generator[Result, None, None]:
    """Apply a function to items on one thread, one item ahead of the consumer.

    The thread ends after the last item, when the function fails (the error is raised here), and when this iterator
    is closed.
    """
    with ThreadPoolExecutor(1, "batches") as thread:
        coming: Future[Result] | None = None
        for item in items:
            last, coming = coming, thread.submit(function, item)
            if last is not None:
                yield last.result()
        if coming is not None:
            yield coming.result()
