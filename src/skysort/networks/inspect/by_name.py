"""A network described by the name of its recipe, or by `FILE.py:Class`: the function of `skysort describe`."""

import torch

from skysort.core.errors import NotUnderstoodError
from skysort.data.builtin.registry import find_named
from skysort.data.decode import Shape
from skysort.networks.families import build_layers, check_classes
from skysort.networks.inspect.layers import Description, describe
from skysort.networks.inspect.user_network import own_network
from skysort.recipe.network_file import is_own
from skysort.recipe.networks import OwnNetwork
from skysort.recipe.schema import Recipe

DEFAULT_SIZE, DEFAULT_CHANNELS, DEFAULT_CLASSES = 32, 3, 2
"""Defaults if neither the recipe nor its tutorial sets them."""


def describe_by_name(
    name: str, size: int | None = None, channels: int | None = None, classes: int | None = None
) -> Description:
    """Describe the network of a recipe, or your own, without building it.

    Args:
        name: name of a recipe, as for `train`, or `FILE.py:Class`, which runs that file.
        size: side of the pictures in pixels. None for that of the recipe or its tutorial, else 32.
        channels: 3 for RGB, 1 for grey, any number for your own network. None for the same source, else 3.
        classes: number of classes. None for that of the tutorial, else 2. Your own network sets it itself.

    Raises:
        NotUnderstoodError: for an unknown name, or numbers that the network does not take.
        SkysortError: when your own network cannot be made or described.
    """
    return _own(name, size, channels, classes) if is_own(name) else _recipe(name, size, channels, classes)


def _own(target: str, size: int | None, channels: int | None, classes: int | None) -> Description:
    if classes is not None:
        raise NotUnderstoodError(
            "options-conflict", f"--classes needs a recipe; {target} sets its number of outputs itself"
        )
    side = size or DEFAULT_SIZE
    with torch.device("meta"):
        return describe(own_network(target), (channels or DEFAULT_CHANNELS, side, side))


def _recipe(name: str, size: int | None, channels: int | None, classes: int | None) -> Description:
    recipe = Recipe.load(name)
    if isinstance(own := recipe.network, OwnNetwork):
        target, pictures = f"{own.path}:{own.class_name}", recipe.pictures
        return _own(target, size or pictures.size, channels or pictures.channels, classes)
    if recipe.has_backbone:
        raise NotUnderstoodError(
            "wrong-value",
            f"the recipe '{recipe.name}' trains no layers; skysort backbones shows what a backbone costs",
        )
    known = find_named(recipe.published.data) if recipe.published else None
    side = size or recipe.pictures.size or (known.size if known else DEFAULT_SIZE)
    num_channels = channels or recipe.pictures.channels or (known.channels if known else DEFAULT_CHANNELS)
    num_classes = classes or (known.num_classes if known else DEFAULT_CLASSES)
    if num_channels not in (1, 3):
        raise NotUnderstoodError("wrong-value", f"expected --channels 1 or 3 for a recipe, found {num_channels}")
    check_classes(recipe.loss, num_classes)
    shape = Shape(side, 3 if num_channels == 3 else 1)
    with torch.device("meta"):
        layers = build_layers(recipe.network, shape, recipe.loss.num_outputs(num_classes))
    return describe(layers, (num_channels, side, side))
