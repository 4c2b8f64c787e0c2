"""Ends of picture containers. They show whether a file was cut off, or filled up with zeros."""

import io
import math
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from PIL import WebPImagePlugin

from skysort.data.memory import TooLargeError, room_for

ZEROS = bytes(16)
"""No compressed picture except a WebP ends in this many zeros: they stand for bytes that were never written."""


# The errors that Pillow's decoders raise on damaged or incomplete pictures.
BROKEN = (
    OSError, SyntaxError, ValueError, struct.error, EOFError, LookupError, TypeError, zlib.error, ArithmeticError,
    RuntimeError, AttributeError, AssertionError, Warning,
)  # fmt: skip


@dataclass(frozen=True)
class Ending:
    """The parts that a picture file lacks."""

    picture: str | None = None
    """Why the first picture, which is decoded, is incomplete; None if it is complete."""
    file: str | None = None
    """Why the rest (later frames or pages, a film, the container's end) is incomplete; None if it is complete."""


_CHECKED = frozenset({b"IHDR", b"PLTE", b"IDAT", b"fdAT"})
_KEPT = frozenset({b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"eXIf"})


def png(content: bytes) -> Ending:
    """Walk the chunks of a PNG (ISO/IEC 15948; APNG)."""
    kind = b""
    for kind, start, end in _chunks(content):
        if kind in _CHECKED and not _matches_checksum(content, start, end):
            reason = "a part of the PNG does not match its checksum"
            return Ending(file=reason) if kind == b"fdAT" else Ending(picture=reason)
    return Ending() if kind == b"IEND" else Ending(file="the PNG has no end chunk")


def png_pixels(content: bytes) -> bytes:
    """Return a PNG with only the chunks that its pixels and its orientation need.

    Text, colour profiles and animation may be damaged or unpack to gigabytes without any effect on the picture.
    """
    view = memoryview(content)  # slices of it are not copies
    kept = [view[:8]]
    for kind, start, end in _chunks(content):
        if kind in _KEPT and (kind in _CHECKED or _matches_checksum(content, start, end)):
            kept.append(view[start - 8 : end + 4])
    return b"".join(kept)


def _matches_checksum(content: bytes, start: int, end: int) -> bool:
    with memoryview(content) as view:
        return zlib.crc32(view[start - 4 : end]) == int.from_bytes(view[end : end + 4], "big")


def _chunks(content: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield the kind of each complete chunk of a PNG, and the start and end of its body. The last is IEND."""
    at, kind = 8, b""
    while kind != b"IEND" and at + 12 <= len(content):
        length, kind = struct.unpack_from(">I4s", content, at)
        if at + 12 + length > len(content) or not kind.isalpha():
            return
        yield kind, at + 8, at + 8 + length
        at += 12 + length


WEBP_BYTES = 24
"""Bytes per pixel for two canvases, the frame, its bytes and the image, measured with libwebp 1.6 and Pillow
13."""


def webp_size(content: bytes) -> tuple[int, int]:
    """Return the width and height of a WebP file's canvas or largest frame.

    Opening the file already takes memory for all frames, so the size must be known before.
    """
    width = height = 0
    for kind, start, end in _riff(content, 12, len(content)):
        parts = _riff(content, start + 16, end) if kind == b"ANMF" else iter([(kind, start, end)])
        for part, first, _ in parts:
            head = content[first : first + 10].ljust(10, b"\0")
            if part == b"VP8X":
                sides = tuple(1 + int.from_bytes(head[at : at + 3], "little") for at in (4, 7))
            elif part == b"VP8L":
                packed = int.from_bytes(head[1:5], "little")
                sides = 1 + (packed & 0x3FFF), 1 + (packed >> 14 & 0x3FFF)
            elif part == b"VP8 ":
                sides = tuple(int.from_bytes(head[at : at + 2], "little") & 0x3FFF for at in (6, 8))
            else:
                continue
            width, height = max(width, sides[0]), max(height, sides[1])
    return width, height


def webp(content: bytes) -> Ending:
    """Walk the chunks of a WebP file (RFC 9649)."""
    size = int.from_bytes(content[4:8], "little")
    if 8 + size > len(content):
        return Ending(picture="the WebP file is shorter than its header says")
    frame = 0
    for kind, start, end in _riff(content, 12, 8 + size):
        if not kind.strip().isalnum():
            return Ending(**{"file" if frame else "picture": "the WebP file has a hole"})
        parts = _riff(content, start + 16, end) if kind == b"ANMF" else iter([(kind, start, end)])
        for part, first, last in parts:
            if part in (b"VP8 ", b"VP8L"):
                if not _is_written_to_its_end(part, content[first:last]):
                    return Ending(
                        **{"file" if frame else "picture": "the WebP file ends in zeros before its picture does"}
                    )
                frame += 1
    return Ending()


def _riff(content: bytes, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    while at + 8 <= end:
        kind, length = struct.unpack_from("<4sI", content, at)
        yield kind, at + 8, min(at + 8 + length, end)
        at += 8 + length + length % 2


def _is_written_to_its_end(kind: bytes, frame: bytes) -> bool:
    """Return whether a frame that ends in zeros needs them. A frame that was cut also opens without its last
    bytes."""
    if not frame.endswith(ZEROS):
        return True
    return _webp_opens(kind, frame) and not _webp_opens(kind, frame[: -len(ZEROS)])


def _webp_opens(kind: bytes, frame: bytes) -> bool:
    body = struct.pack("<4sI", kind, len(frame)) + frame + bytes(len(frame) % 2)
    head = struct.pack("<4sI4s", b"RIFF", 4 + len(body), b"WEBP")
    file = head + body
    try:
        with (
            room_for(WEBP_BYTES * math.prod(webp_size(file))),
            WebPImagePlugin.WebPImageFile(io.BytesIO(file)) as image,
        ):
            image.load()
    except (*BROKEN, TooLargeError):
        return False
    return True


def gif(content: bytes) -> Ending:
    """Walk the blocks of a GIF (GIF89a specification)."""
    frames = 0
    at = 13 + _palette_bytes(content[10:11])
    while at < len(content):
        kind = content[at]
        if kind == 0x3B:
            return Ending()
        if kind == 0x2C:  # an image: its position, palette and code size
            start = at + 11 + _palette_bytes(content[at + 9 : at + 10])
        elif kind == 0x21:
            start = at + 2
        else:
            return Ending(picture="the GIF has a hole" if frames < 2 else None, file="the GIF has a hole")
        at = _sub_blocks_end(content, start)
        if at > len(content):
            break
        frames += kind == 0x2C
    return Ending(None if frames else "the GIF ends before its picture does", "the GIF has no end")


def _palette_bytes(flags: bytes) -> int:
    return 3 << (flags[0] & 7) + 1 if flags and flags[0] & 0x80 else 0


def _sub_blocks_end(content: bytes, at: int) -> int:
    while at < len(content) and content[at]:
        at += 1 + content[at]
    return at + 1


def bmp(content: bytes) -> Ending:
    """Compare the length of a BMP with the size of its rows by the header."""
    start, header = struct.unpack_from("<II", content, 10)
    try:
        if header == 12:
            width, height, _, bits = struct.unpack_from("<HHHH", content, 18)
            coding = 0
        else:
            width, height, _, bits, coding = struct.unpack_from("<iiHHI", content, 18)
    except struct.error:
        return Ending(picture="the BMP ends within its header")
    if coding in (0, 3, 6):  # uncompressed rows, with or without masks
        size = (width * bits + 31) // 32 * 4 * abs(height)
        return Ending(picture="the BMP ends before its rows do" if start + size > len(content) else None)
    return Ending(picture="the BMP ends in zeros before its picture does" if content.endswith(ZEROS) else None)


# Top-level boxes of pictures and films (ISO/IEC 14496-12, 23008-12; QuickTime; motion photos).
_BOXES = frozenset({
    b"ftyp", b"styp", b"moov", b"moof", b"mfra", b"mdat", b"idat", b"meta", b"free", b"skip", b"wide", b"uuid",
    b"udta", b"pnot", b"pdin", b"sidx", b"ssix", b"prft", b"emsg", b"mpvd",
})  # fmt: skip


def boxes(content: bytes) -> Ending:
    """Walk the boxes of an AVIF or HEIC picture."""
    for kind, end in _boxes(content):
        if end > len(content):
            return Ending(picture="the file ends before its last box does")
        if kind == b"mdat" and content.startswith(ZEROS, end - len(ZEROS)):
            return Ending(picture="the file holds zeros where its picture should be")
    return Ending()


def film(content: bytes) -> str | None:
    """Walk the boxes of a film, and return why it is incomplete or None. Its data may end in zeros."""
    if any(end > len(content) for _, end in _boxes(content)):
        return "the film ends before its last box does"
    return None


def _boxes(content: bytes) -> Iterator[tuple[bytes, int]]:
    """Yield the kind and the end of each box. The end of a box that is cut or unwritten is beyond the content.

    Bytes that do not begin like a box are a trailer, which some cameras and programs add. They end the walk.
    """
    at = 0
    while at < len(content):
        size, kind = struct.unpack_from(">I4s", content, at) if at + 8 <= len(content) else (0, bytes(4))
        if size == 0 and kind in _BOXES:  # the box extends to the end of the file
            size = len(content) - at
        elif size == 1 and at + 16 <= len(content):
            (size,) = struct.unpack_from(">Q", content, at + 8)
        is_cut = size < 8 or at + size > len(content)
        if is_cut and kind not in _BOXES and any(kind):
            return
        at += size if not is_cut else len(content) + 1
        yield kind, at
