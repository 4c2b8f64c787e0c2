"""A trained network ready for use: batch normalisation folded in, mirror images averaged, calibrated."""

import copy
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils import fuse_conv_bn_eval

from skysort.networks.layers import PictureNetwork, ResidualBlock
from skysort.networks.swift import Group


class InferenceNetwork(nn.Module):
    """From uint8 pictures to logits.

    Args:
        network: trained, in evaluation mode.
        flip: whether the logits are the mean of those of a picture and those of its mirror image.
        temperature: what they are divided by.
    """

    def __init__(self, network: PictureNetwork, *, flip: bool, temperature: float = 1.0) -> None:
        super().__init__()
        self.network = network
        self.flip = flip
        self.temperature = temperature

    def forward(self, pictures: Tensor) -> Tensor:
        """Return (N, classes) float32 logits for (N, C, H, W) uint8 pictures."""
        if not self.flip:
            return self._logits(pictures)
        both = torch.cat((pictures, pictures.flip(3)))
        return self._logits(both).view(2, pictures.shape[0], -1).mean(0)

    def _logits(self, pictures: Tensor) -> Tensor:
        logits: Tensor = self.network.ending(self.network(pictures)) / self.temperature
        return logits


def folded(network: PictureNetwork) -> PictureNetwork:
    """Return a copy in evaluation mode whose batch normalisations are part of the convolutions before them.

    What it gives is the same, but for rounding. A person's own network is itself brought into evaluation mode:
    nothing is known of the order of its layers, nor whether it can be copied.
    """
    if network.own:
        return network.eval()
    network = copy.deepcopy(network).eval()
    for module in network.modules():
        if isinstance(module, nn.Sequential):
            names = list(module._modules)
            for before, after in pairwise(names):
                _fold(module, before, after)
        elif isinstance(module, ResidualBlock):
            _fold(module, "convolution", "normalisation")
        elif isinstance(module, Group):
            # Between the first two is a pooling, which gives way to what keeps the order of values.
            _fold(module, "first", "first_normalisation")
            _fold(module, "second", "second_normalisation")
    return network


def _fold(module: nn.Module, before: str, after: str) -> None:
    convolution, normalisation = getattr(module, before), getattr(module, after)
    if isinstance(convolution, nn.Conv2d) and isinstance(normalisation, nn.BatchNorm2d):
        with torch.no_grad():
            setattr(module, before, fuse_conv_bn_eval(convolution, normalisation))
        setattr(module, after, nn.Identity())
