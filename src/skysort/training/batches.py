"""Batches: which pictures come when, as arithmetic on (seed, epoch, step)."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skysort.pictures.decode import Pixels


@dataclass(frozen=True)
class Part:
    """One part's pictures, as the loop takes them."""

    num_pictures: int
    pixels: Callable[[NDArray[np.int64]], Pixels]
    """Gives (N, C, H, W) uint8 for (N,) numbers below num_pictures."""
    labels: NDArray[np.int64]
    """(num_pictures,) class indices."""


def num_steps(num_pictures: int, batch_size: int) -> int:
    """Return how many steps an epoch has; the last batch may be smaller."""
    return -(-num_pictures // batch_size)


def shuffled(
    part: Part, batch_size: int, seed: int, epoch: int, first_step: int, device: torch.device
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield an epoch's batches from a step on, in the order that (seed, epoch) gives.

    Yields:
        (N, C, H, W) uint8 pictures and (N,) int64 labels, on the device.
    """
    order = np.random.default_rng((seed, epoch, 0)).permutation(part.num_pictures)
    yield from _batches(part, order[first_step * batch_size :], batch_size, device)


def in_turn(part: Part, batch_size: int, device: torch.device) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield a part's batches as the pictures lie; as `shuffled` otherwise."""
    yield from _batches(part, np.arange(part.num_pictures), batch_size, device)


def _batches(
    part: Part, order: NDArray[np.int64], batch_size: int, device: torch.device
) -> Iterator[tuple[Tensor, Tensor]]:
    for start in range(0, len(order), batch_size):
        rows = order[start : start + batch_size]
        pictures = torch.from_numpy(part.pixels(rows))
        labels = torch.from_numpy(part.labels[rows])
        yield pictures.to(device), labels.to(device)
