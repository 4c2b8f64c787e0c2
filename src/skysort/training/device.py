"""Which device to compute on, and with how many threads."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from skysort.errors import SkysortError, unknown
from skysort.pictures.parallel import num_cores

DEVICES = ("auto", "cpu", "cuda", "mps")


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
    """Return the number of threads asked for, or one a core for 0."""
    return asked or num_cores()


@contextmanager
def computing_threads(num: int) -> Iterator[None]:
    """Compute with a number of threads, and restore what was set before."""
    before = torch.get_num_threads()
    torch.set_num_threads(num)
    try:
        yield
    finally:
        torch.set_num_threads(before)
