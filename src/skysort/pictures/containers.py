"""Where the containers of pictures end: what a file that was cut, or filled up with zeros, lacks."""

import io
import re
import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from PIL import Image

ZEROS = bytes(16)
"""No coded picture ends in so many, but for WebP: they were never written."""


@dataclass(frozen=True)
class Ending:
    """What a picture file lacks."""

    picture: str | None = None
    """Of the picture that is decoded, the first; None when it is whole."""
    file: str | None = None
    """Of what follows it: later frames or pages, a film, the end of the container."""


# Within a scan FF 00 is data, FF D0 to D7 restart it, and FF FF fills (ITU T.81, B.1.1). Written as ranges,
# the search reads gigabytes per second.
_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
MAX_SEGMENTS = 10_000
"""Of one JPEG; a profile of 16 MB takes 255. A file of nothing but segments would take minutes."""
_START_OF_IMAGE, _END_OF_IMAGE, _START_OF_SCAN = 0xD8, 0xD9, 0xDA
_START_OF_FRAME = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
_START, END_OF_IMAGE = b"\xff\xd8\xff", b"\xff\xd9"

_NUM_PICTURES = 0xB001
_FILM_LENGTHS = re.compile(rb'(?:Item:Length|MicroVideoOffset)\s*=\s*"(\d{1,12})"')


def jpeg(content: bytes) -> Ending:
    """Walk a JPEG, or the first picture of an MPO or motion photo (ITU T.81; CIPA DC-007)."""
    end = jpeg_end(content)
    if end is None:
        if _last_scan_is_whole(content):
            return Ending()
        return Ending(picture="the JPEG ends before its last scan does")
    if end == len(content):  # an editor may have dropped what followed, and kept the index of it
        return Ending()
    for _ in range(_num_pictures(content) - 1):
        # An index says where, too; those that Pillow writes are wrong from the third picture on.
        start = content.find(_START, end)
        behind = jpeg_end(content, start) if start >= 0 else None
        if behind is None:
            return Ending(file="the JPEG's index names pictures that have not arrived")
        end = behind
    film = sum(int(length) for length in _FILM_LENGTHS.findall(content[:65536]))
    if end + film > len(content):
        return Ending(file="the JPEG says that a film follows, which has not arrived")
    if content[end + 4 : end + 8] == b"ftyp":
        return Ending(file=boxes(content[end:]).picture)
    return Ending()


def jpeg_end(content: bytes, start: int = 0) -> int | None:
    """Return where the JPEG that begins at `start` ends, behind its end marker; None when it does not."""
    for code, _, end in _segments(content, start):
        if code == _END_OF_IMAGE:
            return end
    return None


def _segments(content: bytes, start: int = 0) -> Iterator[tuple[int, int, int]]:
    """Yield each marker's code, where its segment begins behind the length, and where it ends."""
    if not content.startswith(_START, start):
        return
    end = start + 2
    for _ in range(MAX_SEGMENTS):
        found = _MARKER.search(content, end)
        if not found:
            return
        code, begin = found[0][1], found.end()
        if code == _START_OF_IMAGE:  # another picture begins where this one should have ended
            return
        if code in (_END_OF_IMAGE, 0x01):
            end = begin
        else:
            end = begin + max(2, int.from_bytes(content[begin : begin + 2], "big"))
            begin += 2
        yield code, begin, end


def _last_scan_is_whole(content: bytes) -> bool:
    """Return whether a JPEG lacks its end marker alone: every coefficient came, and more bytes change nothing."""
    content = content.rstrip(b"\0").rstrip(b"\xff")
    if not _has_every_scan(content):
        return False
    try:
        with Image.open(io.BytesIO(content + END_OF_IMAGE), formats=["JPEG"]) as image:
            image.load()
            # Where the scan is not whole the decoder takes these for its rest.
            with Image.open(io.BytesIO(content + b"\x5a\xc3" * 32 + END_OF_IMAGE), formats=["JPEG"]) as other:
                other.load()
                return image.tobytes() == other.tobytes()
    except (OSError, SyntaxError, ValueError, struct.error):
        return False


def _has_every_scan(content: bytes) -> bool:
    """Return whether the scans of a JPEG bring every coefficient of every component down to its last bit."""
    missing = {(0, 0)}  # until a frame says what to expect
    for code, begin, end in _segments(content):
        segment = content[begin:end]
        with suppress(IndexError):  # a segment that is cut brings nothing
            if code in _START_OF_FRAME:
                missing = {(segment[6 + 3 * i], k) for i in range(segment[5]) for k in range(64)}
            elif code == _START_OF_SCAN:
                components = [segment[1 + 2 * i] for i in range(segment[0])]
                first, last, bits = segment[1 + 2 * len(components) :][:3]
                if bits & 15 == 0:  # the position of the lowest bit that this scan brings
                    missing -= {(c, k) for c in components for k in range(first, last + 1)}
    return not missing


def _num_pictures(content: bytes) -> int:
    """Return how many pictures a JPEG's index names (CIPA DC-007, 5.2); 1 where it has none."""
    for code, begin, end in _segments(content):
        if code == _START_OF_SCAN:
            break
        if code == 0xE2 and content.startswith(b"MPF\0", begin):
            with suppress(struct.error):  # an index that cannot be read names nothing
                return next(_directories(content[begin + 4 : end])).get(_NUM_PICTURES, (1,))[0]
    return 1


def png(content: bytes) -> Ending:
    """Walk the chunks of a PNG (ISO/IEC 15948; APNG)."""
    kind = b""
    for kind, start, end in chunks(content):
        if kind in (b"IDAT", b"fdAT"):
            with memoryview(content) as view:
                right = zlib.crc32(view[start - 4 : end]) == int.from_bytes(view[end : end + 4], "big")
            if not right:
                reason = "a part of the PNG does not match its checksum"
                return Ending(picture=reason) if kind == b"IDAT" else Ending(file=reason)
    return Ending() if kind == b"IEND" else Ending(file="the PNG has no end chunk")


def chunks(content: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield the kind of each whole chunk of a PNG, and where its body begins and ends; the last is IEND."""
    at, kind = 8, b""
    while kind != b"IEND" and at + 12 <= len(content):
        length, kind = struct.unpack_from(">I4s", content, at)
        if at + 12 + length > len(content) or not kind.isalpha():
            return
        yield kind, at + 8, at + 8 + length
        at += 12 + length


def webp(content: bytes) -> Ending:
    """Walk the chunks of a WebP file (RFC 9649)."""
    size = int.from_bytes(content[4:8], "little")
    if 8 + size > len(content):
        return Ending(picture="the WebP file is shorter than it says")
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
    """Return whether a frame that ends in zeros needs them: one that was cut does without its last bytes, too."""
    if not frame.endswith(ZEROS):
        return True
    return _webp_opens(kind, frame) and not _webp_opens(kind, frame[: -len(ZEROS)])


def _webp_opens(kind: bytes, frame: bytes) -> bool:
    body = struct.pack("<4sI", kind, len(frame)) + frame + bytes(len(frame) % 2)
    head = struct.pack("<4sI4s", b"RIFF", 4 + len(body), b"WEBP")
    try:
        with Image.open(io.BytesIO(head + body), formats=["WEBP"]) as image:
            image.load()
    except (OSError, SyntaxError, ValueError):
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
        if kind == 0x2C:  # an image: where it lies, its palette, the size of its codes
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
    """Compare a BMP with the size that its header gives its rows."""
    start, header = struct.unpack_from("<II", content, 10)
    try:
        if header == 12:
            width, height, _, bits = struct.unpack_from("<HHHH", content, 18)
            coding = 0
        else:
            width, height, _, bits, coding = struct.unpack_from("<iiHHI", content, 18)
    except struct.error:
        return Ending(picture="the BMP ends within its header")
    if coding in (0, 3, 6):  # rows as they are, with or without masks
        size = (width * bits + 31) // 32 * 4 * abs(height)
        return Ending(picture="the BMP ends before its rows do" if start + size > len(content) else None)
    return Ending(picture="the BMP ends in zeros before its picture does" if content.endswith(ZEROS) else None)


_Directory = dict[int, tuple[int, ...]]
"""The values of the tags that are needed here; all hold whole numbers."""

_TIFF_TYPES = {1: "B", 2: "B", 3: "H", 4: "I", 6: "b", 7: "B", 8: "h", 9: "i", 13: "I", 16: "Q", 18: "Q"}
_PLACES = ((273, 279), (324, 325))
"""The offsets and the sizes of strips and of tiles."""
_COMPRESSION = 259


def tiff(content: bytes) -> Ending:
    """Walk the directories of a TIFF, and the strips or tiles that each names (TIFF 6.0)."""
    page = 0
    try:
        for directory in _directories(content):
            if reason := _missing_in_page(content, directory):
                return Ending(**{"file" if page else "picture": reason})
            page += 1
    except struct.error:
        return Ending(**{"file" if page else "picture": "the TIFF ends before its last directory"})
    return Ending()


def _missing_in_page(content: bytes, directory: _Directory) -> str | None:
    coded = directory.get(_COMPRESSION, (1,))[0] != 1
    for offsets, sizes in _PLACES:
        for start, size in zip(directory.get(offsets, ()), directory.get(sizes, ()), strict=False):
            if start + size > len(content):
                return "the TIFF ends before its rows do"
            if coded and size >= len(ZEROS) and content.startswith(ZEROS, start + size - len(ZEROS)):
                return "the TIFF holds zeros where its rows should be"
    return None


def _directories(content: bytes) -> Iterator[_Directory]:
    """Yield the directories of a TIFF, or of what is built like one.

    Raises:
        struct.error: when one lies beyond the end, or they overlap.
    """
    order = "<" if content[:1] == b"I" else ">"
    big = content[2:4] in (b"+\0", b"\0+")
    count_as, entry_as, offset_as = ("Q", "HHQ", "Q") if big else ("H", "HHI", "I")
    (at,) = struct.unpack_from(order + offset_as, content, 8 if big else 4)
    room_left = len(content)
    while at:
        (num,) = struct.unpack_from(order + count_as, content, at)
        at += struct.calcsize(count_as)
        directory: _Directory = {}
        step, room = struct.calcsize(order + entry_as + offset_as), struct.calcsize(offset_as)
        room_left -= num * step + room
        if num == 0 or room_left < 0 or at + num * step > len(content):
            raise struct.error("a directory that is empty, beyond the end, or over another")
        for entry in range(at, at + num * step, step):
            tag, kind, count = struct.unpack_from(order + entry_as, content, entry)
            form = _TIFF_TYPES.get(kind, "")
            size = count * struct.calcsize(form)
            start = entry + step - room
            if size > room:
                (start,) = struct.unpack_from(order + offset_as, content, start)
            if form and count and tag in (_NUM_PICTURES, _COMPRESSION, *_PLACES[0], *_PLACES[1]):
                room_left -= size
                if room_left < 0 or start + size > len(content):
                    raise struct.error("values beyond the end, or over others")
                directory[tag] = struct.unpack_from(f"{order}{count}{form}", content, start)
        yield directory
        (at,) = struct.unpack_from(order + offset_as, content, at + num * step)


def boxes(content: bytes) -> Ending:
    """Walk the boxes of an AVIF or HEIC picture, or of a film (ISO/IEC 14496-12)."""
    at = 0
    while at < len(content):
        size, kind = struct.unpack_from(">I4s", content, at) if at + 8 <= len(content) else (0, b"")
        if size == 1 and at + 16 <= len(content):
            (size,) = struct.unpack_from(">Q", content, at + 8)
        elif size == 0 and kind == b"mdat":  # up to the end of the file
            size = len(content) - at
        if size < 8 or at + size > len(content):
            return Ending(picture="the file ends before its last box does")
        at += size
        if kind == b"mdat" and content.startswith(ZEROS, at - len(ZEROS)):
            return Ending(picture="the file holds zeros where its picture should be")
    return Ending()
