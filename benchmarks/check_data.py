"""What `make check-data` runs: the four recipes on the real data, at their full length, within their bounds.

Needs $SKYSORT_DATA. One run each, so the bounds leave room for another seed. A plain loop of the tutorials gave,
on the same pictures: mlp 0.8035, convnet 0.8845, mnist-cnn 0.9886, lenet 0.5443.
"""

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import skysort
from skysort.cli.progress import progress_on_stderr
from skysort.core.environment import configure_process

FOLDER = Path("runs/check-data")


@dataclass(frozen=True)
class Check:
    """A recipe, its data, and the test accuracy that one run must reach."""

    recipe: str
    data: str
    low: float
    high: float


CHECKS = (
    Check("mlp", "birds-vs-airplanes", 0.78, 0.84),
    Check("convnet", "birds-vs-airplanes", 0.87, 0.915),
    Check("mnist-cnn", "mnist", 0.986, 1.0),
    Check("lenet", "cifar10", 0.48, 0.58),
)


def main() -> int:
    """Run every check; return how many failed."""
    configure_process(training=True)
    shutil.rmtree(FOLDER, ignore_errors=True)
    return sum(not _is_within_bounds(check) for check in CHECKS)


def _is_within_bounds(check: Check) -> bool:
    progress = progress_on_stderr(quiet=False)
    try:
        run = skysort.train(check.data, check.recipe, FOLDER / check.recipe, progress=progress)
    except skysort.SkysortError as error:
        print(f"{check.recipe:<10} {check.data:<19} FAILED: {error}", flush=True)
        return False
    test = run.metrics.splits["test"]
    low, high = test.interval95
    is_within: bool = check.low <= test.accuracy <= check.high
    print(
        f"{check.recipe:<10} {check.data:<19} {test.accuracy:.4f}"
        f"  (n {test.pictures:,}, 95 % interval {low:.4f} to {high:.4f})"
        f"  expected {check.low} to {check.high}: {'ok' if is_within else 'FAILED'}"
        f"  {run.metrics.seconds['training']:.0f} s of training",
        flush=True,
    )
    return is_within


if __name__ == "__main__":
    sys.exit(main())
