"""A network made to learn fast: a first layer that whitens small patches, then groups of two convolutions.

Source: Keller Jordan, 94% on CIFAR-10 in 3.29 Seconds on a Single GPU, 2024 (arXiv 2404.00498); only the widths
differ. The whitening layer is by David Page, How to Train Your ResNet, 2019.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from skysort.data.decode import Shape
from skysort.networks.convolution import Conv2d
from skysort.networks.layers import PictureNetwork, TooSmallError, Variant, fold_normalisation, fold_nothing
from skysort.recipe.networks import SwiftNetwork

BATCHNORM_MOMENTUM = 0.4
"""Weight of a batch in the running statistics; a training may have only forty steps."""
SMALLEST_VARIANCE = 5e-4
"""Added to the variance of each direction of patches before it is scaled to one, so that noise stays small."""
MOST_DIRECTIONS = 12
"""The most directions of patches to keep, those of the largest variance. Each has a filter and its negative."""
SMALLEST_LAST = 2
"""Smallest side of the last group's output."""
SMALLEST_FOR_WIDER_STRIDE = 16
"""Side of a picture, in pixels, from which on a budget may double the stride."""


class Size(NamedTuple):
    """How large the network is."""

    stride: int
    """As a multiple of the stride for the size of the pictures."""
    width: int
    least_epochs: int
    """From this number of epochs on it is better than the sizes before it, which are quicker."""


SIZES = (Size(2, 32, 1), Size(2, 64, 4), Size(1, 32, 6), Size(1, 48, 12))
"""Chosen on validation splits of eleven data sets; docs/log.md has the figures, of 2026-11-28."""


def build(network: SwiftNetwork, shape: Shape, num_outputs: int) -> nn.Sequential:
    """Build the layers from (N, C, H, W) float32 to (N, num_outputs).

    Larger pictures have more groups: the side is halved as long as at least two pixels remain.

    Raises:
        TooSmallError: for pictures that leave no room for a group.
    """
    stride = network.stride_for(shape.size)
    whitening = Whitening(shape.channels, 2 * stride, stride)
    side = (shape.size - 2 * stride) // stride + 1
    if side < 2 * SMALLEST_LAST:
        raise TooSmallError
    layers: list[nn.Module] = [whitening, nn.GELU()]
    inputs, outputs = whitening.out_channels, network.width
    while side >= 2 * SMALLEST_LAST:
        layers.append(Group(inputs, outputs))
        inputs, outputs, side = outputs, 2 * outputs, side // 2
    return nn.Sequential(*layers, Head(inputs, num_outputs))


def fold(network: PictureNetwork) -> PictureNetwork:
    """Return a copy in evaluation mode whose batch normalisations are merged into their convolutions."""
    network = fold_nothing(network)
    for module in network.modules():
        if isinstance(module, Group):
            # A pooling stands between the first two. It keeps the order of values, so both may come before it.
            fold_normalisation(module, "first", "first_normalisation")
            fold_normalisation(module, "second", "second_normalisation")
    return network


def shrink(network: SwiftNetwork, size: int) -> list[Variant]:
    """Return the variants that a budget may choose from for a picture size, fastest first.

    An earlier budget may have chosen the network's own width and stride, so they do not count.
    """
    stride = SwiftNetwork().stride_for(size)
    return [
        Variant(
            network.model_copy(update={"width": of_size.width, "stride": of_size.stride * stride}),
            of_size.least_epochs,
            f"width {of_size.width} and stride {of_size.stride * stride}",
        )
        for of_size in SIZES
        if of_size.stride == 1 or size >= SMALLEST_FOR_WIDER_STRIDE
    ]


class Whitening(Conv2d):
    """A convolution whose filters are computed from the training pictures and then frozen.

    Its filters are the directions in which patches vary most, each scaled so that patches have variance one along
    it, followed by their negatives. Only the biases are learned.
    """

    def __init__(self, channels: int, kernel: int, stride: int) -> None:
        num_directions = min(MOST_DIRECTIONS, channels * kernel**2)
        super().__init__(channels, 2 * num_directions, kernel, stride)
        self.weight.requires_grad = False
        nn.init.zeros_(self.bias)  # type: ignore[arg-type]

    @torch.no_grad()
    def init_from_data(self, values: Tensor) -> None:
        """Compute the filters from (N, C, H, W) float32 pictures, normalised."""
        kernel = self.kernel_size[0]
        patches = functional.unfold(values, kernel, stride=max(kernel, self.stride[0])).double()  # (N, C*k*k, P)
        flat = patches.transpose(1, 2).reshape(-1, patches.shape[1])
        variances, directions = torch.linalg.eigh(flat.T @ flat / len(flat))  # rising
        num = self.out_channels // 2
        filters = (directions / (variances + SMALLEST_VARIANCE).sqrt()).T.flip(0)[:num]
        # The sign of an eigenvector is arbitrary and differs between libraries, so it is fixed here.
        filters = filters * filters.gather(1, filters.abs().argmax(1, keepdim=True)).sign()
        self.weight.copy_(torch.cat((filters, -filters)).view_as(self.weight))


class Group(nn.Module):
    """Two 3x3 convolutions that keep the size, with a 2x2 max pooling after the first.

    Batch normalisation without a learned scale and GELU follow each. The first filters, one per input, start as
    the identity, so that a picture reaches the last layer from the first step on.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first = _convolution(inputs, outputs)
        self.first_normalisation = _normalisation(outputs)
        self.second = _convolution(outputs, outputs)
        self.second_normalisation = _normalisation(outputs)

    def forward(self, values: Tensor) -> Tensor:
        """Return (N, outputs, H // 2, W // 2) for (N, inputs, H, W)."""
        pooled = functional.max_pool2d(self.first(values), 2)
        values = functional.gelu(self.first_normalisation(pooled))
        return functional.gelu(self.second_normalisation(self.second(values)))


def _convolution(inputs: int, outputs: int) -> nn.Conv2d:
    convolution = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
    nn.init.dirac_(convolution.weight[:inputs].detach())
    return convolution


def _normalisation(channels: int) -> nn.BatchNorm2d:
    normalisation = nn.BatchNorm2d(channels, momentum=BATCHNORM_MOMENTUM)
    normalisation.weight.requires_grad = False
    return normalisation


class Head(nn.Module):
    """The largest value of each channel over the whole picture, and a linear layer without biases.

    Its outputs are divided by the number of channels, so that one learning rate suits every width.
    """

    def __init__(self, channels: int, outputs: int) -> None:
        super().__init__()
        self.linear = nn.Linear(channels, outputs, bias=False)

    def forward(self, values: Tensor) -> Tensor:
        """Return (N, outputs) for (N, C, H, W)."""
        features = values.amax((2, 3))
        outputs: Tensor = self.linear(features) / self.linear.in_features
        return outputs
