"""Commands that a small device runs: nothing of the learning wing is imported."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from skysort.cli.group import VERBS
from skysort.core.errors import install_command
from tests.commands.conftest import Ended
from tests.conftest import command, picture_bytes

LEARNING = ("torch", "torchvision", "onnx", "onnxscript", "safetensors", "sklearn")
LARGE = (*LEARNING, "onnxruntime", "numpy", "scipy", "matplotlib")


def without(folder: Path, names: tuple[str, ...]) -> str:
    """Make a folder that, first on the path, makes Python find none of some libraries."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(f"""
from importlib.machinery import PathFinder

find = PathFinder.find_spec

def find_spec(name, path=None, target=None):
    return None if name.partition(".")[0] in {names} else find(name, path, target)

PathFinder.find_spec = staticmethod(find_spec)
""")
    return str(folder)


@pytest.fixture
def without_learning(tmp_path: Path) -> str:
    return without(tmp_path / "without-learning", LEARNING)


def test_the_learning_wing_is_out_of_reach(without_learning: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", "import torch"], env={**os.environ, "PYTHONPATH": without_learning},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "No module named 'torch'" in ended.stderr


def test_predict(finished_run: Path, tmp_path: Path, without_learning: str) -> None:
    (tmp_path / "1.png").write_bytes(picture_bytes(1))
    ended = command("predict", finished_run, tmp_path / "1.png", PYTHONPATH=without_learning)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.split()[0] in {"airplane", "bird"}


@pytest.mark.parametrize("data", [["skies:80"], []])
def test_evaluate_takes_scikit_learn_and_nothing_else_of_the_learning_wing(
    data: list[str], finished_run: Path, tmp_path: Path
) -> None:
    run = shutil.copytree(finished_run, tmp_path / "run")
    others = tuple(name for name in LEARNING if name != "sklearn")
    ended = command("evaluate", run, *data, PYTHONPATH=without(tmp_path / "without-others", others))
    assert ended.returncode == 0, ended.stderr
    assert "95 % interval" in ended.stdout


def test_compare_of_two_runs(
    finished_run: Path, tmp_path: Path, without_learning: str, skysort_command: Callable[..., Ended]
) -> None:
    other = tmp_path / "other"
    asked = ("skies:240", "--recipe", "mlp", "--run", other, "--quiet", "--set", "training.epochs=1")
    assert skysort_command("train", *asked).code == 0
    ended = command("compare", finished_run, other, PYTHONPATH=without_learning)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "exact McNemar test: p = " in ended.stdout


def check_says_what_to_install(ended: subprocess.CompletedProcess[str]) -> None:
    assert ended.returncode == 1
    assert ended.stderr.endswith(" [missing-library]\n")
    assert install_command("train") in ended.stderr


def test_evaluate_says_what_to_install(finished_run: Path, without_learning: str) -> None:
    ended = command("evaluate", finished_run, "skies:80", PYTHONPATH=without_learning)
    check_says_what_to_install(ended)


def test_resume_says_what_to_install(finished_run: Path, without_learning: str, tmp_path: Path) -> None:
    run = shutil.copytree(finished_run, tmp_path / "run")
    (run / "metrics.json").unlink()
    ended = command("train", "--resume", run, PYTHONPATH=without_learning)
    check_says_what_to_install(ended)


def test_train_says_what_to_install(without_learning: str, tmp_path: Path) -> None:
    ended = command("train", "skies:80", "--run", tmp_path / "run", PYTHONPATH=without_learning)
    check_says_what_to_install(ended)


def test_describe_says_what_to_install(without_learning: str) -> None:
    ended = command("describe", "convnet", PYTHONPATH=without_learning)
    check_says_what_to_install(ended)


@pytest.mark.parametrize("what", ["import skysort", "from skysort.cli import main; main()"])
def test_importing_and_help_load_no_large_library(what: str) -> None:
    script = f"""
import sys
sys.argv = ["skysort", "--help"]
try:
    {what}
except SystemExit:
    pass
print("loaded:", [name for name in {LARGE} if name in sys.modules])
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ended.stdout.splitlines()[-1] == "loaded: []"


def test_help_of_no_command_loads_a_library_that_learns_or_infers() -> None:
    script = f"""
import sys
from typer.main import get_command
from skysort.cli import app
commands = get_command(app).commands
for name in commands:
    commands[name].get_help(commands[name].make_context(name, [], resilient_parsing=True))
print(len(commands), [name for name in {(*LEARNING, "onnxruntime", "scipy", "matplotlib")} if name in sys.modules])
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ended.stdout == f"{len(VERBS)} []\n"
