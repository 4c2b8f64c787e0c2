"""What is done to a whole batch of training pictures at once, as arithmetic on (seed, epoch, step)."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from skysort.recipe import Augment


def augmented(pictures: Tensor, augment: Augment, seed: int, epoch: int, step: int) -> Tensor:
    """Return a batch with each picture flipped and shifted by chance.

    Args:
        pictures: (N, C, H, W) uint8.
        augment: what may be done.
        seed: of the run; with epoch and step it decides all chances, on every device alike.
        epoch: counted from 1.
        step: within the epoch, counted from 0.

    Returns:
        (N, C, H, W) uint8.
    """
    # The order of the epoch's pictures takes (seed, epoch, 0).
    rng = np.random.default_rng((seed, epoch, step + 1))
    num = len(pictures)
    if augment.flip:
        flip = torch.from_numpy(rng.random(num) < 0.5).to(pictures.device)
        pictures = torch.where(flip[:, None, None, None], pictures.flip(3), pictures)
    if augment.shift:
        offsets = torch.from_numpy(rng.integers(0, 2 * augment.shift + 1, (2, num))).to(pictures.device)
        pictures = _shifted(pictures, augment.shift, offsets)
    return pictures


def _shifted(pictures: Tensor, margin: int, offsets: Tensor) -> Tensor:
    """Cut each picture out of itself with a black margin, at its own (2, N) offsets of 0 … 2 margins."""
    num, channels, height, width = pictures.shape
    padded = functional.pad(pictures, (margin,) * 4)
    device = pictures.device
    across = offsets[0, :, None] + torch.arange(width, device=device)  # (N, W)
    down = offsets[1, :, None] + torch.arange(height, device=device)  # (N, H)
    return padded[
        torch.arange(num, device=device)[:, None, None, None],
        torch.arange(channels, device=device)[None, :, None, None],
        down[:, None, :, None],
        across[:, None, None, :],
    ]
