"""A trained network as it is used: logits averaged over mirror images, and divided by a temperature."""

import torch
from torch import Tensor, nn

from skysort.networks.layers import PictureNetwork


class InferenceNetwork(nn.Module):
    """From uint8 pictures to logits.

    Args:
        network: trained, in evaluation mode.
        flip: whether to average the logits of a picture and of its mirror image.
        temperature: divides the logits.
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
        logits: Tensor = self.network.head(self.network(pictures)) / self.temperature
        return logits
