import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import skysort
from skysort.classifier.damage import LONGEST_REASON
from skysort.core.errors import SkysortError
from tests.classifier.damaging import LATER, WAYS
from tests.conftest import picture_bytes

MOST_MEMORY = 300 * 2**20
"""Further bytes of memory. 100 damaged folders together need far less."""


def loaded(folder: Path) -> str:
    try:
        skysort.load(folder)
    except (SkysortError, MemoryError) as error:
        return str(error)
    pytest.fail("it was loaded")


@pytest.mark.parametrize("way", WAYS)
def test_a_damaged_folder_is_refused_in_one_line(way: str, finished_run: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(finished_run / "classifier", tmp_path / "copy")
    WAYS[way](folder)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    message = loaded(folder)
    assert str(folder) in message
    assert "\n" not in message and len(message) < LONGEST_REASON + 2 * len(str(folder)) + 200
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < MOST_MEMORY


@pytest.mark.parametrize("way", sorted(LATER.keys() - {"no end for one picture"}))
def test_invalid_logits_are_an_error(way: str, finished_run: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(finished_run / "classifier", tmp_path / "copy")
    LATER[way](folder)
    (tmp_path / "1.png").write_bytes(picture_bytes(1))
    classifier = skysort.load(folder)
    with pytest.raises(SkysortError, match=r"model\.onnx") as error:
        classifier.predict(tmp_path / "1.png")
    assert error.value.code in {"damaged-classifier", "diverged"}


@pytest.mark.parametrize("megabytes", [160, 180, 200, 220, 230, 240, 250])
def test_too_little_address_space_is_a_lack_of_memory(megabytes: int, finished_run: Path, tmp_path: Path) -> None:
    (tmp_path / "1.png").write_bytes(picture_bytes(1))
    limit = megabytes * 2**20
    script = f"""
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, ({limit}, {limit}))
sys.argv = ["skysort", "predict", *{[str(finished_run), str(tmp_path / "1.png")]!r}]
from skysort.cli import main
main()
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    if ended.returncode == 0:  # there was enough memory
        return
    assert (ended.returncode, ended.stderr.count("\n")) == (1, 1)
    assert ended.stderr.startswith("skysort: ") and ended.stderr.endswith("[out-of-memory]\n")
