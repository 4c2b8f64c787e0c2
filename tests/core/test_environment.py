import os
import platform
import subprocess
import sys

import pytest

CHANGES = """
import logging, os, sys, warnings
def state():
    handlers = [logging.getLogger(name).handlers[:] for name in ("", "PIL", "skysort")]
    return dict(os.environ), list(warnings.filters), handlers
before = state()
{}
print(before == state())
"""
"""A library that is imported on the way may change what it likes of its own, as numpy does of warnings."""


def test_importing_as_a_library_changes_nothing_of_the_process() -> None:
    use = (
        "import numpy, PIL.Image; before = state(); import skysort; [getattr(skysort, x) for x in skysort.__all__]"
    )
    ended = subprocess.run([sys.executable, "-c", CHANGES.format(use)], capture_output=True, text=True, check=True)
    assert ended.stdout == "True\n"


def test_a_command_changes_its_own_process() -> None:
    use = "from skysort.core.environment import configure_process; configure_process(); print(*sorted(os.environ))"
    environment = {name: value for name, value in os.environ.items() if name not in ("GOMP_SPINCOUNT",)}
    ended = subprocess.run(
        [sys.executable, "-c", CHANGES.format(use)], capture_output=True, text=True, check=True, env=environment
    )
    names, is_unchanged = ended.stdout.splitlines()
    assert {"GOMP_SPINCOUNT", "ORT_DISABLE_TELEMETRY", "MPLCONFIGDIR"} <= set(names.split())
    assert is_unchanged == "False"


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the allocator is another")
def test_a_process_that_trains_uses_freed_memory_again_without_clearing_its_pages() -> None:
    script = """
import resource, sys
from skysort.core.environment import configure_process
configure_process(training=sys.argv[1] == "training")
def page_faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        bytearray(b"1") * 40_000_000
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
page_faults()
print(page_faults() / (40_000_000 / resource.getpagesize()))
"""
    times = {
        kind: float(
            subprocess.run([sys.executable, "-c", script, kind], capture_output=True, text=True, check=True).stdout
        )
        for kind in ("training", "watching")
    }
    assert times["training"] < 2 < 15 < times["watching"]  # of 20
