"""Random streams: every draw of training follows from the name of its stream and (seed, epoch, step).

No generator lives from one step to the next, so a resume needs no saved random state. Each draw is made for the
whole batch, so processes that share a batch can make the same draws and take the slice of their own pictures.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from functools import cache

import numpy as np
import torch
from torch import Tensor

LOW_32_BITS = 2**32 - 1


class Stream(IntEnum):
    """The use of random numbers. Its number seeds the generators, so a change changes the weights of every run."""

    ORDER = 1
    """The pictures of an epoch, in their order."""
    AUGMENTATION = 2
    """How the pictures of a batch are changed."""
    DROPOUT = 3
    """Which values the network leaves out of a step."""
    FLIP_COINS = 4
    """In which epochs an alternating flip mirrors a picture, odd or even ones; one draw per run."""


def stream_rng(stream: Stream, seed: int, epoch: int = 0, step: int = 0) -> np.random.Generator:
    """Return the generator of a stream at a step.

    Args:
        stream: the use of the numbers.
        seed: of the run; below 2**32, as the others are.
        epoch: counted from 1; 0 is outside training.
        step: within the epoch, counted from 0.
    """
    return np.random.default_rng(_entropy(stream, seed, epoch, step))


@contextmanager
def dropout_rng(seed: int, epoch: int, step: int, device: torch.device) -> Iterator[None]:
    """Seed PyTorch's own generators for the dropout of a step, and restore them afterwards.

    On the CPU PyTorch uses 32 bits of a seed, so two of 100,000 steps may well leave out the same values.
    """
    entropy = np.random.SeedSequence(_entropy(Stream.DROPOUT, seed, epoch, step))
    (state,) = entropy.generate_state(1, np.uint64)
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(int(state))
        yield


def flip_coins(rows: Tensor, seed: int) -> Tensor:
    """Return a coin per picture, (N,) bool, for (N,) row numbers. A row and a seed always give the same coin."""
    # Shifts and products mix the bits: lowbias32 of Wellons, Prospecting for hash functions, 2018.
    mixed = rows ^ _coin_key(seed)
    mixed = ((mixed ^ (mixed >> 16)) * 0x7FEB352D) & LOW_32_BITS
    mixed = ((mixed ^ (mixed >> 15)) * 0x846CA68B) & LOW_32_BITS
    return (mixed ^ (mixed >> 16)) & 1 == 1


@cache
def _coin_key(seed: int) -> int:
    """Return 32 bits that are independent of those of the next seed."""
    return int(stream_rng(Stream.FLIP_COINS, seed).integers(2**32))


def _entropy(stream: Stream, seed: int, epoch: int, step: int) -> tuple[int, int, int, int]:
    # Always four words: NumPy pads shorter entropy with zeros, so (1, 2) and (1, 2, 0) would seed alike.
    return stream, seed, epoch, step
