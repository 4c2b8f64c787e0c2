"""The first losses of each recipe on fixed data, through the command line, as they were when they were right.

What makes them right is tests/training/test_tutorials.py; what is held here is that nothing changes them.
"""

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.commands.conftest import Ended

GOLDEN = {
    ("mlp", "skies:300", 32): [0.681386, 0.603164],
    ("convnet", "skies:300", 32): [0.700957, 0.698710],
    ("swift", "skies:300", 32): [0.692502, 0.691814],
    ("lenet", "digits", 32): [2.293221, 1.963812],
    ("mnist-cnn", "digits", 8): [2.285541, 2.202141],
}


@pytest.mark.parametrize(("recipe", "data", "size"), GOLDEN)
def test_early_losses(
    recipe: str, data: str, size: int, skysort_command: Callable[..., Ended], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    # Which digits are taken for copies decides the parts, and is no matter of the losses.
    parts = ("--set", f"pictures.size={size}", "--set", "pictures.near_duplicates=apart")
    settings = ("--set", "training.epochs=2", *parts, "--threads", 1)
    ended = skysort_command("train", data, "--recipe", recipe, "--run", run, *settings)
    assert ended.code == 0, ended.err
    with (run / "history.csv").open(encoding="utf-8") as file:
        losses = [float(row["train_loss"]) for row in csv.DictReader(file)]
    # Processors add up in another order; anything else moves the losses by more.
    assert losses == pytest.approx(GOLDEN[recipe, data, size], abs=2e-4)
