"""What a figure was measured on."""

import os
import platform
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

LIBRARIES = ("skysort", "torch", "onnx", "onnxruntime", "numpy")


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
