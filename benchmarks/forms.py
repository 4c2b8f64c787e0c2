"""How good does each form of swift become in the same time, and a tutorial's network? On validation pictures.

    SKYSORT_DATA=… python benchmarks/forms.py skies mnist cifar10 --seconds 20 50 165 --recipes mnist-cnn
    python benchmarks/forms.py birds20.zip --size 64 --seconds 20 --speeds speeds.json

Seconds are of training alone, on the CPU. Steps of each form are timed first. A training then takes as many steps
as fit, however busy the computer is meanwhile, on any device. `--speeds` keeps the pictures per second of a quiet
computer for later runs. Forms are named by stride, as a multiple of the usual one, and width: 2x64 has
stride 2 and width 64.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import torch
from measuring import report, summary

from skysort.core.environment import configure_process
from skysort.core.progress import SilentProgress
from skysort.data.dataset import Data
from skysort.data.splits import PreparedData, prepare
from skysort.networks.swift import SIZES
from skysort.recipe.networks import SwiftNetwork
from skysort.recipe.schema import Recipe
from skysort.runs.network_learner import seconds_of_training
from skysort.runs.resolve import resolved
from skysort.training.device import computing_threads
from skysort.training.loop import Task, logits_in_use, train_epoch
from skysort.training.optimizer import build_optimizer, loss_function
from skysort.training.pace import Pace
from skysort.training.setup import pictures_of, starting_network
from skysort.training.step_results import StepResults

FORMS = tuple(f"{size.stride}x{size.width}" for size in SIZES)
Speeds = dict[str, float]
"""Pictures per second in training, by recipe and shape of the pictures."""


def main() -> None:
    """Train all forms on all data in all times, with as many seeds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="+", help="as in skysort train")
    parser.add_argument("--seconds", type=float, nargs="+", default=[20.0, 50.0])
    parser.add_argument("--forms", nargs="*", default=list(FORMS))
    parser.add_argument("--recipes", nargs="*", default=[], help="other recipes, in the same times")
    parser.add_argument("--size", type=int, help="side of the pictures")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--speeds", type=Path, help="a JSON file to read pictures per second from, and add to")
    parser.add_argument("--output", type=Path, help="a JSON file for the figures")
    asked = parser.parse_args()
    configure_process(training=True)
    speeds: Speeds = json.loads(asked.speeds.read_text()) if asked.speeds and asked.speeds.exists() else {}
    accuracies: dict[str, list[float]] = {}
    settings = [f"training.threads={asked.threads}", *([f"pictures.size={asked.size}"] if asked.size else [])]
    for seed in range(asked.repeats):
        for data in asked.data:
            of_seed = [*settings, f"training.seed={seed}", "pictures.protocol=four-way"]
            for name, recipe, prepared in contenders(data, asked.forms, asked.recipes, of_seed):
                speed = speed_of(name, recipe, prepared, speeds, asked.speeds)
                pictures_per_step = recipe.training.pictures_per_step(len(prepared.splits["train"]))
                for seconds in asked.seconds:
                    num_steps = max(1, round(seconds * speed / pictures_per_step))
                    key = f"{data}, {seconds:g} s: {name}, {num_steps} steps"
                    accuracies.setdefault(key, []).append(accuracy_of(recipe, prepared, num_steps, asked.device))
                    print(key, accuracies[key], flush=True)
    report(
        "How good does each form of swift become in the same time?",
        {"validation accuracy": {key: summary(values) for key, values in accuracies.items()}, "speeds": speeds},
        asked.output,
        device=asked.device,
        threads=asked.threads or None,
    )


def contenders(
    data: str, forms: list[str], recipes: list[str], settings: list[str]
) -> Iterator[tuple[str, Recipe, PreparedData]]:
    """Yield the name, the resolved recipe and the pictures of everything that is compared."""
    found = Data.find(data)
    for name in (*forms, *recipes):
        recipe = Recipe.load("swift" if name in forms else name, settings)
        recipe = resolved(recipe.with_values(training={"device": "cpu"}), found)
        if name in forms:
            stride, width = map(int, name.split("x"))
            usual = SwiftNetwork().stride_for(recipe.pictures.size or 0)
            recipe = recipe.with_values(network={"stride": stride * usual, "width": width})
        yield name, recipe, prepare(found, recipe.pictures, SilentProgress())


def speed_of(name: str, recipe: Recipe, prepared: PreparedData, speeds: Speeds, path: Path | None) -> float:
    """Return pictures per second in training, from the file of speeds, or timed and added to it."""
    key = f"{name} on {prepared.shape.size}x{prepared.shape.size}x{prepared.shape.channels}"
    if key not in speeds:
        num = len(prepared.splits["train"])
        speeds[key] = recipe.training.pictures_per_step(num) / seconds_of_training(recipe, prepared)[0]
        if path:
            path.write_text(json.dumps(speeds, indent=2) + "\n", encoding="utf-8")
    return speeds[key]


def accuracy_of(recipe: Recipe, prepared: PreparedData, num_steps: int, device_name: str) -> float:
    """Train for a number of steps, with the schedule as long, and return the accuracy on validation pictures."""
    device = torch.device(device_name)
    network = starting_network(recipe, prepared)
    network.to(device).to(memory_format=torch.channels_last)
    train = pictures_of(prepared.dataset, prepared.splits["train"])
    validation = pictures_of(prepared.dataset, prepared.splits["validation"])
    optimizer = build_optimizer(recipe.optimizer, network.parameters())
    task = Task(network, optimizer, loss_function(recipe.loss), recipe, train, device)
    per_epoch = task.steps_per_epoch
    task.pace = Pace(0.0, 1.0, 0.0, per_epoch, num_steps, num_steps)
    results = StepResults(device, lambda *_: None)
    with computing_threads(recipe.training.threads):
        for epoch in range(1, task.num_epochs + 1):
            left = num_steps - (epoch - 1) * per_epoch
            train_epoch(task, epoch, 0, results, lambda step, left=left: step >= left)  # type: ignore[misc]
        results.read_all()
        logits = logits_in_use(network, validation, device, flip=recipe.augment.test_time_flip is True)
    return float((logits.argmax(1) == validation.labels).mean())


if __name__ == "__main__":
    main()
