"""Settings of this process that libraries read, and the computer that a figure was measured on."""

import ctypes
import logging
import os
import platform
import sys
import warnings
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from skysort.core.cache import keep_library_caches

SPINS = "30000"
"""Turns of a loop, some tens of microseconds: longer than from one operation to the next."""
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4
"""Of mallopt(3), by the numbers that glibc's malloc.h gives them."""
NEVER, TOP_PAD_BYTES = 2**31 - 1, 2**26
LIBRARIES = ("skysort", "torch", "onnx", "onnxruntime", "numpy")


def configure_process(*, training: bool = False) -> None:
    """Set what the commands change in their own process, before they load any large library.

    Importing Skysort as a library changes none of this.

    Args:
        training: whether the process is to train: it then keeps the memory that it frees.
    """
    keep_library_caches()
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    # How often OpenMP's threads look for work before they sleep. By default they go on for so long that they take
    # the cores from whatever else runs; to sleep at once costs an idle computer a fifth of a step of swift.
    os.environ.setdefault("GOMP_SPINCOUNT", SPINS)
    if not sys.warnoptions:  # libraries warn programmers; what concerns a person is an error of Skysort's
        warnings.simplefilter("ignore")
    # Pillow logs what it raises on damage, which without a handler would go to standard error.
    logging.getLogger("PIL").addHandler(logging.NullHandler())
    if training:
        _keep_freed_memory()


def _keep_freed_memory() -> None:
    """Let this process keep the memory that it frees, for the next step to use.

    A step's larger tensors are else given back to the system and asked for anew, and clearing the pages takes a
    quarter of the time of a step of `swift`. For glibc's allocator; others are left as they are.
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        for parameter, value in ((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, NEVER), (M_TOP_PAD, TOP_PAD_BYTES)):
            libc.mallopt(parameter, value)


def described_machine(device: str, threads: int) -> str:
    """Return the processor, its number of cores, the system, and what of them is computed with, in a line."""
    system = f"{platform.system()} {platform.machine()}"
    used = f"{device} with {threads} thread{'' if threads == 1 else 's'}"
    return f"{_processor()}, {os.cpu_count()} cores, {system}; {used}"


def versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that figures depend on, as far as they are installed."""
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def today() -> str:
    """Return the date, as 2026-11-22."""
    return date.today().isoformat()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or "unknown processor")
