"""The receptive field of a layer's outputs, followed from operation to operation."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

Pair = tuple[float, float]
SightOf = Callable[[Tensor], "ReceptiveField | None"]
aten = torch.ops.aten


@dataclass(frozen=True)
class ReceptiveField:
    """The receptive field of a tensor's elements.

    It is the theoretical one, which ignores the border of the picture:
    https://distill.pub/2019/computing-receptive-fields
    """

    size: Pair
    """Height and width in pixels; infinity for the whole picture, NaN where it is not known."""
    stride: Pair
    """Pixels from one position to the next; NaN where that differs or is not known."""


PIXEL = ReceptiveField((1, 1), (1, 1))
WHOLE = ReceptiveField((math.inf, math.inf), (math.nan, math.nan))
UNKNOWN = ReceptiveField((math.nan, math.nan), (math.nan, math.nan))


def sight_after(
    func: Any, args: Sequence[Any], out: Tensor, sight_of: SightOf, num_pictures: int
) -> ReceptiveField | None:
    """Return the receptive field of an operation's output, or None if it does not depend on the picture.

    An uncertain one is UNKNOWN: a question mark is better than a wrong number.

    Args:
        func: an operation of `torch.ops.aten`, as a dispatch mode sees it.
        args: its arguments, in order.
        out: its output, or one of several.
        sight_of: returns the receptive field of a tensor, None if that does not depend on the picture.
        num_pictures: in the batch.
    """
    seen = [(leaf, sight) for leaf in tree_leaves(args) if isinstance(leaf, Tensor) and (sight := sight_of(leaf))]
    operation = func.overloadpacket
    if not seen or operation in _SHAPE_ALONE:
        return None
    together = _union([sight for _, sight in seen])
    if together.size == WHOLE.size:
        return WHOLE
    if operation in _KEEP or torch.Tag.pointwise in func.tags:
        return together
    rule = _RULES.get(operation)
    return rule(_Call(args, out, seen[0][0], together, num_pictures)) if rule else UNKNOWN


def _union(sights: Sequence[ReceptiveField]) -> ReceptiveField:
    """Return the larger receptive field, as of a sum behind a residual connection."""
    heights, widths = zip(*(sight.size for sight in sights), strict=True)
    strides = {sight.stride for sight in sights}
    return ReceptiveField(
        (_largest(heights), _largest(widths)), strides.pop() if len(strides) == 1 else UNKNOWN.stride
    )


def _largest(sizes: Sequence[float]) -> float:
    if math.inf in sizes:
        return math.inf
    return math.nan if any(map(math.isnan, sizes)) else max(sizes)


@dataclass(frozen=True)
class _Call:
    """A call of an operation."""

    args: Sequence[Any]
    out: Tensor
    values: Tensor
    """The first input that depends on the picture."""
    sight: ReceptiveField
    """The receptive field of all such inputs together."""
    num_pictures: int

    @property
    def whole(self) -> ReceptiveField:
        """The receptive field of all positions together: unknown if the picture may have been cropped before."""
        return UNKNOWN if any(map(math.isnan, self.sight.size)) else WHOLE

    def arg(self, place: int, default: Any = None) -> Any:
        """Return an argument; a call may leave out those that are the default."""
        return self.args[place] if len(self.args) > place else default


def _window(call: _Call, kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int]) -> ReceptiveField:
    """Slide a window over rows and columns."""
    if call.out.ndim != 4:
        return UNKNOWN
    sizes, strides = [], []
    for axis in range(2):
        extent = (_of(kernel, axis) - 1) * _of(dilation, axis) + 1
        before = call.sight.stride[axis]
        if call.out.shape[2 + axis] == 1 and extent >= call.values.shape[2 + axis]:
            sizes.append(call.whole.size[axis])
        else:
            sizes.append(call.sight.size[axis] + ((extent - 1) * before if extent > 1 else 0))
        strides.append(before * _of(stride, axis))
    return ReceptiveField((sizes[0], sizes[1]), (strides[0], strides[1]))


def _of(values: Sequence[int], axis: int) -> int:
    return values[axis if len(values) > 1 else 0]


def _convolution(call: _Call) -> ReceptiveField:
    _, weight, _, stride, _, dilation, transposed = call.args[:7]
    return UNKNOWN if transposed else _window(call, weight.shape[2:], stride, dilation)


def _max_pool(call: _Call) -> ReceptiveField:
    return _window(call, call.args[1], call.arg(2) or call.args[1], call.arg(4, [1]))


def _average_pool(call: _Call) -> ReceptiveField:
    return _window(call, call.args[1], call.arg(2) or call.args[1], [1])


def _adaptive_pool(call: _Call) -> ReceptiveField:
    """Cut the picture into windows of one size; windows of several sizes are not followed."""
    before, after = call.values.shape[2:], call.out.shape[2:]
    if any(m % n for m, n in zip(before, after, strict=True)):
        return UNKNOWN
    kernel = [m // n for m, n in zip(before, after, strict=True)]
    return _window(call, kernel, kernel, [1])


def _product(call: _Call) -> ReceptiveField:
    """A fully connected layer on a flattened picture sees all of it; other products are not followed."""
    is_flat = call.values.ndim == 2 and len(call.values) == call.num_pictures
    return call.whole if is_flat else UNKNOWN


def _reduction(call: _Call) -> ReceptiveField:
    """Reduce over channels, or over all rows and columns."""
    dims = {dim % call.values.ndim for dim in call.arg(1) or range(call.values.ndim)}
    if dims == {1}:
        return call.sight
    return call.whole if call.values.ndim == 4 and {2, 3} <= dims else UNKNOWN


def _batch_norm(call: _Call) -> ReceptiveField:
    """Running statistics act element by element; statistics of the pictures themselves depend on all of them."""
    return call.whole if call.args[3] is None else call.sight


def _view(call: _Call) -> ReceptiveField:
    same = call.out.ndim != 4 or call.values.shape[2:] == call.out.shape[2:]
    return call.sight if same else UNKNOWN


def _permutation(call: _Call) -> ReceptiveField:
    """After a permutation a window could not tell rows from columns."""
    return replace(call.sight, stride=UNKNOWN.stride)


def _slice(call: _Call) -> ReceptiveField:
    return call.sight if call.values.shape == call.out.shape else UNKNOWN


def _cat(call: _Call) -> ReceptiveField:
    return call.sight if call.arg(1, 0) % call.out.ndim == 1 else UNKNOWN


_RULES: dict[Any, Callable[[_Call], ReceptiveField]] = {
    aten.convolution: _convolution,
    aten.max_pool2d_with_indices: _max_pool,
    aten.avg_pool2d: _average_pool,
    aten._adaptive_avg_pool2d: _adaptive_pool,
    aten.adaptive_max_pool2d: _adaptive_pool,
    aten.native_batch_norm: _batch_norm,
    aten.native_group_norm: lambda call: call.whole,
    aten.slice: _slice,
    aten.cat: _cat,
    **dict.fromkeys((aten.mm, aten.addmm), _product),
    **dict.fromkeys((aten.mean, aten.sum, aten.amax, aten.amin), _reduction),
    **dict.fromkeys((aten.view, aten._unsafe_view, aten.squeeze, aten.unsqueeze, aten.expand), _view),
    **dict.fromkeys((aten.permute, aten.transpose, aten.t), _permutation),
}
_KEEP = {
    *(aten.clone, aten._to_copy, aten.detach, aten.alias, aten.copy_, aten.native_dropout),
    *(aten.constant_pad_nd, aten.reflection_pad2d, aten.replication_pad2d),
    # They act element by element, though PyTorch has no such tag on them.
    *(aten.hardswish, aten.hardswish_, aten._prelu_kernel, aten.mish_, aten.threshold_, aten.log_sigmoid_forward),
    *(aten.where, aten.masked_fill, aten.masked_fill_),
}
_SHAPE_ALONE = {
    *(aten.empty_like, aten.zeros_like, aten.ones_like, aten.full_like, aten.rand_like, aten.randn_like),
    *(aten.new_empty, aten.new_zeros, aten.new_ones, aten.new_full),
}
