"""Image files opened by Pillow: their formats, and one kind of error for all that can be wrong with a file."""

import io
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO

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

from skysort.core.errors import install_command
from skysort.data.formats.container import BROKEN, WEBP_BYTES, png_pixels, webp_size
from skysort.data.formats.jpeg import END_OF_IMAGE
from skysort.data.formats.signature import READABLE, picture_format
from skysort.data.formats.tiff import is_camera_raw
from skysort.data.memory import TooLargeError, room_for

# Opening by class avoids Pillow's own limit on size, which does not consider the free memory.
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


def _open_heic(file: IO[bytes]) -> ImageFile:
    from pi_heif import HeifImageFile  # most folders have no HEIC, and this takes a tenth of a second

    image: ImageFile = HeifImageFile(file)
    return image


_OPEN["HEIC"] = _open_heic


class UnreadablePictureError(Exception):
    """A picture cannot be read. The message is the reason in its row."""


@contextmanager
def opened(kind: str, content: bytes) -> Iterator[ImageFile]:
    """Open an image file of a known format, and turn Pillow's errors inside the block into one kind.

    Raises:
        UnreadablePictureError: if the file is damaged or too large.
        MemoryError: if this computer has too little free memory now.
    """
    size, needed = (0, 0), 0
    try:
        if kind == "PNG":
            content = png_pixels(content)
        elif kind == "JPEG" and not content.endswith(END_OF_IMAGE):
            content += END_OF_IMAGE  # the decoder expects the marker even after a complete scan
        elif kind == "WebP":
            size = webp_size(content)
            needed = WEBP_BYTES * math.prod(size) + len(content)
        with room_for(needed), _OPEN[kind](io.BytesIO(content)) as image:
            size = image.size
            yield image
    except TooLargeError as error:
        raise UnreadablePictureError(f"{size[0]} x {size[1]} pixels: {error}") from None
    except Image.DecompressionBombError:
        raise UnreadablePictureError("more pixels than any camera takes") from None
    except BROKEN as error:
        if "out of memory" in str(error):  # from a decoder of Pillow; the file's own needs were counted before
            raise MemoryError(str(error)) from None
        raise UnreadablePictureError(f"damaged: {str(error).strip() or type(error).__name__}") from None


def readable_format(content: bytes) -> str:
    """Return the format of an image file.

    Raises:
        UnreadablePictureError: if Skysort cannot read it.
    """
    if not content:
        raise UnreadablePictureError("the file is empty")
    kind = picture_format(content)
    if kind is None:
        raise UnreadablePictureError("not a JPEG, PNG, WebP, HEIC, AVIF, BMP, GIF or TIFF picture")
    if kind == "TIFF" and is_camera_raw(content):
        kind = "camera raw"
    if kind not in READABLE:
        if kind == "HEIC":
            raise UnreadablePictureError(
                f"Skysort cannot read HEIC without its decoder; install it with: {install_command('photos')};"
                " or convert the picture to JPEG"
            )
        raise UnreadablePictureError(f"Skysort cannot read {kind}; convert it to JPEG")
    return kind
