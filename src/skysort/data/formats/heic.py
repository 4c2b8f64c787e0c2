"""The tiles of a HEIC picture (ISO/IEC 23008-12), counted before its decoder sees them."""

import struct
from collections.abc import Iterator
from contextlib import suppress

MOST_TILES = 10_000
"""A picture of 100 megapixels has 400 of 512 x 512. Pictures that are made of each other have no end of them."""
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
        parts = dict(_made_of(boxes))
        return any(_exceeds(picture, parts, sizes) for picture in parts)
    return False


def _exceeds(picture: int, parts: dict[int, tuple[int, ...]], sizes: dict[int, Size]) -> bool:
    """Return whether tiles have more pixels than a picture that is wider by one tile, and higher by one.

    A tile may itself be made of tiles, as where a picture and its gain map are one. Without a size, a tile may be
    of any, so it has too many.
    """
    tiles = parts[picture]
    if not sizes.keys() >= {picture, *tiles}:
        return True
    width = sizes[picture][0] + max(sizes[tile][0] for tile in tiles)
    height = sizes[picture][1] + max(sizes[tile][1] for tile in tiles)
    num_pixels, num_tiles, waiting = 0, 0, list(tiles)
    while waiting:
        tile = waiting.pop()
        waiting += parts.get(tile, ())
        across, down = (0, 0) if tile in parts else sizes.get(tile, (0, 0))
        num_pixels, num_tiles = num_pixels + across * down, num_tiles + 1
        if num_pixels > width * height or num_tiles + len(waiting) > MOST_TILES:
            return True
    return False


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
