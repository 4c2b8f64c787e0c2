"""Same mathematics, less time: training seconds of skysort's own fit against the tutorials' plain loop.

    SKYSORT_DATA=… python benchmarks/same_math.py --output same_math.json
    SKYSORT_DATA=… python benchmarks/same_math.py lenet --pictures 8000 --repeats 7

Each measurement is a process of its own, as a user starts one, and the two take turns: plain, ours, plain, ours.
Plain is benchmarks/plain_loop.py as it stands, with PyTorch's own number of threads; ours is what `skysort train`
does between its start and its export. Reading the data is in `whole`, not in `training`, for both. The largest
difference is that of the losses of the first 50 steps, from the same weights on the same batches; beside it is
that of the plain loop from itself, when its first layer's weights start one last bit away. Where that is as large,
training makes much of little, and no two orders of adding up could agree better.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import torch
from measuring import report, seconds_of

from skysort.core.environment import SPINS, configure_process

TARGETS = {"mlp": 1.2, "convnet": 2.5, "mnist-cnn": 1.5, "lenet": 2.0, "resnet-deep-shared": 1.35}
EPOCHS = {"mlp": 4, "convnet": 4, "mnist-cnn": 1, "lenet": 1, "resnet-deep-shared": 1}
PICTURES = {"mlp": 10_000, "convnet": 10_000, "mnist-cnn": 20_000, "lenet": 12_000, "resnet-deep-shared": 5_000}
NUM_STEPS_COMPARED = 50


def plain_seconds(name: str, num_pictures: int, num_epochs: int) -> float:
    from plain_loop import TEXTS, load, train
    from torch.utils.data import DataLoader

    text = TEXTS[name]
    torch.manual_seed(0)
    examples = load(text.data)["train"]
    examples = examples[:: len(examples) // num_pictures][:num_pictures]
    network = text.make()
    loader: DataLoader[Any] = DataLoader(examples, batch_size=text.batch_size, shuffle=True)
    return train(network, text, loader, num_epochs)[1]


def ours(name: str, num_pictures: int, num_epochs: int) -> tuple[Any, Any, Any, Any]:
    """Return recipe, pictures, network and normalisation, as `skysort train` has them."""
    from plain_loop import TEXTS

    from skysort.core.progress import SilentProgress
    from skysort.data.dataset import Data
    from skysort.data.splits import evenly_spaced, prepare
    from skysort.recipe.schema import Recipe
    from skysort.runs.resolve import resolved

    data = Data.find(TEXTS[name].data)
    recipe = resolved(Recipe.load(name, [f"training.epochs={num_epochs}"]), data)
    prepared = prepare(data, recipe.pictures, SilentProgress())

    from skysort.training.setup import pictures_of, starting_network

    split = pictures_of(prepared.dataset, evenly_spaced(prepared.splits["train"], num_pictures))
    network = starting_network(recipe, prepared).to(memory_format=torch.channels_last)
    return recipe, split, network, prepared.normalisation(recipe.pictures.normalise)


def our_seconds(name: str, num_pictures: int, num_epochs: int) -> float:
    recipe, split, network, _ = ours(name, num_pictures, num_epochs)

    from skysort.core.progress import SilentProgress
    from skysort.training.device import computing_threads
    from skysort.training.fit import fit

    configure_process(training=True)
    with computing_threads(recipe.training.threads), tempfile.TemporaryDirectory() as folder:
        # What fit returns is without its last checkpoint.
        return seconds_of(lambda: fit(network, recipe, split, None, Path(folder), SilentProgress()))


def largest_differences(name: str) -> tuple[float, float]:
    """Return by how much a loss of the first steps differs, from the same weights on the same batches.

    First ours from the plain loop's; then the plain loop's from its own, its first weights a last bit away.
    """
    from plain_loop import TEXTS

    text = TEXTS[name]
    recipe, split, network, normalisation = ours(name, NUM_STEPS_COMPARED * text.batch_size, num_epochs=1)

    from skysort.training.batches import shuffled
    from skysort.training.device import computing_threads
    from skysort.training.loop import Task, train_epoch
    from skysort.training.optimizer import build_optimizer, loss_function
    from skysort.training.step_results import StepResults

    cpu = torch.device("cpu")
    optimizer = build_optimizer(recipe.optimizer, network.parameters())
    task = Task(network, optimizer, loss_function(recipe.loss), recipe, split, cpu)
    found: list[float] = []
    results = StepResults(cpu, lambda loss, _correct, _pictures: found.append(loss))
    with computing_threads(recipe.training.threads):
        train_epoch(task, 1, 0, results, lambda _step: None)

    mean, std = (torch.tensor(figures).view(-1, 1, 1) for figures in (normalisation.mean, normalisation.std))

    def plain_losses(a_bit_away: bool) -> list[float]:
        torch.manual_seed(recipe.training.seed)
        plain = text.make()
        if a_bit_away:
            weights = next(plain.parameters()).data
            weights.copy_(torch.nextafter(weights, torch.tensor(torch.inf)))
        settings = {"lr": text.rate, "momentum": text.momentum, "weight_decay": text.weight_decay}
        sgd = torch.optim.SGD(plain.parameters(), **settings)
        losses = []
        for pictures, labels, _rows in shuffled(split, text.batch_size, recipe.training.seed, 1, 0, cpu):
            loss = text.loss(plain((pictures / 255 - mean) / std), labels)
            sgd.zero_grad()
            loss.backward()
            sgd.step()
            losses.append(loss.item())
        return losses

    expected = plain_losses(a_bit_away=False)
    largest = (
        max(abs(one - other) for one, other in zip(losses, expected, strict=True))
        for losses in (found, plain_losses(a_bit_away=True))
    )
    return next(largest), next(largest)


MEASURES = {"plain": plain_seconds, "ours": our_seconds}


def measured(who: str, name: str, num_pictures: int, num_epochs: int) -> dict[str, float]:
    """Return the training seconds and the whole seconds of a process of its own."""
    started = time.perf_counter()
    command = [
        sys.executable,
        __file__,
        name,
        "--measure",
        who,
        "--pictures",
        num_pictures,
        "--epochs",
        num_epochs,
    ]
    # `skysort train` sets this before PyTorch is loaded, which here has been by then.
    environment = {**os.environ, "GOMP_SPINCOUNT": SPINS} if who == "ours" else None
    words = [str(word) for word in command]
    done = subprocess.run(words, stdout=subprocess.PIPE, check=True, text=True, env=environment)
    return {"training": float(done.stdout.splitlines()[-1]), "whole": time.perf_counter() - started}


def compared(name: str, num_pictures: int, num_epochs: int, repeats: int) -> dict[str, Any]:
    plain, ours = [], []
    for _ in range(repeats):
        plain.append(measured("plain", name, num_pictures, num_epochs))
        ours.append(measured("ours", name, num_pictures, num_epochs))
    ratios = sorted(a["training"] / b["training"] for a, b in zip(plain, ours, strict=True))
    from_plain, plain_from_plain = largest_differences(name)
    figures = {
        "pictures": num_pictures,
        "epochs": num_epochs,
        "n": repeats,
        "ratio": median(ratios),
        "smallest ratio": ratios[0],
        "largest ratio": ratios[-1],
        "target": TARGETS[name],
        "plain seconds": [one["training"] for one in plain],
        "our seconds": [one["training"] for one in ours],
        "plain whole seconds": [one["whole"] for one in plain],
        "our whole seconds": [one["whole"] for one in ours],
        "largest difference of a loss": from_plain,
        "the same of the plain loop, a last bit away": plain_from_plain,
    }
    seconds = {who: median(one["training"] for one in runs) for who, runs in (("plain", plain), ("ours", ours))}
    print(
        f"{name}: {figures['ratio']:.2f} times faster ({ratios[0]:.2f} to {ratios[-1]:.2f}, n {repeats}, target"
        f" {TARGETS[name]}); plain {seconds['plain']:.2f} s, ours {seconds['ours']:.2f} s;"
        f" losses differ by {from_plain:.1e} at most, the plain loop's own by {plain_from_plain:.1e}",
        flush=True,
    )
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipes", nargs="*", metavar="recipe", help=f"of {', '.join(TARGETS)}; all of them")
    parser.add_argument("--pictures", type=int, help="to train on, instead of a number that takes some seconds")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--measure", choices=MEASURES, help="measure one of the two, here, once")
    parser.add_argument("--output", type=Path, help="a JSON file for the figures")
    asked = parser.parse_args()
    names = asked.recipes or list(TARGETS)
    sizes = {name: (asked.pictures or PICTURES[name], asked.epochs or EPOCHS[name]) for name in names}
    if asked.measure:
        print(MEASURES[asked.measure](names[0], *sizes[names[0]]))
        return
    found = {name: compared(name, *sizes[name], asked.repeats) for name in names}
    report("How much faster is the same mathematics than the tutorials' plain loop?", found, asked.output)


if __name__ == "__main__":
    main()
