"""Same question, better answer: seconds of whole commands, from process start to figures, and what they reach.

    SKYSORT_DATA=… python benchmarks/time_to_accuracy.py --repeats 3

On birds-vs-airplanes, by the tutorials' protocol, in turn: the tutorials' plain loop with convnet for its 100
epochs, `swift` for as short as it takes to 0.90 held out, and `swift` within the plain loop's own time. The
settings for 0.90 were chosen on a validation part cut from the training pictures. The cache of decoded pictures
stands for Skysort; the plain loop reads its pictures each time, and measures itself four times at the end. So its
seconds of training alone are told, too, and they are what `swift` is given.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from measuring import report, summary

HERE = Path(__file__).parent
DATA = "birds-vs-airplanes"
TO_90 = ("network.stride=2", "network.width=32", "training.epochs=3")


def main() -> None:
    """Run the commands in turn, so many times, each time with another seed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=100, help="of the plain loop")
    parser.add_argument("--output", type=Path, help="a JSON file for the figures")
    asked = parser.parse_args()
    found: dict[str, list[dict[str, float]]] = {"plain": [], "to 0.90": [], "in plain's time": []}
    for seed in range(asked.repeats):
        plain = plain_run("convnet", seed, asked.epochs)
        found["plain"].append(plain)
        found["to 0.90"].append(swift_run(DATA, seed, [f"--set={setting}" for setting in TO_90]))
        within = [f"--budget={plain['seconds of training']:.0f}s"]
        found["in plain's time"].append(swift_run(DATA, seed, within))
        print(seed, {name: runs[-1] for name, runs in found.items()}, flush=True)
    faster = {
        f"{what} of the plain loop, over those of the command to 0.90": summary(
            [one[what] / other["seconds"] for one, other in zip(found["plain"], found["to 0.90"], strict=True)]
        )
        for what in ("seconds", "seconds of training")
    }
    report(
        "How long until swift is as good as the texts' convnet, and how good is it in that one's time?",
        {**summaries(found), **faster, "settings to 0.90": TO_90, "runs": found},
        asked.output,
    )


def summaries(found: Mapping[str, Sequence[Mapping[str, float]]]) -> dict[str, dict[str, dict[str, float]]]:
    """Return summaries of each figure of some runs."""
    return {name: {what: summary([run[what] for run in runs]) for what in runs[0]} for name, runs in found.items()}


def plain_run(recipe: str, seed: int, epochs: int | None = None) -> dict[str, float]:
    """Run the plain loop as a command, for the text's own epochs unless said."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "plain.json"
        options = [f"--seed={seed}", f"--output={output}", *([f"--epochs={epochs}"] if epochs else [])]
        seconds = seconds_of_command([str(HERE / "plain_loop.py"), recipe, *options])
        figures = json.loads(output.read_text(encoding="utf-8"))
    return {
        "seconds": seconds,
        "seconds of training": figures["seconds"],
        "accuracy": figures["test accuracy in evaluation mode"],
    }


def swift_run(data: str, seed: int, options: list[str]) -> dict[str, float]:
    """Run skysort train as a command, on all the training pictures."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        protocol = ["--set=pictures.protocol=tutorial", f"--set=training.seed={seed}"]
        seconds = seconds_of_command(["-m", "skysort", "train", data, "--run", str(run), *protocol, *options])
        metrics = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    return {
        "seconds": seconds,
        "seconds of training": metrics["seconds"]["training"],
        "accuracy": metrics["splits"]["test"]["accuracy"],
    }


def seconds_of_command(words: list[str]) -> float:
    """Return how long a Python command takes, from process start to end."""
    started = time.perf_counter()
    subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
