import io
import re
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from skysort.core.progress import LineProgress, SilentProgress
from skysort.data.builtin import skies
from skysort.data.decode import Pixels, Shape, decode, from_pixels
from skysort.data.quality import near_duplicates
from skysort.data.quality.near_duplicates import first_near, low_frequencies

SHAPE = Shape(32, 3)
DRAWN = [skies.draw(index, 64) for index in range(120)]  # (64, 64, 3) each, decoded to half the size


def jpeg(picture: Image.Image, quality: int) -> Image.Image:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=quality)
    return Image.open(file)


def stored(picture: Image.Image) -> Pixels:
    return from_pixels(np.asarray(picture), SHAPE)


def found_in(pixels: list[Pixels]) -> list[int]:
    return first_near(np.array(pixels), np.arange(len(pixels)), SilentProgress()).tolist()


@pytest.mark.parametrize(
    "copy",
    [
        lambda picture: jpeg(picture, 60),
        lambda picture: picture.resize((50, 50), Image.Resampling.BICUBIC),
        lambda picture: picture.resize((80, 80), Image.Resampling.LANCZOS),
        lambda picture: picture.point(lambda value: min(255, int(value * 1.1 + 8))),
        lambda picture: jpeg(picture.resize((48, 48)), 80),
    ],
    ids=["another quality", "smaller", "larger", "brighter", "smaller and another quality"],
)
def test_a_copy_is_found_and_nothing_else(copy: Callable[[Image.Image], Image.Image]) -> None:
    pictures = [Image.fromarray(pixels) for pixels in DRAWN]
    copies = {3: 120, 50: 121, 77: 122, 119: 123}
    found = found_in([stored(picture) for picture in [*pictures, *(copy(pictures[of]) for of in copies)]])
    assert found == [*range(120), *copies]


def test_a_copy_of_a_copy_is_together_with_both() -> None:
    pictures = [Image.fromarray(pixels) for pixels in DRAWN]
    copy = jpeg(pictures[9], 85)
    pixels = [stored(picture) for picture in [*pictures, copy, jpeg(copy.resize((56, 56)), 85)]]
    first_equal = np.array([*range(122), 50])
    assert first_near(np.array([*pixels, pixels[50]]), first_equal, SilentProgress()).tolist() == [
        *range(120),
        9,
        9,
        50,
    ]


def test_a_mirror_image_is_another_picture() -> None:
    pixels = [stored(Image.fromarray(picture)) for picture in DRAWN]
    assert found_in([*pixels, pixels[5][..., ::-1]]) == list(range(121))


def plain_sky(seed: int, noise: float) -> Pixels:
    """A blue that gets brighter downwards, as on any clear day, through a sensor."""
    random = np.random.default_rng(seed)
    slope = np.linspace(0, random.uniform(30, 60), 32)[:, None, None]
    sky = random.uniform([60, 100, 150], [90, 140, 190]) + slope + random.normal(0, noise, (32, 32, 3))
    return np.ascontiguousarray(sky.clip(0, 255).astype(np.uint8).transpose(2, 0, 1))


@pytest.mark.parametrize("noise", [0, 0.7, 4])
def test_plain_skies_are_not_taken_for_one_another(noise: float) -> None:
    assert found_in([plain_sky(seed, noise) for seed in range(1000)]) == list(range(1000))


def test_a_plain_sky_is_known_again_by_its_noise() -> None:
    pixels = [plain_sky(seed, 4) for seed in range(500)]
    assert found_in([*pixels, pixels[123] + np.uint8(6)]) == [*range(500), 123]


def frame(seed: int, background: Image.Image) -> Pixels:
    """What a camera that never moves sees: a small bird somewhere, and noise."""
    random = np.random.default_rng(seed)
    picture = np.array(background, np.float64)
    x, y = random.integers(2, 56, 2)
    picture[y : y + 3, x : x + 3] = 60
    picture += random.normal(0, 2, picture.shape)
    return stored(Image.fromarray(picture.clip(0, 255).astype(np.uint8)))


def test_frames_of_a_camera_that_never_moves_do_not_chain_together() -> None:
    pixels = [frame(seed, Image.fromarray(DRAWN[0])) for seed in range(150)]
    correlation = np.corrcoef([near_duplicates.low_frequencies(picture[None])[0][0] for picture in pixels[:100]])
    assert np.median(correlation) > 0.9
    found = np.array(found_in([*pixels, decode(encoded(pixels[40]), SHAPE)]))
    assert found[150] == 40
    assert np.bincount(found).max() <= 5  # those with the bird in the same place


def encoded(pixels: Pixels) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels.transpose(1, 2, 0)).save(file, "JPEG", quality=95, subsampling=0)
    return file.getvalue()


def test_handwritten_digits_are_kinds_and_not_copies() -> None:
    from sklearn.datasets import load_digits

    digits = (load_digits().images * 15).astype(np.uint8)  # (1797, 8, 8)
    pixels = np.array([from_pixels(digit, Shape(16, 1)) for digit in digits])
    found = first_near(pixels, np.arange(len(pixels)), SilentProgress())
    sizes = np.bincount(found)
    assert sizes.max() <= 2
    assert sizes[sizes > 1].sum() < 0.01 * len(pixels)


def test_where_not_all_that_are_alike_are_compared_it_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pixels = np.array(
        [*(frame(seed, Image.fromarray(DRAWN[0])) for seed in range(50)), stored(Image.fromarray(DRAWN[1]))]
    )
    first_near(pixels, np.arange(51), LineProgress())
    assert "similar to" not in capsys.readouterr().err
    monkeypatch.setattr(near_duplicates, "WINDOW", 3)
    first_near(pixels, np.arange(51), LineProgress())
    assert re.search(r"^\d+ pictures are similar to more than 3 others", capsys.readouterr().err, re.MULTILINE)


@pytest.mark.parametrize(("num", "size"), [(0, 32), (3, 32), (60, 8), (60, 1)])
def test_of_few_or_tiny_pictures_only_equal_ones_are_together(num: int, size: int) -> None:
    pixels = np.array([from_pixels(pixels, Shape(size, 3)) for pixels in DRAWN[:num]], np.uint8)
    pixels = np.concatenate([pixels.reshape(-1, 3, size, size)] * 2)
    pixels[num:, ..., 0] += 1
    first_equal = np.array([*range(2 * num), *range(3)][: 2 * num])
    assert first_near(pixels, first_equal, SilentProgress()).tolist() == first_equal.tolist()


def test_every_pair_that_correlates_is_a_candidate() -> None:
    """What all pairs compared would find, the tables find."""
    random = np.random.default_rng(0)
    pixels = np.array([stored(Image.fromarray(pixels)) for pixels in DRAWN])
    noisy = (pixels + random.normal(0, random.uniform(2, 20, (120, 1, 1, 1)), pixels.shape)).clip(0, 255)
    both = np.concatenate([pixels, noisy.astype(np.uint8)])
    found, _ = near_duplicates.low_frequencies(both)
    correlation = np.triu(found @ found.T, 1)
    expected = np.argwhere(correlation > near_duplicates.LEAST_CORRELATION + 0.005)
    rows, codes = near_duplicates._codes(both, np.arange(240), SilentProgress())
    found = near_duplicates._candidates(codes, SilentProgress())
    candidates = {tuple(pair) for pairs in found for pair in rows[pairs].tolist()}
    missing = [pair for pair in expected.tolist() if tuple(pair) not in candidates]
    assert len(expected) > 60
    assert len(missing) <= 0.02 * len(expected)


def test_many_pictures_have_the_frequencies_that_each_has_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = np.array([stored(Image.fromarray(picture)) for picture in DRAWN[:10]])
    monkeypatch.setattr(near_duplicates, "CHUNK_BYTES", 4 * 4 * pixels[0].size)  # four at a time
    together, contrast = low_frequencies(pixels)
    alone = [low_frequencies(pixels[number : number + 1]) for number in range(10)]
    np.testing.assert_allclose(together, np.concatenate([vectors for vectors, _ in alone]), atol=1e-5)
    np.testing.assert_allclose(contrast, np.concatenate([one for _, one in alone]), rtol=1e-5)
