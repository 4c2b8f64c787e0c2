"""The picture format of a file by its first bytes, and whether its container is complete."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec

from PIL import features

from skysort.data.formats import container, jpeg, tiff
from skysort.data.formats.container import Ending

HEAD_BYTES = 64
"""Number of bytes that `picture_format` needs."""


@dataclass(frozen=True)
class _Format:
    begins: re.Pattern[bytes]
    ending: Callable[[bytes], Ending] | None = None
    """Walks the container; None for formats that Skysort does not read."""


def _format(begins: bytes, ending: Callable[[bytes], Ending] | None = None) -> _Format:
    return _Format(re.compile(begins, re.DOTALL), ending)


# ISO base media files name their kind in the first box (ISO/IEC 14496-12, 23008-12).
_HEIC = rb"(heic|heix|heim|heis|hevc|hevx|hevm|hevs)"

# Camera raw files in TIFF format (NEF, ARW, DNG) are recognised when they are read.
_FORMATS = {
    "JPEG": _format(rb"\xff\xd8\xff", jpeg.jpeg),
    "PNG": _format(rb"\x89PNG\r\n\x1a\n", container.png),
    "WebP": _format(rb"RIFF....WEBP", container.webp),
    "GIF": _format(rb"GIF8[79]a", container.gif),
    # Many texts begin with these two letters. A BMP's header has one of seven lengths.
    "BMP": _format(rb"BM.{12}[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0", container.bmp),
    "camera raw": _format(
        rb"(II\*\0.{4}CR|II\x1a\0.{4}HEAPCCDR|IIR[OS]|MMOR|IIU\0|FUJIFILMCCD-RAW|FOVb|\0MRM|....ftypcrx )"
    ),
    "TIFF": _format(rb"(II[*+]\0|MM\0[*+])", tiff.tiff),
    "AVIF": _format(rb"....ftyp(avi[fs]|(mif1|msf1|miaf).{0,40}avi[fs])", container.boxes),
    "HEIC": _format(rb"....ftyp(" + _HEIC + rb"|mif1|msf1)", container.boxes),
    "JPEG XL": _format(rb"(\xff\x0a|\0\0\0\x0cJXL \r\n\x87\n)"),
    "JPEG 2000": _format(rb"(\xff\x4f\xff\x51|\0\0\0\x0cjP  \r\n\x87\n)"),
    "JPEG XR": _format(rb"II\xbc\x01"),
    "PSD": _format(rb"8BPS\0[\x01\x02]"),
    "GIMP": _format(rb"gimp xcf "),
    "OpenEXR": _format(rb"\x76\x2f\x31\x01"),
    "Radiance": _format(rb"#\?(RADIANCE|RGBE)"),
    "DDS": _format(rb"DDS \x7c\0\0\0"),
    "QOI": _format(rb"qoif"),
    "BPG": _format(rb"BPG\xfb"),
    "ICO": _format(rb"\0\0\x01\0[\x01-\x20]\0...\0"),
    "MNG": _format(rb"(\x8aMNG|\x8bJNG)\r\n\x1a\n"),
    "PNM": _format(rb"P[1-6]\s+(#[^\n]*\n\s*)*\d+\s+\d+\s"),
}

READABLE = frozenset(
    {"JPEG", "PNG", "WebP", "BMP", "GIF", "TIFF"}
    | ({"AVIF"} if features.check("avif") else set())
    | ({"HEIC"} if find_spec("pi_heif") else set())
)
"""The formats that `decode` reads. Pillow 11.3 and later read AVIF if they were built with it. The extra `photos`
brings the decoder of HEIC."""


def picture_format(head: bytes) -> str | None:
    """Return the picture format of a file, even if Skysort cannot read it; None if it is no picture.

    Args:
        head: the first `HEAD_BYTES` of the file, or more.
    """
    for name, form in _FORMATS.items():
        if form.begins.match(head[:HEAD_BYTES]):
            return name
    return None


def unfinished(content: bytes) -> str | None:
    """Return why a picture file is incomplete; None if it is complete, or no picture.

    Later frames or pages and a film count too, although `decode` does not read them. In an uncompressed BMP or
    TIFF, missing rows that are zeros cannot be told from black.
    """
    ending = _ending(content)
    return ending.picture or ending.file


def cut_short(content: bytes) -> str | None:
    """Return why the picture that `decode` reads is incomplete; None if it is complete, or no picture."""
    return _ending(content).picture


def _ending(content: bytes) -> Ending:
    form = _FORMATS.get(picture_format(content) or "")
    return form.ending(content) if form and form.ending else Ending()
