"""Which share of the computer's matrix-product peak does training reach, and where does the rest of the time go?

    python benchmarks/limit.py convnet --batch 256

A round is an epoch of some seconds, with batches prepared ahead as in any other, and beside it as many seconds of
float32 matrix products of each of three sizes. The peak is that of the size whose median product is the fastest.
FLOPs are those of a step's convolutions and matrix products, forward and backward; what the optimizer multiplies,
and the epoch's first batch, count as time alone.
"""

import argparse
from collections import Counter
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from measuring import report, seconds_of, summary
from torch.autograd.profiler_util import FunctionEvent
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from skysort.core.environment import configure_process
from skysort.data.builtin.registry import NAMED
from skysort.data.dataset import Data
from skysort.data.decode import Shape
from skysort.networks.families import initial_network
from skysort.recipe.schema import Recipe
from skysort.recipe.sections import Normalisation
from skysort.runs.resolve import resolved
from skysort.training.batches import SplitPictures
from skysort.training.device import computing_threads, resolve_threads
from skysort.training.loop import Task, train_epoch
from skysort.training.optimizer import build_optimizer, loss_function
from skysort.training.step_results import StepResults

SIDES = (1024, 2048, 4096)
SECONDS_A_ROUND = 3.0
FEWEST_STEPS = 3
PICTURES_OF_ALL = 64
"""A step of a recipe that takes all pictures at once, of which noise has no number."""
KINDS = {
    "convolution": ("conv",),
    "normalisation": ("batch_norm", "group_norm", "layer_norm"),
    "pooling": ("pool",),
    "activation": ("relu", "gelu", "tanh", "sigmoid", "silu"),
    "matrix product": ("addmm", "aten::mm", "bmm", "linear", "einsum"),
}
"""By what the names of PyTorch's operations contain."""


def main() -> None:
    """Ask what to measure, and tell what was."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe")
    parser.add_argument("--size", type=int, help="side of the pictures  [the recipe's, else its data's]")
    parser.add_argument("--classes", type=int, help="[those of the data that the recipe is from, else 10]")
    parser.add_argument("--batch", type=int, help="pictures a step  [the recipe's]")
    parser.add_argument("--set", action="append", default=[], help="a field of the recipe, as in skysort train")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--output", type=Path, help="a JSON file for the figures")
    asked = parser.parse_args()
    batch = [f"training.batch_size={asked.batch}"] if asked.batch else []
    recipe = Recipe.load(asked.recipe, [*asked.set, *batch])
    threads = resolve_threads(recipe.training.threads)
    configure_process(training=True)
    with computing_threads(threads):
        figures = measured(recipe, asked.size, asked.classes, asked.rounds)
    report(
        "Which share of the matrix-product peak does training reach?",
        {"recipe": recipe.name, "settings": asked.set, **figures},
        asked.output,
        threads=threads,
    )


def measured(recipe: Recipe, size: int | None, num_classes: int | None, num_rounds: int) -> dict[str, Any]:
    """Measure peak and steps in turn, then once more under the profiler."""
    short = made_task(recipe, size, num_classes, num_steps=FEWEST_STEPS)
    flops = flops_of_a_picture(short)
    run_epochs(short, 1)  # the first steps are slower
    num_steps = max(1, round(SECONDS_A_ROUND / seconds_of(partial(run_epochs, short, 1)))) * FEWEST_STEPS
    task = made_task(recipe, size, num_classes, num_steps=num_steps)
    peaks, rates, shares = [], [], []
    for _ in range(num_rounds):
        peaks.append(max(product_rate(side) for side in SIDES))
        rates.append(flops * task.train.num_pictures / seconds_of(partial(run_epochs, task, 1)))
        shares.append(rates[-1] / peaks[-1])
    return {
        "pictures a step": task.batch_size,
        "steps a round": task.steps_per_epoch,
        "FLOPs a picture a step": flops,
        "peak, GFLOP/s": summary([peak / 1e9 for peak in peaks]),
        "training, GFLOP/s": summary([rate / 1e9 for rate in rates]),
        "share of the peak": summary(shares),
        "share of the operations' time": shares_by_kind(short),
    }


def made_task(
    recipe: Recipe, size: int | None, num_classes: int | None, device: str = "cpu", num_steps: int = 1
) -> Task:
    """Return a recipe's task on pictures of noise, so many batches of them an epoch."""
    name = recipe.published.data if recipe.published else "cifar10"
    recipe, data = resolved(recipe, Data.find(name)), NAMED[name]
    shape = Shape(size or recipe.pictures.size or data.size, recipe.pictures.channels or data.channels)
    num_classes = num_classes or data.num_classes
    half = (0.5,) * shape.channels
    network = initial_network(recipe, shape, num_classes, Normalisation(mean=half, std=half))
    network.to(device).to(memory_format=torch.channels_last)
    num = num_steps * recipe.training.pictures_per_step(PICTURES_OF_ALL)
    chance = np.random.default_rng(0)
    pixels = chance.integers(0, 256, (num, shape.channels, shape.size, shape.size), np.uint8)
    split = SplitPictures(num, lambda rows: pixels[rows], chance.integers(0, num_classes, num))
    optimizer = build_optimizer(recipe.optimizer, network.parameters())
    return Task(network, optimizer, loss_function(recipe.loss), recipe, split, torch.device(device))


def run_epochs(task: Task, num: int) -> None:
    """Train so many epochs."""
    for _ in range(num):
        train_epoch(task, 1, 0, StepResults(task.device, lambda *_: None), lambda _: None)


def flops_of_a_picture(task: Task) -> float:
    """Count the FLOPs of a forward and a backward pass, for one picture of a batch."""
    rows = np.arange(task.batch_size)
    pictures, labels = torch.from_numpy(task.train.pixels(rows)), torch.from_numpy(task.train.labels[rows])
    with FlopCounterMode(display=False) as counter:
        task.loss_function(task.network(pictures), labels).backward()
    return counter.get_total_flops() / task.batch_size


def product_rate(side: int) -> float:
    """Return the FLOP/s of a square matrix product, the median of a round's."""
    left, right = torch.randn(side, side), torch.randn(side, side)
    seconds: list[float] = []
    while sum(seconds) < SECONDS_A_ROUND:
        seconds.append(seconds_of(lambda: torch.mm(left, right)))
    return 2 * side**3 / median(seconds)


def shares_by_kind(task: Task) -> dict[str, float]:
    """Return which share of the time inside PyTorch's operations each kind takes."""
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        run_epochs(task, 2)
    times: Counter[str] = Counter()
    for event in profiled.events():
        times[kind_of(event)] += event.self_cpu_time_total
    return {kind: time / times.total() for kind, time in times.most_common()}


def kind_of(event: FunctionEvent) -> str:
    """Return the kind of an operation; that of the innermost one around it that has a kind."""
    around: FunctionEvent | None = event
    names = []
    while around is not None:
        names.append(around.name)
        around = around.cpu_parent
    if any(name.startswith("Optimizer.step") for name in names):
        return "optimizer"
    for name in names:
        for kind, marks in KINDS.items():
            if any(mark in name.lower() for mark in marks):
                return kind
    return "rest"


if __name__ == "__main__":
    main()
