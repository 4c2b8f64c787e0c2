"""The families of networks, and the functions that each of them has."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from skysort.core.errors import NotUnderstoodError, SkysortError
from skysort.data.decode import Shape
from skysort.networks import convnet, mlp, own, swift
from skysort.networks.layers import LogitOfOne, PictureNetwork, ShareOfOne, TooSmallError, Variant, fold_nothing
from skysort.recipe.networks import AnyNetwork
from skysort.recipe.schema import Recipe
from skysort.recipe.sections import Loss, Normalisation

MAX_SIZE_TRIED = 512


@dataclass(frozen=True)
class Family:
    """The functions of a family of networks. A network here is the section `network` of a recipe."""

    build: Callable[[Any, Shape, int], nn.Sequential]
    """From a network, the shape of its pictures and a number of outputs to its layers."""
    fold: Callable[[PictureNetwork], PictureNetwork] = fold_nothing
    """To a copy in evaluation mode that gives the same, without batch normalisation where that can be merged."""
    shrink: Callable[[Any, int], list[Variant]] | None = None
    """From a network and the size of its pictures to its variants, the quickest first; None for no others."""


_FAMILIES = {
    "mlp": Family(mlp.build),
    "convnet": Family(convnet.build, convnet.fold),
    "swift": Family(swift.build, swift.fold, swift.shrink),
    "own": Family(own.build, own.fold),
}
_HEADS: dict[str, Callable[[], nn.Module]] = {"binary-cross-entropy": LogitOfOne, "regression": ShareOfOne}


def initial_network(
    recipe: Recipe, shape: Shape, num_classes: int, normalisation: Normalisation
) -> PictureNetwork:
    """Build a recipe's network with the initial weights of its seed. PyTorch's random state does not change.

    Raises:
        SkysortError: as `build_layers`.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.training.seed)
        layers = build_layers(recipe.network, shape, recipe.loss.num_outputs(num_classes))
    head = _HEADS.get(recipe.loss.name, nn.Identity)()
    fold = _FAMILIES[recipe.network.name].fold
    return PictureNetwork(layers, head, normalisation.mean, normalisation.std, fold)


def check_classes(loss: Loss, num_classes: int) -> None:
    """Make sure that a loss is for this number of classes.

    Raises:
        NotUnderstoodError: when it is for two, and there are more.
    """
    if loss.has_one_output and num_classes != 2:
        raise NotUnderstoodError(
            "options-conflict",
            f"loss '{loss.name}' has one output for two classes, and these pictures have {num_classes}",
        )


def build_layers(network: AnyNetwork, shape: Shape, num_outputs: int) -> nn.Sequential:
    """Build a network's layers for pictures of a shape.

    Returns:
        From (N, C, H, W) float32 to (N, num_outputs).

    Raises:
        SkysortError: when the pictures are too small for it, naming the smallest size that is not; or as
            `own_layer`.
    """
    try:
        return _FAMILIES[network.name].build(network, shape, num_outputs)
    except TooSmallError:
        smallest = _smallest_size(network, shape)
        raise SkysortError(
            "pictures-too-small",
            f"pictures of {shape.size}x{shape.size} are too small for this network;"
            f" the smallest it can take is {smallest}x{smallest} (--set pictures.size={smallest})",
        ) from None


def variants(network: AnyNetwork, size: int) -> list[Variant]:
    """Return the networks that a budget may choose from, fastest first.

    Args:
        network: of the recipe.
        size: of its pictures, in pixels.
    """
    shrink = _FAMILIES[network.name].shrink
    return shrink(network, size) if shrink else [Variant(network, 1, "")]


def _smallest_size(network: AnyNetwork, shape: Shape) -> int:
    with torch.device("meta"):  # nothing is allocated
        for size in range(1, MAX_SIZE_TRIED):
            try:
                _FAMILIES[network.name].build(network, replace(shape, size=size), 1)
            except TooSmallError:
                continue
            return size
    raise SkysortError(
        "pictures-too-small", f"this network takes no picture of up to {MAX_SIZE_TRIED} pixels a side"
    )
