"""Fully connected networks, on the flattened picture."""

from torch import nn

from skysort.data.decode import Shape
from skysort.networks.layers import linear_layers
from skysort.recipe.networks import MlpNetwork


def build(network: MlpNetwork, shape: Shape, num_outputs: int) -> nn.Sequential:
    """Build the layers from (N, C, H, W) float32 to (N, num_outputs)."""
    widths = (shape.channels * shape.size**2, *network.hidden, num_outputs)
    return nn.Sequential(nn.Flatten(), *linear_layers(widths, network.activation, network.dropout))
