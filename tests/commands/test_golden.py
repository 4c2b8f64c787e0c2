"""The first losses of each recipe on fixed data, through the command line, as they were when they were right.

What makes them right is tests/training/test_tutorials.py; what is held here is that nothing changes them.
"""

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.commands.conftest import Ended

NUM_STEPS = 8
"""At most: an epoch of skies:300 has four of 64."""
GOLDEN: dict[tuple[str, str, int], tuple[list[float], float]] = {
    ("mlp", "skies:300", 32): (
        [0.687061429, 0.666685402, 0.702931166, 0.636871696, 0.626019359, 0.565918088, 0.591214895, 0.696819365],
        2e-6,
    ),
    ("convnet", "skies:300", 32): (
        [0.687658548, 0.724330187, 0.683528304, 0.727107286, 0.682236373, 0.729903877, 0.685241878, 0.694253027],
        2e-6,
    ),
    ("swift", "skies:600", 32): ([0.69293046, 0.792177081, 0.860606551, 0.705689669], 1e-3),
    ("lenet", "digits", 32): (
        [2.35694098, 2.33067465, 2.32947516, 2.29621339, 2.31552315, 2.29612088, 2.30387306, 2.28173351],
        2e-6,
    ),
    ("mnist-cnn", "digits", 8): (
        [2.30510187, 2.27783513, 2.29331636, 2.31238842, 2.26702452, 2.31377935, 2.282094, 2.29083991],
        2e-6,
    ),
}
"""The losses, and how far from them a processor may come.

When the last bits of the weights are drawn anew at the start, the losses drift by 6e-8, 1.2e-7, 1.6e-4 (Muon
turns the filters of swift far in each step), 0 and 0. These are the largest drifts of ten draws, measured with
`python -m tests.commands.golden_drift`. Here are at least five times as much, and eight steps of rounding.
"""


def arguments(recipe: str, data: str, size: int, run: Path) -> list[str]:
    # Which digits are taken for copies decides the splits, and is no matter of the losses.
    splits = ["--set", f"pictures.size={size}", "--set", "pictures.near_duplicates=apart"]
    settings = ["--set", "training.epochs=2", "--set", "training.log_every=1", "--threads", "1"]
    return ["train", data, "--recipe", recipe, "--run", str(run), *splits, *settings]


def losses_of(run: Path) -> list[float]:
    """Return the loss of each of the first steps."""
    with (run / "history.csv").open(encoding="utf-8") as file:
        return [float(row["train_loss"]) for row in csv.DictReader(file) if row["kind"] == "steps"][:NUM_STEPS]


@pytest.mark.parametrize(("recipe", "data", "size"), GOLDEN)
def test_early_losses(
    recipe: str, data: str, size: int, skysort_command: Callable[..., Ended], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    ended = skysort_command(*arguments(recipe, data, size, run))
    assert ended.code == 0, ended.err
    losses, tolerance = GOLDEN[recipe, data, size]
    assert losses_of(run) == pytest.approx(losses, abs=tolerance)
