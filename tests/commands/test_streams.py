"""Standard output that is closed, or whose reader has read enough."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import picture_bytes

pytestmark = pytest.mark.skipif(os.name != "posix", reason="closes descriptors as a POSIX shell does")


def shell(line: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a line of shell in which "$@" is skysort with arguments."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    words = ["sh", "-c", line, "sh", sys.executable, "-m", "skysort", *map(str, arguments)]
    return subprocess.run(words, capture_output=True, text=True, check=False, env=environment)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    for number in range(3):
        (tmp_path / f"{number}.png").write_bytes(picture_bytes(number))
    return tmp_path


@pytest.mark.parametrize("closed", ['"$@" >&-', '"$@" >&- 2>&-'])
def test_with_standard_output_closed_the_work_is_done(closed: str, finished_run: Path, pictures: Path) -> None:
    for arguments in (["recipes"], ["predict", finished_run, pictures]):
        ended = shell(closed, *arguments)
        assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


def test_a_reader_that_has_read_enough_ends_it_without_a_word(finished_run: Path, pictures: Path) -> None:
    for arguments in (["recipes"], ["predict", finished_run, pictures]):
        ended = shell('{ "$@"; echo ended $? >&2; } | true', *arguments)
        assert (ended.stdout, ended.stderr) == ("", "ended 1\n")


@pytest.mark.parametrize(("options", "shown"), [([], False), (["-W", "default"], True)])
def test_what_libraries_warn_of_is_shown_to_who_asks_alone(options: list[str], shown: bool) -> None:
    lines = "import sys, warnings\nfrom skysort import cli\nsys.argv = ['skysort', '--version']\n"
    lines += "try:\n    cli.main()\nexcept SystemExit:\n    warnings.warn('of a library')"
    done = subprocess.run([sys.executable, *options, "-c", lines], capture_output=True, text=True)
    assert done.returncode == 0
    assert ("of a library" in done.stderr) is shown


def test_what_pillow_logs_of_a_damaged_picture_is_its_reason_alone() -> None:
    lines = """
import sys
from skysort.core.environment import configure_process
from skysort.data.decode import Shape, decode
from skysort.data.formats.opening import UnreadablePictureError
from tests.conftest import picture_bytes
three, hundred = (b"\\x15\\x01\\x03\\0\\x01\\0\\0\\0" + bytes([num]) for num in (3, 100))  # samples per pixel
damaged = picture_bytes(0, form="TIFF").replace(three, hundred)
configure_process()
try:
    decode(damaged, Shape(8, 3))
except UnreadablePictureError:
    sys.exit(0)
sys.exit("it was read")
"""
    done = subprocess.run([sys.executable, "-c", lines], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
