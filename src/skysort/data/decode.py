"""The only place where bytes become pixels, in training and in use."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import BmpImagePlugin, Image, JpegImagePlugin, PngImagePlugin, TiffImagePlugin
from PIL.ImageFile import ImageFile

from skysort.data.formats.container import BROKEN
from skysort.data.formats.heic import has_needless_tiles
from skysort.data.formats.jpeg import COEFFICIENT_BYTES, MAX_SCANS, num_scans
from skysort.data.formats.opening import UnreadablePictureError, opened, readable_format
from skysort.data.formats.signature import cut_short
from skysort.data.memory import room_for

Pixels = NDArray[np.uint8]

PIXELS_FROM_BYTES = {
    "frames": "the first of several",
    "orientation": "rotated or mirrored upright, as EXIF says",
    "JPEG": "if both sides are larger than 2 * size: decoded at a half, a quarter or an eighth, the smallest at"
    " which both are still as large (libjpeg's scaling, as Pillow's draft for (2 * size, 2 * size) chooses it)",
    "16 bits": "the upper 8 bits of each value; for a TIFF of 12 bits, the upper 8 of 12",
    "transparency": "over white; a BMP whose alpha is zero everywhere is opaque",
    "colour": "grey for one channel by 0.299 R + 0.587 G + 0.114 B, else RGB in this order, sRGB as it is stored",
    "resampling": "bicubic (a = -0.5) with antialiasing, as Pillow's resize with BICUBIC; not OpenCV's or a"
    " browser's, which do not average when they shrink a picture",
    "resize": "stretch resizes to (size, size); crop cuts out the middle square first; pad keeps the proportions"
    " and fills both sides with black",
}
"""Each step from an image file to pixels. A classifier states them for programs that use it without Skysort."""
FILTER = Image.Resampling.BICUBIC
BYTES_PER_PIXEL = {"AVIF": 16, "HEIC": 12}
"""Memory to decode a format; 4 bytes per pixel for the others. AVIF measured with Pillow 13. HEIC took 7.0 to 9.1
with pi-heif 1.4, on five files of 2400 x 1800: 4:2:0, rotated, 4:4:4, 10 bits, with alpha."""
STRIP_PIXELS = 2**21
"""Larger pictures are rotated, converted and narrowed in strips of this many pixels. Each strip has up to four
copies."""
EXIF_ORIENTATION = 0x0112
BITS_PER_SAMPLE, SAMPLES_PER_PIXEL = 258, 277
ROWS_PER_STRIP, TILE_WIDTH, TILE_LENGTH = 278, 322, 323


# The operation that makes a picture upright, by EXIF orientation (Exif 2.32, tag 0x0112).
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

TURNED = (5, 6, 7, 8)
"""The orientations that swap width and height."""


class TooManyPixelsError(UnreadablePictureError):
    """A picture has more pixels than the caller of `decode` takes."""


@dataclass(frozen=True)
class Shape:
    """The size and channels that every picture of a run gets."""

    size: int
    """Side, in pixels."""
    channels: Literal[1, 3]
    """1 for grey, 3 for RGB."""
    resize: Literal["stretch", "crop", "pad"] = "stretch"
    """Way to make a picture square, as `pictures.resize` of a recipe."""


def decode(content: bytes, shape: Shape, most_pixels: int | None = None) -> Pixels:
    """Decode an image file.

    It applies EXIF orientation, lays transparency over white, and takes the first of several frames. It decodes a
    JPEG that is much larger than the shape at a half, a quarter or an eighth of its size.

    Args:
        content: the bytes of a JPEG, PNG, WebP, BMP, GIF or TIFF file, of an AVIF if Pillow can read it, or of a
            HEIC if pi-heif is installed.
        shape: the size and channels of the result.
        most_pixels: pictures with more count as unreadable; None where only memory limits them.

    Returns:
        (C, H, W) uint8.

    Raises:
        UnreadablePictureError: with the reason, if the picture cannot be read.
        MemoryError: if this computer has too little free memory now. This is not the picture's fault.
    """
    kind = readable_format(content)
    if reason := cut_short(content):
        raise UnreadablePictureError(f"damaged: {reason}")
    with opened(kind, content) as image:
        size = image.size
        if most_pixels is not None and math.prod(size) > most_pixels:
            raise TooManyPixelsError(f"{size[0]} x {size[1]} pixels, of at most {most_pixels:,} in all")
        if min(size) > 2 * shape.size:
            # Twice the size is enough for the resampling. Full decoding changes the answers of a swift of size 32
            # to 9 of 1,174 photographs of 227 x 227, with the same accuracy. This takes half the time, and an
            # eighth at 12 megapixels (docs/performance.md).
            image.draft(None, (2 * shape.size, 2 * shape.size))
        with room_for(_bytes_needed(kind, image, content, size, shape)):
            image.load()
            if image.mode == "P" and image.palette is None:
                raise ValueError("it has no palette")
            return _fit(image, shape, _orientation(image))


def _bytes_needed(kind: str, image: ImageFile, content: bytes, size: tuple[int, int], shape: Shape) -> int:
    """Return the memory, in bytes, that decoding and resizing a picture takes.

    Args:
        kind: the format.
        image: the open image, not loaded yet, at the size that it will be decoded to.
        content: the bytes of the file.
        size: width and height in the file.
        shape: the size and channels of the result.
    """
    if kind == "WebP":
        return 0  # counted before the file was opened
    if kind == "HEIC" and has_needless_tiles(content):
        raise UnreadablePictureError("a HEIC of more tiles than its size needs takes too long to decode")
    needed = BYTES_PER_PIXEL.get(kind, 4) * math.prod(image.size)
    if isinstance(image, JpegImagePlugin.JpegImageFile) and (scans := num_scans(content)) > 1:
        if scans > MAX_SCANS:
            raise UnreadablePictureError(
                f"a JPEG of {scans} scans takes too long to decode; Skysort reads up to {MAX_SCANS}"
            )
        needed += COEFFICIENT_BYTES * image.layers * math.prod(size)
    elif isinstance(image, TiffImagePlugin.TiffImageFile):
        tags = image.tag_v2
        if tags.get(EXIF_ORIENTATION, 1) != 1:
            needed *= 2  # Pillow makes a rotated copy
        samples = tags.get(BITS_PER_SAMPLE, (1,))
        bits = max(samples) * max(len(samples), tags.get(SAMPLES_PER_PIXEL, 1))
        strip = min(tags.get(ROWS_PER_STRIP, image.height), image.height) * image.width
        tile = tags.get(TILE_WIDTH, 0) * tags.get(TILE_LENGTH, 0)
        needed += bits * max(strip, tile) // 8  # one strip or tile is decoded at a time
    needed += len(content) * (2 if kind == "PNG" else 1)  # a PNG is copied without the chunks that are not needed
    return needed + 4 * shape.size * max(image.size) + 16 * min(STRIP_PIXELS, math.prod(image.size))


def from_image(image: Image.Image, shape: Shape) -> Pixels:
    """Convert an open Pillow image to a shape, as `decode` does. Only large JPEGs differ: they are decoded in
    full.

    Raises:
        UnreadablePictureError: with the reason, if its file is damaged.
    """
    try:
        image.load()
        return _fit(image, shape, _orientation(image))
    except BROKEN as error:
        raise UnreadablePictureError(f"damaged: {str(error) or type(error).__name__}") from None


def from_pixels(pixels: Pixels, shape: Shape) -> Pixels:
    """Convert pixels, such as those of MNIST, to a shape.

    Args:
        pixels: (H, W) or (H, W, 3) uint8.
        shape: the size and channels of the result.

    Returns:
        (C, H, W) uint8.
    """
    return _fit(Image.fromarray(pixels), shape)


def _orientation(image: Image.Image) -> int:
    if isinstance(image, JpegImagePlugin.JpegImageFile) and not image.info.keys() & {"exif", "xmp"}:
        return 1  # common in small files; reading further would take a tenth of the decoding time
    if image.format == "HEIF":
        return 1  # its decoder has turned the picture, as the container says; EXIF does not count in HEIC
    try:
        orientation: int = image.getexif().get(EXIF_ORIENTATION, 1)
    except BROKEN:
        return 1  # unreadable EXIF holds no orientation
    return orientation


def _fit(image: Image.Image, shape: Shape, orientation: int = 1) -> Pixels:
    """Rotate a picture upright, convert its channels and resize it."""
    mode = "L" if shape.channels == 1 else "RGB"
    width, height = reversed(image.size) if orientation in TURNED else image.size
    place = _placed(width, height, shape)
    size, box = (place.width, place.height), (place.left, place.top, place.right, place.bottom)
    if not all(size):  # so thin that only the black bars remain
        return np.zeros((shape.channels, shape.size, shape.size), np.uint8)
    rows = max(1, STRIP_PIXELS // width)
    if rows >= height:
        picture = _plain(image.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else image, mode, image)
        picture = picture if picture.size == size else picture.resize(size, FILTER, box)
    else:
        # Narrow the picture strip by strip, then change its height. This avoids a second copy of the whole
        # picture.
        narrow = Image.new(mode, (place.width, height))
        for top in range(0, height, rows):
            strip = _plain(_upright_rows(image, orientation, top, min(top + rows, height)), mode, image)
            strip = strip.resize((place.width, strip.height), FILTER, (place.left, 0, place.right, strip.height))
            narrow.paste(strip, (0, top))
        picture = narrow.resize(size, FILTER, (0, place.top, place.width, place.bottom))
    if size != (shape.size, shape.size):
        padded = Image.new(mode, (shape.size, shape.size))
        padded.paste(picture, (round((shape.size - place.width) / 2), round((shape.size - place.height) / 2)))
        picture = padded
    pixels = np.frombuffer(picture.tobytes(), np.uint8).reshape(shape.size, shape.size, shape.channels)
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _upright_rows(image: Image.Image, orientation: int, top: int, bottom: int) -> Image.Image:
    """Return rows of the upright picture. In the image these may be columns, or count from the other end."""
    width, height = reversed(image.size) if orientation in TURNED else image.size
    if orientation in (3, 4, 7, 8):
        top, bottom = height - bottom, height - top
    strip = image.crop((top, 0, bottom, width) if orientation in TURNED else (0, top, width, bottom))
    return strip.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else strip


@dataclass(frozen=True)
class _Place:
    """The part of an upright picture that is used, in pixels, and its size in the result."""

    left: float
    top: float
    right: float
    bottom: float
    width: int
    height: int


def _placed(width: int, height: int, shape: Shape) -> _Place:
    if shape.resize == "crop":
        side = min(width, height)
        left, top = (width - side) / 2, (height - side) / 2
        return _Place(left, top, left + side, top + side, shape.size, shape.size)
    to = shape.size, shape.size
    if shape.resize == "pad":
        side = max(width, height)
        to = round(width / side * shape.size), round(height / side * shape.size)
    return _Place(0, 0, width, height, *to)


def _plain(strip: Image.Image, mode: str, image: Image.Image) -> Image.Image:
    """Convert a strip of an image to one or three channels of 8 bits."""
    if strip.mode.startswith("I;16") or (strip.mode == "I" and isinstance(image, PngImagePlugin.PngImageFile)):
        # Pillow would clip values above 8 bits to white; keep the upper 8 bits.
        strip = Image.fromarray((np.asarray(strip) >> _bits(image) - 8).astype(np.uint8))
    if strip.mode == "F" or strip.mode == "I":
        raise UnreadablePictureError(f"pixels of mode {strip.mode}; expected 8 or 16 bits")
    if strip.has_transparency_data and not _is_opaque(image):
        strip = strip.convert("RGBA")
        strip = Image.alpha_composite(Image.new("RGBA", strip.size, "white"), strip)
    return strip if strip.mode == mode else strip.convert(mode)


def _bits(image: Image.Image) -> int:
    """Return the bits per value of a 16-bit image: 12 in some TIFFs, which Pillow stores in 16."""
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        bits: int = image.tag_v2.get(BITS_PER_SAMPLE, (16,))[0]
        return bits
    return 16


def _is_opaque(image: Image.Image) -> bool:
    """Return whether a BMP has alpha zero everywhere: its writer meant no alpha, and viewers show the picture."""
    return isinstance(image, BmpImagePlugin.BmpImageFile) and image.getextrema()[-1] == (0, 0)
