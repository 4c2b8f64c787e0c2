import io
import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image, features

from skysort.data.decode import Shape, decode
from skysort.data.formats.opening import UnreadablePictureError
from skysort.data.formats.signature import HEAD_BYTES, READABLE, picture_format, unfinished

SHAPE = Shape(16, 3)
STILL: dict[str, dict[str, Any]] = {
    "JPEG": {},
    "PNG": {},
    "WEBP": {},
    "GIF": {},
    "BMP": {},
    "TIFF": {"compression": "tiff_lzw"},
    **({"AVIF": {}} if features.check("avif") else {}),
}
needs_avif = pytest.mark.skipif(not features.check("avif"), reason="this Pillow has no AVIF")


def grain(seed: int = 0, width: int = 160, height: int = 120) -> Image.Image:
    """A picture whose last rows take as many bytes as its first."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def saved(image: Image.Image, form: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def frames(form: str, num: int = 5, **options: Any) -> bytes:
    pictures = [grain(seed, 64, 64) for seed in range(num)]
    return saved(pictures[0], form, save_all=True, append_images=pictures[1:], **options)


def zeros_from(content: bytes, length: int) -> bytes:
    return content[:length] + bytes(len(content) - length)


def is_refused(content: bytes) -> bool:
    try:
        decode(content, SHAPE)
    except UnreadablePictureError:
        return True
    return False


def box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(body), kind) + body


@pytest.mark.parametrize("form", STILL)
def test_each_readable_format_is_told_from_its_first_bytes(form: str) -> None:
    name = picture_format(saved(grain(), form, **STILL[form])[:HEAD_BYTES])
    assert name is not None and name.upper() == form and name in READABLE


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"\0\0\0\x18ftypheic", "HEIC"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "HEIC"),
        (b"\0\0\0\x1cftypmif1\0\0\0\0mif1miafavif", "AVIF"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
        (b"8BPS\0\x01" + bytes(20), "PSD"),
        (b"II*\0\x10\0\0\0CR\x02\0", "camera raw"),
        (b"\0\0\0\x18ftypcrx \0\0\0\x01crx isom", "camera raw"),
        (b"FUJIFILMCCD-RAW 0201", "camera raw"),
        (b"P6\n# made by hand\n640 480\n255\n", "PNM"),
    ],
)
def test_formats_that_are_not_read_have_a_name_and_a_reason(head: bytes, name: str) -> None:
    assert picture_format(head) == name
    if name not in READABLE:
        with pytest.raises(UnreadablePictureError, match=rf"\b{name}; convert it to JPEG$"):
            decode(head, SHAPE)


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"B",
        b"BMW and Audi, a comparison of prices",
        b"II. The second chapter",
        b"MM is a number",
        b"RIFF\0\0\0\0WAVEfmt ",
        b"GIF is a format of 1987",
        b"\0\0\0\x20ftypisom\0\0\x02\0isomiso2avc1mp41",
        b"\0\0\0\x18ftypmp42\0\0\0\0mp42mp41",
        b"%PDF-1.4",
        b"PK\x03\x04",
        b"path,label\n",
        b"P1 is not the first page 1 2 3",
        bytes(64),
        b"\xff\xfeh\0e\0l\0l\0o\0",
    ],
)
def test_what_is_no_picture_has_no_format(head: bytes) -> None:
    assert picture_format(head) is None
    assert unfinished(head) is None


@pytest.mark.parametrize(
    "content",
    [
        *(saved(grain(), form, **options) for form, options in STILL.items()),
        saved(grain(), "JPEG", progressive=True),
        saved(grain(), "JPEG", restart_marker_rows=1),
        saved(grain(), "JPEG") + bytes(5000),
        saved(grain(), "WEBP", lossless=True),
        saved(grain(), "PNG") + bytes(100),
        *(saved(grain(), "TIFF", compression=how) for how in (None, "packbits", "jpeg", "tiff_adobe_deflate")),
        saved(grain().convert("1"), "TIFF", compression="group4"),
        saved(grain(), "TIFF", big_tiff=True),
        *(frames(form) for form in ("GIF", "PNG", "WEBP", "TIFF", "MPO")),
    ],
)
def test_a_whole_file_is_finished(content: bytes) -> None:
    assert unfinished(content) is None
    assert not is_refused(content)


JPEGS = {
    "baseline": {"quality": 95},
    "coarse": {"quality": 40},
    "progressive": {"progressive": True},
    "restarts": {"restart_marker_rows": 1},
    "optimised": {"optimize": True},
}


@pytest.mark.parametrize("options", JPEGS.values(), ids=JPEGS)
def test_zeros_anywhere_in_the_scans_of_a_jpeg_are_found(options: dict[str, Any]) -> None:
    content = saved(grain(), "JPEG", **options)
    for share in np.linspace(0.1, 0.995, 25):
        cut = zeros_from(content, int(share * len(content)))
        assert is_refused(cut) and unfinished(cut), share
        assert is_refused(cut.rstrip(b"\0")), share


@pytest.mark.parametrize("options", JPEGS.values(), ids=JPEGS)
@pytest.mark.parametrize("tail", [b"", bytes(300), b"\xff"], ids=["nothing", "zeros", "half a marker"])
def test_a_jpeg_that_lacks_its_end_marker_alone_is_whole(options: dict[str, Any], tail: bytes) -> None:
    content = saved(grain(), "JPEG", **options)
    open_ended = content[:-2] + tail
    assert unfinished(open_ended) is None
    np.testing.assert_array_equal(decode(open_ended, SHAPE), decode(content, SHAPE))


def test_a_progressive_jpeg_that_ends_between_its_scans_is_not_whole() -> None:
    content = saved(grain(), "JPEG", progressive=True)
    scans = [at for at in range(len(content)) if content.startswith(b"\xff\xda", at)]
    assert len(scans) > 4
    for at in scans[1:]:
        start = content.rfind(b"\xff\xc4", 0, at)  # each scan brings its tables
        assert is_refused(content[:start]), start
        assert unfinished(content[:start])


def test_a_preview_within_exif_is_not_taken_for_the_picture() -> None:
    exif = Image.Exif()
    exif[0x010E] = "x"
    preview = b"Exif\0\0" + exif.tobytes()[6:] + saved(grain(1, 32, 32), "JPEG")
    content = saved(grain(), "JPEG", exif=preview)
    assert unfinished(content) is None
    assert is_refused(zeros_from(content, len(content) * 3 // 4))


@pytest.mark.parametrize("form", ["PNG", "WEBP", "GIF", "TIFF", pytest.param("AVIF", marks=needs_avif)])
@pytest.mark.parametrize("share", [0.2, 0.5, 0.75, 0.95])
def test_zeros_in_place_of_the_end_of_a_picture_are_found(form: str, share: float) -> None:
    content = saved(grain(), form, **STILL[form])
    cut = zeros_from(content, int(share * len(content)))
    assert is_refused(cut) and unfinished(cut)
    assert unfinished(content[: int(share * len(content))])


@pytest.mark.parametrize("share", [0.2, 0.5, 0.75, 0.95])
@pytest.mark.parametrize("compression", ["tiff_adobe_deflate", "jpeg", "packbits", "group4"])
def test_zeros_in_a_compressed_tiff_are_found(compression: str, share: float) -> None:
    picture = grain().convert("1" if compression == "group4" else "RGB")
    content = saved(picture, "TIFF", compression=compression)
    cut = zeros_from(content, int(share * len(content)))
    assert is_refused(cut) and unfinished(cut)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.75, 0.95])
@pytest.mark.parametrize("options", [{"lossless": True}, {"quality": 80}, {"exif": b"Exif\0\0II*\0"}], ids=str)
def test_zeros_in_any_webp_are_found(options: dict[str, Any], share: float) -> None:
    content = saved(grain(), "WEBP", **options)
    cut = zeros_from(content, int(share * len(content)))
    assert is_refused(cut) and unfinished(cut)


@pytest.mark.parametrize("options", [{"lossless": True, "method": 0, "quality": 0}, {"quality": 80}], ids=str)
def test_a_webp_of_one_colour_may_end_in_zeros(options: dict[str, Any]) -> None:
    picture = Image.new("RGB", (1200, 900), "white")
    picture.paste(grain(), (0, 0))
    content = saved(picture, "WEBP", **options)
    assert content.endswith(bytes(32))  # else it tries nothing
    assert unfinished(content) is None
    assert not is_refused(content)


@pytest.mark.parametrize("form", ["GIF", "PNG", "WEBP", "TIFF", "MPO"])
@pytest.mark.parametrize("share", [0.4, 0.6, 0.9, 0.99])
@pytest.mark.parametrize("fill", [False, True], ids=["cut", "zeros"])
def test_later_frames_that_have_not_arrived_are_told(form: str, share: float, fill: bool) -> None:
    content = frames(form, **({"compression": "tiff_lzw"} if form == "TIFF" else {}))
    length = int(share * len(content))
    assert unfinished(zeros_from(content, length) if fill else content[:length])


@pytest.mark.parametrize("form", ["GIF", "PNG", "TIFF", "MPO"])
def test_a_first_picture_that_is_whole_is_read_though_later_ones_are_cut(form: str) -> None:
    content = frames(form)
    np.testing.assert_array_equal(decode(content[: int(0.9 * len(content))], SHAPE), decode(content, SHAPE))


def film() -> bytes:
    return box(b"ftyp", b"mp42\0\0\0\0mp42isom") + box(b"mdat", b"film" * 500) + box(b"moov", b"index" * 20)


def test_a_film_behind_a_jpeg_counts() -> None:
    content = saved(grain(), "JPEG") + film()
    assert unfinished(content) is None
    assert unfinished(content[:-1]) and unfinished(content[:-200])
    assert unfinished(zeros_from(content, len(content) - 1500))
    assert not is_refused(content[:-200])


def test_a_film_that_the_jpeg_announces_is_waited_for() -> None:
    xmp = b'<x:xmpmeta><Container:Item Item:Semantic="MotionPhoto" Item:Length="%d"/></x:xmpmeta>' % 5000
    content = saved(grain(), "JPEG", xmp=xmp)
    assert unfinished(content + b"\1" * 4999)
    assert unfinished(content + b"\1" * 5000) is None
    assert unfinished(content) is None  # an editor dropped the film


@pytest.mark.parametrize(
    "behind",
    [b"SEFHe\0\0\0\1\0\0\0SEFT", b"<?xml version='1.0'?>", box(b"abcd", b"x" * 9)],
    ids=["of a phone", "text", "a box that nobody knows"],
)
def test_a_trailer_behind_a_film_or_a_picture_is_no_lack(behind: bytes) -> None:
    content = saved(grain(), "JPEG") + film() + behind
    assert unfinished(content) is None
    assert unfinished(content[: -len(behind) - 1])
    assert unfinished(heic() + behind) is None
    assert unfinished(heic()[:-1])


def test_the_data_of_a_film_may_end_in_zeros_and_that_of_a_picture_not() -> None:
    data = box(b"mdat", b"film" * 50 + bytes(64))
    assert (
        unfinished(saved(grain(), "JPEG") + box(b"ftyp", b"mp42\0\0\0\0") + box(b"moov", b"index") + data) is None
    )
    assert unfinished(heic(data))


@pytest.mark.parametrize("kind", [b"mdat", b"moov", b"free", b"uuid", b"meta"])
def test_the_last_box_may_reach_to_the_end_of_the_file(kind: bytes) -> None:
    last = b"\0\0\0\0" + kind + b"to the end" * 9
    assert unfinished(saved(grain(), "JPEG") + box(b"ftyp", b"mp42\0\0\0\0") + last) is None
    assert unfinished(heic(last)) is None


@pytest.mark.parametrize("num", [1, 7, 8, 5000])
def test_zeros_in_place_of_further_boxes_are_told(num: int) -> None:
    assert unfinished(saved(grain(), "JPEG") + film() + bytes(num))
    assert unfinished(heic() + bytes(num))


def heic(last: bytes = box(b"mdat", b"data" * 50)) -> bytes:
    return box(b"ftyp", b"heic\0\0\0\0mif1heic") + box(b"meta", b"where" * 10) + last


def items(*lengths: int, more: bytes = b"") -> bytes:
    """XMP of a container, in which the first picture comes first and has no length."""
    of_each = b"".join(b'<Container:Item Item:Mime="x/y" Item:Length="%d"/>' % length for length in lengths)
    return b"<x:xmpmeta" + more + b"><Container:Item/>" + of_each + b"</x:xmpmeta>"


def test_a_gain_map_is_counted_once_though_index_and_container_name_it() -> None:
    gain_map = grain(1, 64, 64)
    size = len(saved(gain_map, "JPEG"))
    index = {"save_all": True, "append_images": [gain_map]}
    content = saved(grain(), "MPO", xmp=items(size), **index)
    assert unfinished(content) is None
    assert unfinished(content[:-1]) and not is_refused(content[:-1])
    without_index = saved(grain(), "JPEG", xmp=items(size)) + saved(gain_map, "JPEG")
    assert unfinished(without_index) is None
    assert unfinished(without_index[:-1])
    in_motion = saved(grain(), "MPO", xmp=items(size, len(film())), **index) + film()
    assert unfinished(in_motion) is None
    assert unfinished(in_motion[:-1]) and unfinished(in_motion[: -len(film())])


def test_a_film_is_counted_once_though_it_is_announced_in_two_ways() -> None:
    announced = items(len(film()), more=b' GCamera:MicroVideoOffset="%d"' % len(film()))
    content = saved(grain(), "JPEG", xmp=announced) + film()
    assert unfinished(content) is None
    assert unfinished(content[:-1])


def test_a_png_without_its_end_chunk_is_judged_but_not_finished() -> None:
    content = saved(grain(), "PNG")
    assert unfinished(content[:-12])
    assert not is_refused(content[:-12])


def test_a_png_that_a_bit_flipped_in_is_damaged() -> None:
    content = bytearray(saved(grain(), "PNG", compress_level=0))
    content[len(content) // 2] ^= 1
    assert is_refused(bytes(content))


@pytest.mark.parametrize("bits", ["1", "L", "RGB", "RGBA"])
def test_a_bmp_that_is_short_by_a_byte_is_not_whole(bits: str) -> None:
    content = saved(grain(width=61).convert(bits), "BMP")
    assert unfinished(content) is None
    assert unfinished(content[:-1])


def tiff(*entries: tuple[int, int, int, int], following: int = 0) -> bytes:
    """A TIFF of one directory: tag, type, count and value of each entry."""
    body = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return struct.pack("<2sHIH", b"II", 42, 8, len(entries)) + body + struct.pack("<I", following)


def hostile_files() -> dict[str, Callable[[], bytes]]:
    segments = b"\xff\xd8\xff\xe0\0\2" + b"\xff\xe0\0\2" * 500_000
    return {
        "directories in a ring": lambda: tiff((259, 3, 1, 1), following=8),
        "directories over one another": lambda: tiff(*[(259, 3, 1, 1)] * 60_000, following=20) + bytes(10**6),
        "no values": lambda: tiff((259, 3, 0, 1), (273, 4, 0, 8)),
        "endless values": lambda: tiff(*[(273, 1, 900_000, 8)] * 60_000) + bytes(10**6),
        "a directory at 2**63": lambda: struct.pack("<2sHHHQ", b"II", 43, 8, 0, 2**63) + bytes(100),
        "a JPEG of segments": lambda: segments,
        "an index of nothing": lambda: b"\xff\xd8\xff\xe2\0\x0eMPF\0II*\0\0\0\0\0\xff\xd9\xff\xd8",
        "a scan without its bounds": lambda: b"\xff\xd8\xff\xc0\0\x0b\x08\0\1\0\1\1\1\x11\0\xff\xda\0\5\1\1\0",
        "a PNG of chunks": lambda: b"\x89PNG\r\n\x1a\n" + png_chunk(b"abCd", b"") * 100_000,
        "a GIF of empty blocks": lambda: b"GIF89a\1\0\1\0\0\0\0" + b"!\xfe\0" * 100_000,
        "a WebP of chunks": lambda: b"RIFF" + struct.pack("<I", 800_004) + b"WEBP" + b"abcd\0\0\0\0" * 100_000,
        "boxes": lambda: b"\0\0\0\x10ftypavif\0\0\0\0" + box(b"free", b"") * 100_000,
    }


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def test_the_smallest_tiff_is_walked() -> None:
    tags = {256: 1, 257: 1, 258: 8, 259: 1, 262: 1, 273: 8, 278: 1, 279: 1}
    content = tiff(*((tag, 4, 1, value) for tag, value in tags.items()))
    assert unfinished(content) is None
    assert not is_refused(content)


@pytest.mark.parametrize("make", hostile_files().values(), ids=hostile_files())
def test_a_hostile_container_is_walked_once(make: Callable[[], bytes]) -> None:
    content = make()
    unfinished(content)  # hours, where what overlaps is walked again and again
    assert is_refused(content)
