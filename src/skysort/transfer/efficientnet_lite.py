"""EfficientNet-Lite as an ONNX graph: uint8 pictures in, features and the map that they are the mean of out.

Batch normalisation is folded into the convolutions. Padding is TensorFlow's "same", which puts the odd pixel after
the picture and so depends on the picture's size.

Source: M. Tan, Q. Le, EfficientNet, 2019; the Lite variants in github.com/tensorflow/tpu, efficientnet/lite, which
leave out squeeze-and-excitation, use ReLU6 and do not scale the stem and the head.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import onnx
from numpy.typing import NDArray

from skysort.classifier.graph import PICTURES, Graph
from skysort.core.errors import SkysortError
from skysort.transfer.pickled_weights import Tensors

EPSILON = 1e-3
"""Of the batch normalisation."""
STEM, HEAD = 32, 1280
"""Channels."""
DIVISOR = 8
"""Of which numbers of channels are multiples."""
MEAN, SCALE = 127.0, 128.0
"""Pixels enter the network as (pixel - 127) / 128."""


class _Stage(NamedTuple):
    repeats: int
    kernel: int
    stride: int
    expansion: int
    channels: int


_STAGES = (
    _Stage(1, 3, 1, 1, 16),
    _Stage(2, 3, 2, 6, 24),
    _Stage(2, 5, 2, 6, 40),
    _Stage(3, 3, 2, 6, 80),
    _Stage(3, 5, 1, 6, 112),
    _Stage(4, 5, 2, 6, 192),
    _Stage(1, 3, 1, 6, 320),
)


class _Block(NamedTuple):
    kernel: int
    stride: int
    expansion: int
    inputs: int
    outputs: int


def _blocks(width: float, depth: float) -> Iterator[_Block]:
    inputs = STEM
    for number, stage in enumerate(_STAGES):
        is_scaled = 0 < number < len(_STAGES) - 1
        outputs = _scaled_channels(stage.channels, width)
        for repeat in range(math.ceil(depth * stage.repeats) if is_scaled else stage.repeats):
            yield _Block(stage.kernel, 1 if repeat else stage.stride, stage.expansion, inputs, outputs)
            inputs = outputs


def _scaled_channels(channels: int, width: float) -> int:
    """Return the nearest multiple of the divisor that is at least nine tenths of the scaled number."""
    scaled = channels * width
    nearest = max(DIVISOR, int(scaled + DIVISOR / 2) // DIVISOR * DIVISOR)
    return nearest + DIVISOR if nearest < 0.9 * scaled else nearest


class _Backbone(Graph):
    """A backbone under construction: `x` is the output so far, `size` its side in pixels."""

    def __init__(self, tensors: Tensors, size: int) -> None:
        super().__init__()
        self.tensors, self.size, self.x = tensors, size, PICTURES

    def convolution(
        self,
        name: str,
        normalisation: str,
        shape: tuple[int, int, int, int],
        *,
        stride: int = 1,
        is_depthwise: bool = False,
        is_activated: bool = True,
    ) -> None:
        """Add a convolution, its batch normalisation folded in, and ReLU6."""
        weight, bias = self._folded(name, normalisation, shape)
        kernel = shape[-1]
        out = -(-self.size // stride)
        padding = max(0, (out - 1) * stride + kernel - self.size)
        before, after = padding // 2, padding - padding // 2
        x = self.node(
            "Conv", self.x, self.constant(f"{name}.weight", weight), self.constant(f"{name}.bias", bias),
            output=name, kernel_shape=[kernel, kernel], strides=[stride, stride],
            pads=[before, before, after, after], group=shape[0] if is_depthwise else 1,
        )  # fmt: skip
        self.x = (
            self.node("Clip", x, self.number(0), self.number(6), output=f"{name}.relu6") if is_activated else x
        )
        self.size = out

    def _folded(
        self, name: str, normalisation: str, shape: tuple[int, int, int, int]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        weight = self._tensor(f"{name}.weight", shape)
        scale, shift, mean, variance = (
            self._tensor(f"{normalisation}.{part}", shape[:1])
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        factor = scale / np.sqrt(variance + EPSILON)
        folded = (weight * factor[:, None, None, None]).astype(np.float32)
        return folded, (shift - mean * factor).astype(np.float32)

    def _tensor(self, name: str, shape: tuple[int, ...]) -> NDArray[np.float64]:
        tensor = self.tensors.get(name)
        if tensor is None or tensor.shape != shape:
            shape_here = "no such tensor" if tensor is None else f"{list(tensor.shape)}"
            raise SkysortError(
                "damaged-backbone",
                f"the weights are of another network: expected {name} {list(shape)}, found {shape_here}",
            )
        if not np.isfinite(tensor).all():
            raise SkysortError(
                "damaged-backbone", f"the weights are damaged: {name} holds NaN or infinite numbers"
            )
        return tensor.astype(np.float64)


def efficientnet_lite(tensors: Tensors, *, width: float, depth: float, size: int) -> onnx.ModelProto:
    """Return the graph of an EfficientNet-Lite without its last layer.

    Args:
        tensors: by the names of the published weights.
        width: factor of the numbers of channels.
        depth: factor of the numbers of blocks.
        size: side of the pictures, in pixels.

    Returns:
        A model from `pictures` (N, 3, size, size) uint8 to `features` (N, 1280) and `map` (N, 1280, h, w), both
        float32; the features are the means of the map.

    Raises:
        SkysortError: when tensors are missing, of other shapes, or not finite.
    """
    graph = _Backbone(tensors, size)
    pixels = graph.node("Cast", PICTURES, output="pixels", to=1)  # float32
    centred = graph.node("Sub", pixels, graph.number(MEAN), output="centred")
    graph.x = graph.node("Div", centred, graph.number(SCALE), output="scaled")
    graph.convolution("_conv_stem", "_bn0", (STEM, 3, 3, 3), stride=2)
    outputs = STEM
    for number, block in enumerate(_blocks(width, depth)):
        outputs = block.outputs
        _add_block(graph, f"_blocks.{number}", block)
    graph.convolution("_conv_head", "_bn1", (HEAD, outputs, 1, 1))
    graph.nodes[-1].output[0] = "map"
    graph.node("ReduceMean", "map", output="features", axes=[2, 3], keepdims=0)
    map_shape = (HEAD, graph.size, graph.size)
    return graph.model({PICTURES: (3, size, size)}, {"features": (HEAD,), "map": map_shape})


def _add_block(graph: _Backbone, name: str, block: _Block) -> None:
    before = graph.x
    inner = block.inputs * block.expansion
    if block.expansion > 1:
        graph.convolution(f"{name}._expand_conv", f"{name}._bn0", (inner, block.inputs, 1, 1))
    graph.convolution(
        f"{name}._depthwise_conv", f"{name}._bn1", (inner, 1, block.kernel, block.kernel),
        stride=block.stride, is_depthwise=True,
    )  # fmt: skip
    graph.convolution(f"{name}._project_conv", f"{name}._bn2", (block.outputs, inner, 1, 1), is_activated=False)
    if block.stride == 1 and block.inputs == block.outputs:
        graph.x = graph.node("Add", graph.x, before, output=f"{name}.sum")
