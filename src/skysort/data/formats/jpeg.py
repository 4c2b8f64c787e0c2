"""End of a JPEG, and of the pictures and the film that may follow it in the same file."""

import io
import re
import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress

from PIL import JpegImagePlugin

from skysort.data.formats.container import BROKEN, Ending, film
from skysort.data.formats.tiff import NUM_PICTURES, directories
from skysort.data.memory import TooLargeError, room_for

# In a scan, FF 00 is data, FF D0 to D7 are restarts, and FF FF is padding (ITU T.81, B.1.1). Written as ranges,
# the search reads gigabytes per second.
_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
COEFFICIENT_BYTES = 2
"""Bytes per pixel and component that libjpeg keeps until the last of several scans."""
MAX_SEGMENTS = 10_000
"""Number of segments that are read. A profile of 16 MB takes 255; a file of only segments would take minutes."""
MAX_SCANS = 64
"""Number of scans that are decoded. Encoders write about ten, and each takes a pass over the whole picture."""
_START_OF_IMAGE, _END_OF_IMAGE, _START_OF_SCAN = 0xD8, 0xD9, 0xDA
_START_OF_FRAME = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
_START, END_OF_IMAGE = b"\xff\xd8\xff", b"\xff\xd9"

# XMP fields about the data after the first picture: Google's container of a gain map or film, and its older film.
_ITEM_LENGTHS = re.compile(rb'Item:Length\s*=\s*"(\d{1,12})"')
_FILM_LENGTHS = re.compile(rb'MicroVideoOffset\s*=\s*"(\d{1,12})"')
_XMP_WITHIN = 65_536
"""Bytes from the start of a JPEG in which XMP is looked for."""


def jpeg(content: bytes) -> Ending:
    """Walk a JPEG, or the first picture of an MPO or motion photo (ITU T.81; CIPA DC-007)."""
    end = jpeg_end(content)
    if end is None:
        if num_scans(content) > MAX_SCANS or _last_scan_is_whole(content):
            return Ending()  # decoding reports too many scans; testing the last one would take as long
        return Ending(picture="the JPEG ends before its last scan does")
    if end == len(content):  # an editor may have removed the data after it but kept its index
        return Ending()
    following = _following_bytes(content[: min(end, _XMP_WITHIN)])
    if end + following > len(content):
        return Ending(file="the file lacks data that should follow the JPEG")
    for _ in range(_num_pictures(content) - 1):
        # The index holds the positions, too, but Pillow writes wrong ones from the third picture on.
        start = content.find(_START, end)
        behind = jpeg_end(content, start) if start >= 0 else None
        if behind is None:
            return Ending(file="the file lacks pictures that the JPEG's index names")
        end = behind
    return Ending(file=film(content[end:]) if content[end + 4 : end + 8] == b"ftyp" else None)


def _following_bytes(head: bytes) -> int:
    """Return the number of bytes after the first picture, according to XMP.

    The container's items include the pictures that the index names (Ultra HDR image format 1.1). Some cameras
    declare a film in both ways, for older programs.
    """
    items = sum(int(length) for length in _ITEM_LENGTHS.findall(head))
    return max([items, *(int(length) for length in _FILM_LENGTHS.findall(head))])


def jpeg_end(content: bytes, start: int = 0) -> int | None:
    """Return the position after the end marker of the JPEG that begins at `start`; None if it has no end."""
    for code, _, end in _segments(content, start):
        if code == _END_OF_IMAGE:
            return end
    return None


def _segments(content: bytes, start: int = 0) -> Iterator[tuple[int, int, int]]:
    """Yield each marker's code, and the start (after the length) and end of its segment."""
    if not content.startswith(_START, start):
        return
    end = start + 2
    for _ in range(MAX_SEGMENTS):
        marker = _MARKER.search(content, end)
        if not marker:
            return
        code, begin = marker[0][1], marker.end()
        if code == _START_OF_IMAGE:  # another picture begins before this one has ended
            return
        if code in (_END_OF_IMAGE, 0x01):
            end = begin
        else:
            end = begin + max(2, int.from_bytes(content[begin : begin + 2], "big"))
            begin += 2
        yield code, begin, end


def num_scans(content: bytes) -> int:
    """Return the number of scans of the first JPEG in a file; a very large number beyond `MAX_SEGMENTS`."""
    num = num_segments = 0
    for code, _, _ in _segments(content):
        num_segments += 1
        num += code == _START_OF_SCAN
        if code == _END_OF_IMAGE:
            return num
    return num if num_segments < MAX_SEGMENTS else len(content)


def _last_scan_is_whole(content: bytes) -> bool:
    """Return whether a JPEG lacks only its end marker: it has all coefficients, and more bytes change nothing."""
    content = content.rstrip(b"\0").rstrip(b"\xff")
    if not _has_every_scan(content):
        return False
    try:
        # If the scan is incomplete, the decoder reads the added bytes as its rest.
        return _pixels_checksum(content) == _pixels_checksum(content + b"\x5a\xc3" * 32)
    except (*BROKEN, TooLargeError):
        return False


def _pixels_checksum(content: bytes) -> int:
    with JpegImagePlugin.JpegImageFile(io.BytesIO(content + END_OF_IMAGE)) as image:
        width, height = image.size
        checksum = 0
        with room_for(COEFFICIENT_BYTES * image.layers * width * height + 4 * width * height):
            image.load()
            for top in range(0, height, 64):
                checksum = zlib.crc32(image.crop((0, top, width, min(top + 64, height))).tobytes(), checksum)
        return checksum


def _has_every_scan(content: bytes) -> bool:
    """Return whether the scans of a JPEG hold every coefficient of every component, to the last bit."""
    missing = {(0, 0)}  # until a frame header lists the components
    for code, begin, end in _segments(content):
        segment = content[begin:end]
        with suppress(IndexError, ValueError):  # a segment that is cut adds nothing
            if code in _START_OF_FRAME:
                missing = {(segment[6 + 3 * i], k) for i in range(segment[5]) for k in range(64)}
            elif code == _START_OF_SCAN:
                components = [segment[1 + 2 * i] for i in range(segment[0])]
                first, last, bits = segment[1 + 2 * len(components) :][:3]
                if bits & 15 == 0:  # the position of the lowest bit in this scan
                    missing -= {(c, k) for c in components for k in range(first, last + 1)}
    return not missing


def _num_pictures(content: bytes) -> int:
    """Return the number of pictures in a JPEG's index (CIPA DC-007, 5.2); 1 if it has no index."""
    for code, begin, end in _segments(content):
        if code == _START_OF_SCAN:
            break
        if code == 0xE2 and content.startswith(b"MPF\0", begin):
            with suppress(struct.error):  # an unreadable index names no pictures
                return next(directories(content[begin + 4 : end]), {}).get(NUM_PICTURES, (1,))[0]
    return 1
