"""HEICs of tiles, as telephones write them, built around one tile that pillow-heif encodes."""

import struct
from functools import cache

import numpy as np
import pytest
from PIL import Image

from skysort.data.decode import Shape, UnreadablePictureError, decode
from skysort.data.formats.heic import has_needless_tiles
from tests.data.test_decode import saved

TILE = 64


def box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(body), kind) + body


def full(kind: bytes, body: bytes, version: int = 0, flags: int = 0) -> bytes:
    return box(kind, struct.pack(">I", version << 24 | flags) + body)


@cache
def tile() -> tuple[bytes, bytes]:
    """The box that configures the decoder, and the data of a red tile."""
    content = saved(Image.new("RGB", (TILE, TILE), (200, 30, 40)), "HEIC")
    at = content.index(b"hvcC") - 4
    data = content.index(b"mdat") - 4
    (num_data,) = struct.unpack_from(">I", content, data)
    (num_configured,) = struct.unpack_from(">I", content, at)
    return content[at : at + num_configured], content[data + 8 : data + num_data]


def heic(
    rows: int, columns: int, size: tuple[int, int], declared: tuple[int, int] | None = None, more: bytes = b""
) -> bytes:
    """A picture of tiles: its size in the grid, and the size that the file declares, which should be the same."""
    configuration, data = tile()
    numbers = range(2, rows * columns + 2)
    grid = struct.pack(">BBBBHH", 0, 0, rows - 1, columns - 1, *size)
    infos = [(1, b"grid"), *((number, b"hvc1") for number in numbers)]
    items = b"".join(full(b"infe", struct.pack(">HH4sx", number, 0, kind), 2) for number, kind in infos)
    references = struct.pack(f">HH{len(numbers)}H", 1, len(numbers), *numbers)
    sizes = [full(b"ispe", struct.pack(">II", *sides)) for sides in ((TILE, TILE), declared or size)]
    associations = struct.pack(">IHBB", len(infos), 1, 1, 3)
    associations += b"".join(struct.pack(">HBBB", number, 2, 0x81, 2) for number in numbers)
    properties = box(b"ipco", b"".join((configuration, *sizes))) + full(b"ipma", associations)

    def before_data(start: int) -> bytes:
        places = struct.pack(">BBHHHHHII", 0x44, 0, len(infos), 1, 1, 0, 1, 0, len(grid))
        places += b"".join(struct.pack(">HHHHII", number, 0, 0, 1, start, len(data)) for number in numbers)
        boxes = (
            full(b"hdlr", b"\0\0\0\0pict" + bytes(13)),
            full(b"pitm", struct.pack(">H", 1)),
            full(b"iinf", struct.pack(">H", len(infos)) + items),
            full(b"iref", box(b"dimg", references) + more),
            box(b"iprp", properties),
            full(b"iloc", places, 1),
            box(b"idat", grid),
        )
        return box(b"ftyp", b"heic\0\0\0\0mif1heic") + full(b"meta", b"".join(boxes))

    return before_data(len(before_data(0)) + 8) + box(b"mdat", data)


@pytest.mark.parametrize(("rows", "columns", "size"), [(1, 1, (64, 64)), (2, 3, (150, 100)), (3, 2, (128, 129))])
def test_a_picture_of_tiles_is_decoded(rows: int, columns: int, size: tuple[int, int]) -> None:
    content = heic(rows, columns, size)
    assert not has_needless_tiles(content)
    expected = np.full((3, 16, 16), np.reshape((200, 30, 40), (3, 1, 1)))
    assert np.abs(decode(content, Shape(16, 3)).astype(int) - expected).max() <= 8


@pytest.mark.parametrize(
    "content",
    [heic(30, 30, (64, 64)), heic(20, 20, (1280, 1280), (64, 64)), heic(30, 2, (1280, 64))],
    ids=["tiles outside the picture", "another size declared", "rows for columns"],
)
def test_more_tiles_than_the_size_needs_are_refused_before_they_are_decoded(content: bytes) -> None:
    with pytest.raises(UnreadablePictureError, match="more tiles"):
        decode(content, Shape(16, 3))


def made_of(item: int, *tiles: int) -> bytes:
    return box(b"dimg", struct.pack(f">HH{len(tiles)}H", item, len(tiles), *tiles))


@pytest.mark.parametrize(
    "content",
    [
        heic(30, 30, (64, 64), more=made_of(9000, 9001)),
        heic(2, 2, (64, 64), more=made_of(2, 3, 3, 3, 3) + made_of(3, 4, 4, 4, 4)),
        heic(2, 2, (64, 64), more=made_of(2, 2, 2)),
    ],
    ids=["beside an item without a size", "tiles of tiles", "a tile of itself"],
)
def test_needless_tiles_cannot_hide(content: bytes) -> None:
    assert has_needless_tiles(content)


def test_a_picture_of_one_part_has_no_tiles() -> None:
    assert not has_needless_tiles(saved(Image.new("RGB", (48, 32), "red"), "HEIC"))


@pytest.mark.parametrize("seed", range(3))
def test_damaged_boxes_are_left_to_the_decoder(seed: int) -> None:
    content = bytearray(heic(2, 3, (150, 100)))
    rng = np.random.default_rng(seed)
    for _ in range(200):
        damaged = bytearray(content)
        for at in rng.integers(0, content.index(b"mdat"), 3):
            damaged[at] = rng.integers(0, 256)
        has_needless_tiles(bytes(damaged))  # raises nothing
