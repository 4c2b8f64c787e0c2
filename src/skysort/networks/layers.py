"""Parts that the families of networks share: the network around their layers, logits, folding, linear layers."""

import copy
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn.utils import fuse_conv_bn_eval

from skysort.networks.inspect.user_network import UserNetwork
from skysort.recipe.networks import AnyNetwork

SMALLEST_SHARE = 0.01
"""Closer to 0 or 1, the logarithm would turn a rounding error into a larger difference than a proof allows."""
ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {"tanh": nn.Tanh, "relu": nn.ReLU}


class TooSmallError(Exception):
    """The pictures are too small: some layer would have no output."""


class Variant(NamedTuple):
    """A network of the same family, smaller or larger, for a budget to choose."""

    network: AnyNetwork
    least_epochs: int
    """From this number of epochs on it is better than the variants before it, which are quicker."""
    size: str
    """Size in words, such as `width 64 and stride 2`."""


@runtime_checkable
class InitialisedFromData(Protocol):
    """A layer whose first weights are computed from training pictures."""

    def init_from_data(self, values: Tensor) -> None:
        """Compute them from (N, C, H, W) float32 pictures, normalised."""


class PictureNetwork(nn.Module):
    """A network that takes uint8 pixels and normalises them itself, so that no caller can get that wrong.

    Args:
        layers: from (N, C, H, W) float32 to (N, outputs).
        head: from these outputs to (N, classes) logits.
        mean: mean per channel of pixels scaled to 0 … 1.
        std: standard deviation per channel of these pixels.
        fold: what `folded` does for a network of this family.
    """

    def __init__(
        self,
        layers: nn.Module,
        head: nn.Module,
        mean: Sequence[float],
        std: Sequence[float],
        fold: Callable[["PictureNetwork"], "PictureNetwork"] | None = None,
    ) -> None:
        super().__init__()
        self.mean: Tensor
        self.std: Tensor
        self.layers = layers
        self.head = head
        self._fold = fold or fold_nothing
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32).view(-1, 1, 1))
        self.register_buffer("std", torch.tensor(std, dtype=torch.float32).view(-1, 1, 1))

    def forward(self, pictures: Tensor) -> Tensor:
        """Return (N, outputs), as the loss takes them, for (N, C, H, W) uint8 pictures."""
        outputs: Tensor = self.layers(self._normalised(pictures))
        return outputs

    def init_from_data(self, pictures: Tensor) -> None:
        """Compute the first weights of those layers that take them from training pictures.

        Args:
            pictures: (N, C, H, W) uint8, of the training split.
        """
        for layer in self.layers.children():
            if isinstance(layer, InitialisedFromData):
                layer.init_from_data(self._normalised(pictures))

    def folded(self) -> "PictureNetwork":
        """Return a copy in evaluation mode whose batch normalisations are part of the convolutions before them.

        It gives the same logits, but for rounding. A person's own network is not copied: it is itself brought into
        evaluation mode.
        """
        return self._fold(self)

    def _normalised(self, pictures: Tensor) -> Tensor:
        return (pictures.to(self.mean.dtype) / 255 - self.mean) / self.std

    @property
    def num_parameters(self) -> int:
        """Number of weights that training changes."""
        return sum(parameter.numel() for parameter in self.parameters() if parameter.requires_grad)

    @property
    def own(self) -> UserNetwork | None:
        """The person's own network that serves as its layers, if there is one."""
        return next((layer for layer in self.layers.children() if isinstance(layer, UserNetwork)), None)

    @property
    def depends_on_mode(self) -> bool:
        """Whether its outputs in training mode differ from those in evaluation mode, or may do so."""
        return self.is_stochastic or any(isinstance(layer, nn.BatchNorm2d) for layer in self.modules())

    @property
    def is_stochastic(self) -> bool:
        """Whether its outputs in training mode depend on random draws, or may do so."""
        return any(isinstance(layer, nn.Dropout | nn.Dropout2d | UserNetwork) for layer in self.modules())

    def tensors(self) -> dict[str, Tensor]:
        """Return weights and buffers by name, for a safetensors file: no two of them share memory."""
        memory: set[int] = set()
        tensors = {}
        for name, tensor in self.state_dict().items():
            address = tensor.untyped_storage().data_ptr()
            tensors[name] = tensor.clone() if address in memory else tensor
            memory.add(address)
        return tensors


class LogitOfOne(nn.Module):
    """From the logit of class 1 to the logits of both classes."""

    def forward(self, logit: Tensor) -> Tensor:
        """Return (N, 2) for (N, 1)."""
        return torch.cat((torch.zeros_like(logit), logit), dim=1)


class ShareOfOne(nn.Module):
    """From the share of class 1, which regression may put below 0 or above 1, to the logits of both classes."""

    def forward(self, share: Tensor) -> Tensor:
        """Return (N, 2) for (N, 1)."""
        share = share.clamp(SMALLEST_SHARE, 1 - SMALLEST_SHARE)
        return torch.cat((1 - share, share), dim=1).log()


def fold_nothing(network: PictureNetwork) -> PictureNetwork:
    """Return a copy in evaluation mode, of a network without batch normalisation."""
    return copy.deepcopy(network).eval()


def fold_normalisation(module: nn.Module, convolution: str, normalisation: str) -> None:
    """Merge a batch normalisation into the convolution before it, if a module has the two under these names."""
    before, after = getattr(module, convolution), getattr(module, normalisation)
    if isinstance(before, nn.Conv2d) and isinstance(after, nn.BatchNorm2d):
        with torch.no_grad():
            setattr(module, convolution, fuse_conv_bn_eval(before, after))
        setattr(module, normalisation, nn.Identity())


def linear_layers(widths: Sequence[int], activation: str, dropout: float) -> Iterator[nn.Module]:
    """Yield linear layers, with an activation and dropout between them."""
    for number, (inputs, outputs) in enumerate(pairwise(widths)):
        if number:
            yield ACTIVATIONS[activation]()
            if dropout:
                yield nn.Dropout(dropout)
        yield nn.Linear(inputs, outputs)
