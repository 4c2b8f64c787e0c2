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
        [0.684670091, 0.694922745, 0.679617524, 0.681433737, 0.55720973, 0.632909715, 0.616336346, 0.543012202],
        2e-6,
    ),
    ("convnet", "skies:300", 32): (
        [0.707956791, 0.661231518, 0.725005627, 0.732314348, 0.706968367, 0.717208207, 0.677024424, 0.67899394],
        2e-6,
    ),
    ("swift", "skies:600", 32): ([0.693440855, 0.695499301, 0.693831801, 0.65149945], 1e-3),
    ("lenet", "digits", 32): (
        [2.27087879, 2.26030445, 2.30495238, 2.2984724, 2.26190734, 2.3205061, 2.31011271, 2.30965543],
        2e-6,
    ),
    ("mnist-cnn", "digits", 8): (
        [2.29887795, 2.28999114, 2.29454184, 2.30437946, 2.28641915, 2.31962442, 2.29215455, 2.28284669],
        2e-6,
    ),
}
"""The losses, and how far from them a processor may come.

When the last bits of the weights are drawn anew at the start, the losses drift by 1.2e-7, 6e-8, 1.9e-4 (Muon
turns the filters of swift far in each step), 2.4e-7 and 2.4e-7. These are the largest drifts of ten draws,
measured with `python -m tests.commands.golden_drift`. A tolerance is at least five times the drift, and eight
steps of rounding.
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
