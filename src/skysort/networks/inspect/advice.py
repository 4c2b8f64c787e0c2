"""Advice on a network that fails or forgets that pictures come in batches."""

import math
from collections.abc import Iterator
from typing import Any

from torch import Tensor, nn
from torch.utils._pytree import tree_leaves


def tensors_in(values: Any) -> list[Tensor]:
    """Return the tensors in a value, at any depth."""
    return [leaf for leaf in tree_leaves(values) if isinstance(leaf, Tensor)]


def batch_warnings(out: Any, num_pictures: int) -> Iterator[str]:
    """Yield a warning if the output is not one row per picture."""
    tensor = next(iter(tensors_in(out)), None)
    if tensor is None:
        yield "forward returns no tensor: it may lack its return statement"
    elif tensor.ndim and len(tensor) != num_pictures:
        yield (
            f"{num_pictures} pictures went in and {len(tensor)} rows came out: a view or a flatten takes pictures"
            " apart; torch.flatten(x, 1) keeps them whole"
        )


def width_advice(module: nn.Module, inputs: list[tuple[int, ...]]) -> str | None:
    """Return a fix for a layer that failed, if it is of the two kinds whose widths people get wrong.

    Args:
        module: the layer.
        inputs: their shapes.
    """
    if not inputs:
        return None
    _, *shape = inputs[0]
    if isinstance(module, nn.Linear) and shape and (len(shape) > 1 or shape[0] != module.in_features):
        num = math.prod(shape)
        flatten = "flatten it first with torch.flatten(x, 1)" if len(shape) > 1 else ""
        wide = f"make it nn.Linear({num}, {module.out_features})" if num != module.in_features else ""
        return f"it takes {module.in_features} features: {', and '.join(filter(None, (flatten, wide)))}"
    if isinstance(module, nn.Conv2d) and shape and shape[0] != module.in_channels:
        return f"it takes {module.in_channels} channels and gets {shape[0]}"
    return None
