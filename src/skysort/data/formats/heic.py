"""The tiles of a HEIC picture (ISO/IEC 23008-12), counted before its decoder sees them."""

import struct
from collections.abc import Iterator
from contextlib import suppress

Size = tuple[int, int]


def has_needless_tiles(content: bytes) -> bool:
    """Return whether a picture of a HEIC is made of more tiles, or larger ones, than its size needs.

    The decoder computes all tiles, also those outside the picture. A file of 59 kB can name 900 tiles for a
    picture of 64 x 64 pixels, and take half a minute.
    """
    with suppress(struct.error, IndexError, KeyError, StopIteration):  # the decoder refuses what is damaged
        meta = next(body for kind, body in _boxes(content) if kind == b"meta")[4:]
        boxes = dict(_boxes(meta))
        properties = dict(_boxes(boxes[b"iprp"]))
        sizes = _sizes(properties[b"ipco"], properties[b"ipma"])
        return any(_exceeds(sizes[picture], [sizes[tile] for tile in tiles]) for picture, tiles in _made_of(boxes))
    return False


def _exceeds(picture: Size, tiles: list[Size]) -> bool:
    """Return whether tiles have more pixels than a picture that is wider by one tile, and higher by one."""
    width = picture[0] + max(across for across, _ in tiles)
    height = picture[1] + max(down for _, down in tiles)
    return sum(across * down for across, down in tiles) > width * height


def _made_of(boxes: dict[bytes, bytes]) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Yield the pictures that are made of others, with those others, by their numbers."""
    references = boxes.get(b"iref", bytes(4))
    form, length = ("I", 4) if references[0] else ("H", 2)
    for kind, body in _boxes(references[4:]):
        if kind == b"dimg":
            picture, num_tiles = struct.unpack_from(f">{form}H", body)
            if num_tiles:
                yield picture, struct.unpack_from(f">{num_tiles}{form}", body, length + 2)


def _sizes(container: bytes, associations: bytes) -> dict[int, Size]:
    """Return the size of each picture by its number, from the properties and their association with pictures."""
    of_property = {
        number: struct.unpack_from(">II", body, 4)
        for number, (kind, body) in enumerate(_boxes(container), start=1)
        if kind == b"ispe"
    }
    version, is_wide = associations[0], associations[3] & 1
    (num_pictures,) = struct.unpack_from(">I", associations, 4)
    sizes, at = {}, 8
    for _ in range(num_pictures):
        picture, num_properties = struct.unpack_from(">IB" if version else ">HB", associations, at)
        at += 5 if version else 3
        numbers = struct.unpack_from(f">{num_properties}{'H' if is_wide else 'B'}", associations, at)
        at += num_properties * (2 if is_wide else 1)
        for number in numbers:
            if size := of_property.get(number & (0x7FFF if is_wide else 0x7F)):  # without the bit for essential
                sizes[picture] = size
    return sizes


def _boxes(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the kind and the body of each whole box."""
    at = 0
    while at + 8 <= len(content):
        size, kind = struct.unpack_from(">I4s", content, at)
        start = 8
        if size == 1:
            (size,), start = struct.unpack_from(">Q", content, at + 8), 16
        end = len(content) if size == 0 else at + size
        if end < at + start or end > len(content):
            return
        yield kind, content[at + start : end]
        at = end
