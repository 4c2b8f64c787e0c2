"""A convolution whose biases take less time to learn."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

FEWEST_POSITIONS = 10_000
"""Pixels of all pictures of a batch from which on it is worth the calls from Python, which take some 0.1 ms."""


class Conv2d(nn.Conv2d):
    """PyTorch's own, but that in training on a CPU, on large batches, the gradient of its biases is summed apart.

    oneDNN computes that gradient together with the filters'. For a first layer of three channels that takes more
    than twice the time of the filters' alone, and no less where the filters do not learn; docs/performance.md has
    the figures.
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int = 1, padding: int = 0, bias: bool = True
    ) -> None:
        super().__init__(inputs, outputs, kernel, stride, padding, bias=bias)

    def forward(self, values: Tensor) -> Tensor:
        """Return (N, out, H', W') for (N, in, H, W)."""
        if self.training and self.bias is not None and self._is_worth_it(values):
            outputs: Tensor = _BiasApart.apply(values, self.weight, self.bias, self.stride, self.padding)
            return outputs
        return super().forward(values)

    @staticmethod
    def _is_worth_it(values: Tensor) -> bool:
        return values.device.type == "cpu" and values.numel() >= FEWEST_POSITIONS * values.shape[1]


class _BiasApart(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, values: Tensor, weight: Tensor, bias: Tensor, stride: tuple[int, int], padding: tuple[int, int]
    ) -> Tensor:
        ctx.save_for_backward(values, weight)
        ctx.stride, ctx.padding = stride, padding
        return functional.conv2d(values, weight, bias, stride, padding)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor, None, None]:
        values, weight = ctx.saved_tensors
        of_values, of_weight, _bias = ctx.needs_input_grad[:3]
        to_values = to_weight = None
        if of_values or of_weight:
            to_values, to_weight, _ = torch.ops.aten.convolution_backward(
                gradient, values, weight, None, ctx.stride, ctx.padding, (1, 1), False, (0, 0), 1,
                (of_values, of_weight, False),
            )  # fmt: skip
        return to_values, to_weight, gradient.sum((0, 2, 3)), None, None
