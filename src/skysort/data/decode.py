"""The one way in for a picture: the only place where bytes become pixels, in training and in use."""

import io
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)
from PIL.ImageFile import ImageFile

from skysort.data.formats.container import BROKEN, WEBP_BYTES, png_pixels, webp_size
from skysort.data.formats.jpeg import COEFFICIENT_BYTES, END_OF_IMAGE, MAX_SCANS, num_scans
from skysort.data.formats.signature import READABLE, cut_short, picture_format
from skysort.data.formats.tiff import is_camera_raw
from skysort.data.memory import TooLargeError, room_for

Pixels = NDArray[np.uint8]

PIXELS_FROM_BYTES = {
    "frames": "the first of several",
    "orientation": "upright, turned or mirrored as EXIF says",
    "JPEG": "where both sides are larger than 2 * size, decoded at a half, a quarter or an eighth, the smallest at"
    " which both are still as large (libjpeg's scaling, as Pillow's draft for (2 * size, 2 * size) chooses it)",
    "16 bits": "the upper 8 bits of each; of 12 in a TIFF, too",
    "transparency": "laid over white; a BMP whose alpha is zero throughout is opaque",
    "colour": "grey for one channel by 0.299 R + 0.587 G + 0.114 B, else RGB in this order, sRGB as it is stored",
    "resampling": "bicubic (a = -0.5) with antialiasing, as Pillow's resize with BICUBIC; not OpenCV's or a"
    " browser's, which take no mean of what they make smaller",
    "resize": "stretch resizes to (size, size); crop cuts the middle square first; pad keeps the proportions and"
    " fills with black on both sides",
}
"""Each step from an image file to pixels; a classifier states them for whoever uses it without Skysort."""
FILTER = Image.Resampling.BICUBIC
BYTES_PER_PIXEL = {"AVIF": 16}
"""That Pillow takes to decode a format, as measured on Pillow 13; 4 for most."""
STRIP_PIXELS = 2**21
"""Larger pictures are made upright, plain and narrow in strips of so many; each is copied up to four times."""
EXIF_ORIENTATION = 0x0112
EXIF_PART = 0x8769
BITS_PER_SAMPLE, SAMPLES_PER_PIXEL = 258, 277
ROWS_PER_STRIP, TILE_WIDTH, TILE_LENGTH = 278, 322, 323
TAKEN, SUBSECONDS = 0x9003, 0x9291
CAMERA = (0x010F, 0x0110, 0xA431)
"""Maker and model, and in EXIF's own part the body's serial number."""


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

_TURNED = (5, 6, 7, 8)
"""The orientations that swap width and height."""

# Opened by its class, a picture is not measured against Pillow's own limit, which knows nothing of memory.
_OPEN: dict[str, Callable[[IO[bytes]], ImageFile]] = {
    "JPEG": JpegImagePlugin.JpegImageFile,
    "PNG": PngImagePlugin.PngImageFile,
    "WebP": WebPImagePlugin.WebPImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
    "GIF": GifImagePlugin.GifImageFile,
    "TIFF": TiffImagePlugin.TiffImageFile,
}
if "AVIF" in READABLE:
    from PIL import AvifImagePlugin

    _OPEN["AVIF"] = AvifImagePlugin.AvifImageFile


class UnreadablePictureError(Exception):
    """A file is no picture that can be read; the message is the reason its row is given."""


@dataclass(frozen=True)
class Shape:
    """What every picture of a run is made to be."""

    size: int
    """Side, in pixels."""
    channels: Literal[1, 3]
    """1 for grey, 3 for RGB."""
    resize: Literal["stretch", "crop", "pad"] = "stretch"
    """How a picture that is not square becomes square."""


def decode(content: bytes, shape: Shape) -> Pixels:
    """Decode an image file.

    EXIF orientation is applied, transparency is laid over white, and of several frames the first is taken.
    A JPEG much larger than the shape is decoded at a half, a quarter or an eighth of its size.

    Args:
        content: the bytes of a JPEG, PNG, WebP, BMP, GIF or TIFF file, or an AVIF where Pillow reads it.
        shape: what the picture is made to be.

    Returns:
        (C, H, W) uint8.

    Raises:
        UnreadablePictureError: with the reason, for anything else.
        MemoryError: when this computer has too little memory now. That is no property of the picture.
    """
    kind = _readable_format(content)
    if reason := cut_short(content):
        raise UnreadablePictureError(f"damaged: {reason}")
    with _opened(kind, content) as image:
        size = image.size
        if min(size) > 2 * shape.size:
            # Twice the size asked for leaves the resampling enough to work with. Without this, a swift of size 32
            # answers 9 of 1,174 photographs of 227 x 227 otherwise, and is right as often; this takes half the
            # time, and an eighth at 12 megapixels (docs/performance.md).
            image.draft(None, (2 * shape.size, 2 * shape.size))
        with room_for(_bytes_needed(kind, image, content, size, shape)):
            image.load()
            if image.mode == "P" and image.palette is None:
                raise ValueError("it has no palette")
            return _fit(image, shape, _orientation(image))


@contextmanager
def _opened(kind: str, content: bytes) -> Iterator[ImageFile]:
    """Open an image file whose format is known; whatever Pillow raises inside the block ends as one error."""
    size, needed = (0, 0), 0
    try:
        if kind == "PNG":
            content = png_pixels(content)
        elif kind == "JPEG" and not content.endswith(END_OF_IMAGE):
            content += END_OF_IMAGE  # the decoder asks for one even behind a whole scan
        elif kind == "WebP":
            size = webp_size(content)
            needed = WEBP_BYTES * math.prod(size) + len(content)
        with room_for(needed), _OPEN[kind](io.BytesIO(content)) as image:
            size = image.size
            yield image
    except TooLargeError as error:
        raise UnreadablePictureError(f"{size[0]} x {size[1]} pixels: {error}") from None
    except Image.DecompressionBombError:
        raise UnreadablePictureError("many more pixels than any camera takes") from None
    except BROKEN as error:
        if "out of memory" in str(error):  # from a decoder of Pillow's; all that a file may ask for was counted
            raise MemoryError(str(error)) from None
        raise UnreadablePictureError(f"damaged: {str(error) or type(error).__name__}") from None


def _bytes_needed(kind: str, image: ImageFile, content: bytes, size: tuple[int, int], shape: Shape) -> int:
    """Return how much memory a picture takes while it is decoded and made to be of a shape.

    Args:
        kind: its format.
        image: not loaded yet, as small as a JPEG is going to be decoded.
        content: of its file.
        size: that it has in the file.
        shape: what it is made to be.
    """
    if kind == "WebP":
        return 0  # taken before it was opened
    needed = BYTES_PER_PIXEL.get(kind, 4) * math.prod(image.size)
    if isinstance(image, JpegImagePlugin.JpegImageFile) and (scans := num_scans(content)) > 1:
        if scans > MAX_SCANS:
            raise UnreadablePictureError(
                f"a JPEG of {scans} scans, more than {MAX_SCANS}, takes too long to decode"
            )
        needed += COEFFICIENT_BYTES * image.layers * math.prod(size)
    elif isinstance(image, TiffImagePlugin.TiffImageFile):
        tags = image.tag_v2
        if tags.get(EXIF_ORIENTATION, 1) != 1:
            needed *= 2  # Pillow turns it in a second copy
        samples = tags.get(BITS_PER_SAMPLE, (1,))
        bits = max(samples) * max(len(samples), tags.get(SAMPLES_PER_PIXEL, 1))
        strip = min(tags.get(ROWS_PER_STRIP, image.height), image.height) * image.width
        tile = tags.get(TILE_WIDTH, 0) * tags.get(TILE_LENGTH, 0)
        needed += bits * max(strip, tile) // 8  # one of which is decoded at a time
    needed += len(content) * (2 if kind == "PNG" else 1)  # the second without the chunks that are not needed
    return needed + 4 * shape.size * max(image.size) + 16 * min(STRIP_PIXELS, math.prod(image.size))


def _readable_format(content: bytes) -> str:
    if not content:
        raise UnreadablePictureError("the file is empty")
    kind = picture_format(content)
    if kind is None:
        raise UnreadablePictureError("not a JPEG, PNG, WebP, BMP, GIF or TIFF picture")
    if kind == "TIFF" and is_camera_raw(content):
        kind = "camera raw"
    if kind not in READABLE:
        raise UnreadablePictureError(f"{kind} is not read here; convert it to JPEG")
    return kind


@dataclass(frozen=True)
class ImageMetadata:
    """What an image file says besides its pixels."""

    width: int
    height: int
    taken: float | None = None
    """Seconds since 1970 on the camera's own clock."""
    camera: str = ""


def from_image(image: Image.Image, shape: Shape) -> Pixels:
    """Bring an image that Pillow has opened or made to a shape, as `decode` does, but for a JPEG decoded whole.

    Raises:
        UnreadablePictureError: when its file turns out to be damaged, with the reason.
    """
    try:
        image.load()
        return _fit(image, shape, _orientation(image))
    except BROKEN as error:
        raise UnreadablePictureError(f"damaged: {str(error) or type(error).__name__}") from None


def read_original(content: bytes) -> ImageMetadata:
    """Read the head of an image file, without its pixels.

    Raises:
        UnreadablePictureError: when it is no picture.
        MemoryError: when this computer has too little memory now.
    """
    kind = _readable_format(content)
    with _opened(kind, content) as image:
        width, height = image.size
        exif = image.getexif()
        if exif.get(EXIF_ORIENTATION) in _TURNED and kind != "TIFF":  # whose size Pillow has turned already
            width, height = height, width
        own = exif.get_ifd(EXIF_PART)
        camera = " ".join(str(value).strip() for tag in CAMERA if (value := exif.get(tag) or own.get(tag)))
        return ImageMetadata(width, height, _taken(own), camera)


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
    return _fit(Image.fromarray(pixels), shape)


def _orientation(image: Image.Image) -> int:
    if isinstance(image, JpegImagePlugin.JpegImageFile) and not image.info.keys() & {"exif", "xmp"}:
        return 1  # the common case of small files, in which looking further costs a tenth of all decoding
    try:
        orientation: int = image.getexif().get(EXIF_ORIENTATION, 1)
    except BROKEN:
        return 1  # what cannot be read says nothing of how the camera was held
    return orientation


def _fit(image: Image.Image, shape: Shape, orientation: int = 1) -> Pixels:
    """Set a picture upright, make it plain and bring it to a shape."""
    mode = "L" if shape.channels == 1 else "RGB"
    width, height = reversed(image.size) if orientation in _TURNED else image.size
    place = _placed(width, height, shape)
    size, box = (place.width, place.height), (place.left, place.top, place.right, place.bottom)
    if not all(size):  # so thin that nothing of it is left between the bars
        return np.zeros((shape.channels, shape.size, shape.size), np.uint8)
    rows = max(1, STRIP_PIXELS // width)
    if rows >= height:
        picture = _plain(image.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else image, mode, image)
        picture = picture if picture.size == size else picture.resize(size, FILTER, box)
    else:
        # A strip of rows at a time is made as wide as it shall be, then all as tall: no second copy of the whole.
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
    """Return some rows of the upright picture, which may be columns of the image, counted from the other end."""
    width, height = reversed(image.size) if orientation in _TURNED else image.size
    if orientation in (3, 4, 7, 8):
        top, bottom = height - bottom, height - top
    strip = image.crop((top, 0, bottom, width) if orientation in _TURNED else (0, top, width, bottom))
    return strip.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else strip


@dataclass(frozen=True)
class _Place:
    """Which part of an upright picture is taken, in its pixels, and how large it becomes."""

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
    """Return a part of an image in one or three channels of 8 bits."""
    if strip.mode.startswith("I;16") or (strip.mode == "I" and isinstance(image, PngImagePlugin.PngImageFile)):
        # Pillow would clip more than 8 bits to white; the upper 8 are the picture.
        strip = Image.fromarray((np.asarray(strip) >> _bits(image) - 8).astype(np.uint8))
    if strip.mode == "F" or strip.mode == "I":
        raise UnreadablePictureError(f"pixels of mode {strip.mode}, not of 8 or 16 bits")
    if strip.has_transparency_data and not _is_opaque(image):
        strip = strip.convert("RGBA")
        strip = Image.alpha_composite(Image.new("RGBA", strip.size, "white"), strip)
    return strip if strip.mode == mode else strip.convert(mode)


def _bits(image: Image.Image) -> int:
    """Return how many bits a channel of more than 8 has: 12 in some TIFFs, which Pillow keeps in 16."""
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        bits: int = image.tag_v2.get(BITS_PER_SAMPLE, (16,))[0]
        return bits
    return 16


def _is_opaque(image: Image.Image) -> bool:
    """Tell a BMP whose alpha is zero throughout: its writer meant none, and other viewers show the picture."""
    return isinstance(image, BmpImagePlugin.BmpImageFile) and image.getextrema()[-1] == (0, 0)
