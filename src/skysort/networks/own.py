"""A person's own network, as a family."""

from torch import nn

from skysort.data.decode import Shape
from skysort.networks.inspect.user_network import own_layer
from skysort.networks.layers import PictureNetwork
from skysort.recipe.networks import OwnNetwork


def build(network: OwnNetwork, shape: Shape, num_outputs: int) -> nn.Sequential:
    """Build the one layer that holds the network, from (N, C, H, W) float32 to (N, num_outputs).

    Raises:
        SkysortError: as `own_layer`.
    """
    input_shape = (shape.channels, shape.size, shape.size)
    return nn.Sequential(own_layer(network.path, network.class_name, network.sha256, input_shape, num_outputs))


def fold(network: PictureNetwork) -> PictureNetwork:
    """Bring the network itself into evaluation mode and return it.

    Nothing is known of the order of its layers, nor whether it can be copied.
    """
    return network.eval()
