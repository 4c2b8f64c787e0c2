"""How much of the picture a tensor's elements see, followed from operation to operation."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

Factor = tuple[str, int]
"""A part of a dimension: which positions it runs over (`h`, `w`, or none: ''), and how many."""
Layout = tuple[tuple[Factor, ...], ...]
"""The factors of each dimension, the slowest first; a dimension of one element has none."""

SightOf = Callable[[Tensor], "Sight | None"]
aten = torch.ops.aten


@dataclass(frozen=True)
class Sight:
    """The receptive field of a tensor's elements, and where in it the picture's rows and columns lie.

    Sizes and strides are of the theoretical receptive field, in pixels of the picture, and take no notice of
    the picture's border: https://distill.pub/2019/computing-receptive-fields
    """

    size: tuple[float, float]
    """Height and width; infinity for the whole picture, not a number where it cannot be known."""
    stride: tuple[int | None, int | None] = (None, None)
    """From one position to the next; None where that differs or is not known."""
    layout: Layout | None = None
    """None where it is not known, or matters no more."""

    @classmethod
    def of_pictures(cls, pictures: Tensor) -> "Sight":
        """Return the sight of pictures (N, C, H, W) themselves."""
        num, channels, height, width = pictures.shape
        layout = _without_ones([[("", num)], [("", channels)], [("h", height)], [("w", width)]])
        return cls((1, 1), (1, 1), layout)

    @property
    def is_whole(self) -> bool:
        """Whether every element sees all of the picture."""
        return self.size == (math.inf, math.inf)

    def seeing_all(self, labels: str) -> "Sight":
        """Return the sight once all rows (`h`) or columns (`w`) have come together."""
        height, width = self.size
        return replace(self, size=(math.inf if "h" in labels else height, math.inf if "w" in labels else width))


UNKNOWN = Sight((math.nan, math.nan))
WHOLE = Sight((math.inf, math.inf))


def sight_after(func: Any, args: Sequence[Any], out: Tensor, sight_of: SightOf) -> Sight | None:
    """Return the sight of an operation's output, or None if it does not depend on the picture.

    Args:
        func: an operation of `torch.ops.aten`, as a dispatch mode sees it.
        args: what it was called with, in order.
        out: what came out; each output of several by itself.
        sight_of: gives the sight of a tensor, None for one that does not depend on the picture.
    """
    sights = [sight for leaf in tree_leaves(args) if isinstance(leaf, Tensor) and (sight := sight_of(leaf))]
    if not sights or func.overloadpacket in _SHAPE_ALONE:
        return None
    together = _union(sights)
    if together.is_whole:
        return WHOLE
    rule = _RULES.get(func.overloadpacket)
    if rule is None and torch.Tag.pointwise in func.tags:
        rule = _pointwise
    if rule is None or (together.layout is None and rule not in (_product, _pointwise, _cat)):
        return UNKNOWN
    sight = rule(_Call(args, out, sights[0], together, sight_of))
    return WHOLE if sight.is_whole else sight


@dataclass(frozen=True)
class _Call:
    """An operation that took place."""

    args: Sequence[Any]
    out: Tensor
    first: Sight
    """That of the first input that depends on the picture."""
    together: Sight
    """That of a sum of all such inputs."""
    sight_of: SightOf

    @property
    def layout(self) -> Layout:
        """The first input's, which is known unless a rule is made for the other case."""
        assert self.first.layout is not None
        return self.first.layout

    def arg(self, place: int, default: Any = None) -> Any:
        """Return an argument, which a call leaves out where it is the default."""
        return self.args[place] if len(self.args) > place else default


def _union(sights: Sequence[Sight]) -> Sight:
    """Return the larger receptive field: that of a sum, as behind a residual connection."""
    heights, widths = zip(*(sight.size for sight in sights), strict=True)
    vertical, horizontal = zip(*(sight.stride for sight in sights), strict=True)
    return Sight(
        (_largest(heights), _largest(widths)),
        (vertical[0] if len({*vertical}) == 1 else None, horizontal[0] if len({*horizontal}) == 1 else None),
        _broadcast([sight.layout for sight in sights]),
    )


def _largest(sizes: Sequence[float]) -> float:
    if math.inf in sizes:
        return math.inf
    return math.nan if any(map(math.isnan, sizes)) else max(sizes)


def _broadcast(layouts: Sequence[Layout | None]) -> Layout | None:
    known = [layout for layout in layouts if layout is not None]
    if len(known) < len(layouts):
        return None
    num_dims = max(map(len, known))
    dims = []
    for place in range(num_dims):
        here = [layout[place - num_dims + len(layout)] for layout in known if place >= num_dims - len(layout)]
        spatial = {factors for factors in here if _labels(factors)}
        if len(spatial) > 1:
            return None
        dims.append(spatial.pop() if spatial else max(here, key=len))
    return tuple(dims)


def _labels(factors: Sequence[Factor]) -> str:
    return "".join(label for label, _ in factors)


def _without_ones(layout: Sequence[Sequence[Factor]]) -> Layout:
    return tuple(tuple(factor for factor in factors if factor[1] != 1) for factors in layout)


def _fitted(layout: Layout, out: Tensor) -> Layout | None:
    """Return a layout with the sizes of the output, which has the same dimensions in the same order."""
    if len(layout) != out.ndim:
        return None
    dims: list[list[Factor]] = []
    for factors, size in zip(layout, out.shape, strict=True):
        if math.prod(num for _, num in factors) == size:
            dims.append([*factors])
        elif not _labels(factors):
            dims.append([("", size)])
        elif len(factors) == 1:
            dims.append([(_labels(factors), size)])
        else:
            return None
    return _without_ones(dims)


def _known(sight: Sight) -> Sight:
    return UNKNOWN if sight.layout is None else sight


def _same(call: _Call) -> Sight:
    return _known(replace(call.first, layout=_fitted(call.layout, call.out)))


def _pointwise(call: _Call) -> Sight:
    layout = call.together.layout
    if layout is None:
        return UNKNOWN
    missing: Layout = ((),) * (call.out.ndim - len(layout))
    return _known(replace(call.together, layout=_fitted(missing + layout, call.out)))


def _window(
    call: _Call, kernel: Sequence[int], stride: Sequence[int], padding: Sequence[int], dilation: Sequence[int]
) -> Sight:
    """Slide a window over the last dimensions."""
    num = call.out.ndim - 2
    extents = [(k - 1) * d + 1 for k, d in zip(_each(kernel, num), _each(dilation, num), strict=True)]
    size, strides = list(call.first.size), list(call.first.stride)
    for place, extent, step, pad in zip(
        range(2, 2 + num), extents, _each(stride, num), _each(padding, num), strict=True
    ):
        labels = _labels(call.layout[place])
        if (extent == 1 and step == 1) or not labels:
            continue
        if labels not in ("h", "w"):
            return UNKNOWN
        axis, before = "hw".index(labels), strides["hw".index(labels)]
        covers_all = call.out.shape[place] == 1 and extent - pad >= call.layout[place][0][1]
        if covers_all:
            size[axis] = math.inf
        elif extent > 1:
            size[axis] += math.nan if before is None else (extent - 1) * before
        strides[axis] = before and before * step
    return _known(Sight((size[0], size[1]), (strides[0], strides[1]), _fitted(call.layout, call.out)))


def _each(values: Sequence[int], num: int) -> Sequence[int]:
    return tuple(values) * num if len(values) == 1 else values


def _convolution(call: _Call) -> Sight:
    _, weight, _, stride, padding, dilation, transposed = call.args[:7]
    if transposed or call.sight_of(weight):
        return UNKNOWN
    sight = _window(call, weight.shape[2:], stride, padding, dilation)
    return sight.seeing_all(_labels(call.layout[1]))


def _max_pool(call: _Call) -> Sight:
    kernel = call.args[1]
    return _window(call, kernel, call.arg(2) or kernel, call.arg(3, [0]), call.arg(4, [1]))


def _average_pool(call: _Call) -> Sight:
    kernel = call.args[1]
    return _window(call, kernel, call.arg(2) or kernel, call.arg(3, [0]), [1])


def _adaptive_pool(call: _Call) -> Sight:
    """Cut the picture into windows that are as equal as can be: the largest counts."""
    before, after = call.args[0].shape[2:], call.out.shape[2:]
    if any(m < n for m, n in zip(before, after, strict=True)):
        return UNKNOWN
    kernel = [
        max(math.ceil((j + 1) * m / n) - j * m // n for j in range(n)) for m, n in zip(before, after, strict=True)
    ]
    steps = [m // n for m, n in zip(before, after, strict=True)]
    sight = _window(call, kernel, steps, [0], [1])
    even = [m % n == 0 for m, n in zip(before, after, strict=True)]
    return sight if all(even) else replace(sight, stride=(None, None))


def _reduction(call: _Call) -> Sight:
    layout = call.layout
    dims = call.arg(1)
    places = {dim % len(layout) for dim in ([dims] if isinstance(dims, int) else dims or range(len(layout)))}
    seen = call.first.seeing_all("".join(_labels(layout[place]) for place in places))
    if call.out.ndim == len(layout):
        return replace(seen, layout=tuple(() if at in places else dim for at, dim in enumerate(layout)))
    return replace(seen, layout=tuple(dim for at, dim in enumerate(layout) if at not in places))


def _along_one(call: _Call) -> Sight:
    """Mix along one dimension, which stays: a softmax."""
    return call.first.seeing_all(_labels(call.layout[call.args[1]]))


def _layer_norm(call: _Call) -> Sight:
    return call.first.seeing_all("".join(map(_labels, call.layout[-len(call.args[1]) :])))


def _group_norm(call: _Call) -> Sight:
    """Each element has a share in the mean and the variance that all are normalised by."""
    return call.first.seeing_all("hw")


def _batch_norm(call: _Call) -> Sight:
    """With running statistics, element by element; without, those of the pictures themselves are taken."""
    return _group_norm(call) if call.args[3] is None else call.first


def _product(call: _Call) -> Sight:
    """Multiply matrices: what lies along the dimension that is summed over comes together."""
    left, right = (call.sight_of(matrix) for matrix in call.args[-2:])
    rows = left.layout if left else None
    columns = right.layout if right else None
    summed = (_labels(rows[-1]) if rows else "") + (_labels(columns[-2]) if columns else "")
    seen = replace(call.together.seeing_all(summed), layout=None)
    if left and not right and rows:
        return replace(seen, layout=_without_ones([*rows[:-1], [("", call.out.shape[-1])]]))
    if right and not left and columns:
        return replace(seen, layout=_without_ones([*columns[:-2], [("", call.out.shape[-2])], columns[-1]]))
    return seen if seen.is_whole else UNKNOWN  # two positions in each element, as in attention


def _view(call: _Call) -> Sight:
    """Cut the factors, in their order, into the new dimensions."""
    factors: list[Factor] = []
    for label, num in (factor for dim in call.layout for factor in dim):
        if factors and label == factors[-1][0] == "":
            num *= factors.pop()[1]
        factors.append((label, num))
    dims: list[list[Factor]] = []
    for size in call.out.shape:
        dims.append([])
        left = size
        while left > 1:
            label, num = factors.pop(0)
            taken = math.gcd(num, left)
            if taken == 1 or (taken < num and (label or taken < left)):
                return UNKNOWN
            dims[-1].append((label, taken))
            left //= taken
            if taken < num:
                factors.insert(0, (label, num // taken))
    return replace(call.first, layout=_without_ones(dims))


def _permute(call: _Call) -> Sight:
    return replace(call.first, layout=tuple(call.layout[dim] for dim in call.args[1]))


def _transpose(call: _Call) -> Sight:
    dims = list(call.layout)
    first, second = call.args[1:3] if len(call.args) > 1 else (0, -1)
    dims[first], dims[second] = dims[second], dims[first]
    return replace(call.first, layout=tuple(dims))


def _select(call: _Call) -> Sight:
    place = call.arg(1, 0) % len(call.layout)
    return replace(call.first, layout=(*call.layout[:place], *call.layout[place + 1 :]))


def _slice(call: _Call) -> Sight:
    """Take every so many rows or columns; what a cut-out of the picture sees further on is not followed."""
    place, step = call.arg(1, 0), call.arg(4, 1)
    labels = _labels(call.layout[place])
    before = call.args[0].shape[place]
    if not labels or call.out.shape[place] == before:
        return _same(call)
    if labels not in ("h", "w") or call.out.shape[place] != math.ceil(before / step):
        return UNKNOWN
    stride = list(call.first.stride)
    axis = "hw".index(labels)
    stride[axis] = (stride[axis] or 0) * step or None
    return replace(_same(call), stride=(stride[0], stride[1]))


def _split(call: _Call) -> Sight:
    return UNKNOWN if _labels(call.layout[call.arg(2, 0)]) else _same(call)


def _cat(call: _Call) -> Sight:
    layout = call.together.layout
    if layout is None or _labels(layout[call.arg(1, 0)]):
        return UNKNOWN
    return _pointwise(call)


_RULES: dict[Any, Callable[[_Call], Sight]] = {
    aten.convolution: _convolution,
    aten.max_pool2d_with_indices: _max_pool,
    aten.avg_pool2d: _average_pool,
    aten._adaptive_avg_pool2d: _adaptive_pool,
    aten.adaptive_max_pool2d: _adaptive_pool,
    aten.native_batch_norm: _batch_norm,
    aten.native_layer_norm: _layer_norm,
    aten.native_group_norm: _group_norm,
    aten.slice: _slice,
    aten.cat: _cat,
    aten.permute: _permute,
    **dict.fromkeys((aten.mm, aten.addmm, aten.bmm, aten.baddbmm), _product),
    **dict.fromkeys((aten._softmax, aten._log_softmax, aten._safe_softmax), _along_one),
    **dict.fromkeys((aten.mean, aten.sum, aten.amax, aten.amin, aten.max, aten.min, aten.var), _reduction),
    **dict.fromkeys((aten.view, aten._unsafe_view, aten.reshape, aten.squeeze, aten.unsqueeze), _view),
    **dict.fromkeys((aten.transpose, aten.t), _transpose),
    **dict.fromkeys((aten.select, aten.unbind), _select),
    **dict.fromkeys((aten.split, aten.split_with_sizes), _split),
    **dict.fromkeys((aten.expand, aten.copy_), _pointwise),
    # Element by element, though PyTorch has not tagged them so.
    **dict.fromkeys(
        (aten.hardswish, aten.hardswish_, aten._prelu_kernel, aten.mish_, aten.threshold_), _pointwise
    ),
    **dict.fromkeys((aten.log_sigmoid_forward, aten.where, aten.masked_fill, aten.masked_fill_), _pointwise),
    **dict.fromkeys((aten.clone, aten._to_copy, aten.detach, aten.alias, aten.native_dropout), _same),
    **dict.fromkeys((aten.constant_pad_nd, aten.reflection_pad2d, aten.replication_pad2d), _same),
}
_SHAPE_ALONE = {
    *(aten.empty_like, aten.zeros_like, aten.ones_like, aten.full_like, aten.rand_like, aten.randn_like),
    *(aten.new_empty, aten.new_zeros, aten.new_ones, aten.new_full),
}
