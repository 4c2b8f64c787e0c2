"""How a camera took a picture: how bright and how sharp it is, and when it was taken by the camera's clock."""

from typing import NamedTuple

import numpy as np

from skysort.data.decode import Pixels
from skysort.data.exif import read_metadata
from skysort.data.formats.opening import UnreadablePictureError, readable_format

WITH_TIMES = ("JPEG", "HEIC")
"""Formats that cameras write. A PNG would have to be decoded once more for its metadata."""

YEAR_4147 = 2.0**36
"""In seconds since 1970. A clock that shows a later time was never set."""


class Capture(NamedTuple):
    """Figures of one picture, from its pixels at the classifier's size."""

    brightness: float
    """Mean of all values, from 0 for black to 1 for white."""
    sharpness: float | None
    """Energy of the second differences per energy of the first ones; None for a picture of one colour.

    Blur takes from the fine differences first. A darker picture of the same things has the same sharpness. Of
    1,174 photographs of birds at 224 x 224, blurred with a radius of 1 pixel, 83 % fell below the least sharp
    hundredth of the sharp ones. By second differences per variance, 28 % did; by second differences alone, 42 %.
    """
    taken: float | None
    """Seconds since 1970 on the camera's clock; None if the file does not say."""
    camera: str | None = None
    """Maker, model and serial number, as far as they are recorded; None if the file does not say."""


def capture_of(pixels: Pixels, content: bytes) -> Capture:
    """Return the figures of a picture. Equal pixels have equal figures.

    Args:
        pixels: (C, H, W) uint8.
        content: the bytes of its file.

    Raises:
        MemoryError: if this computer has too little free memory now.
    """
    grey = pixels.sum(axis=0, dtype=np.int64)  # (H, W), in integers, so that the sums do not depend on their order
    across, down = np.diff(grey, axis=1), np.diff(grey, axis=0)
    first = int((across**2).sum() + (down**2).sum())
    laplacian = np.diff(across, axis=1)[1:-1] + np.diff(down, axis=0)[:, 1:-1]  # (H - 2, W - 2)
    second = int((laplacian**2).sum())
    sharpness = second / first if first else None
    return Capture(int(grey.sum()) / (255 * pixels.size), sharpness, *_time_and_camera(content))


def _time_and_camera(content: bytes) -> tuple[float | None, str | None]:
    try:
        if readable_format(content) not in WITH_TIMES:
            return None, None
        metadata = read_metadata(content)
    except UnreadablePictureError:  # of its metadata: the pixels were decoded before
        return None, None
    taken = metadata.taken
    return taken if taken is not None and 0 <= taken < YEAR_4147 else None, metadata.camera or None
