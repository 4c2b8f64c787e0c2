"""Process-wide settings for libraries, and a description of the computer that figures were measured on."""

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
"""Turns of a waiting loop: some tens of microseconds, longer than the pause between two operations."""
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4
"""Parameters of mallopt(3), with the numbers from glibc's malloc.h."""
NEVER, TOP_PAD_BYTES = 2**31 - 1, 2**26
LIBRARIES = ("skysort", "torch", "onnx", "onnxruntime", "numpy")


def configure_process(*, training: bool = False) -> None:
    """Apply the process-wide settings of the commands, before they load any large library.

    Only commands call this. Importing Skysort changes nothing in a process.

    Args:
        training: whether the process will train. If so, it keeps the memory that it frees.
    """
    keep_library_caches()
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    # Pydantic and PyTorch would look through all installed packages for plugins, of which Skysort needs none.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    os.environ.setdefault("TORCH_DEVICE_BACKEND_AUTOLOAD", "0")
    # How often OpenMP's threads look for work before they sleep. The default is so long that they take the cores
    # from other processes. Sleeping at once makes a step of swift a fifth slower on an idle computer.
    os.environ.setdefault("GOMP_SPINCOUNT", SPINS)
    if not sys.warnoptions:  # libraries' warnings are for programmers; Skysort reports what concerns a user
        warnings.simplefilter("ignore")
    # Pillow logs damage besides raising an error. Without a handler, that goes to standard error.
    logging.getLogger("PIL").addHandler(logging.NullHandler())
    if training:
        _keep_freed_memory()


def _keep_freed_memory() -> None:
    """Keep freed memory in this process, so that the next step can use it.

    Otherwise each step returns its larger tensors to the system and requests them anew. Clearing those pages takes
    a quarter of a step of `swift`. This works with glibc's allocator; it does nothing with others.
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        for parameter, value in ((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, NEVER), (M_TOP_PAD, TOP_PAD_BYTES)):
            libc.mallopt(parameter, value)


def release_freed_memory() -> None:
    """Return the memory that this process has freed to the system, after a step that took much.

    This works with glibc's allocator; it does nothing with others.
    """
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)


def machine_description(device: str, threads: int) -> str:
    """Describe the processor, its cores, the system, and the device and threads in use, in one line."""
    system = f"{platform.system()} {platform.machine()}"
    in_use = f"{device} with {threads} thread{'' if threads == 1 else 's'}"
    return f"{_processor()}, {os.cpu_count()} cores, {system}; {in_use}"


def versions() -> dict[str, str]:
    """Return the versions of Python and of the installed libraries that figures depend on."""
    by_library = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            by_library[name] = version(name)
        except PackageNotFoundError:
            continue
    return by_library


def today() -> str:
    """Return today's date in ISO form, such as 2026-11-22."""
    return date.today().isoformat()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or "unknown processor")
