"""The device to compute on, and the number of threads."""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import Tensor, nn

from skysort.core.errors import NotUnderstoodError, SkysortError, unknown
from skysort.data.parallel import num_cores

DEVICES = ("auto", "cpu", "cuda", "mps")
MOST_THREADS = 1024
"""Far more than helps. With very many threads OpenMP ends the process without a message."""
BYTES_PER_PARAMETER = 8
"""The least that training needs: float32 for the weight and for its gradient."""
SMALLEST_NORMAL = torch.finfo(torch.float32).tiny
FEWEST_STEPS_COMPILED = 10_000
"""Compilation takes up to half a minute, and saves a few milliseconds per step at best."""


def resolve_device(name: str) -> str:
    """Return the device of a name, where `auto` is the fastest kind of this computer.

    Raises:
        NotUnderstoodError: when no device has this name.
        SkysortError: when this computer does not have the device.
    """
    kind, _, number = name.partition(":")
    if kind == "gpu" or name.isdecimal():
        raise NotUnderstoodError(
            "unknown-device",
            f"no device '{name}'; did you mean 'cuda' (a graphics card of NVIDIA or AMD) or 'mps' (of Apple)?",
        )
    if kind not in DEVICES or (number and not number.isdecimal()):
        raise unknown("device", name, DEVICES)
    if kind == "auto":
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    num_here = {"cpu": 1, "cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}
    if int(number or 0) >= num_here[kind]:
        raise SkysortError("device-not-here", f"this computer has no device '{name}' that PyTorch can use")
    return name


def resolve_threads(num: int) -> int:
    """Return a number of threads, where 0 stands for one per core.

    Raises:
        SkysortError: when the number is above the limit.
    """
    if num > MOST_THREADS:
        raise SkysortError(
            "wrong-value", f"training.threads = {num:,} is more than {MOST_THREADS:,}, the most there can be"
        )
    return num or num_cores()


def check_memory(num_parameters: int) -> None:
    """Make sure that this computer's memory can hold the parameters of a network in training.

    Raises:
        SkysortError: when it cannot. If the system does not report its memory, nothing is checked.
    """
    needed, available = num_parameters * BYTES_PER_PARAMETER, _physical_memory()
    if available and needed > available:
        raise SkysortError(
            "out-of-memory",
            f"this network has {num_parameters:,} parameters; training takes about {needed / 2**30:,.1f} GiB"
            f" for them alone, and this computer has {available / 2**30:,.1f} GiB",
        )


def _physical_memory() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        return None


@contextmanager
def computing_threads(num: int) -> Iterator[None]:
    """Compute with a number of threads and without denormal numbers, and restore both for this thread.

    One change to the process remains: threads that OpenMP started meanwhile still flush denormals.

    A processor takes many times as long for numbers below 1e-38. Each thread has its own setting to flush them to
    zero and passes it to new threads, so call this before PyTorch first computes on several threads.
    """
    before, flushed_before = torch.get_num_threads(), flushes_denormals()
    torch.set_num_threads(num)
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(flushed_before)
        torch.set_num_threads(before)


def flushes_denormals() -> bool:
    """Return whether this thread flushes denormal numbers to zero."""
    return (torch.tensor(SMALLEST_NORMAL) / 2).item() == 0


def sent(tensor: Tensor, device: torch.device) -> Tensor:
    """Copy a tensor from the CPU to a device, without waiting where the device is a graphics card."""
    if device.type == "cuda":  # transfers from pinned memory are asynchronous
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


def mixed_precision(device: torch.device) -> AbstractContextManager[object]:
    """Compute in bfloat16 where a graphics card supports it and PyTorch deems it exact enough.

    It has the range of float32, so no loss needs scaling. Cards that only emulate it are slower with it, so they
    compute in float32. Not yet run on a card that supports it.
    """
    if device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False):
        return torch.autocast("cuda", torch.bfloat16)
    return nullcontext()


def compiled(network: nn.Module, device: torch.device, num_steps: int) -> Callable[[Tensor], Tensor]:
    """Return a network, compiled if it runs on CUDA and there are enough steps to pay for that.

    On a CPU compilation made residual networks slower. Not yet run on CUDA.
    """
    return torch.compile(network) if device.type == "cuda" and num_steps >= FEWEST_STEPS_COMPILED else network
