"""Where training starts: parts of the pictures as the loop takes them, and the network that has seen some."""

import torch

from skysort.data.cut import Indices
from skysort.data.dataset import Dataset
from skysort.data.splits import PreparedData, evenly
from skysort.networks.families import initial_network
from skysort.networks.layers import PictureNetwork
from skysort.recipe.schema import Recipe
from skysort.training.batches import SplitPictures

PIXEL_BYTES_LOOKED_AT = 2**23
"""Of training pictures, by layers that go by their statistics: 2,730 of 32x32 RGB, 55 of 224x224."""


def pictures_of(dataset: Dataset, rows: Indices) -> SplitPictures:
    """Return some of the pictures, as the loop takes them."""
    return SplitPictures(len(rows), lambda numbers: dataset.pixels(rows[numbers]), dataset.listing.labels[rows])


def starting_network(recipe: Recipe, prepared: PreparedData) -> PictureNetwork:
    """Return a recipe's network as it starts: the initial weights of its seed, whitened by the training pictures.

    Raises:
        SkysortError: as `build_layers`.
    """
    num_classes = len(prepared.dataset.listing.classes)
    normalisation = prepared.normalisation(recipe.pictures.normalise)
    network = initial_network(recipe, prepared.shape, num_classes, normalisation)
    num_looked_at = max(1, PIXEL_BYTES_LOOKED_AT // (prepared.shape.channels * prepared.shape.size**2))
    rows = evenly(prepared.splits["train"], num_looked_at)
    network.init_from_data(torch.from_numpy(prepared.dataset.pixels(rows)))
    return network
