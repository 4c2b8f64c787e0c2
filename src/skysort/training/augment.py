"""Augmentation of a whole batch of training pictures, which follows from (seed, epoch, step) alone."""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from skysort.recipe.sections import Augment
from skysort.training import transforms
from skysort.training.device import sent
from skysort.training.random_streams import Stream, flip_coins, stream_rng

NARROWEST, WIDEST = 3 / 4, 4 / 3
"""Width by height of a resized crop (Szegedy et al., Going deeper with convolutions, 2014)."""


def augmented(
    pictures: Tensor,
    labels: Tensor,
    rows: Tensor,
    augment: Augment,
    seed: int,
    epoch: int,
    step: int,
    num_classes: int,
) -> tuple[Tensor, Tensor]:
    """Return a batch with each picture changed at random, and its targets.

    Args:
        pictures: (N, C, H, W) uint8.
        labels: (N,) int64.
        rows: (N,) int64 on the CPU, the numbers of these pictures in the training split.
        augment: section of a resolved recipe, so no field is `auto`.
        seed: seed of the run. With epoch and step it decides every draw, the same on each device.
        epoch: counted from 1.
        step: within the epoch, counted from 0.
        num_classes: columns of mixed targets.

    Returns:
        (N, C, H, W) uint8, and the labels or, if pictures are mixed, (N, classes) float32 shares that sum to 1.
    """
    if not augment.changes_pictures:
        return pictures, labels
    assert augment.flip != "auto", "resolved before training"
    rng = stream_rng(Stream.AUGMENTATION, seed, epoch, step)
    num, _, height, width = pictures.shape
    device = pictures.device

    def drawn(values: NDArray[np.generic]) -> Tensor:
        values = values.astype(np.float32) if values.dtype == np.float64 else values
        return sent(torch.from_numpy(values), device)

    pictures = pictures.contiguous()  # lines are copied as one piece
    if augment.flip == "random":
        pictures = transforms.flipped(pictures, drawn(rng.random(num) < 0.5))
    if augment.flip == "alternating":
        pictures = transforms.flipped(pictures, flip_coins(sent(rows, device), seed) == (epoch % 2 == 1))
    if augment.shift:
        across, down = drawn(rng.integers(0, 2 * augment.shift + 1, (2, num)))
        pictures = transforms.shifted(pictures, augment.shift, across, down, augment.border)
    if augment.resized_crop < 1 or augment.rotation:
        boxes = drawn(_crops(rng, num, augment.resized_crop))
        degrees = drawn(rng.uniform(-augment.rotation, augment.rotation, num))
        border = augment.border if augment.rotation else None
        pictures = transforms.resampled(pictures, boxes, degrees, border)
    if augment.colour:
        factors = drawn(rng.uniform(1 - augment.colour, 1 + augment.colour, (3, num)))
        pictures = transforms.recoloured(pictures, *factors)
    if augment.cutout:
        across, down = drawn(rng.integers(0, width, num)), drawn(rng.integers(0, height, num))
        pictures = transforms.covered(pictures, augment.cutout, across, down)
    return _mixed(pictures, labels, augment, rng, num_classes) if augment.mixes_pictures else (pictures, labels)


def _mixed(
    pictures: Tensor, labels: Tensor, augment: Augment, rng: np.random.Generator, num_classes: int
) -> tuple[Tensor, Tensor]:
    """Return a batch with another picture mixed into each, by MixUp or CutMix, and (N, classes) shares."""
    height, width = pictures.shape[2:]
    # The pictures come in random order, so the previous one is a random one.
    others = pictures.roll(1, 0)
    if augment.mixup and (not augment.cutmix or rng.random() < 0.5):
        share = rng.beta(augment.mixup, augment.mixup)
        pictures = transforms.mixed(pictures, others, share)
    else:
        lines, columns = _patch(rng, height, width, 1 - rng.beta(augment.cutmix, augment.cutmix))
        share = 1 - (lines.stop - lines.start) * (columns.stop - columns.start) / (height * width)
        pictures = transforms.pasted(pictures, others, lines, columns)
    targets = functional.one_hot(labels, num_classes).float()
    return pictures, targets * share + targets.roll(1, 0) * (1 - share)


def _crops(rng: np.random.Generator, num: int, smallest: float) -> NDArray[np.float64]:
    """Draw boxes of at least a share of a picture's area: (4, N) left, top, width and height, from 0 to 1."""
    area = rng.uniform(smallest, 1, num)
    # The logarithm of width by height is uniform, within the limits of the picture.
    ratio = np.exp(rng.uniform(np.log(np.maximum(NARROWEST, area)), np.log(np.minimum(WIDEST, 1 / area))))
    width, height = np.sqrt(area * ratio), np.sqrt(area / ratio)
    return np.stack((rng.random(num) * (1 - width), rng.random(num) * (1 - height), width, height))


def _patch(rng: np.random.Generator, height: int, width: int, share: float) -> tuple[slice, slice]:
    """Draw a box of a share of a picture's area with its middle anywhere, clipped to the picture."""
    sides = []
    for size in (height, width):
        side, middle = int(size * math.sqrt(share)), int(rng.integers(size))
        start = middle - side // 2
        sides.append(slice(max(start, 0), min(start + side, size)))
    return sides[0], sides[1]
