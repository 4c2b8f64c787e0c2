import io
import struct
import zlib
from contextlib import suppress
from typing import Any, Literal

import numpy as np
import pillow_heif
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageSequence, JpegImagePlugin

import skysort.data.decode as decode_module
import skysort.data.formats.opening as opening
from skysort.data.decode import Pixels, Shape, decode, from_pixels
from skysort.data.exif import ImageMetadata, read_metadata
from skysort.data.formats.opening import UnreadablePictureError
from tests.conftest import lacking, picture_bytes

SMALL = Shape(16, 3)
FORMS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")
LOSSLESS: dict[str, dict[str, Any]] = {"PNG": {}, "WEBP": {"lossless": True}, "BMP": {}, "TIFF": {}}
ORIENTATION = 0x0112


def saved(image: Image.Image, form: str, **options: Any) -> bytes:
    file = io.BytesIO()
    if form == "HEIC":
        if "exif" in options:
            options["exif"] = options["exif"].tobytes()  # its orientation goes into the container
        pillow_heif.from_pillow(image).save(file, **options)
    else:
        image.save(file, form, **options)
    return file.getvalue()


def noise(seed: int = 0, width: int = 16, height: int = 16) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def smooth(width: int, height: int) -> Image.Image:
    """A picture without detail, on which every way of scaling agrees."""
    return Image.fromarray(noise(1, 6, 5)).resize((width, height), Image.Resampling.BICUBIC)


def plain(red: int, green: int, blue: int) -> Pixels:
    return np.full((16, 16, 3), (red, green, blue), np.uint8).transpose(2, 0, 1)


def rows(pixels: Pixels) -> NDArray[np.uint8]:
    """(C, H, W) as (H, W, C)."""
    return pixels.transpose(1, 2, 0)


def reason(content: bytes, shape: Shape = SMALL) -> str:
    with pytest.raises(UnreadablePictureError) as caught:
        decode(content, shape)
    return str(caught.value)


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_that_says(width: int, height: int) -> bytes:
    """A PNG whose header promises a size that its few pixels do not keep."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = (b"IHDR", header), (b"IDAT", zlib.compress(bytes(100))), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*chunk) for chunk in chunks)


def jpeg_with_exif(exif: bytes) -> bytes:
    return saved(smooth(16, 16), "JPEG", exif=b"Exif\0\0" + exif)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("channels", [1, 3])
def test_every_format_comes_as_channels_height_width(form: str, channels: Literal[1, 3]) -> None:
    pixels = decode(picture_bytes(0, (20, 12), form), Shape(16, channels))
    assert pixels.shape == (channels, 16, 16)
    assert pixels.dtype == np.uint8
    assert pixels.flags.c_contiguous


@pytest.mark.parametrize("form", LOSSLESS)
def test_a_picture_that_has_the_size_keeps_every_pixel(form: str) -> None:
    content = saved(Image.fromarray(noise()), form, **LOSSLESS[form])
    np.testing.assert_array_equal(rows(decode(content, SMALL)), noise())


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "TIFF", "AVIF", "HEIC"])
@pytest.mark.parametrize(
    ("orientation", "stored"),
    [
        (1, lambda a: a),
        (2, lambda a: a[:, ::-1]),
        (3, lambda a: a[::-1, ::-1]),
        (4, lambda a: a[::-1]),
        (5, lambda a: a.transpose(1, 0, 2)),
        (6, lambda a: np.rot90(a)),
        (7, lambda a: a[::-1, ::-1].transpose(1, 0, 2)),
        (8, lambda a: np.rot90(a, -1)),
    ],
)
def test_each_exif_orientation_is_set_upright(form: str, orientation: int, stored: Any) -> None:
    upright = np.asarray(smooth(48, 32))
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    picture = Image.fromarray(np.ascontiguousarray(stored(upright)))
    quality = {"quality": 100, "subsampling": 0} if form == "JPEG" else LOSSLESS.get(form, {"quality": 90})
    content = saved(picture, form, exif=exif, **quality)
    shape = Shape(16, 3, "crop")
    difference = decode(content, shape).astype(int) - from_pixels(upright, shape)
    assert np.abs(difference).mean() < 4
    metadata = read_metadata(content)
    assert (metadata.width, metadata.height) == (48, 32)


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_does_not_exist_changes_nothing(orientation: int) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    content = saved(Image.fromarray(noise()), "PNG", exif=exif)
    np.testing.assert_array_equal(rows(decode(content, SMALL)), noise())


@pytest.mark.parametrize(
    "exif",
    [b"II*\0\xff\xff\xff\xff", b"II*\0\x08\0\0\0\x05\0\x12\x01", b"garbage"],
    ids=["nowhere", "cut off", "garbage"],
)
def test_broken_exif_in_a_good_jpeg_leaves_the_picture_as_it_is(exif: bytes) -> None:
    expected = decode(saved(smooth(16, 16), "JPEG"), SMALL)
    np.testing.assert_array_equal(decode(jpeg_with_exif(exif), SMALL), expected)


def palette_with_hole() -> bytes:
    picture = Image.new("P", (16, 16), 1)
    picture.putpalette([0, 0, 0, 255, 0, 0])
    return saved(picture, "PNG", transparency=1)


@pytest.mark.parametrize(
    "content",
    [
        saved(Image.new("RGBA", (16, 16), (255, 0, 0, 0)), "PNG"),
        saved(Image.new("RGBA", (16, 16), (255, 0, 0, 0)), "WEBP", lossless=True, exact=True),
        saved(Image.new("RGBA", (16, 16), (255, 0, 0, 0)), "TIFF"),
        saved(Image.new("LA", (16, 16), (0, 0)), "PNG"),
        saved(Image.new("RGB", (16, 16), (1, 2, 3)), "PNG", transparency=(1, 2, 3)),
        saved(Image.new("L", (16, 16), 7), "PNG", transparency=7),
        palette_with_hole(),
        saved(Image.new("P", (16, 16), 0), "GIF", transparency=0),
    ],
    ids=["RGBA", "WebP", "TIFF", "LA", "RGB with tRNS", "L with tRNS", "palette", "GIF"],
)
@pytest.mark.parametrize("channels", [1, 3])
def test_what_is_transparent_is_white(content: bytes, channels: Literal[1, 3]) -> None:
    assert (decode(content, Shape(16, channels)) == 255).all()


def test_half_transparency_mixes_with_white() -> None:
    content = saved(Image.new("RGBA", (16, 16), (200, 0, 0, 128)), "PNG")
    assert np.abs(decode(content, SMALL).astype(int) - plain(227, 127, 127)).max() <= 1


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_sixteen_bits_keep_their_picture(form: str) -> None:
    grey = noise()[..., 0]
    wide = grey.astype(np.uint16) * 257
    pixels = decode(saved(Image.fromarray(wide), form), Shape(16, 1))
    np.testing.assert_array_equal(pixels[0], grey)


def test_a_big_endian_sixteen_bit_tiff_keeps_its_picture() -> None:
    grey = noise()[..., 0]
    wide = (grey.astype(np.uint16) * 257).astype(">u2")
    picture = Image.frombytes("I;16B", (16, 16), wide.tobytes())
    np.testing.assert_array_equal(decode(saved(picture, "TIFF"), Shape(16, 1))[0], grey)


def test_a_sixteen_bit_picture_lying_on_its_side_is_set_upright() -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    grey = noise()[..., 0]
    lying = Image.fromarray(np.ascontiguousarray(np.rot90(grey)).astype(np.uint16) * 257)
    np.testing.assert_array_equal(decode(saved(lying, "PNG", exif=exif), Shape(16, 1))[0], grey)


@pytest.mark.parametrize("mode", ["F", "I"])
def test_pixels_without_a_white_of_their_own_are_refused(mode: str) -> None:
    assert reason(saved(Image.new(mode, (16, 16)), "TIFF")).startswith(f"pixels of mode {mode}")


def test_a_cmyk_jpeg_comes_in_its_colours() -> None:
    content = saved(Image.new("RGB", (16, 16), (230, 30, 40)).convert("CMYK"), "JPEG", quality=100)
    assert np.abs(decode(content, SMALL).astype(int) - plain(230, 30, 40)).max() <= 4


@pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF"])
def test_one_bit_becomes_black_and_white(form: str) -> None:
    bits = noise()[..., 0] > 127
    pixels = decode(saved(Image.fromarray(bits), form), Shape(16, 1))
    np.testing.assert_array_equal(pixels[0], bits * 255)


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG", "TIFF"])
def test_of_several_frames_the_first_is_taken(form: str) -> None:
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "lime", "blue")]
    content = saved(frames[0], form, save_all=True, append_images=frames[1:])
    assert len(list(ImageSequence.Iterator(Image.open(io.BytesIO(content))))) == 3
    assert np.abs(decode(content, SMALL).astype(int) - plain(255, 0, 0)).max() <= 4


def test_of_an_mpo_the_first_picture_is_taken() -> None:
    left, right = Image.new("RGB", (16, 16), "red"), Image.new("RGB", (16, 16), "blue")
    content = saved(left, "MPO", save_all=True, append_images=[right])
    assert len(list(ImageSequence.Iterator(Image.open(io.BytesIO(content))))) == 2
    assert np.abs(decode(content, SMALL).astype(int) - plain(254, 0, 0)).max() <= 4


def test_of_a_heic_the_main_picture_is_taken() -> None:
    pictures = pillow_heif.HeifFile()
    for colour in ("red", "blue"):
        pictures.add_from_pillow(Image.new("RGB", (16, 16), colour))
    file = io.BytesIO()
    pictures.save(file, primary_index=1)
    assert np.abs(decode(file.getvalue(), SMALL).astype(int) - plain(0, 0, 255)).max() <= 8


def test_a_heic_ignores_the_orientation_of_its_exif() -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 1
    content = saved(smooth(48, 32), "HEIC", exif=exif)
    little = content.replace(b"\x12\x01\x03\x00\x01\x00\x00\x00\x01", b"\x12\x01\x03\x00\x01\x00\x00\x00\x06")
    big = little.replace(b"\x01\x12\x00\x03\x00\x00\x00\x01\x00\x01", b"\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06")
    assert big != content  # its EXIF now says 6, and its container says nothing
    np.testing.assert_array_equal(decode(big, SMALL), decode(content, SMALL))
    assert read_metadata(big) == read_metadata(content)


def test_a_heic_of_ten_bits_and_one_with_transparency() -> None:
    wide = np.asarray(smooth(32, 32)).astype(np.uint16) * 257
    file = io.BytesIO()
    pillow_heif.from_bytes("RGB;16", (32, 32), wide.tobytes()).save(file, quality=95)
    expected = from_pixels(np.asarray(smooth(32, 32)), SMALL)
    assert np.abs(decode(file.getvalue(), SMALL).astype(int) - expected).mean() < 4
    content = saved(Image.new("RGBA", (16, 16), (255, 0, 0, 0)), "HEIC")
    assert (decode(content, SMALL) >= 250).all()


def test_a_heic_without_its_decoder_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "READABLE", opening.READABLE - {"HEIC"})
    assert lacking(reason(saved(smooth(16, 16), "HEIC")), "HEIC", "pip install", "[photos]") == []


def test_a_heic_says_its_true_size() -> None:
    content = saved(smooth(640, 480), "HEIC")
    size = struct.pack(">II", 640, 480)
    assert content.count(size) == 1
    assert reason(content.replace(size, struct.pack(">II", 64, 64))).startswith("damaged: ")
    assert "40000 x 40000" in reason(content.replace(size, struct.pack(">II", 40_000, 40_000)))


def half_red_half_blue() -> bytes:
    pixels = np.zeros((16, 64, 3), np.uint8)
    pixels[:, :32, 0] = 255
    pixels[:, 32:, 2] = 255
    return saved(Image.fromarray(pixels), "PNG")


def test_stretch_loses_nothing_of_a_wide_picture() -> None:
    pixels = decode(half_red_half_blue(), Shape(16, 3, "stretch"))
    assert (pixels[0, :, :7] > 250).all()
    assert (pixels[2, :, 9:] > 250).all()


def test_crop_keeps_the_middle_at_its_scale() -> None:
    content = saved(Image.fromarray(noise(width=48)), "PNG")
    np.testing.assert_array_equal(rows(decode(content, Shape(16, 3, "crop"))), noise(width=48)[:, 16:32])


def test_pad_puts_black_above_and_below_a_wide_picture() -> None:
    pixels = decode(saved(Image.new("RGB", (64, 32), "white"), "PNG"), Shape(16, 3, "pad"))
    assert (pixels[:, :4] == 0).all()
    assert (pixels[:, 4:12] == 255).all()
    assert (pixels[:, 12:] == 0).all()


@pytest.mark.parametrize("resize", ["stretch", "crop", "pad"])
@pytest.mark.parametrize("size", [(1, 1), (3000, 1), (1, 3000)])
def test_the_thinnest_pictures_come_in_every_fit(
    resize: Literal["stretch", "crop", "pad"], size: tuple[int, int]
) -> None:
    assert decode(saved(Image.new("RGB", size), "PNG"), Shape(16, 3, resize)).shape == (3, 16, 16)


@pytest.mark.parametrize("resize", ["stretch", "crop", "pad"])
def test_pixels_and_a_file_of_them_come_in_alike(resize: Literal["stretch", "crop", "pad"]) -> None:
    pixels = noise(3, 40, 24)
    shape = Shape(16, 3, resize)
    np.testing.assert_array_equal(from_pixels(pixels, shape), decode(saved(Image.fromarray(pixels), "PNG"), shape))


def test_grey_pixels_become_three_equal_channels() -> None:
    grey = noise()[..., 0]
    np.testing.assert_array_equal(from_pixels(grey, SMALL), np.stack([grey] * 3))


def test_coloured_pixels_become_grey_by_luminance() -> None:
    pixels = np.full((16, 16, 3), (255, 0, 0), np.uint8)
    assert (from_pixels(pixels, Shape(16, 1)) == 76).all()  # 0.299 of red


@pytest.fixture
def loaded_sizes(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """The sizes at which JPEGs are decoded."""
    sizes = []
    load = JpegImagePlugin.JpegImageFile.load

    def spied(image: JpegImagePlugin.JpegImageFile) -> Any:
        sizes.append(image.size)
        return load(image)

    monkeypatch.setattr(JpegImagePlugin.JpegImageFile, "load", spied)
    return sizes


@pytest.mark.parametrize(
    ("size", "decoded"),
    [
        ((1600, 1280), (200, 160)),  # an eighth is the least there is
        ((160, 128), (40, 32)),
        ((100, 70), (50, 35)),
        ((63, 63), (63, 63)),
        ((1600, 40), (1600, 40)),
    ],
)
def test_a_large_jpeg_is_decoded_small_but_at_twice_the_size_at_least(
    loaded_sizes: list[tuple[int, int]], size: tuple[int, int], decoded: tuple[int, int]
) -> None:
    decode(saved(smooth(*size), "JPEG"), SMALL)
    assert loaded_sizes[0] == decoded


def test_scaled_decoding_looks_like_full_decoding_and_resizing() -> None:
    content = saved(smooth(1600, 1200), "JPEG", quality=95)
    with Image.open(io.BytesIO(content)) as image:
        full = np.asarray(image.convert("RGB"))
    difference = np.abs(decode(content, SMALL).astype(int) - from_pixels(full, SMALL))
    assert difference.mean() < 1
    assert difference.max() <= 6


def test_a_bomb_of_gigapixels_is_refused() -> None:
    assert reason(png_that_says(65_000, 65_000))


def test_an_empty_file_says_so() -> None:
    assert reason(b"") == "the file is empty"


@pytest.mark.parametrize(
    "content",
    [b"hello, this is text", bytes(1000), b"\xff\xd8\xff", b"P6 1 1 255 abc", b"GIF89a", b"%PDF-1.4"],
    ids=["text", "zeros", "start of a JPEG", "PPM", "start of a GIF", "PDF"],
)
def test_what_is_no_picture_has_a_reason(content: bytes) -> None:
    assert reason(content)


@pytest.mark.parametrize("form", [*FORMS, "AVIF", "HEIC"])
def test_half_a_file_is_damaged_and_not_half_a_picture(form: str) -> None:
    content = saved(Image.fromarray(noise(0, 64, 64)), form)
    assert reason(content[: len(content) // 2]).startswith("damaged: ")


def test_a_picture_of_a_format_that_is_not_ours_is_refused() -> None:
    content = saved(Image.new("RGB", (16, 16)), "PPM")
    assert lacking(reason(content), "PNM", "JPEG") == []
    assert reason(b"P6 and text") == "not a JPEG, PNG, WebP, HEIC, AVIF, BMP, GIF or TIFF picture"


def test_a_palette_picture_without_its_palette_is_unreadable() -> None:
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 4, 8, 3, 0, 0, 0))
    body = png_chunk(b"IDAT", zlib.compress(bytes(20)))
    assert reason(b"\x89PNG\r\n\x1a\n" + header + body + png_chunk(b"IEND", b""))


def assert_picture_or_reason(content: bytes, shape: Shape) -> None:
    try:
        pixels = decode(content, shape)
    except UnreadablePictureError as caught:
        assert str(caught)
    else:
        assert pixels.shape == (shape.channels, shape.size, shape.size)
        assert pixels.dtype == np.uint8


def valid_files() -> list[bytes]:
    colour = Image.fromarray(noise(width=24))
    see_through = Image.fromarray(np.dstack([noise(), noise(1)[..., 0]]))
    wide = Image.fromarray(noise()[..., 0].astype(np.uint16) * 257)
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    exif[0x010E] = "a description"
    return [
        *(saved(colour, form) for form in (*FORMS, "AVIF", "HEIC")),
        saved(colour, "JPEG", exif=exif, progressive=True),
        saved(colour.convert("CMYK"), "JPEG"),
        saved(see_through, "PNG", exif=exif),
        saved(see_through, "WEBP", exif=exif),
        saved(colour.quantize(16), "PNG", transparency=3),
        saved(wide, "PNG"),
        saved(wide, "TIFF"),
        saved(colour, "TIFF", compression="tiff_lzw"),
        saved(colour.convert("1"), "TIFF", compression="group4"),
        saved(colour, "GIF", save_all=True, append_images=[colour.rotate(90)]),
        saved(colour, "WEBP", save_all=True, append_images=[colour.rotate(90)]),
    ]


shapes = st.builds(
    Shape, st.sampled_from([1, 8, 16]), st.sampled_from([1, 3]), st.sampled_from(["stretch", "crop", "pad"])
)


@given(content=st.binary(max_size=200), shape=shapes)
@example(content=b"II*\0\x08\0\0\0\x05\0\x12\x01", shape=SMALL)
def test_any_bytes_give_a_picture_or_a_reason(content: bytes, shape: Shape) -> None:
    assert_picture_or_reason(content, shape)


@given(data=st.data(), content=st.sampled_from(valid_files()), shape=shapes)
def test_damage_anywhere_gives_a_picture_or_a_reason(data: st.DataObject, content: bytes, shape: Shape) -> None:
    damaged = bytearray(content)
    # Half of it in the first bytes, where formats keep what steers their decoders.
    places = st.integers(0, min(120, len(content) - 1)) | st.integers(0, len(content) - 1)
    for place, value in data.draw(st.lists(st.tuples(places, st.integers(0, 255)), max_size=8)):
        damaged[place] = value
    length = data.draw(st.just(len(content)) | st.integers(0, len(content)))
    assert_picture_or_reason(bytes(damaged[:length]), shape)


@given(
    width=st.integers(1, 60),
    height=st.integers(1, 60),
    form=st.sampled_from(FORMS),
    shape=shapes,
)
def test_any_whole_file_gives_a_picture(width: int, height: int, form: str, shape: Shape) -> None:
    assert decode(picture_bytes(0, (width, height), form), shape).shape == (
        shape.channels,
        shape.size,
        shape.size,
    )


def with_exif(orientation: int, taken: str, fraction: str = "") -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F], exif[0x0110] = "Maker", "Model 1 "
    exif.get_ifd(0x8769).update({0x9003: taken, 0x9291: fraction, 0xA431: "42"})
    file = io.BytesIO()
    Image.new("RGB", (30, 20)).save(file, "JPEG", exif=exif)
    return file.getvalue()


@pytest.mark.parametrize(
    ("orientation", "taken", "fraction", "expected"),
    [
        (1, "1970:01:02 00:00:01", "", ImageMetadata(30, 20, 86401.0, "Maker Model 1 42")),
        (6, "1970:01:02 00:00:01", "25", ImageMetadata(20, 30, 86401.25, "Maker Model 1 42")),
        (3, "0000:00:00 00:00:00", "", ImageMetadata(30, 20, None, "Maker Model 1 42")),
        (1, "    :  :     :  :  ", "x", ImageMetadata(30, 20, None, "Maker Model 1 42")),
    ],
)
def test_an_original_has_its_upright_size_its_time_and_its_camera(
    orientation: int, taken: str, fraction: str, expected: ImageMetadata
) -> None:
    assert read_metadata(with_exif(orientation, taken, fraction)) == expected


def test_an_original_without_exif_has_a_size_alone() -> None:
    assert read_metadata(picture_bytes(0, (12, 34))) == ImageMetadata(12, 34)


@given(content=st.binary(max_size=200))
def test_what_is_no_picture_is_no_original(content: bytes) -> None:
    with pytest.raises(UnreadablePictureError):
        read_metadata(content)


def test_a_damaged_picture_costs_its_time_at_most() -> None:
    content = with_exif(1, "1970:01:02 00:00:01")
    for place in range(2, 250):
        damaged = content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :]
        with suppress(UnreadablePictureError):
            read_metadata(damaged)


def png_with(content: bytes, *chunks: bytes) -> bytes:
    """A PNG with chunks behind its header."""
    return content[:33] + b"".join(chunks) + content[33:]


def big_text() -> bytes:
    return zlib.compress(b"x" * 10_000_000, 9)  # ten times what Pillow reads


@pytest.mark.parametrize(
    "chunks",
    [
        [png_chunk(b"zTXt", b"Comment\0\0" + big_text())],
        [png_chunk(b"iTXt", b"Comment\0\1\0\0\0" + big_text())],
        [png_chunk(b"iCCP", b"profile\0\0" + big_text())],
        [png_chunk(b"iCCP", b"profile\0\0not compressed at all")],
        [png_chunk(b"tEXt", b"Comment\0hello")[:-4] + b"bad!"],
        [png_chunk(b"eXIf", b"II*\0\x08\0\0\0")[:-4] + b"bad!"],
        [png_chunk(b"gAMA", b"\0")],
        [png_chunk(b"acTL", bytes(8))],
        [png_chunk(b"prVt", bytes(70_000))],
        [png_chunk(b"tEXt", b"n\0" + b"x" * 60_000)] * 200,
    ],
    ids=[
        "zTXt",
        "iTXt",
        "iCCP",
        "no iCCP",
        "text CRC",
        "EXIF CRC",
        "short gamma",
        "no frames",
        "own",
        "much text",
    ],
)
def test_what_surrounds_the_pixels_of_a_png_is_no_damage(chunks: list[bytes]) -> None:
    content = saved(Image.fromarray(noise()), "PNG")
    np.testing.assert_array_equal(rows(decode(png_with(content, *chunks), SMALL)), noise())
    assert read_metadata(png_with(content, *chunks)) == ImageMetadata(16, 16)


def test_a_png_whose_header_does_not_match_its_checksum_is_damaged() -> None:
    content = bytearray(saved(Image.fromarray(noise()), "PNG"))
    content[29] ^= 1
    assert reason(bytes(content)) == "damaged: a part of the PNG does not match its checksum"


@pytest.mark.parametrize("bits", [9, 10, 12, 14, 16])
def test_a_tiff_of_more_than_eight_bits_shows_their_upper_eight(bits: int) -> None:
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    values = [int(value) << bits - 8 for value in grey.ravel()]
    packed = int("".join(f"{value:0{bits}b}" for value in values), 2).to_bytes(32 * bits, "big")
    if bits == 16:
        packed = np.array(values, "<u2").tobytes()
    tags = {256: 16, 257: 16, 258: bits, 259: 1, 262: 1, 273: 122, 277: 1, 278: 16, 279: len(packed)}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    content = struct.pack("<2sHIH", b"II", 42, 8, len(tags)) + entries + bytes(4) + packed
    try:
        pixels = decode(content, Shape(16, 1))
    except UnreadablePictureError:
        assert bits not in (12, 16)  # Pillow unpacks no others
    else:
        np.testing.assert_array_equal(pixels[0], grey)


@pytest.mark.parametrize("alpha", [0, 128, 255])
def test_a_bmp_without_any_alpha_is_opaque(alpha: int) -> None:
    header = struct.pack("<IiiHHIIiiII", 108, 16, 16, 1, 32, 3, 1024, 0, 0, 0, 0)
    masks = struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000) + b"BGRs" + bytes(48)
    body = bytes([30, 20, 200, alpha]) * 256
    content = b"BM" + struct.pack("<IHHI", 122 + len(body), 0, 0, 122) + header + masks + body
    mixed = [round(255 + (c - 255) * (alpha or 255) / 255) for c in (200, 20, 30)]
    assert np.abs(decode(content, SMALL).astype(int) - plain(*mixed)).max() <= 1


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_original_has_its_upright_size_in_every_format(form: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    original = read_metadata(saved(Image.new("RGB", (30, 20)), form, exif=exif))
    assert (original.width, original.height) == ((20, 30) if orientation >= 5 else (30, 20))


@pytest.mark.parametrize("tags", [{50706: b"\1\4\0\0"}, {254: 1, 330: 8}], ids=["DNG", "NEF"])
def test_a_camera_raw_that_is_a_tiff_is_not_taken_for_its_preview(tags: dict[int, Any]) -> None:
    content = saved(Image.new("RGB", (16, 16)), "TIFF", tiffinfo=tags)
    assert lacking(reason(content), "camera raw", "JPEG") == []


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("resize", ["stretch", "crop", "pad"])
def test_a_picture_made_in_strips_is_the_picture_made_at_once(
    monkeypatch: pytest.MonkeyPatch, orientation: int, resize: Literal["stretch", "crop", "pad"]
) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    picture = smooth(90, 60)
    picture.putalpha(smooth(90, 60).convert("L").rotate(180))
    content = saved(picture, "PNG", exif=exif)
    at_once = decode(content, Shape(16, 3, resize))
    monkeypatch.setattr(decode_module, "STRIP_PIXELS", 700)
    in_strips = decode(content, Shape(16, 3, resize))
    assert np.abs(in_strips.astype(int) - at_once).max() <= 2  # sides are made smaller in another order
