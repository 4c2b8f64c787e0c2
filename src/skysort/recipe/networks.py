"""The `network` section of a recipe: one model per family of networks."""

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
    """Number of outputs of each hidden layer, first to last, such as `[1024, 512]`."""
    activation: Activation = "tanh"
    """Activation function after each hidden layer."""
    dropout: Share = 0.0
    """Dropout: share of each hidden layer's outputs that a training step sets to zero."""


class Residual(FrozenModel):
    """Residual blocks: a convolution and an activation, to whose output the block's input is added. One pooling
    follows the last block."""

    blocks: Annotated[int, Field(ge=1, le=1000)] = 1
    """Number of blocks, one after another."""
    normalisation: Literal["none", "batch"] = "none"
    """`batch`: normalise over the batch after the convolution, which then has no bias. Weights start
    Kaiming-normal, the scale at 0.5."""
    shared: bool = False
    """Let all blocks share one set of weights and batch statistics."""


class ConvNetwork(FrozenModel):
    """Convolutions, each with an activation and a 2x2 pooling, then residual blocks, then fully connected
    layers."""

    name: Literal["convnet"] = "convnet"
    channels: Annotated[tuple[Width, ...], Field(min_length=1)] = (16, 8)
    """Output channels of each convolution, first to last, such as `[32, 64]`."""
    kernel: Annotated[int, Field(ge=1, le=31)] = 3
    """Side of the convolutions' filters, in pixels."""
    padding: Annotated[int, Field(ge=0, le=15)] | Literal["same"] = 1
    """Pixels of zeros that are added on each side before a convolution. `same` adds as many as keep the size."""
    normalisation: Literal["none", "batch", "local-response"] = "none"
    """Normalisation of the convolutions: `batch` before each activation, `local-response` after it."""
    activation: Activation = "tanh"
    """Activation function after each convolution and each hidden layer."""
    pooling: Literal["max", "average"] = "max"
    """Keep the largest value of each 2x2 window, or the average."""
    dropout: Share = 0.0
    """Dropout: share of the channels that a training step sets to zero after each pooling."""
    residual: Residual | None = None
    """Residual blocks after the convolutions. Unset: none."""
    hidden: tuple[Width, ...] = (32,)
    """Number of outputs of each fully connected hidden layer, first to last, such as `[120, 84]`."""

    @model_validator(mode="after")
    def _filter_has_a_middle(self) -> Self:
        if self.kernel % 2 == 0 and (self.padding == "same" or self.residual is not None):
            cause = "network.padding = 'same'" if self.padding == "same" else "a residual block"
            raise ValueError(
                f"{cause} must keep the size, and network.kernel = {self.kernel} cannot; use an odd one"
            )
        return self


class SwiftNetwork(FrozenModel):
    """A network that learns fast: a layer that whitens patches, then groups of two 3x3 convolutions with pooling.

    The size of the pictures decides how many groups there are: each halves it.
    """

    name: Literal["swift"] = "swift"
    width: Width = 32
    """Output channels of the first group's convolutions. Each later group has twice as many as the one before."""
    stride: Annotated[int, Field(ge=1, le=64)] | None = None
    """Pixels from one patch to the next. Patches are twice as wide. A larger stride is faster and sees less
    detail. Unset: 1 for pictures with sides of up to 47 pixels, 2 up to 95, 4 beyond."""

    def stride_for(self, size: int) -> int:
        """Return the stride for pictures with sides of `size` pixels."""
        return self.stride or (1 if size < 48 else 2 if size < 96 else 4)


class OwnNetwork(FrozenModel):
    """A network of your own: a class in a Python file, which Skysort calls without arguments."""

    name: Literal["own"] = "own"
    file: Annotated[str, Field(pattern=r"^[^/\\]+\.py$")]
    """Name of the Python file, such as `mine.py`. It is in the recipe's folder; a run keeps a copy in its own."""
    class_name: Annotated[str, Field(min_length=1)]
    """Name of the class in the file, or of a network that the file makes, such as `Net`."""
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    """SHA-256 of the file, in hexadecimal. Unset: the digest of the file as it is now."""
    folder: Annotated[SkipJsonSchema[str], Field(exclude=True)] = ""
    """The file's folder. It is not part of the recipe: a run finds the file in its own folder."""

    @property
    def path(self) -> Path:
        """The path of the file."""
        return Path(self.folder) / self.file


class BackboneNetwork(FrozenModel):
    """A backbone, whose weights stay as they are, and a linear head. The section `transfer` has the fields."""

    name: Literal["backbone"] = "backbone"


NETWORKS: dict[str, type[FrozenModel]] = {
    "mlp": MlpNetwork,
    "convnet": ConvNetwork,
    "swift": SwiftNetwork,
    "own": OwnNetwork,
    "backbone": BackboneNetwork,
}
AnyNetwork = MlpNetwork | ConvNetwork | SwiftNetwork | OwnNetwork | BackboneNetwork
Network = Annotated[AnyNetwork, Field(discriminator="name")]
