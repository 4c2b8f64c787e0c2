"""The directories of a TIFF: whether the file holds all that they name, and whether it is a camera raw file."""

import struct
from collections.abc import Iterator
from contextlib import suppress

from skysort.data.formats.container import ZEROS, Ending

_Directory = dict[int, tuple[int, ...]]
"""Values of the tags that are needed here, all integers."""

_TIFF_TYPES = {1: "B", 2: "B", 3: "H", 4: "I", 6: "b", 7: "B", 8: "h", 9: "i", 13: "I", 16: "Q", 18: "Q"}
_PLACES = ((273, 279), (324, 325))
"""Tags of the offsets and sizes of strips, and of tiles."""
NUM_PICTURES = 0xB001
"""Tag in the index of an MPO, which has the structure of a TIFF (CIPA DC-007, 5.2)."""
_COMPRESSION, _NEW_SUBFILE_TYPE, _SUB_DIRECTORIES, _DNG_VERSION = 259, 254, 330, 50706
_WIDTH, _LENGTH, _ROWS_PER_STRIP, _TILE_WIDTH, _TILE_LENGTH = 256, 257, 278, 322, 323
_TAGS = frozenset({
    NUM_PICTURES, _COMPRESSION, _NEW_SUBFILE_TYPE, _SUB_DIRECTORIES, _DNG_VERSION, *_PLACES[0], *_PLACES[1],
    _WIDTH, _LENGTH, _ROWS_PER_STRIP, _TILE_WIDTH, _TILE_LENGTH,
})  # fmt: skip


def tiff(content: bytes) -> Ending:
    """Walk the directories of a TIFF, and the strips or tiles of each (TIFF 6.0)."""
    page = 0
    try:
        for directory in directories(content):
            if reason := _missing_in_page(content, directory):
                return Ending(**{"file" if page else "picture": reason})
            page += 1
    except struct.error:
        return Ending(**{"file" if page else "picture": "the TIFF ends before its last directory"})
    return Ending()


def is_camera_raw(content: bytes) -> bool:
    """Return whether a TIFF is a camera raw file: a DNG, or a preview with the picture in a subdirectory."""
    with suppress(struct.error, StopIteration):
        first = next(directories(content))
        preview = first.get(_NEW_SUBFILE_TYPE, (0,))[0] & 1
        return _DNG_VERSION in first or (bool(preview) and _SUB_DIRECTORIES in first)
    return False


def _missing_in_page(content: bytes, directory: _Directory) -> str | None:
    if 0 < _num_named(directory) < _num_needed(directory):  # the decoder refuses a page without any
        return "the TIFF names too few strips or tiles for its rows"
    coded = directory.get(_COMPRESSION, (1,))[0] != 1
    for offsets, sizes in _PLACES:
        for start, size in zip(directory.get(offsets, ()), directory.get(sizes, ()), strict=False):
            if start + size > len(content):
                return "the TIFF ends before its rows do"
            if coded and size >= len(ZEROS) and content.startswith(ZEROS, start + size - len(ZEROS)):
                return "the TIFF holds zeros where its rows should be"
    return None


def _num_named(directory: _Directory) -> int:
    return max(len(directory.get(offsets, ())) for offsets, _ in _PLACES)


def _num_needed(directory: _Directory) -> int:
    """Return the number of strips or tiles that cover a page (TIFF 6.0, sections 3 and 15)."""

    def of(tag: int, otherwise: int) -> int:
        return max(1, directory.get(tag, (otherwise,))[0])

    width, length = of(_WIDTH, 1), of(_LENGTH, 1)
    if _TILE_LENGTH in directory:
        return -(-width // of(_TILE_WIDTH, width)) * -(-length // of(_TILE_LENGTH, length))
    return -(-length // of(_ROWS_PER_STRIP, length))


def directories(content: bytes) -> Iterator[_Directory]:
    """Yield the directories of a TIFF, or of data with the same structure.

    Raises:
        struct.error: if a directory is beyond the end, or two overlap.
    """
    order = "<" if content[:1] == b"I" else ">"
    big = content[2:4] in (b"+\0", b"\0+")
    count_as, entry_as, offset_as = ("Q", "HHQ", "Q") if big else ("H", "HHI", "I")
    (at,) = struct.unpack_from(order + offset_as, content, 8 if big else 4)
    room_left = len(content)
    while at:
        if at > len(content):  # struct accepts no offset of 64 bits
            raise struct.error("a directory beyond the end")
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
            if form and count and tag in _TAGS:
                room_left -= size if size > room else 0
                if room_left < 0 or start + size > len(content):
                    raise struct.error("values beyond the end, or over others")
                directory[tag] = struct.unpack_from(f"{order}{count}{form}", content, start)
        yield directory
        (at,) = struct.unpack_from(order + offset_as, content, at + num * step)
