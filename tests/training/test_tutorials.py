"""Each recipe against the tutorials' own few lines: the same batches give the same losses."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from skysort.networks.layers import initial_network
from skysort.pictures.decode import Shape
from skysort.recipe import Normalisation, Recipe
from skysort.training.batches import Part, shuffled
from skysort.training.loop import Task, train_epoch
from skysort.training.optimizer import build_optimizer, loss_function

RGB32 = Shape(32, 3)
CPU = torch.device("cpu")


class Mlp(nn.Sequential):
    def __init__(self, *ending: nn.Module, outputs: int = 2) -> None:
        super().__init__(nn.Flatten(), nn.Linear(3072, 512), nn.Tanh(), nn.Linear(512, outputs), *ending)


def mlp_deep() -> nn.Module:
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(3072, 1024), nn.Tanh(), nn.Linear(1024, 512), nn.Tanh(), nn.Linear(512, 128), nn.Tanh(),
        nn.Linear(128, 2),
    )  # fmt: skip


class Convnet(nn.Module):
    def __init__(self, channels: int = 16, *, batchnorm: bool = False) -> None:
        super().__init__()
        self.channels = channels
        self.conv1 = nn.Conv2d(3, channels, kernel_size=3, padding=1)
        self.conv1_norm = nn.BatchNorm2d(channels) if batchnorm else nn.Identity()
        self.conv2 = nn.Conv2d(channels, channels // 2, kernel_size=3, padding=1)
        self.conv2_norm = nn.BatchNorm2d(channels // 2) if batchnorm else nn.Identity()
        self.fc1 = nn.Linear(8 * 8 * channels // 2, 32)
        self.fc2 = nn.Linear(32, 2)

    def forward(self, x: Tensor) -> Tensor:
        out = nn.functional.max_pool2d(torch.tanh(self.conv1_norm(self.conv1(x))), 2)
        out = nn.functional.max_pool2d(torch.tanh(self.conv2_norm(self.conv2(out))), 2)
        out = torch.tanh(self.fc1(out.view(-1, 8 * 8 * self.channels // 2)))
        return self.fc2(out)  # type: ignore[no-any-return]


class ConvnetResidual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 32, kernel_size=3, padding=1)
        self.conv2 = nn.Conv2d(32, 16, kernel_size=3, padding=1)
        self.conv3 = nn.Conv2d(16, 16, kernel_size=3, padding=1)
        self.fc1 = nn.Linear(4 * 4 * 16, 32)
        self.fc2 = nn.Linear(32, 2)

    def forward(self, x: Tensor) -> Tensor:
        out = nn.functional.max_pool2d(torch.relu(self.conv1(x)), 2)
        first = out = nn.functional.max_pool2d(torch.relu(self.conv2(out)), 2)
        out = nn.functional.max_pool2d(torch.relu(self.conv3(out)) + first, 2)
        out = torch.relu(self.fc1(out.view(-1, 4 * 4 * 16)))
        return self.fc2(out)  # type: ignore[no-any-return]


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(32, 32, kernel_size=3, padding=1, bias=False)
        self.batch_norm = nn.BatchNorm2d(32)
        nn.init.kaiming_normal_(self.conv.weight, nonlinearity="relu")
        nn.init.constant_(self.batch_norm.weight, 0.5)
        nn.init.zeros_(self.batch_norm.bias)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.batch_norm(self.conv(x))) + x


class ResnetDeep(nn.Module):
    def __init__(self, *, shared: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 32, kernel_size=3, padding=1)
        self.blocks = nn.Sequential(*([Block()] * 10 if shared else [Block() for _ in range(10)]))
        self.fc1 = nn.Linear(8 * 8 * 32, 32)
        self.fc2 = nn.Linear(32, 2)

    def forward(self, x: Tensor) -> Tensor:
        out = nn.functional.max_pool2d(torch.relu(self.conv1(x)), 2)
        out = nn.functional.max_pool2d(self.blocks(out), 2)
        out = torch.relu(self.fc1(out.view(-1, 8 * 8 * 32)))
        return self.fc2(out)  # type: ignore[no-any-return]


class Lenet(nn.Module):
    def __init__(self, first: int = 6, second: int = 16) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, first, 5)
        self.conv2 = nn.Conv2d(first, second, 5)
        self.fc1 = nn.Linear(second * 5 * 5, 120)
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


def squared_error(outputs: Tensor, labels: Tensor) -> Tensor:
    return ((outputs - torch.eye(2)[labels]) ** 2).mean()


def squared_error_of_one(outputs: Tensor, labels: Tensor) -> Tensor:
    return ((outputs.squeeze(1) - labels) ** 2).mean()


def binary_cross_entropy(outputs: Tensor, labels: Tensor) -> Tensor:
    share = torch.sigmoid(outputs.squeeze(1))
    return -torch.where(labels == 1, share.log(), (1 - share).log()).mean()


@dataclass(frozen=True)
class Text:
    """What a text has of a recipe: the network, the loss, and what is not the same in all of them."""

    make: Callable[[], nn.Module]
    loss: Callable[[Tensor, Tensor], Tensor] = field(default_factory=nn.CrossEntropyLoss)
    rate: float = 1e-2
    momentum: float = 0.0
    weight_decay: float = 0.0
    batch_size: int = 64
    num_classes: int = 2
    shape: Shape = RGB32
    num_steps: int = 20
    tolerance: float = 1e-5
    """Normalisations one after another let rounding grow tenfold in three steps or so."""


NLL = nn.NLLLoss()
TEXTS = {
    "mlp": Text(lambda: Mlp(nn.LogSoftmax(dim=1)), NLL, num_steps=50),
    "mlp-single-sample": Text(lambda: Mlp(nn.LogSoftmax(dim=1)), NLL, batch_size=1),
    "mlp-deep": Text(mlp_deep),
    "mlp-mse": Text(lambda: Mlp(nn.Softmax(dim=1)), squared_error),
    "mlp-regression": Text(lambda: Mlp(outputs=1), squared_error_of_one),
    "mlp-bce": Text(lambda: Mlp(outputs=1), binary_cross_entropy),
    "convnet": Text(Convnet, num_steps=50),
    "convnet-wide": Text(lambda: Convnet(32)),
    "convnet-l2": Text(lambda: Convnet(32), weight_decay=1e-4),
    "convnet-batchnorm": Text(lambda: Convnet(32, batchnorm=True), tolerance=1e-4),
    "convnet-residual": Text(ConvnetResidual),
    "resnet-deep-shared": Text(lambda: ResnetDeep(shared=True), rate=3e-3, num_steps=10, tolerance=1e-3),
    "resnet-deep": Text(lambda: ResnetDeep(shared=False), rate=3e-3, num_steps=10, tolerance=1e-3),
    "lenet": Text(Lenet, num_steps=50, rate=1e-3, momentum=0.9, batch_size=4, num_classes=10),
    "lenet-wide": Text(lambda: Lenet(32, 64), rate=1e-3, momentum=0.9, batch_size=4, num_classes=10),
    "mnist-cnn": Text(mnist_cnn, num_steps=50, rate=1e-2, momentum=0.9, num_classes=10, shape=Shape(28, 1)),
}


@pytest.mark.parametrize("name", TEXTS)
def test_the_first_losses_are_the_tutorials(name: str) -> None:
    text = TEXTS[name]
    chances = np.random.default_rng(0)
    num = text.num_steps * text.batch_size
    channels, size = text.shape.channels, text.shape.size
    pixels = chances.integers(0, 256, (num, channels, size, size), dtype=np.uint8)
    part = Part(num, lambda rows: pixels[rows], chances.integers(0, text.num_classes, num))
    recipe = Recipe.load(name, ["training.epochs=1"])

    half = Normalisation(mean=(0.5,) * channels, std=(0.5,) * channels)
    network = initial_network(recipe, text.shape, text.num_classes, half)
    network.to(memory_format=torch.channels_last)
    optimizer = build_optimizer(recipe.optimizer, network.parameters())
    found: list[float] = []
    task = Task(network, optimizer, loss_function(recipe.loss), recipe, part, CPU)
    train_epoch(task, 1, 0, lambda _step, value, _outputs, _labels: found.append(value))

    torch.manual_seed(recipe.training.seed)
    plain = text.make()
    sgd = torch.optim.SGD(plain.parameters(), lr=text.rate, momentum=text.momentum, weight_decay=text.weight_decay)
    expected = []
    for pictures, labels in shuffled(part, text.batch_size, recipe.training.seed, 1, 0, CPU):
        value = text.loss(plain((pictures / 255 - 0.5) / 0.5), labels)
        sgd.zero_grad()
        value.backward()
        sgd.step()
        expected.append(value.item())
    assert len(found) == text.num_steps
    assert found == pytest.approx(expected, abs=text.tolerance)
