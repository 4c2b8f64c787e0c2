import io

import numpy as np
import pytest
from PIL import Image, ImageFilter

from skysort.data.capture import capture_of
from skysort.data.decode import Pixels

RNG = np.random.default_rng(0)
SHARP = Image.fromarray(RNG.integers(0, 256, (64, 64, 3), np.uint8))


def pixels_of(image: Image.Image) -> Pixels:
    return np.asarray(image).transpose(2, 0, 1)


def jpeg(**exif: str) -> bytes:
    file, tags = io.BytesIO(), Image.Exif()
    for tag, text in exif.items():
        tags.get_ifd(0x8769)[int(tag.removeprefix("tag"))] = text
    SHARP.save(file, "JPEG", exif=tags)
    return file.getvalue()


def test_a_darker_picture_is_less_bright_and_as_sharp() -> None:
    plain, dark = (capture_of(pixels_of(SHARP.point(lambda value: value * share)), b"") for share in (1, 0.5))  # noqa: B023
    assert dark.brightness == pytest.approx(plain.brightness / 2, abs=0.005)
    assert dark.sharpness == pytest.approx(plain.sharpness, rel=0.01)


def test_blur_takes_sharpness_and_leaves_brightness() -> None:
    plain = capture_of(pixels_of(SHARP), b"")
    blurred = capture_of(pixels_of(SHARP.filter(ImageFilter.GaussianBlur(1))), b"")
    assert plain.sharpness and blurred.sharpness and blurred.sharpness < 0.7 * plain.sharpness
    assert blurred.brightness == pytest.approx(plain.brightness, abs=0.01)


def test_the_figures_are_their_definition() -> None:
    pixels = RNG.integers(0, 256, (1, 5, 7), np.uint8)
    grey = pixels[0].astype(float)
    laplacian = grey[1:-1, :-2] + grey[1:-1, 2:] + grey[:-2, 1:-1] + grey[2:, 1:-1] - 4 * grey[1:-1, 1:-1]
    gradients = (np.diff(grey, axis=0) ** 2).sum() + (np.diff(grey, axis=1) ** 2).sum()
    found = capture_of(pixels, b"")
    assert found.brightness == pytest.approx(grey.mean() / 255)
    assert found.sharpness == pytest.approx((laplacian**2).sum() / gradients)


def test_a_picture_of_one_colour_has_no_sharpness() -> None:
    found = capture_of(np.full((3, 8, 8), 255, np.uint8), b"")
    assert (found.brightness, found.sharpness) == (1.0, None)


@pytest.mark.parametrize(
    ("content", "taken"),
    [
        (jpeg(tag36867="2026:11:20 06:30:00"), 1795156200.0),
        (jpeg(), None),
        (jpeg(tag36867="9999:11:20 06:30:00"), None),
        (jpeg(tag36867="1960:11:20 06:30:00"), None),
        (jpeg(tag36867="tomorrow"), None),
        (b"no picture", None),
    ],
)
def test_the_camera_says_when_it_took_a_picture(content: bytes, taken: float | None) -> None:
    assert capture_of(pixels_of(SHARP), content).taken == taken
