"""A short draw of the campaign of `make faults`."""

import subprocess
import sys

import pytest

from tests.faults.injector import compiler

NUM_FAULTS = 24


@pytest.mark.skipif(sys.platform != "linux", reason="the injector is for Linux")
@pytest.mark.skipif(not compiler(), reason="there is no C compiler")
def test_no_single_fault_of_the_system_loses_a_picture_or_leaves_a_stray() -> None:
    script = [sys.executable, "-m", "tests.faults.campaign", "--draw", str(NUM_FAULTS)]
    done = subprocess.run(script, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "faults tried" in done.stdout
