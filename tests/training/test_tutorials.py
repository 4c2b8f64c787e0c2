"""Each recipe against the tutorials' own few lines: the same batches give the same losses.

Both compute in float64. Rounding, which differs between processors, then stays below 1e-9 in so few steps, and a
formula that is wrong does not.
"""

import numpy as np
import pytest
import torch
from plain_loop import TEXTS

from skysort.data.decode import Shape
from skysort.networks.families import initial_network
from skysort.recipe.schema import Recipe
from skysort.recipe.sections import Normalisation
from skysort.training.batches import SplitPictures, shuffled
from skysort.training.loop import Task, train_epoch
from skysort.training.optimizer import build_optimizer, loss_function
from skysort.training.step_results import StepResults

CPU = torch.device("cpu")
SHAPES = {"birds-vs-airplanes": Shape(32, 3), "cifar10": Shape(32, 3), "mnist": Shape(28, 1)}
NUM_CLASSES = {"birds-vs-airplanes": 2, "cifar10": 10, "mnist": 10}
NUM_STEPS = 3
"""The third loss is the first that momentum has a part in."""


# What dropout leaves out is drawn otherwise there.
@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in TEXTS if name != "convnet-dropout"])
def test_the_first_losses_are_the_tutorials(name: str) -> None:
    text = TEXTS[name]
    shape, num_classes = SHAPES[text.data], NUM_CLASSES[text.data]
    rng = np.random.default_rng(0)
    num = NUM_STEPS * text.batch_size
    channels, size = shape.channels, shape.size
    pixels = rng.integers(0, 256, (num, channels, size, size), dtype=np.uint8)
    split = SplitPictures(num, lambda rows: pixels[rows], rng.integers(0, num_classes, num))
    recipe = Recipe.load(name, ["training.epochs=1"])

    half = Normalisation(mean=(0.5,) * channels, std=(0.5,) * channels)
    network = initial_network(recipe, shape, num_classes, half)
    network.to(torch.float64).to(memory_format=torch.channels_last)
    optimizer = build_optimizer(recipe.optimizer, network.parameters())
    found: list[float] = []
    task = Task(network, optimizer, loss_function(recipe.loss), recipe, split, CPU)
    results = StepResults(CPU, lambda value, _correct, _pictures: found.append(value))
    train_epoch(task, 1, 0, results, lambda _step: None)

    torch.manual_seed(recipe.training.seed)
    plain = text.make().double()
    sgd = torch.optim.SGD(plain.parameters(), lr=text.rate, momentum=text.momentum, weight_decay=text.weight_decay)
    expected = []
    for pictures, labels, _rows in shuffled(split, text.batch_size, recipe.training.seed, 1, 0, CPU):
        value = text.loss(plain((pictures.double() / 255 - 0.5) / 0.5), labels)
        sgd.zero_grad()
        value.backward()
        sgd.step()
        expected.append(value.item())
    assert len(found) == NUM_STEPS
    assert found == pytest.approx(expected, abs=1e-9)
