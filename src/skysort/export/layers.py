"""The layers of Skysort's networks as nodes of an ONNX graph. PyTorch's own exporter takes seconds per network."""

import math
from functools import singledispatch
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from skysort.classifier.graph import Graph
from skysort.networks.convnet import RepeatedBlock, ResidualBlock
from skysort.networks.layers import SMALLEST_SHARE, LogitOfOne, PictureNetwork, ShareOfOne
from skysort.networks.swift import Group, Head


def add_network(network: PictureNetwork, graph: Graph, pictures: str) -> tuple[str, str]:
    """Add a network and its head; return the names of the logits and of the values that reach the last layer.

    Args:
        network: folded, in evaluation mode; none of a person's own.
        graph: to add it to.
        pictures: name of (N, C, H, W) uint8 pictures.
    """
    values = graph.node("Cast", pictures, to=1)  # float32
    values = graph.node("Div", values, graph.number(255))
    values = graph.node("Sub", values, graph.constant("mean", _array(network.mean)))
    values = graph.node("Div", values, graph.constant("std", _array(network.std)))
    assert isinstance(network.layers, nn.Sequential)
    values = add(network.layers[:-1], graph, values)
    return add(network.head, graph, add(network.layers[-1], graph, values)), values


def has_evidence(network: PictureNetwork) -> bool:
    """Tell whether a network's logits are sums over places of its last layer's input."""
    last = network.layers[-1] if isinstance(network.layers, nn.Sequential) else None
    return isinstance(last, Head) and not isinstance(network.head, ShareOfOne)


def add_evidence(network: PictureNetwork, graph: Graph, values: str) -> str:
    """Add (N, classes, h, w) evidence, which adds up to the logits over places; return its name.

    The largest value of a channel comes from one place, or from several that share it equally.

    Args:
        network: with evidence.
        graph: to add it to.
        values: name of the (N, C, h, w) values that reach the last layer.
    """
    assert isinstance(network.layers, nn.Sequential)
    head = network.layers[-1]
    assert isinstance(head, Head)
    axes = graph.constant("places", np.array([2, 3], np.int64))
    largest = graph.node("ReduceMax", values, axes=[2, 3], keepdims=1)
    is_largest = graph.node("Cast", graph.node("Equal", values, largest), to=1)  # float32
    share = graph.node("Div", largest, graph.node("ReduceSum", is_largest, axes, keepdims=1))
    kernel = _array(head.linear.weight)[:, :, None, None] / np.float32(head.linear.in_features)
    by_place = graph.node("Mul", is_largest, share)
    return add(network.head, graph, graph.node("Conv", by_place, graph.constant("evidence.kernel", kernel)))


@singledispatch
def add(layer: nn.Module, graph: Graph, values: str) -> str:
    """Add a layer to a graph; return the name of its output.

    Raises:
        TypeError: for a layer of another kind than Skysort's networks have.
    """
    raise TypeError(f"no rule to write {type(layer).__name__} as ONNX")


def _array(tensor: Tensor) -> NDArray[np.float32]:
    array: NDArray[np.float32] = tensor.detach().cpu().float().numpy()
    return array


def _weight(graph: Graph, tensor: Tensor) -> str:
    """Add a weight, once for layers that share it; return its name."""
    return graph.shared_constant(tensor.data_ptr(), _array(tensor))


@add.register
def _(layer: nn.Sequential, graph: Graph, values: str) -> str:
    for inner in layer:
        values = add(inner, graph, values)
    return values


@add.register(nn.Identity)
@add.register(nn.Dropout)
@add.register(nn.Dropout2d)
def _(layer: nn.Module, graph: Graph, values: str) -> str:
    return values


@add.register
def _(layer: nn.Conv2d, graph: Graph, values: str) -> str:
    inputs = [_weight(graph, layer.weight), *([] if layer.bias is None else [_weight(graph, layer.bias)])]
    assert isinstance(layer.padding, tuple)
    return graph.node("Conv", values, *inputs, strides=layer.stride, pads=[*layer.padding, *layer.padding])


@add.register
def _(layer: nn.Linear, graph: Graph, values: str) -> str:
    inputs = [_weight(graph, layer.weight), *([] if layer.bias is None else [_weight(graph, layer.bias)])]
    return graph.node("Gemm", values, *inputs, transB=1)


@add.register
def _(layer: nn.Flatten, graph: Graph, values: str) -> str:
    return graph.node("Flatten", values)


@add.register
def _(layer: nn.Tanh, graph: Graph, values: str) -> str:
    return graph.node("Tanh", values)


@add.register
def _(layer: nn.ReLU, graph: Graph, values: str) -> str:
    return graph.node("Relu", values)


@add.register
def _(layer: nn.GELU, graph: Graph, values: str) -> str:
    return _gelu(graph, values)


def _gelu(graph: Graph, values: str) -> str:
    """Add x / 2 (1 + erf(x / sqrt 2)), in the form that ONNX Runtime recognises as one operation."""
    erf = graph.node("Erf", graph.node("Div", values, graph.number(math.sqrt(2))))
    return graph.node("Mul", graph.node("Mul", values, graph.node("Add", erf, graph.number(1))), graph.number(0.5))


@add.register
def _(layer: nn.MaxPool2d, graph: Graph, values: str) -> str:
    return _pooled("MaxPool", graph, values)


@add.register
def _(layer: nn.AvgPool2d, graph: Graph, values: str) -> str:
    return _pooled("AveragePool", graph, values)


def _pooled(kind: str, graph: Graph, values: str) -> str:
    """Add a 2x2 pooling, the only one that the networks have."""
    return graph.node(kind, values, kernel_shape=[2, 2], strides=[2, 2])


@add.register
def _(layer: nn.LocalResponseNorm, graph: Graph, values: str) -> str:
    return graph.node("LRN", values, size=layer.size, alpha=layer.alpha, beta=layer.beta, bias=layer.k)


@add.register
def _(layer: ResidualBlock, graph: Graph, values: str) -> str:
    changed = values
    for inner in (layer.convolution, layer.normalisation, layer.activation):
        changed = add(inner, graph, changed)
    return graph.node("Add", changed, values)


@add.register
def _(layer: RepeatedBlock, graph: Graph, values: str) -> str:
    for _ in range(layer.times):
        values = add(layer.block, graph, values)
    return values


@add.register
def _(layer: Group, graph: Graph, values: str) -> str:
    values = _pooled("MaxPool", graph, add(layer.first, graph, values))
    values = _gelu(graph, add(layer.first_normalisation, graph, values))
    return _gelu(graph, add(layer.second_normalisation, graph, add(layer.second, graph, values)))


@add.register
def _(layer: Head, graph: Graph, values: str) -> str:
    features = graph.node("ReduceMax", values, axes=[2, 3], keepdims=0)
    return graph.node("Div", add(layer.linear, graph, features), graph.number(layer.linear.in_features))


@add.register
def _(layer: LogitOfOne, graph: Graph, values: str) -> str:
    return graph.node("Concat", graph.node("Sub", values, values), values, axis=1)


@add.register
def _(layer: ShareOfOne, graph: Graph, values: str) -> str:
    share = graph.node("Clip", values, graph.number(SMALLEST_SHARE), graph.number(1 - SMALLEST_SHARE))
    shares: Any = graph.node("Concat", graph.node("Sub", graph.number(1), share), share, axis=1)
    return graph.node("Log", shares)
