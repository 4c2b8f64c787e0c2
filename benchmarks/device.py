"""How much does a GPU help, and how much more a wider network: the exercise of PyTorch's CIFAR-10 tutorial.

    python benchmarks/device.py

lenet and lenet-wide on pictures of noise, as the tutorial has them (4 a step) and in larger batches; on the CPU,
and on CUDA where there is one.
"""

import argparse
from functools import partial
from pathlib import Path

import torch
from limit import made_task, run_epochs
from measuring import report, seconds_of, summary

from skysort.core.environment import configure_process
from skysort.recipe.schema import Recipe
from skysort.training.device import computing_threads, resolve_threads
from skysort.training.loop import Task

RECIPES = ("lenet", "lenet-wide")
STEPS_OF_BATCHES = {4: 200, 256: 10}
"""Batch sizes, and how many steps are timed at once."""


def main() -> None:
    """Train all of them in turn, so many times."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--output", type=Path, help="a JSON file for the figures")
    asked = parser.parse_args()
    threads = resolve_threads(0)
    devices = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
    configure_process(training=True)
    with computing_threads(threads):
        milliseconds = measured(devices, asked.repeats)
    found = torch.cuda.get_device_name() if "cuda" in devices else "none: only the CPU was measured"
    report(
        "How much does a GPU help, and how much more a wider network?",
        {
            "CUDA device": found,
            "milliseconds a step": {name: summary(values) for name, values in milliseconds.items()},
        },
        asked.output,
        device=devices[-1],
        threads=threads,
    )


def measured(devices: list[str], repeats: int) -> dict[str, list[float]]:
    """Return milliseconds a step, by what was trained where."""
    tasks = {}
    for recipe in RECIPES:
        for batch, num_steps in STEPS_OF_BATCHES.items():
            for device in devices:
                loaded = Recipe.load(recipe, [f"training.batch_size={batch}"])
                tasks[f"{recipe}, {batch} a step, {device}"] = made_task(loaded, None, None, device, num_steps)
    milliseconds: dict[str, list[float]] = {name: [] for name in tasks}
    for repeat in range(repeats + 1):
        for name, task in tasks.items():
            took = seconds_of(partial(run_to_the_end, task))
            if repeat:  # the first warms up
                milliseconds[name].append(1000 * took / task.steps_per_epoch)
    return milliseconds


def run_to_the_end(task: Task) -> None:
    """Train an epoch, and wait until the device has done it."""
    run_epochs(task, 1)
    if task.device.type == "cuda":
        torch.cuda.synchronize()


if __name__ == "__main__":
    main()
