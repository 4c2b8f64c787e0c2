"""How good is swift after a given time: seconds of whole commands, and held-out accuracy.

    SKYSORT_DATA=… python benchmarks/at_a_time.py cifar10 --budget 10m 30m
    SKYSORT_DATA=… python benchmarks/at_a_time.py mnist --budget-of mnist-cnn

By the tutorials' protocol, each time with another seed. `--budget-of` runs the tutorials' plain loop first, and
gives `swift` the seconds that its training alone took. Where the cache of decoded pictures does not stand yet, the
first run fills it, within its budget.
"""

import argparse
from pathlib import Path

from measuring import report
from plain_loop import TEXTS
from time_to_accuracy import plain_run, summaries, swift_run


def main() -> None:
    """Run the commands in turn, so many times."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", choices=sorted({text.data for text in TEXTS.values()}))
    budget = parser.add_mutually_exclusive_group(required=True)
    budget.add_argument("--budget", nargs="+", help="as in skysort train")
    budget.add_argument("--budget-of", choices=TEXTS, metavar="RECIPE", help="of the plain loop")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--output", type=Path, help="a JSON file for the figures")
    asked = parser.parse_args()
    found: dict[str, list[dict[str, float]]] = {}
    for seed in range(asked.repeats):
        budgets = {f"swift in {time}": time for time in asked.budget or ()}
        if asked.budget_of:
            plain = plain_run(asked.budget_of, seed)
            found.setdefault(f"plain {asked.budget_of}", []).append(plain)
            budgets["swift in its time"] = f"{plain['seconds of training']:.0f}s"
        for name, time in budgets.items():
            found.setdefault(name, []).append(swift_run(asked.data, seed, [f"--budget={time}"]))
        print(seed, {name: runs[-1] for name, runs in found.items()}, flush=True)
    report(
        "How good is swift after a given time?",
        {"data": asked.data, **summaries(found), "runs": found},
        asked.output,
    )


if __name__ == "__main__":
    main()
