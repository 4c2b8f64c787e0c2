"""The start of a training: its pictures, and its network with the first weights."""

import torch

from skysort.data.cut import Indices
from skysort.data.dataset import Dataset
from skysort.data.splits import PreparedData, evenly_spaced
from skysort.networks.families import initial_network
from skysort.networks.layers import PictureNetwork
from skysort.recipe.schema import Recipe
from skysort.training.batches import SplitPictures

INIT_PIXEL_BYTES = 2**23
"""Bytes of pictures from which layers compute first weights: 2,730 pictures of 32x32 RGB, 55 of 224x224."""


def pictures_of(dataset: Dataset, rows: Indices) -> SplitPictures:
    """Return those pictures of a data set that are in some rows, as the training loop takes them."""
    return SplitPictures(len(rows), lambda numbers: dataset.pixels(rows[numbers]), dataset.listing.labels[rows])


def starting_network(recipe: Recipe, prepared: PreparedData) -> PictureNetwork:
    """Return a recipe's network with the initial weights of its seed and of the training pictures.

    Raises:
        SkysortError: as `build_layers`.
    """
    num_classes = len(prepared.dataset.listing.classes)
    normalisation = prepared.normalisation(recipe.pictures.normalise)
    network = initial_network(recipe, prepared.shape, num_classes, normalisation)
    num_pictures = max(1, INIT_PIXEL_BYTES // (prepared.shape.channels * prepared.shape.size**2))
    rows = evenly_spaced(prepared.splits["train"], num_pictures)
    network.init_from_data(torch.from_numpy(prepared.dataset.pixels(rows)))
    return network
