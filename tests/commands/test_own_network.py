"""A network of one's own trains from its file as it is described, and a run keeps all it needs of it."""

import json
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from skysort.recipe.network_file import digest
from skysort.recipe.networks import OwnNetwork
from skysort.recipe.schema import Recipe
from skysort.runs.folder import Run
from tests.commands.conftest import Ended
from tests.commands.test_resume import interrupting
from tests.conftest import SharedFolder, picture_bytes
from tests.warm import WarmCommand

Command = Callable[..., Ended]

OWN = """
import torch
import torch.nn.functional as F
from torch import nn

print("running")

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.drop = nn.AlphaDropout(0.3)  # of no kind that recipes have
        self.fc = nn.LazyLinear(2)
        self.same = self.fc  # a file of tensors holds none twice
        self.scale = nn.Parameter(torch.ones(()))
        self.share = torch.linspace(0, 0.1, 2)[-1].item()

    def forward(self, x):
        self.features = F.max_pool2d(torch.relu(self.norm(self.conv(x))), 2)
        x = F.dropout(torch.flatten(self.features, 1), self.share, self.training)
        return self.scale * self.fc(self.drop(x))

class Wide(Net):
    def __init__(self):
        super().__init__()
        self.fc = self.same = nn.LazyLinear(10)

class Unused(Net):
    def __init__(self):
        super().__init__()
        self.fc = nn.LazyLinear(2)

class Pair(Net):
    def forward(self, x):
        logits = super().forward(x)
        return (logits, logits) if self.training else logits

class Flat(Net):
    def forward(self, x):
        return super().forward(x).flatten()

class Narrow(Net):
    def forward(self, x):
        return super().forward(x[:, :2])

class Twos(Net):
    def forward(self, x):
        return super().forward(x.reshape(2, 3, 32, 32))

class Decides(Net):
    def forward(self, x):
        logits = super().forward(x)
        if logits.sum() > 0:
            logits = 2 * logits
        return logits

class Empty(nn.Module):
    def forward(self, x):
        return x.mean((2, 3))[:, :2]

class NeedsWidth(nn.Module):
    def __init__(self, width):
        super().__init__()
"""
TRAIN = ("train", "skies:200", "--set", "training.epochs=2", "--set", "training.batch_size=32", "--threads", 1)
WEIGHTS = Path("classifier") / "model.safetensors"


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("own")
    (folder / "mine.py").write_text(OWN)
    (folder / "neighbour.py").write_text("WIDTH = 16\n")
    (folder / "two.py").write_text("import neighbour\nfrom torch import nn\nclass Net(nn.Module): pass\n")
    (folder / "breaks.py").write_text("\nwidth = 1 / 0\n")
    (folder / "lacks.py").write_text("import no_such_library\n")
    return folder


@pytest.fixture(scope="module")
def untouched(own: Path, shared_folder: SharedFolder, warm: WarmCommand) -> Path:
    """A finished run. Not to be changed."""

    def train(run: Path) -> None:
        done = warm(*TRAIN, "--recipe", f"{own}/mine.py:Net", "--run", run)
        assert done.returncode == 0, done.stderr
        assert "running" in done.stderr
        assert "running" not in done.stdout  # what it prints is no part of the figures

    return shared_folder("untouched-own-network", train)


def test_it_trains_and_labels_pictures(untouched: Path, skysort_command: Command, tmp_path: Path) -> None:
    (tmp_path / "bird.png").write_bytes(picture_bytes(0))
    ended = skysort_command("predict", untouched, tmp_path / "bird.png")
    assert ended.code == 0
    assert "bird.png" in ended.out
    assert "running" not in ended.out + ended.err  # a classifier runs none of a person's code
    assert not list(untouched.joinpath("classifier").rglob("*.py"))
    assert skysort_command("evaluate", untouched).code == 0


def test_the_run_keeps_the_file_and_its_digest(untouched: Path) -> None:
    assert (untouched / "mine.py").read_text() == OWN
    recipe = Run(untouched).recipe
    assert recipe.name == "Net"
    assert recipe.network == OwnNetwork(
        file="mine.py", class_name="Net", sha256=digest(OWN.encode()), folder=str(untouched)
    )
    assert "folder" not in (untouched / "recipe.toml").read_text()
    assert (recipe.optimizer.name, recipe.optimizer.learning_rate) == ("adam", 0.001)
    assert (recipe.pictures.size, recipe.training.epochs, recipe.training.batch_size) == (32, 2, 32)


def test_resumed_in_another_place_without_the_first_file_it_ends_with_the_same_bytes(
    warm: WarmCommand, untouched: Path, tmp_path: Path
) -> None:
    file = tmp_path / "mine.py"
    file.write_text(OWN)
    run, moved = tmp_path / "run", tmp_path / "moved"
    after_one_epoch = interrupting(signal.SIGKILL, 9)
    ended = warm(*TRAIN, "--recipe", f"{file}:Net", "--run", run, before=after_one_epoch)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    file.unlink()
    run.rename(moved)
    assert json.loads((moved / "checkpoint" / "state.json").read_text())["epoch"] == 2
    ended = warm("train", "--resume", moved)
    assert ended.returncode == 0, ended.stderr
    assert (moved / WEIGHTS).read_bytes() == (untouched / WEIGHTS).read_bytes()
    assert (moved / "predictions.csv").read_bytes() == (untouched / "predictions.csv").read_bytes()


def test_a_copy_that_has_changed_is_refused(untouched: Path, skysort_command: Command, tmp_path: Path) -> None:
    run = shutil.copytree(untouched, tmp_path / "run")
    shutil.rmtree(run / "classifier")
    (run / "metrics.json").unlink()
    (run / "mine.py").write_text(OWN.replace("0.3", "0.4"))
    ended = skysort_command("train", "--resume", run)
    changed = digest((run / "mine.py").read_bytes())
    ended.check_refused(1, "changed-file", run / "mine.py", digest(OWN.encode()), changed)
    assert "running" not in ended.err
    (run / "mine.py").unlink()
    skysort_command("train", "--resume", run).check_refused(2, "path-not-found", run / "mine.py")


def test_a_toml_file_names_the_file_beside_it(own: Path) -> None:
    recipe = own / "mine.toml"
    recipe.write_text('[network]\nname = "own"\nfile = "mine.py"\nclass_name = "Net"\n')
    loaded = Recipe.load(recipe, ["training.epochs=3"])
    expected = OwnNetwork(file="mine.py", class_name="Net", sha256=digest(OWN.encode()), folder=str(own))
    assert loaded.network == expected
    assert loaded.with_values(training={"epochs": 4}).network == expected


def test_within_a_time(own: Path, skysort_command: Command, tmp_path: Path) -> None:
    arguments = ("train", "skies:200", "--recipe", f"{own}/mine.py:Net", "--run", tmp_path / "run")
    ended = skysort_command(*arguments, "--budget", "1s")
    ended.check_refused(1, "budget-too-short", "1 s")


@pytest.mark.parametrize(
    ("target", "code", "error", "facts"),
    [
        ("mine.py", 2, "wrong-value", ["FILE.py:Class", "mine.py'"]),
        ("mine.txt:Net", 2, "wrong-value", ["FILE.py:Class", "mine.txt:Net"]),
        ("none.py:Net", 2, "path-not-found", ["none.py"]),
        ("mine.py:Nte", 2, "unknown-network", ["mine.py", "'Nte'", "did you mean 'Net'?"]),
        ("mine.py:NeedsWidth", 1, "network-failed", ["mine.py:NeedsWidth", "__init__", "width"]),
        ("breaks.py:Net", 1, "network-failed", ["ZeroDivisionError", "breaks.py, line 2: width = 1 / 0"]),
        ("lacks.py:Net", 1, "network-failed", ["lacks.py", "ModuleNotFoundError", "'no_such_library'"]),
        ("two.py:Net", 1, "network-failed", ["two.py", "neighbour"]),
        ("mine.py:Wide", 1, "network-failed", ["mine.py:Wide", "shape (3, 10)", "expected shape (3, 2)"]),
        ("mine.py:Pair", 1, "network-failed", ["mine.py:Pair", "type tuple", "expected shape (3, 2)"]),
        ("mine.py:Flat", 1, "network-failed", ["mine.py:Flat", "shape (6,)", "expected shape (3, 2)"]),
        ("mine.py:Narrow", 1, "network-failed", ["mine.py:Narrow", "(3, 3, 32, 32)", "self.features = "]),
        ("mine.py:Twos", 1, "network-failed", ["mine.py:Twos", "(3, 3, 32, 32)", "x.reshape(2, 3, 32, 32)"]),
        ("mine.py:Decides", 1, "network-failed", ["mine.py:Decides", "ONNX", ": if logits.sum() > 0:"]),
        ("mine.py:Unused", 1, "network-failed", ["mine.py:Unused", "same.weight, same.bias"]),
        ("mine.py:Empty", 1, "network-failed", ["mine.py:Empty", "no parameters"]),
    ],
)
def test_refused_before_there_is_a_run(
    target: str,
    code: int,
    error: str,
    facts: list[str],
    own: Path,
    skysort_command: Command,
    tmp_path: Path,
) -> None:
    ended = skysort_command(*TRAIN, "--recipe", own / target, "--run", tmp_path / "run")
    ended.check_refused(code, error, *facts)
    assert not (tmp_path / "run").exists()
    assert "neighbour" not in sys.modules
    assert "GraphModule" not in ended.err
