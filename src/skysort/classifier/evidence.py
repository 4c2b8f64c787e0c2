"""Where the evidence for a class lies: its map relative to the other classes, drawn over the picture.

A network that ends in a mean over places and a linear layer has logits that are sums over places. So the map is no
estimate: it adds up to the logit. The same holds for `swift`, which takes the largest value of each
channel instead of the mean: that value comes from one place.

Source: class activation mapping (Zhou, Khosla, Lapedriza, Oliva, Torralba, Learning Deep Features for
Discriminative Localization, 2016).
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from skysort.data.decode import Pixels

FOR, AGAINST = (230, 97, 1), (33, 102, 172)
"""Orange and blue of ColorBrewer's diverging schemes PuOr and RdBu, which colour-blind people tell apart."""
MOST_COLOUR = 0.75
"""Share of colour where the map is strongest. The rest is the picture in grey."""
LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in grey (ITU-R BT.601)."""

Evidence = NDArray[np.float32]
"""(classes, h, w) per picture. A class's map adds up to its logit before the temperature, less its bias."""
EvidenceOf = Callable[[NDArray[np.int64]], Evidence]
"""Computes (N, classes, h, w) evidence for the pictures in (N,) rows of a listing, at least one."""


def relative_map(evidence: Evidence, label: int) -> NDArray[np.float32]:
    """Return the (h, w) map of a class less the mean of the other classes' maps."""
    places: NDArray[np.float32] = evidence[label] - np.delete(evidence, label, axis=0).mean(axis=0)
    return places


def overlay(pixels: Pixels, places: NDArray[np.float32]) -> Pixels:
    """Draw a map over a picture: orange where it is positive, blue where it is negative, grey where it is zero.

    The strongest place of each map has the most colour, so colours of different pictures do not compare.

    Args:
        pixels: (C, H, W) uint8, C 1 or 3.
        places: (h, w) map, of any scale.

    Returns:
        (3, H, W) uint8.
    """
    channels, height, width = pixels.shape
    grey = pixels[0] if channels == 1 else np.tensordot(LUMA, pixels, axes=1)
    strongest = float(np.abs(places).max()) or 1.0
    # Smooth, because a cell has no edges: it sees far beyond its square.
    enlarged = Image.fromarray(places / strongest).resize((width, height), Image.Resampling.BILINEAR)
    strength = np.asarray(enlarged)
    colour = np.where(strength[..., None] > 0, FOR, AGAINST)
    share = MOST_COLOUR * np.abs(strength)[..., None]
    drawn = (1 - share) * grey[..., None] + share * colour
    return np.ascontiguousarray(drawn.round().astype(np.uint8).transpose(2, 0, 1))
