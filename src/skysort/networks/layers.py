"""The layers a recipe's network section asks for, from uint8 pictures to logits."""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

from skysort.core.errors import NotUnderstoodError, SkysortError
from skysort.data.decode import Shape
from skysort.networks.convolution import Conv2d
from skysort.networks.inspect.user_network import UserNetwork, own_layer
from skysort.networks.swift import TooSmallError, Whitening, swift_layers
from skysort.recipe.schema import (
    AnyNetwork,
    ConvNetwork,
    Loss,
    Normalisation,
    OwnNetwork,
    Recipe,
    Residual,
    SwiftNetwork,
)

MAX_SIZE_TRIED = 512
SMALLEST_SHARE = 0.01
"""Closer to 0 or 1, a rounding error in a share would grow to more than a proof allows in its logarithm."""
RESIDUAL_SCALE = 0.5
"""Where the scale of a residual block's batch normalisation starts, as in the text that resnet-deep repeats."""
_ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {"tanh": nn.Tanh, "relu": nn.ReLU}
_POOLINGS: dict[str, Callable[[int], nn.Module]] = {"max": nn.MaxPool2d, "average": nn.AvgPool2d}
LOCAL_RESPONSE_SIZE = 5
"""Neighbouring channels that local response normalisation looks at (Krizhevsky, Sutskever, Hinton, 2012)."""


class PictureNetwork(nn.Module):
    """A network that takes uint8 pixels and normalises them itself, so that nobody else has to.

    Args:
        layers: from (N, C, H, W) float32 to (N, outputs).
        ending: from these outputs to (N, classes) logits.
        mean: one figure a channel, for pixels scaled to 0 … 1.
        std: likewise.
    """

    def __init__(self, layers: nn.Module, ending: nn.Module, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.mean: Tensor
        self.std: Tensor
        self.layers = layers
        self.ending = ending
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32).view(-1, 1, 1))
        self.register_buffer("std", torch.tensor(std, dtype=torch.float32).view(-1, 1, 1))

    def forward(self, pictures: Tensor) -> Tensor:
        """Return (N, outputs), as the loss takes them, for (N, C, H, W) uint8 pictures."""
        outputs: Tensor = self.layers(self._normalised(pictures))
        return outputs

    def look_at(self, pictures: Tensor) -> None:
        """Let layers that go by the pictures' statistics compute theirs, before training.

        Args:
            pictures: (N, C, H, W) uint8, to be trained on.
        """
        for layer in self.layers.children():
            if isinstance(layer, Whitening):
                layer.whiten(self._normalised(pictures))

    def _normalised(self, pictures: Tensor) -> Tensor:
        return (pictures.to(self.mean.dtype) / 255 - self.mean) / self.std

    @property
    def num_parameters(self) -> int:
        """Count what training changes."""
        return sum(parameter.numel() for parameter in self.parameters() if parameter.requires_grad)

    @property
    def own(self) -> UserNetwork | None:
        """The person's own network that it has for layers, if it has one."""
        return next((layer for layer in self.layers.children() if isinstance(layer, UserNetwork)), None)

    @property
    def depends_on_mode(self) -> bool:
        """Whether it answers otherwise in training mode than in evaluation mode, or may do so."""
        return self.draws_chances or any(isinstance(layer, nn.BatchNorm2d) for layer in self.modules())

    @property
    def draws_chances(self) -> bool:
        """Whether it answers by chance in training mode, or may do so."""
        return any(isinstance(layer, nn.Dropout | nn.Dropout2d | UserNetwork) for layer in self.modules())

    def tensors(self) -> dict[str, Tensor]:
        """Return weights and buffers by name, as a file of them takes them: none of them shares memory."""
        memory: set[int] = set()
        tensors = {}
        for name, tensor in self.state_dict().items():
            place = tensor.untyped_storage().data_ptr()
            tensors[name] = tensor.clone() if place in memory else tensor
            memory.add(place)
        return tensors


class LogitOfOne(nn.Module):
    """From the logit of class 1 to the logits of both classes."""

    def forward(self, logit: Tensor) -> Tensor:
        """Return (N, 2) for (N, 1)."""
        return torch.cat((torch.zeros_like(logit), logit), dim=1)


class ShareOfOne(nn.Module):
    """From the share that class 1 is taken to have, which regression may put beyond 0 and 1, to two logits."""

    def forward(self, share: Tensor) -> Tensor:
        """Return (N, 2) for (N, 1)."""
        share = share.clamp(SMALLEST_SHARE, 1 - SMALLEST_SHARE)
        return torch.cat((1 - share, share), dim=1).log()


_ENDINGS: dict[str, Callable[[], nn.Module]] = {"binary-cross-entropy": LogitOfOne, "regression": ShareOfOne}


def initial_network(
    recipe: Recipe, shape: Shape, num_classes: int, normalisation: Normalisation
) -> PictureNetwork:
    """Build a recipe's network with the initial weights of its seed; PyTorch's own random state stays as it was.

    Raises:
        SkysortError: as `build_layers`.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.training.seed)
        layers = build_layers(recipe.network, shape, recipe.loss.num_outputs(num_classes))
    ending = _ENDINGS.get(recipe.loss.name, nn.Identity)()
    return PictureNetwork(layers, ending, normalisation.mean, normalisation.std)


def check_classes(loss: Loss, num_classes: int) -> None:
    """Make sure that a loss is for so many classes.

    Raises:
        NotUnderstoodError: when it is for two, and there are more.
    """
    if loss.has_one_output and num_classes != 2:
        raise NotUnderstoodError(
            "options-conflict",
            f"loss '{loss.name}' has one output for two classes, and these pictures have {num_classes}",
        )


def build_layers(network: AnyNetwork, shape: Shape, num_outputs: int) -> nn.Sequential:
    """Build a network's layers for pictures of a shape.

    Returns:
        From (N, C, H, W) float32 to (N, num_outputs).

    Raises:
        SkysortError: when the pictures are too small for it, naming the smallest size that is not; or as
            `own_layer`.
    """
    try:
        return _build(network, shape.channels, shape.size, num_outputs)
    except TooSmallError:
        smallest = _smallest_size(network, shape.channels)
        raise SkysortError(
            "pictures-too-small",
            f"pictures of {shape.size}x{shape.size} are too small for this network;"
            f" the smallest it can take is {smallest}x{smallest} (--set pictures.size={smallest})",
        ) from None


class ResidualBlock(nn.Module):
    """A convolution that keeps the size, normalised or not, an activation, and the input added to that.

    Source: He, Zhang, Ren, Sun, Deep residual learning for image recognition, 2015, in the shape that the
    tutorials give it.
    """

    def __init__(self, network: ConvNetwork, normalisation: Literal["none", "batch"]) -> None:
        super().__init__()
        channels, kernel = network.channels[-1], network.kernel
        is_normalised = normalisation == "batch"
        self.convolution = Conv2d(channels, channels, kernel, padding=kernel // 2, bias=not is_normalised)
        self.normalisation = nn.BatchNorm2d(channels) if is_normalised else nn.Identity()
        self.activation = _ACTIVATIONS[network.activation]()
        if isinstance(self.normalisation, nn.BatchNorm2d):
            nn.init.kaiming_normal_(self.convolution.weight, nonlinearity=network.activation)
            nn.init.constant_(self.normalisation.weight, RESIDUAL_SCALE)

    def forward(self, values: Tensor) -> Tensor:
        """Return (N, C, H, W) for (N, C, H, W)."""
        changed: Tensor = self.activation(self.normalisation(self.convolution(values)))
        return changed + values


class RepeatedBlock(nn.Module):
    """One block, met so many times."""

    def __init__(self, block: nn.Module, times: int) -> None:
        super().__init__()
        self.block, self.times = block, times

    def forward(self, values: Tensor) -> Tensor:
        """Return (N, C, H, W) for (N, C, H, W)."""
        for _ in range(self.times):
            values = self.block(values)
        return values


def _smallest_size(network: AnyNetwork, channels: int) -> int:
    with torch.device("meta"):  # nothing is allocated
        for size in range(1, MAX_SIZE_TRIED):
            try:
                _build(network, channels, size, num_outputs=1)
            except TooSmallError:
                continue
            return size
    raise SkysortError(
        "pictures-too-small", f"this network takes no picture of up to {MAX_SIZE_TRIED} pixels a side"
    )


def _build(network: AnyNetwork, channels: int, size: int, num_outputs: int) -> nn.Sequential:
    if isinstance(network, SwiftNetwork):
        return nn.Sequential(*swift_layers(network, channels, size, num_outputs))
    if isinstance(network, OwnNetwork):
        shape = (channels, size, size)
        return nn.Sequential(own_layer(network.path, network.class_name, network.sha256, shape, num_outputs))
    if isinstance(network, ConvNetwork):
        layers, features = _convolutions(network, channels, size)
        dropout = 0.0  # its own is of channels
    else:
        layers, features = [], channels * size**2
        dropout = network.dropout
    widths = (features, *network.hidden, num_outputs)
    return nn.Sequential(*layers, nn.Flatten(), *_linear(widths, network.activation, dropout))


def _convolutions(network: ConvNetwork, channels: int, size: int) -> tuple[list[nn.Module], int]:
    """Return the convolutional layers and the number of features they end in."""
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
    activation, pooling = _ACTIVATIONS[network.activation](), _POOLINGS[network.pooling](2)
    if network.normalisation == "batch":
        yield nn.BatchNorm2d(channels)
    if network.normalisation == "local-response":
        yield from (activation, nn.LocalResponseNorm(LOCAL_RESPONSE_SIZE), pooling)
    elif network.pooling == "max":
        # The texts have the activation first. Both are monotone, so the numbers are the same, and a
        # quarter of the activations is left to compute.
        yield from (pooling, activation)
    else:
        yield from (activation, pooling)
    if network.dropout:
        yield nn.Dropout2d(network.dropout)


def _residual(network: ConvNetwork, residual: Residual) -> nn.Module:
    if residual.shared:
        return RepeatedBlock(ResidualBlock(network, residual.normalisation), residual.blocks)
    return nn.Sequential(*(ResidualBlock(network, residual.normalisation) for _ in range(residual.blocks)))


def _linear(widths: Sequence[int], activation: str, dropout: float) -> Iterator[nn.Module]:
    """Yield linear layers, with an activation and dropout between each two."""
    for number, (inputs, outputs) in enumerate(pairwise(widths)):
        if number:
            yield _ACTIVATIONS[activation]()
            if dropout:
                yield nn.Dropout(dropout)
        yield nn.Linear(inputs, outputs)
