"""Batches: which pictures come when, as arithmetic on (seed, epoch, step)."""

from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skysort.data.decode import Pixels
from skysort.recipe.schema import num_steps
from skysort.training.random_streams import Stream, stream_rng

CHUNK_BYTES = 2**22
"""Of pictures that are gathered at once: many small batches, or one that is larger."""
Item = TypeVar("Item")
Made = TypeVar("Made")


@dataclass(frozen=True)
class SplitPictures:
    """One split's pictures, as the loop takes them."""

    num_pictures: int
    pixels: Callable[[NDArray[np.int64]], Pixels]
    """Gives (N, C, H, W) uint8 for (N,) numbers below num_pictures; called from another thread than the loop's."""
    labels: NDArray[np.int64]
    """(num_pictures,) class indices."""

    @property
    def num_classes(self) -> int:
        """Number of classes, in a training split: there, each has a picture."""
        return int(self.labels.max()) + 1


class Batch(NamedTuple):
    """What a step takes."""

    pictures: Tensor
    """(N, C, H, W) uint8, on the device."""
    labels: Tensor
    """(N,) int64, on the device."""
    rows: Tensor
    """(N,) int64, on the CPU: which of the split's pictures these are."""


def shuffled(
    split: SplitPictures,
    batch_size: int,
    seed: int,
    epoch: int,
    first_step: int,
    device: torch.device,
    balanced: bool = False,
) -> Generator[Batch, None, None]:
    """Yield an epoch's batches from a step on, in the order that (seed, epoch) gives.

    Each picture comes once or, balanced, each class as often as any other. A thread makes them ahead; close the
    iterator, as `contextlib.closing` does, to be sure that it has ended.
    """
    rng = stream_rng(Stream.ORDER, seed, epoch)
    order = _balanced(split.labels, rng) if balanced else rng.permutation(split.num_pictures)
    if first_step < num_steps(len(order), batch_size):  # else what is left has been in the last batch
        yield from _batches(split, order[first_step * batch_size :], batch_size, device)


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


def in_turn(split: SplitPictures, batch_size: int, device: torch.device) -> Generator[Batch, None, None]:
    """Yield a split's batches as the pictures lie; as `shuffled` otherwise."""
    yield from _batches(split, np.arange(split.num_pictures), batch_size, device)


def _batches(
    split: SplitPictures, order: NDArray[np.int64], batch_size: int, device: torch.device
) -> Generator[Batch, None, None]:
    """Gather the pictures of many batches at once, so that little is left to do for each."""

    def gathered(rows: NDArray[np.int64]) -> Batch:
        pictures, labels = torch.from_numpy(split.pixels(rows)), torch.from_numpy(split.labels[rows])
        if device.type == "cuda":  # from pinned memory a transfer need not be waited for
            pictures, labels = pictures.pin_memory(), labels.pin_memory()
        return Batch(pictures, labels, torch.from_numpy(rows))

    if not len(order):
        return
    bytes_a_picture = split.pixels(order[:1]).nbytes
    steps_a_chunk = max(1, CHUNK_BYTES // (batch_size * bytes_a_picture))
    chunks = np.split(order, _inner_starts(len(order), batch_size)[steps_a_chunk - 1 :: steps_a_chunk])
    for pictures, labels, rows in _ahead(gathered, chunks):
        pictures, labels = pictures.to(device, non_blocking=True), labels.to(device, non_blocking=True)
        inner = _inner_starts(len(rows), batch_size)
        yield from map(Batch, *(torch.tensor_split(tensor, inner) for tensor in (pictures, labels, rows)))


def _inner_starts(num_pictures: int, batch_size: int) -> list[int]:
    """Return where batches start, but for the first."""
    return [step * batch_size for step in range(1, num_steps(num_pictures, batch_size))]


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
