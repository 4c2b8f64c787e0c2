"""Does `skysort train --budget TIME` end when the time does?

    SKYSORT_DATA=… python benchmarks/budgets.py skies birds-vs-airplanes --budget 10s 60s 10m

Real commands, in turn, from the start of the process to its end. A run that is refused counts as one that missed.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measuring import report, summary

from skysort.runs.budget import seconds_of

MOST_BESIDE = 0.05
"""Share of its budget by which a run may end early or late."""


def main() -> None:
    """Train on all data with all budgets in turn, so many times."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="+", help="as in skysort train")
    parser.add_argument("--budget", nargs="+", default=["10s", "60s"], help="as in skysort train")
    parser.add_argument("--set", nargs="*", default=[], help="as in skysort train")
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--output", type=Path, help="a JSON file for the figures")
    asked = parser.parse_args()
    load = os.getloadavg()[1]
    found: dict[str, list[float | None]] = {}
    for _ in range(asked.repeats):
        for data in asked.data:
            for budget in asked.budget:
                found.setdefault(f"{data} in {budget}", []).append(share_beside(data, budget, asked.set))
    figures = {name: of_runs(shares) for name, shares in found.items()}
    question = "By which share of its budget does skysort train end late?"
    report(question, {"load before": load, "share": figures}, asked.output)


def of_runs(shares: list[float | None]) -> dict[str, float]:
    """Return the summary of some runs' shares, and how many runs kept to their budget or were refused."""
    ended = [share for share in shares if share is not None]
    return {
        **(summary(ended) if ended else {"n": 0}),
        "within 5 %": sum(abs(share) <= MOST_BESIDE for share in ended),
        "refused": len(shares) - len(ended),
    }


def share_beside(data: str, budget: str, settings: list[str]) -> float | None:
    """Return by which share of its budget a run ends late, below 0 if early; None if it is refused."""
    with tempfile.TemporaryDirectory() as temporary:
        command = [sys.executable, "-m", "skysort", "train", data, "--budget", budget, "--quiet"]
        command += ["--run", f"{temporary}/run", *(word for setting in settings for word in ("--set", setting))]
        started = time.perf_counter()
        ended = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
        seconds = time.perf_counter() - started
    if ended.returncode:
        print(f"{data} in {budget}: {ended.stderr}", file=sys.stderr)
    return None if ended.returncode else seconds / seconds_of(budget) - 1


if __name__ == "__main__":
    main()
