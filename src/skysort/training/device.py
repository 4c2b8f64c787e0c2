"""Which device to compute on, and with how many threads."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from skysort.errors import SkysortError, unknown
from skysort.pictures.parallel import num_cores

DEVICES = ("auto", "cpu", "cuda", "mps")
MOST_THREADS = 1024
"""Far beyond what helps; with very many, OpenMP ends the process without a word."""
BYTES_A_PARAMETER = 8
"""At least, while training: float32 for the weight and its gradient."""


def resolve_device(asked: str) -> str:
    """Return the device that `auto` stands for here, or the one asked for if it is here.

    Raises:
        NotUnderstoodError: for a name that is no device's.
        SkysortError: for a device that this computer does not have.
    """
    kind, _, number = asked.partition(":")
    if kind not in DEVICES or (number and not number.isdecimal()):
        raise unknown("device", asked, DEVICES)
    if kind == "auto":
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    num_here = {"cpu": 1, "cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}
    if int(number or 0) >= num_here[kind]:
        raise SkysortError(f"this computer has no device '{asked}' that PyTorch can use")
    return asked


def resolve_threads(asked: int) -> int:
    """Return the number of threads asked for, or one a core for 0.

    Raises:
        SkysortError: when more are asked for than can be had.
    """
    if asked > MOST_THREADS:
        raise SkysortError(f"training.threads = {asked:,} is more than {MOST_THREADS:,}, the most there can be")
    return asked or num_cores()


def check_memory(num_parameters: int) -> None:
    """Make sure that a network can be trained in this computer's memory, as far as its parameters go.

    Raises:
        SkysortError: when it cannot; where the system does not say how much there is, it is taken to be enough.
    """
    needed, here = num_parameters * BYTES_A_PARAMETER, _physical_memory()
    if here and needed > here:
        raise SkysortError(
            f"this network has {num_parameters:,} parameters; training takes about {needed / 2**30:,.1f} GiB"
            f" for them alone, and this computer has {here / 2**30:,.1f} GiB"
        )


def _physical_memory() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        return None


@contextmanager
def computing_threads(num: int) -> Iterator[None]:
    """Compute with a number of threads, and restore what was set before."""
    before = torch.get_num_threads()
    torch.set_num_threads(num)
    try:
        yield
    finally:
        torch.set_num_threads(before)
