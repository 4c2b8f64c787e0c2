"""An ONNX graph under construction, to make a classifier's model. Using a classifier takes no `onnx`."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

OPSET, IR_VERSION = 17, 8
"""ONNX Runtime reads them from 1.13 on."""
PICTURES, VIEWS = "pictures", "views"
"""Names of uint8 values: pictures, and pictures followed by their mirror images."""


class Graph:
    """Nodes and constants, in the order in which they are computed."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: dict[str, TensorProto] = {}
        self._names: dict[int, str] = {}
        """Names of shared constants by their memory address."""

    def constant(self, name: str, value: NDArray[Any]) -> str:
        """Add a constant, unless there is one of this name; return its name."""
        self.constants.setdefault(name, numpy_helper.from_array(value, name))
        return name

    def shared_constant(self, address: int, value: NDArray[Any]) -> str:
        """Add a constant once, however many nodes share the array at this memory address; return its name."""
        name = self._names.setdefault(address, f"weight.{len(self._names)}")
        return self.constant(name, value)

    def number(self, value: float) -> str:
        """Add a float32 number as a constant; return its name."""
        return self.constant(f"{value:.9g}", np.array(value, np.float32))

    def node(self, kind: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        """Add a node with one output; return the output's name.

        Args:
            kind: the operator, such as `Conv`.
            inputs: names of nodes and constants.
            output: its name; by default the operator and the number of the node.
            attributes: of the operator.
        """
        output = output or f"{kind}.{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, [*inputs], [output], name=output, **attributes))
        return output

    def mirrored(self, values: str, width: int) -> str:
        """Add the mirror image, left and right, of an (N, C, H, width) tensor; return its name."""
        ends = {"starts": -1, "ends": -width - 1, "axes": 3, "steps": -1}
        inputs = [self.constant(f"{values}.{end}", np.array([value], np.int64)) for end, value in ends.items()]
        return self.node("Slice", values, *inputs)

    def views(self, size: int) -> str:
        """Add (2 N, C, size, size) uint8 views: the pictures, then their mirror images; return their name."""
        return self.node("Concat", PICTURES, self.mirrored(PICTURES, size), output=VIEWS, axis=0)

    def mean_of_views(self, values: str, num_values: int, output: str = "") -> str:
        """Add the (N, num_values) means of (2 N, num_values) values of both views; return their name."""
        shape = self.constant(f"shape.2.-1.{num_values}", np.array([2, -1, num_values], np.int64))
        return self.node("ReduceMean", self.node("Reshape", values, shape), output=output, axes=[0], keepdims=0)

    def mean_of_mirrored_maps(self, maps: str, num_maps: int, side: int, output: str = "") -> str:
        """Add the mean of the maps of both views, the mirror image's turned back; return its name.

        Args:
            maps: name of (2 N, num_maps, side, side) values of both views.
            num_maps: per view.
            side: width and height of a map.
            output: name of the (N, num_maps, side, side) means.
        """
        shape = self.constant("shape_by_view", np.array([2, -1, num_maps, side, side], np.int64))
        by_view = self.node("Reshape", maps, shape)
        first, second = (
            self.node("Gather", by_view, self.constant(f"view.{view}", np.array(view)), axis=0) for view in (0, 1)
        )
        both = self.node("Add", first, self.mirrored(second, side))
        return self.node("Mul", both, self.number(0.5), output=output)

    def model(
        self, inputs: Mapping[str, Sequence[int]], outputs: Mapping[str, Sequence[int]], batch: str = "batch"
    ) -> onnx.ModelProto:
        """Return the checked model.

        Args:
            inputs: shapes by name, without the batch. Pictures and views are uint8, all others float32.
            outputs: shapes by name, without the batch.
            batch: name of the first dimension.
        """

        def declared(name: str, shape: Sequence[int]) -> Any:
            kind = TensorProto.UINT8 if name in (PICTURES, VIEWS) else TensorProto.FLOAT
            return helper.make_tensor_value_info(name, kind, [batch, *shape])

        graph = helper.make_graph(
            self.nodes,
            "skysort",
            [declared(name, shape) for name, shape in inputs.items()],
            [declared(name, shape) for name, shape in outputs.items()],
            list(self.constants.values()),
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
        onnx.checker.check_model(model)
        return model
