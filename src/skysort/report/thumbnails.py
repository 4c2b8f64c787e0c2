"""Pictures as PNG, inside the page."""

import base64
import io
from dataclasses import dataclass

from skysort.data.decode import Pixels

THUMBNAIL = 72
"""Longest side of a PNG, in pixels. Even 88 thumbnails of RGB noise keep the page below 2 MB."""
SHOWN = 96
"""Side in CSS pixels up to which a small picture is enlarged; three fit on a narrow phone."""


@dataclass(frozen=True)
class Thumbnail:
    """A picture inside the page."""

    uri: str
    """`data:image/png;base64,…`"""
    side: int
    """Size to show it at, in CSS pixels. Small pictures are enlarged by a whole number."""
    is_enlarged: bool


def thumbnail(pixels: Pixels, longest: int = THUMBNAIL) -> Thumbnail:
    """Return a picture to put into the page.

    Args:
        pixels: (C, H, W) uint8, H equal to W, C 1 or 3.
        longest: side of the PNG at most, in pixels.
    """
    from PIL import Image

    channels, side, _ = pixels.shape
    image = Image.fromarray(pixels[0] if channels == 1 else pixels.transpose(1, 2, 0))
    if side > longest:
        image = image.resize((longest, longest), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    uri = "data:image/png;base64," + base64.b64encode(file.getvalue()).decode("ascii")
    times = max(1, SHOWN // image.width)
    return Thumbnail(uri, image.width * times, times > 1)
