"""Which device to compute on, and with how many threads."""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import Tensor, nn

from skysort.core.errors import NotUnderstoodError, SkysortError, unknown
from skysort.data.parallel import num_cores

DEVICES = ("auto", "cpu", "cuda", "mps")
MOST_THREADS = 1024
"""Far beyond what helps; with very many, OpenMP ends the process without a word."""
BYTES_A_PARAMETER = 8
"""At least, while training: float32 for the weight and its gradient."""
SMALLEST_NORMAL = torch.finfo(torch.float32).tiny
FEWEST_STEPS_COMPILED = 10_000
"""Compiling takes up to half a minute, and saves some milliseconds a step at best."""


def resolve_device(asked: str) -> str:
    """Return the device that `auto` stands for here, or the one asked for if it is here.

    Raises:
        NotUnderstoodError: for a name that is no device's.
        SkysortError: for a device that this computer does not have.
    """
    kind, _, number = asked.partition(":")
    if kind == "gpu" or asked.isdecimal():
        raise NotUnderstoodError(
            "unknown-device",
            f"no device '{asked}'; did you mean 'cuda' (a graphics card of NVIDIA or AMD) or 'mps' (of Apple)?",
        )
    if kind not in DEVICES or (number and not number.isdecimal()):
        raise unknown("device", asked, DEVICES)
    if kind == "auto":
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    num_here = {"cpu": 1, "cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}
    if int(number or 0) >= num_here[kind]:
        raise SkysortError("device-not-here", f"this computer has no device '{asked}' that PyTorch can use")
    return asked


def resolve_threads(asked: int) -> int:
    """Return the number of threads asked for, or one a core for 0.

    Raises:
        SkysortError: when more are asked for than can be had.
    """
    if asked > MOST_THREADS:
        raise SkysortError(
            "wrong-value", f"training.threads = {asked:,} is more than {MOST_THREADS:,}, the most there can be"
        )
    return asked or num_cores()


def check_memory(num_parameters: int) -> None:
    """Make sure that a network can be trained in this computer's memory, as far as its parameters go.

    Raises:
        SkysortError: when it cannot; where the system does not say how much there is, it is taken to be enough.
    """
    needed, here = num_parameters * BYTES_A_PARAMETER, _physical_memory()
    if here and needed > here:
        raise SkysortError(
            "out-of-memory",
            f"this network has {num_parameters:,} parameters; training takes about {needed / 2**30:,.1f} GiB"
            f" for them alone, and this computer has {here / 2**30:,.1f} GiB",
        )


def _physical_memory() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        return None


@contextmanager
def computing_threads(num: int) -> Iterator[None]:
    """Compute with a number of threads and without denormal numbers, and restore both for this thread.

    The process stays changed in one way: threads that OpenMP starts meanwhile go on flushing denormals.

    A processor takes many times as long for numbers below 1e-38. Flushing them to zero is a setting of each thread
    that a new one inherits, so it reaches all threads if this comes before PyTorch first computes on several.
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
    """Return whether this thread takes denormal numbers for zero."""
    return (torch.tensor(SMALLEST_NORMAL) / 2).item() == 0


def sent(tensor: Tensor, device: torch.device) -> Tensor:
    """Return a tensor of the CPU's on a device; a graphics card goes on meanwhile with what it is at."""
    if device.type == "cuda":  # from pinned memory a transfer need not be waited for
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


def mixed_precision(device: torch.device) -> AbstractContextManager[object]:
    """Let a graphics card that has it compute in bfloat16 what that is enough for; elsewhere nothing changes.

    It has the range of float32, so that no loss needs scaling. Cards that only emulate it are slower with it. Not
    yet run on such a card.
    """
    if device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False):
        return torch.autocast("cuda", torch.bfloat16)
    return nullcontext()


def compiled(network: nn.Module, device: torch.device, num_steps: int) -> Callable[[Tensor], Tensor]:
    """Return a network, compiled where that is quicker and the steps are many enough to pay for it.

    That is on CUDA only: on a CPU it made residual networks slower. Not yet run on such a card.
    """
    return torch.compile(network) if device.type == "cuda" and num_steps >= FEWEST_STEPS_COMPILED else network
