"""The one way in for a picture: the only place where bytes become pixels, in training and in use."""

import io
import struct
import warnings
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from skysort.pictures.containers import END_OF_IMAGE
from skysort.pictures.formats import READABLE, cut_short, picture_format

Pixels = NDArray[np.uint8]

MAX_PIXELS = 100_000_000
EXIF_ORIENTATION = 0x0112
EXIF_PART = 0x8769
TAKEN, SUBSECONDS = 0x9003, 0x9291
CAMERA = (0x010F, 0x0110, 0xA431)
"""Maker and model, and in EXIF's own part the body's serial number."""


# What Pillow raises on bytes that are no picture, or no whole one; its decoders do not agree on one error.
_BROKEN = (
    OSError, SyntaxError, ValueError, struct.error, EOFError, LookupError, TypeError, zlib.error, ArithmeticError,
    MemoryError, RuntimeError, AttributeError, AssertionError, Warning,
)  # fmt: skip

# What turns or mirrors a picture upright, by EXIF's orientation (Exif 2.32, tag 0x0112).
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

# Our own limit is checked before anything is decoded, and a file's odd metadata is no news to its owner.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
warnings.filterwarnings("ignore", category=UserWarning, module="PIL")


class UnreadablePictureError(Exception):
    """A file is no picture that can be read; the message is the reason its row is given."""


@dataclass(frozen=True)
class Shape:
    """What every picture of a run is made to be."""

    size: int
    """Side, in pixels."""
    channels: Literal[1, 3]
    """1 for grey, 3 for RGB."""
    fit: Literal["stretch", "crop", "pad"] = "stretch"
    """How a picture that is not square becomes so."""


def decode(content: bytes, shape: Shape) -> Pixels:
    """Decode an image file.

    EXIF orientation is applied, transparency is laid over white, and of several frames the first is taken.
    A JPEG much larger than the shape is decoded at a half, a quarter or an eighth of its size.

    Args:
        content: the bytes of a JPEG, PNG, WebP, BMP, GIF or TIFF file.
        shape: what the picture is made to be.

    Returns:
        (C, H, W) uint8.

    Raises:
        UnreadablePictureError: with the reason, for anything else.
    """
    kind = _readable_format(content)
    if reason := cut_short(content):
        raise UnreadablePictureError(f"damaged: {reason}")
    if kind == "JPEG" and not content.endswith(END_OF_IMAGE):
        content += END_OF_IMAGE  # the decoder asks for one even behind a whole scan
    try:
        with Image.open(io.BytesIO(content), formats=[kind]) as image:
            width, height = image.size
            if width * height > MAX_PIXELS:
                raise UnreadablePictureError(
                    f"{width} x {height} pixels, more than {MAX_PIXELS // 10**6} megapixels"
                )
            if min(width, height) > 2 * shape.size:
                # Twice the size asked for leaves the resampling below enough to work with.
                image.draft(None, (2 * shape.size, 2 * shape.size))
            image.load()
            return _fit(_plain(image, shape.channels), shape)
    except UnidentifiedImageError:
        raise UnreadablePictureError(f"damaged: begins as a {kind} picture and goes on otherwise") from None
    except Image.DecompressionBombError:
        raise UnreadablePictureError(f"more than {MAX_PIXELS // 10**6} megapixels") from None
    except _BROKEN as error:
        raise UnreadablePictureError(f"damaged: {str(error) or type(error).__name__}") from None


def _readable_format(content: bytes) -> str:
    if not content:
        raise UnreadablePictureError("the file is empty")
    kind = picture_format(content)
    if kind is None:
        raise UnreadablePictureError("not a JPEG, PNG, WebP, BMP, GIF or TIFF picture")
    if kind not in READABLE:
        raise UnreadablePictureError(f"{kind} is not read here; convert it to JPEG")
    return kind


@dataclass(frozen=True)
class Original:
    """What an image file says besides its pixels."""

    width: int
    height: int
    taken: float | None = None
    """Seconds since 1970 on the camera's own clock."""
    camera: str = ""


def read_original(content: bytes) -> Original:
    """Read the head of an image file, without its pixels.

    Raises:
        UnreadablePictureError: when it is no picture.
    """
    kind = _readable_format(content)
    try:
        with Image.open(io.BytesIO(content), formats=[kind]) as image:
            width, height = image.size
            exif = image.getexif()
            if exif.get(EXIF_ORIENTATION) in (5, 6, 7, 8):
                width, height = height, width
            own = exif.get_ifd(EXIF_PART)
            camera = " ".join(str(value).strip() for tag in CAMERA if (value := exif.get(tag) or own.get(tag)))
            return Original(width, height, _taken(own), camera)
    except (*_BROKEN, UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise UnreadablePictureError(str(error)) from None


def _taken(exif: dict[int, object]) -> float | None:
    """Return the capture time; the camera's clock counts as UTC, for what matters are differences."""
    try:
        moment = datetime.strptime(str(exif[TAKEN]).strip("\0 "), "%Y:%m:%d %H:%M:%S").replace(tzinfo=UTC)
        fraction = str(exif.get(SUBSECONDS, "")).strip("\0 ")
        return moment.timestamp() + (float(f"0.{fraction}") if fraction.isdecimal() else 0.0)
    except (KeyError, ValueError):
        return None


def from_pixels(pixels: Pixels, shape: Shape) -> Pixels:
    """Bring pixels that were never a file, as in MNIST's, to a shape.

    Args:
        pixels: (H, W) or (H, W, 3) uint8.
        shape: what the picture is made to be.

    Returns:
        (C, H, W) uint8.
    """
    mode = "L" if shape.channels == 1 else "RGB"
    return _fit(Image.fromarray(pixels).convert(mode), shape)


def _plain(image: Image.Image, channels: int) -> Image.Image:
    """Return an upright picture in one or three channels of 8 bits."""
    orientation = _orientation(image)
    if orientation in _UPRIGHT:
        image = image.transpose(_UPRIGHT[orientation])
    if image.mode == "F" or image.mode == "I":
        raise UnreadablePictureError(f"pixels of mode {image.mode}, not of 8 or 16 bits")
    if image.mode.startswith("I;16"):
        # Pillow would clip 16 bits to white; the upper 8 are the picture.
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    mode = "L" if channels == 1 else "RGB"
    return image if image.mode == mode else image.convert(mode)


def _orientation(image: Image.Image) -> int:
    if image.format == "JPEG" and not image.info.keys() & {"exif", "xmp"}:
        return 1  # the common case of small files, in which looking further costs a tenth of all decoding
    try:
        orientation: int = image.getexif().get(EXIF_ORIENTATION, 1)
    except _BROKEN:
        return 1  # what cannot be read says nothing of how the camera was held
    return orientation


def _fit(image: Image.Image, shape: Shape) -> Pixels:
    target = (shape.size, shape.size)
    if image.size != target:
        bicubic = Image.Resampling.BICUBIC
        if shape.fit == "crop":
            image = ImageOps.fit(image, target, bicubic)
        elif shape.fit == "pad":
            image = ImageOps.pad(image, target, bicubic)
        else:
            image = image.resize(target, bicubic)
    pixels = np.frombuffer(image.tobytes(), np.uint8).reshape(shape.size, shape.size, shape.channels)
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))
