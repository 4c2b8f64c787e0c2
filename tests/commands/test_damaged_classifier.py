"""Every verb that loads a classifier ends with one line and exit code 1 where its folder is damaged."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.classifier.damaging import LATER, WAYS
from tests.commands.conftest import Ended
from tests.conftest import picture_bytes

KINDS = (
    "table: nested deep", "table: temperature NaN", "table: a link", "model: noise", "model: fails at run time",
    "model: a single row", "model: 100 GB of memory", "proof: no pictures", "proof: a shape of 100 GB",
)  # fmt: skip
VERBS = {
    "predict": ("predict", "run", "pictures"),
    "evaluate": ("evaluate", "run"),
    "evaluate other pictures": ("evaluate", "run", "skies:40"),
    "decide": ("decide", "run", "--keep", "bird", "--lose-at-most", "0.2"),
    "sort": ("sort", "run", "pictures", "--to", "sorted"),
    "watch": ("watch", "run", "pictures", "--keep", "bird", "--aside", "aside", "--once", "--settle", "0"),
}


@pytest.fixture
def run_to_damage(finished_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "1.png").write_bytes(picture_bytes(1))
    monkeypatch.chdir(tmp_path)
    return shutil.copytree(finished_run, tmp_path / "run")


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("way", KINDS)
def test_a_damaged_classifier(
    way: str, verb: str, run_to_damage: Path, skysort_command: Callable[..., Ended]
) -> None:
    WAYS[way](run_to_damage / "classifier")
    ended = skysort_command(*VERBS[verb])
    errors = [line for line in ended.err.splitlines() if line.startswith("skysort: ")]
    assert (ended.code, len(errors)) == (1, 1), ended.err
    assert ended.error in {
        "altered-classifier",
        "damaged-classifier",
        "linked-folder",
        "out-of-memory",
        *(["damaged-run"] if verb == "decide" else []),  # whose figures are not of this classifier
    }


@pytest.mark.parametrize("way", ["NaN for one picture", "an error for one picture"])
@pytest.mark.parametrize("verb", ["predict", "sort", "watch"])
def test_a_classifier_that_fails_on_a_picture(
    way: str, verb: str, run_to_damage: Path, skysort_command: Callable[..., Ended]
) -> None:
    LATER[way](run_to_damage / "classifier")
    ended = skysort_command(*VERBS[verb])
    assert ended.code == 1
    assert "model.onnx" in ended.out + ended.err
    assert (Path("pictures") / "1.png").exists()
