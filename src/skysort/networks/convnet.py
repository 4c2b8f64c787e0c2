"""The convolutional networks of the tutorials, with residual blocks or without."""

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Literal

from torch import Tensor, nn

from skysort.data.decode import Shape
from skysort.networks.convolution import Conv2d
from skysort.networks.layers import (
    ACTIVATIONS,
    PictureNetwork,
    TooSmallError,
    fold_normalisation,
    fold_nothing,
    linear_layers,
)
from skysort.recipe.networks import ConvNetwork, Residual

RESIDUAL_SCALE = 0.5
"""Where the scale of a residual block's batch normalisation starts, as in the text that resnet-deep repeats."""
LOCAL_RESPONSE_SIZE = 5
"""Neighbouring channels that local response normalisation looks at (Krizhevsky, Sutskever, Hinton, 2012)."""
_POOLINGS: dict[str, Callable[[int], nn.Module]] = {"max": nn.MaxPool2d, "average": nn.AvgPool2d}


def build(network: ConvNetwork, shape: Shape, num_outputs: int) -> nn.Sequential:
    """Build the layers from (N, C, H, W) float32 to (N, num_outputs).

    Raises:
        TooSmallError: when a pooling would have no output.
    """
    layers, num_features = _convolutions(network, shape.channels, shape.size)
    widths = (num_features, *network.hidden, num_outputs)
    return nn.Sequential(*layers, nn.Flatten(), *linear_layers(widths, network.activation, dropout=0.0))


def fold(network: PictureNetwork) -> PictureNetwork:
    """Return a copy in evaluation mode whose batch normalisations are merged into their convolutions."""
    network = fold_nothing(network)
    for module in network.modules():
        if isinstance(module, nn.Sequential):
            for before, after in pairwise(list(module._modules)):
                fold_normalisation(module, before, after)
        elif isinstance(module, ResidualBlock):
            fold_normalisation(module, "convolution", "normalisation")
    return network


class ResidualBlock(nn.Module):
    """A convolution that keeps the size, normalised or not, and an activation, added to the input.

    Source: He, Zhang, Ren, Sun, Deep residual learning for image recognition, 2015, in the shape that the
    tutorials give it.
    """

    def __init__(self, network: ConvNetwork, normalisation: Literal["none", "batch"]) -> None:
        super().__init__()
        channels, kernel = network.channels[-1], network.kernel
        is_normalised = normalisation == "batch"
        self.convolution = Conv2d(channels, channels, kernel, padding=kernel // 2, bias=not is_normalised)
        self.normalisation = nn.BatchNorm2d(channels) if is_normalised else nn.Identity()
        self.activation = ACTIVATIONS[network.activation]()
        if isinstance(self.normalisation, nn.BatchNorm2d):
            nn.init.kaiming_normal_(self.convolution.weight, nonlinearity=network.activation)
            nn.init.constant_(self.normalisation.weight, RESIDUAL_SCALE)

    def forward(self, values: Tensor) -> Tensor:
        """Return (N, C, H, W) for (N, C, H, W)."""
        changed: Tensor = self.activation(self.normalisation(self.convolution(values)))
        return changed + values


class RepeatedBlock(nn.Module):
    """One block, applied several times."""

    def __init__(self, block: nn.Module, times: int) -> None:
        super().__init__()
        self.block, self.times = block, times

    def forward(self, values: Tensor) -> Tensor:
        """Return (N, C, H, W) for (N, C, H, W)."""
        for _ in range(self.times):
            values = self.block(values)
        return values


def _convolutions(network: ConvNetwork, channels: int, size: int) -> tuple[list[nn.Module], int]:
    """Return the convolutional layers and the number of features after them."""
    layers: list[nn.Module] = []
    padding = network.kernel // 2 if network.padding == "same" else network.padding
    for inputs, outputs in pairwise((channels, *network.channels)):
        layers.append(Conv2d(inputs, outputs, network.kernel, padding=padding))
        layers += _after_convolution(network, outputs)
        size = _halved(size + 2 * padding - network.kernel + 1)
    if network.residual is not None:
        layers += [_residual(network, network.residual), _POOLINGS[network.pooling](2)]
        size = _halved(size)
    return layers, network.channels[-1] * size**2


def _halved(size: int) -> int:
    if size < 2:
        raise TooSmallError
    return size // 2


def _after_convolution(network: ConvNetwork, channels: int) -> Iterator[nn.Module]:
    activation, pooling = ACTIVATIONS[network.activation](), _POOLINGS[network.pooling](2)
    if network.normalisation == "batch":
        yield nn.BatchNorm2d(channels)
    if network.normalisation == "local-response":
        yield from (activation, nn.LocalResponseNorm(LOCAL_RESPONSE_SIZE), pooling)
    elif network.pooling == "max":
        # The tutorials have the activation first. Both are monotone, so the numbers are the same, and this order
        # computes a quarter of the activations.
        yield from (pooling, activation)
    else:
        yield from (activation, pooling)
    if network.dropout:
        yield nn.Dropout2d(network.dropout)


def _residual(network: ConvNetwork, residual: Residual) -> nn.Module:
    if residual.shared:
        return RepeatedBlock(ResidualBlock(network, residual.normalisation), residual.blocks)
    return nn.Sequential(*(ResidualBlock(network, residual.normalisation) for _ in range(residual.blocks)))
