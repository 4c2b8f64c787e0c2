"""The tutorials' own loop, as a reader of them would write it: what Skysort's figures and times are held against.

    SKYSORT_DATA=… python benchmarks/plain_loop.py convnet --seed 1

A list of normalised tensors, a DataLoader, forward, loss, backward, step, and `loss.item()` each time. Nothing of
Skysort is in it, but for the line that says on which machine it ran.
"""

import argparse
import gzip
import io
import json
import os
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader

from skysort.core.environment import machine_description, versions

Example = tuple[Tensor, int]
BIRDS_AND_AIRPLANES = ("airplane", "bird")


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
    def __init__(self, channels: int = 16, *, batchnorm: bool = False, dropout: float = 0.0) -> None:
        super().__init__()
        self.channels = channels
        self.dropout = nn.Dropout2d(dropout)
        self.conv1 = nn.Conv2d(3, channels, kernel_size=3, padding=1)
        self.conv1_norm = nn.BatchNorm2d(channels) if batchnorm else nn.Identity()
        self.conv2 = nn.Conv2d(channels, channels // 2, kernel_size=3, padding=1)
        self.conv2_norm = nn.BatchNorm2d(channels // 2) if batchnorm else nn.Identity()
        self.fc1 = nn.Linear(8 * 8 * channels // 2, 32)
        self.fc2 = nn.Linear(32, 2)

    def forward(self, x: Tensor) -> Tensor:
        out = self.dropout(nn.functional.max_pool2d(torch.tanh(self.conv1_norm(self.conv1(x))), 2))
        out = self.dropout(nn.functional.max_pool2d(torch.tanh(self.conv2_norm(self.conv2(out))), 2))
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
    """What a text has of a system: the data, the network, and how it is trained."""

    make: Callable[[], nn.Module]
    data: str = "birds-vs-airplanes"
    loss: Callable[[Tensor, Tensor], Tensor] = field(default_factory=nn.CrossEntropyLoss)
    rate: float = 1e-2
    momentum: float = 0.0
    weight_decay: float = 0.0
    batch_size: int = 64
    epochs: int = 100
    threshold: float = 0.5
    """Of a single output, from which on it means class 1."""


def logarithms() -> nn.Module:
    return Mlp(nn.LogSoftmax(dim=1))


LENET = {"data": "cifar10", "rate": 1e-3, "momentum": 0.9, "batch_size": 4, "epochs": 2}
TEXTS = {
    "mlp": Text(logarithms, loss=nn.NLLLoss()),
    "mlp-single-sample": Text(logarithms, loss=nn.NLLLoss(), batch_size=1),
    "mlp-deep": Text(mlp_deep),
    "mlp-mse": Text(lambda: Mlp(nn.Softmax(dim=1)), loss=squared_error),
    "mlp-regression": Text(lambda: Mlp(outputs=1), loss=squared_error_of_one),
    "mlp-bce": Text(lambda: Mlp(outputs=1), loss=binary_cross_entropy, threshold=0.0),
    "convnet": Text(Convnet),
    "convnet-wide": Text(lambda: Convnet(32)),
    "convnet-l2": Text(lambda: Convnet(32), weight_decay=1e-4),
    "convnet-dropout": Text(lambda: Convnet(32, dropout=0.4)),
    "convnet-batchnorm": Text(lambda: Convnet(32, batchnorm=True)),
    "convnet-residual": Text(ConvnetResidual),
    "resnet-deep-shared": Text(lambda: ResnetDeep(shared=True), rate=3e-3),
    "resnet-deep": Text(lambda: ResnetDeep(shared=False), rate=3e-3),
    "lenet": Text(Lenet, **LENET),
    "lenet-wide": Text(lambda: Lenet(32, 64), **LENET),
    "mnist-cnn": Text(mnist_cnn, data="mnist", momentum=0.9, epochs=5),
}


def cifar(folder: Path, split: str, classes: tuple[str, ...] = ()) -> list[tuple[Image.Image, int]]:
    """Read cifar10.zip, the folder shape `train/bird/….jpg`; without classes, all of them."""
    images = []
    with zipfile.ZipFile(folder / "cifar10.zip") as archive:
        names = sorted(name for name in archive.namelist() if f"{split}/" in name and name.endswith(".jpg"))
        known = list(classes or sorted({name.split("/")[-2] for name in names}))
        for name in names:
            label = name.split("/")[-2]
            if label in known:
                images.append((Image.open(io.BytesIO(archive.read(name))).convert("RGB"), known.index(label)))
    return images


def as_tensor(image: Image.Image) -> Tensor:
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255


def cifar_examples(folder: Path, name: str, mean: Tensor, std: Tensor) -> dict[str, list[Example]]:
    classes = BIRDS_AND_AIRPLANES if name == "birds-vs-airplanes" else ()
    return {
        split: [((as_tensor(image) - mean) / std, label) for image, label in cifar(folder, split, classes)]
        for split in ("train", "test")
    }


def mnist_examples(folder: Path) -> dict[str, list[Example]]:
    def idx(name: str, header: int) -> np.ndarray:
        return np.frombuffer(gzip.decompress((folder / "mnist" / name).read_bytes()), np.uint8, offset=header)

    examples = {}
    for split, prefix in (("train", "train"), ("test", "t10k")):
        pixels = torch.from_numpy(idx(f"{prefix}-images-idx3-ubyte.gz", 16).copy()).view(-1, 1, 28, 28)
        labels = idx(f"{prefix}-labels-idx1-ubyte.gz", 8)
        examples[split] = [
            ((one / 255 - 0.5) / 0.5, int(label)) for one, label in zip(pixels, labels, strict=True)
        ]
    return examples


def load(data: str) -> dict[str, list[Example]]:
    folder = Path(os.environ["SKYSORT_DATA"])
    if data == "mnist":
        return mnist_examples(folder)
    if data == "cifar10":
        half = torch.full((3, 1, 1), 0.5)
        return cifar_examples(folder, data, half, half)
    # The tutorials take mean and standard deviation of all ten classes before they choose two.
    every = torch.stack([as_tensor(image) for image, _ in cifar(folder, "train")])
    std, mean = torch.std_mean(every.transpose(0, 1).reshape(3, -1), dim=1)
    return cifar_examples(folder, data, mean.view(3, 1, 1), std.view(3, 1, 1))


def train(
    network: nn.Module, text: Text, loader: DataLoader[Example], num_epochs: int
) -> tuple[list[float], float]:
    """Return the mean loss of each epoch, and the seconds that all took."""
    optimizer = torch.optim.SGD(
        network.parameters(), lr=text.rate, momentum=text.momentum, weight_decay=text.weight_decay
    )
    losses = []
    started = time.perf_counter()
    for epoch in range(1, num_epochs + 1):
        loss_train = 0.0
        for pictures, labels in loader:
            outputs = network(pictures)
            loss = text.loss(outputs, labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            loss_train += loss.item()
        losses.append(loss_train / len(loader))
        if epoch in (1, num_epochs) or epoch % 10 == 0:
            print(f"epoch {epoch}, mean loss {losses[-1]:.4f}, {time.perf_counter() - started:.0f} s", flush=True)
    return losses, time.perf_counter() - started


def accuracy(network: nn.Module, loader: DataLoader[Example], threshold: float) -> float:
    correct = total = 0
    with torch.no_grad():
        for pictures, labels in loader:
            outputs = network(pictures)
            labelled = outputs.argmax(dim=1) if outputs.shape[1] > 1 else (outputs.squeeze(1) > threshold).long()
            correct += int((labelled == labels).sum())
            total += len(labels)
    return correct / total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", choices=TEXTS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, help="instead of the text's own")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--output", type=Path, help="a JSON file for the figures")
    asked = parser.parse_args()
    text = TEXTS[asked.recipe]
    torch.set_num_threads(asked.threads)
    torch.manual_seed(asked.seed)
    examples = load(text.data)
    network = text.make()
    epochs = asked.epochs or text.epochs
    loader: DataLoader[Any] = DataLoader(examples["train"], batch_size=text.batch_size, shuffle=True)
    losses, seconds = train(network, text, loader, epochs)
    found = {}
    # Evaluation mode first: training mode goes on gathering statistics, even of the test pictures.
    for mode in ("evaluation", "training"):
        for split in ("train", "test"):
            # In training mode the pictures beside it change an answer, so all come in mixed order.
            mixed: DataLoader[Any] = DataLoader(examples[split], batch_size=64, shuffle=True)
            network.train(mode == "training")
            found[f"{split} accuracy in {mode} mode"] = accuracy(network, mixed, text.threshold)
    figures = {
        "recipe": asked.recipe,
        "seed": asked.seed,
        "epochs": epochs,
        "seconds": seconds,
        **found,
        "losses": losses,
        "machine": machine_description("cpu", asked.threads),
        "versions": versions(),
    }
    shown = json.dumps(figures, indent=2)
    print(shown)
    if asked.output:
        asked.output.write_text(shown + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
