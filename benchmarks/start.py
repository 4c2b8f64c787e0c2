"""How long does `skysort train` take to its first step, once the cache stands?

    SKYSORT_DATA=… python benchmarks/start.py skies cifar10

Real commands, in turn: from the start of the process until history.csv is there, which is opened right before the
first step. Then the process is asked to stop. The first round, which fills the cache and warms up, does not count.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measuring import report, summary

SECONDS_BETWEEN_LOOKS = 0.002


def main() -> None:
    """Start all in turn, so many times."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "data", nargs="+", help="as in skysort train; the first is what the others are held against"
    )
    parser.add_argument("--recipe", default="swift")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--output", type=Path, help="a JSON file for the figures")
    asked = parser.parse_args()
    seconds: dict[str, list[float]] = {data: [] for data in asked.data}
    for repeat in range(asked.repeats + 1):
        for data, measured in seconds.items():
            took = seconds_to_start(data, asked.recipe)
            if repeat:
                measured.append(took)
    first = asked.data[0]
    more = {
        data: summary([one - base for one, base in zip(measured, seconds[first], strict=True)])
        for data, measured in seconds.items()
        if data != first
    }
    figures = {
        "recipe": asked.recipe,
        "seconds": {data: summary(measured) for data, measured in seconds.items()},
        f"seconds more than for {first}": more,
    }
    report("How long does skysort train take to its first step, once the cache stands?", figures, asked.output)


def seconds_to_start(data: str, recipe: str) -> float:
    """Start a training, and stop it when it begins."""
    with tempfile.TemporaryDirectory() as temporary:
        run = Path(temporary) / "run"
        command = [sys.executable, "-m", "skysort", "train", data, "--recipe", recipe, "--run", run, "--quiet"]
        started = time.perf_counter()
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
            while not (run / "history.csv").exists():
                if process.poll() is not None:
                    raise SystemExit(process.stderr.read() if process.stderr else "")
                time.sleep(SECONDS_BETWEEN_LOOKS)
            took = time.perf_counter() - started
            process.terminate()
            process.communicate()
    return took


if __name__ == "__main__":
    main()
