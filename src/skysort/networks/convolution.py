"""A convolution whose gradient is quicker to compute."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

FEWEST_POSITIONS = 10_000
"""With fewer pixels per batch, the calls from Python, about 0.1 ms, cost more than they gain."""


class Conv2d(nn.Conv2d):
    """PyTorch's own convolution, which sums the gradient of its biases separately on a CPU, for large batches.

    oneDNN computes that gradient together with the gradient of the filters. For a first layer of three channels
    that takes more than twice the time of the filters alone, even if the filters do not learn; docs/performance.md
    has the figures.
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int = 1, padding: int = 0, bias: bool = True
    ) -> None:
        super().__init__(inputs, outputs, kernel, stride, padding, bias=bias)

    def forward(self, values: Tensor) -> Tensor:
        """Return (N, out, H', W') for (N, in, H, W)."""
        if self.training and self.bias is not None and self._is_large(values):
            outputs: Tensor = _BiasApart.apply(values, self.weight, self.bias, self.stride, self.padding)
            return outputs
        return super().forward(values)

    @staticmethod
    def _is_large(values: Tensor) -> bool:
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
        for_values, for_weight, _bias = ctx.needs_input_grad[:3]
        to_values = to_weight = None
        if for_values or for_weight:
            to_values, to_weight, _ = torch.ops.aten.convolution_backward(
                gradient, values, weight, None, ctx.stride, ctx.padding, (1, 1), False, (0, 0), 1,
                (for_values, for_weight, False),
            )  # fmt: skip
        return to_values, to_weight, gradient.sum((0, 2, 3)), None, None
