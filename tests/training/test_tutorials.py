"""Each recipe against the tutorials' own few lines: the same batches give the same losses."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from skysort.networks.layers import PictureNetwork, build_layers
from skysort.pictures.decode import Shape
from skysort.recipe import Recipe
from skysort.training.batches import Part, shuffled
from skysort.training.loop import Task, train_epoch
from skysort.training.optimizer import build_optimizer, loss_function

CPU = torch.device("cpu")
NUM_STEPS = 50


def mlp() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(3072, 512), nn.Tanh(), nn.Linear(512, 2), nn.LogSoftmax(dim=1))


class Convnet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, kernel_size=3, padding=1)
        self.conv2 = nn.Conv2d(16, 8, kernel_size=3, padding=1)
        self.fc1 = nn.Linear(8 * 8 * 8, 32)
        self.fc2 = nn.Linear(32, 2)

    def forward(self, x: Tensor) -> Tensor:
        out = nn.functional.max_pool2d(torch.tanh(self.conv1(x)), 2)
        out = nn.functional.max_pool2d(torch.tanh(self.conv2(out)), 2)
        out = torch.tanh(self.fc1(out.view(-1, 8 * 8 * 8)))
        return self.fc2(out)  # type: ignore[no-any-return]


class Lenet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 5)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = nn.functional.max_pool2d(nn.functional.relu(self.conv1(x)), 2)
        x = nn.functional.max_pool2d(nn.functional.relu(self.conv2(x)), 2)
        x = nn.functional.relu(self.fc1(torch.flatten(x, 1)))
        return self.fc3(nn.functional.relu(self.fc2(x)))  # type: ignore[no-any-return]


def mnist_cnn() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(3136, 128), nn.ReLU(), nn.Linear(128, 10),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("recipe", "make", "shape", "num_classes", "loss", "rate", "momentum", "batch_size"),
    [
        ("mlp", mlp, Shape(32, 3), 2, nn.NLLLoss(), 1e-2, 0.0, 64),
        ("convnet", Convnet, Shape(32, 3), 2, nn.CrossEntropyLoss(), 1e-2, 0.0, 64),
        ("lenet", Lenet, Shape(32, 3), 10, nn.CrossEntropyLoss(), 1e-3, 0.9, 4),
        ("mnist-cnn", mnist_cnn, Shape(28, 1), 10, nn.CrossEntropyLoss(), 1e-2, 0.9, 64),
    ],
)
def test_the_first_fifty_losses_are_the_tutorials(
    recipe: str,
    make: Callable[[], nn.Module],
    shape: Shape,
    num_classes: int,
    loss: nn.Module,
    rate: float,
    momentum: float,
    batch_size: int,
) -> None:
    chances = np.random.default_rng(0)
    num = NUM_STEPS * batch_size
    pixels = chances.integers(0, 256, (num, shape.channels, shape.size, shape.size), dtype=np.uint8)
    part = Part(num, lambda rows: pixels[rows], chances.integers(0, num_classes, num))
    loaded = Recipe.load(recipe, ["training.epochs=1"])

    torch.manual_seed(0)
    network = PictureNetwork(
        build_layers(loaded.network, shape, num_classes), [0.5] * shape.channels, [0.5] * shape.channels
    )
    optimizer = build_optimizer(loaded.optimizer, network.parameters())
    found: list[float] = []
    task = Task(network, optimizer, loss_function(loaded.loss), loaded, part, CPU)
    train_epoch(task, 1, 0, lambda _step, value, _outputs, _labels: found.append(value))

    torch.manual_seed(0)
    plain = make()
    sgd = torch.optim.SGD(plain.parameters(), lr=rate, momentum=momentum)
    expected = []
    for pictures, labels in shuffled(part, batch_size, loaded.training.seed, 1, 0, CPU):
        value = loss(plain((pictures / 255 - 0.5) / 0.5), labels)
        sgd.zero_grad()
        value.backward()
        sgd.step()
        expected.append(value.item())
    assert len(found) == NUM_STEPS
    assert found == pytest.approx(expected, abs=1e-5)
