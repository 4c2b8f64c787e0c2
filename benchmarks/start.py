"""How long does `skysort train` take to its first step, and outside learning in all, once the cache stands?

    SKYSORT_DATA=… python benchmarks/start.py skies cifar10
    SKYSORT_DATA=… python benchmarks/start.py birds-vs-airplanes --whole --set network.stride=2 training.epochs=3

Real commands, in turn: from the start of the process until history.csv is there, which is opened right before the
first step. Then the process is asked to stop. With `--whole` it goes on to its end, and the seconds of training,
which metrics.json has, are taken off. The first round, which fills the cache and warms up, does not count.
"""

import argparse
import json
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
    parser.add_argument("--set", nargs="*", default=[], help="as in skysort train")
    parser.add_argument("--whole", action="store_true", help="measure whole commands, less their training")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--output", type=Path, help="a JSON file for the figures")
    asked = parser.parse_args()
    seconds: dict[str, list[float]] = {data: [] for data in asked.data}
    for repeat in range(asked.repeats + 1):
        for data, measured in seconds.items():
            command = ["train", data, "--recipe", asked.recipe, *(f"--set={setting}" for setting in asked.set)]
            took = seconds_outside(command) if asked.whole else seconds_to_start(command)
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
        "settings": asked.set,
        "seconds": {data: summary(measured) for data, measured in seconds.items()},
        f"seconds more than for {first}": more,
    }
    what = "outside learning" if asked.whole else "to its first step"
    report(f"How long does skysort train take {what}, once the cache stands?", figures, asked.output)


def seconds_outside(command: list[str]) -> float:
    """Train, and return the seconds of the whole command less those of the training."""
    with tempfile.TemporaryDirectory() as temporary:
        run = Path(temporary) / "run"
        started = time.perf_counter()
        skysort = [sys.executable, "-m", "skysort", *command, "--run", str(run), "--quiet"]
        subprocess.run(skysort, check=True, stdout=subprocess.DEVNULL)
        took = time.perf_counter() - started
        training: float = json.loads((run / "metrics.json").read_text(encoding="utf-8"))["seconds"]["training"]
        return took - training


def seconds_to_start(command: list[str]) -> float:
    """Start a training, and stop it when it begins."""
    with tempfile.TemporaryDirectory() as temporary:
        run = Path(temporary) / "run"
        skysort = [sys.executable, "-m", "skysort", *command, "--run", str(run), "--quiet"]
        started = time.perf_counter()
        with subprocess.Popen(skysort, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
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
