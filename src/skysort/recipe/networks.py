"""The `network` section of a recipe: one table per family of networks."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic.json_schema import SkipJsonSchema

from skysort.core.models import FrozenModel

Width = Annotated[int, Field(ge=1, le=1_000_000)]
Share = Annotated[float, Field(ge=0, lt=1)]
Activation = Literal["tanh", "relu"]


class MlpNetwork(FrozenModel):
    """Fully connected layers on the flattened picture."""

    name: Literal["mlp"] = "mlp"
    hidden: tuple[Width, ...] = (512,)
    """Widths of the hidden layers, in the order data meets them."""
    activation: Activation = "tanh"
    """What follows each hidden layer."""
    dropout: Share = 0.0
    """Share of each hidden layer's outputs that a training step leaves out."""


class Residual(FrozenModel):
    """Blocks of a convolution and an activation, the input added to their output; one pooling follows the last."""

    blocks: Annotated[int, Field(ge=1, le=1000)] = 1
    """How many, one after another."""
    normalisation: Literal["none", "batch"] = "none"
    """`batch`: after the convolution, which then has no bias and starts Kaiming-normal, the scale at 0.5."""
    shared: bool = False
    """Whether all blocks are one and the same, with one set of weights and statistics."""


class ConvNetwork(FrozenModel):
    """Convolutions, each with an activation and a 2x2 pooling; residual blocks; fully connected layers."""

    name: Literal["convnet"] = "convnet"
    channels: Annotated[tuple[Width, ...], Field(min_length=1)] = (16, 8)
    """Output channels of the convolutions, in the order data meets them."""
    kernel: Annotated[int, Field(ge=1, le=31)] = 3
    """Side of the convolutions' filters, in pixels."""
    padding: Annotated[int, Field(ge=0, le=15)] | Literal["same"] = 1
    """Zeros added on each side before a convolution, in pixels; `same`: as many as keep the size."""
    normalisation: Literal["none", "batch", "local-response"] = "none"
    """`batch`: after each convolution, before its activation; `local-response`: after the activation."""
    activation: Activation = "tanh"
    """What follows each convolution and each hidden layer."""
    pooling: Literal["max", "average"] = "max"
    """What is kept of each 2x2 window."""
    dropout: Share = 0.0
    """Share of the channels that a training step leaves out after each of these poolings."""
    residual: Residual | None = None
    """Unset: no residual blocks."""
    hidden: tuple[Width, ...] = (32,)
    """Widths of the fully connected hidden layers."""

    @model_validator(mode="after")
    def _filter_has_a_middle(self) -> Self:
        if self.kernel % 2 == 0 and (self.padding == "same" or self.residual is not None):
            what = "network.padding = 'same'" if self.padding == "same" else "a residual block"
            raise ValueError(f"{what} keeps the size; network.kernel = {self.kernel} cannot, an odd one can")
        return self


class SwiftNetwork(FrozenModel):
    """A layer that whitens patches, then groups of two 3x3 convolutions with pooling; made to learn fast.

    How many groups there are follows from the size of the pictures: each halves it.
    """

    name: Literal["swift"] = "swift"
    width: Width = 32
    """Output channels of the first group's convolutions; each group has twice as many as the one before."""
    stride: Annotated[int, Field(ge=1, le=64)] | None = None
    """Pixels from one patch to the next, which are twice as wide: the more, the quicker, and the less is seen.
    Unset: 1 for pictures of up to 47 pixels a side, 2 up to 95, 4 beyond."""

    def stride_for(self, size: int) -> int:
        """Return the stride for pictures of a size."""
        return self.stride or (1 if size < 48 else 2 if size < 96 else 4)


class OwnNetwork(FrozenModel):
    """A class in a Python file of one's own, made without arguments."""

    name: Literal["own"] = "own"
    file: Annotated[str, Field(pattern=r"^[^/\\]+\.py$")]
    """Name of the Python file, which is beside the recipe; a run keeps a copy there."""
    class_name: Annotated[str, Field(min_length=1)]
    """The class, or a network made in the file."""
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    """SHA-256 of the file. Unset: that of the file as it is."""
    folder: Annotated[SkipJsonSchema[str], Field(exclude=True)] = ""
    """Where the file is. It is no part of the recipe: a run finds the file in its own folder."""

    @property
    def path(self) -> Path:
        """Where the file is."""
        return Path(self.folder) / self.file


NETWORKS: dict[str, type[FrozenModel]] = {
    "mlp": MlpNetwork,
    "convnet": ConvNetwork,
    "swift": SwiftNetwork,
    "own": OwnNetwork,
}
AnyNetwork = MlpNetwork | ConvNetwork | SwiftNetwork | OwnNetwork
Network = Annotated[AnyNetwork, Field(discriminator="name")]
