"""The layers a recipe's network section asks for, from uint8 pictures to logits."""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from skysort.errors import SkysortError
from skysort.pictures.decode import Shape
from skysort.recipe import ConvNetwork, MlpNetwork, Normalisation

MAX_SIZE_TRIED = 512
_ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {"tanh": nn.Tanh, "relu": nn.ReLU}
_ENDINGS: dict[str, Callable[[], nn.Module]] = {"logits": nn.Identity, "log-softmax": lambda: nn.LogSoftmax(dim=1)}


class PictureNetwork(nn.Module):
    """A network that takes uint8 pixels and normalises them itself, so that nobody else has to.

    Args:
        layers: from (N, C, H, W) float32 to (N, classes).
        mean: one figure a channel, for pixels scaled to 0 … 1.
        std: likewise.
    """

    def __init__(self, layers: nn.Module, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.mean: Tensor
        self.std: Tensor
        self.layers = layers
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32).view(-1, 1, 1))
        self.register_buffer("std", torch.tensor(std, dtype=torch.float32).view(-1, 1, 1))

    def forward(self, pictures: Tensor) -> Tensor:
        """Return (N, classes) float32 logits for (N, C, H, W) uint8 pictures."""
        scaled = pictures.float() / 255
        outputs: Tensor = self.layers((scaled - self.mean) / self.std)
        return outputs

    @property
    def num_parameters(self) -> int:
        """Count what training changes."""
        return sum(parameter.numel() for parameter in self.parameters())


def initial_network(
    network: MlpNetwork | ConvNetwork, shape: Shape, num_classes: int, normalisation: Normalisation, seed: int
) -> PictureNetwork:
    """Build a network with the initial weights of a seed; PyTorch's own random state stays as it was.

    Raises:
        SkysortError: as `build_layers`.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers = build_layers(network, shape, num_classes)
    return PictureNetwork(layers, normalisation.mean, normalisation.std)


def check_size(network: MlpNetwork | ConvNetwork, shape: Shape) -> None:
    """Find out whether a network can take pictures of a shape, without allocating anything.

    Raises:
        SkysortError: as `build_layers`.
    """
    with torch.device("meta"):
        build_layers(network, shape, num_classes=2)


def build_layers(network: MlpNetwork | ConvNetwork, shape: Shape, num_classes: int) -> nn.Sequential:
    """Build a network's layers for pictures of a shape.

    Returns:
        From (N, C, H, W) float32 to (N, num_classes).

    Raises:
        SkysortError: when the pictures are too small for it, naming the smallest size that is not.
    """
    try:
        return _build(network, shape.channels, shape.size, num_classes)
    except _TooSmallError:
        smallest = _smallest_size(network, shape.channels, num_classes)
        raise SkysortError(
            f"pictures of {shape.size}x{shape.size} are too small for this network;"
            f" the smallest it can take is {smallest}x{smallest} (--set pictures.size={smallest})"
        ) from None


class _TooSmallError(Exception):
    """Nothing is left of the picture after some layer."""


def _smallest_size(network: MlpNetwork | ConvNetwork, channels: int, num_classes: int) -> int:
    with torch.device("meta"):  # nothing is allocated
        for size in range(1, MAX_SIZE_TRIED):
            try:
                _build(network, channels, size, num_classes)
            except _TooSmallError:
                continue
            return size
    raise SkysortError(f"this network takes no picture of up to {MAX_SIZE_TRIED} pixels a side")


def _build(network: MlpNetwork | ConvNetwork, channels: int, size: int, num_classes: int) -> nn.Sequential:
    if isinstance(network, ConvNetwork):
        layers, features = _convolutions(network, channels, size)
    else:
        layers, features = [], channels * size**2
    widths = (features, *network.hidden, num_classes)
    linear = _linear(widths, network.activation)
    return nn.Sequential(*layers, nn.Flatten(), *linear, _ENDINGS[network.ending]())


def _convolutions(network: ConvNetwork, channels: int, size: int) -> tuple[list[nn.Module], int]:
    """Return the convolutional layers and the number of features they end in."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise((channels, *network.channels)):
        size = (size + 2 * network.padding - network.kernel + 1) // 2
        if size < 1:
            raise _TooSmallError
        layers += [
            nn.Conv2d(inputs, outputs, network.kernel, padding=network.padding),
            _ACTIVATIONS[network.activation](),
            nn.MaxPool2d(2),
        ]
    return layers, network.channels[-1] * size**2


def _linear(widths: Sequence[int], activation: str) -> Iterator[nn.Module]:
    """Yield linear layers with an activation between each two."""
    for number, (inputs, outputs) in enumerate(pairwise(widths)):
        if number:
            yield _ACTIVATIONS[activation]()
        yield nn.Linear(inputs, outputs)
