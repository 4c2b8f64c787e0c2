"""Each change of a batch against a slow one of a picture."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as torchvision

from skysort.training.transforms import Border, covered, flipped, mixed, pasted, recoloured, resampled, shifted

RNG = np.random.default_rng(0)
SIZE = 9
CHANNELS = pytest.mark.parametrize("channels", [1, 3])
NUM = pytest.mark.parametrize("num", [1, 40])


def noise(num: int, channels: int) -> Tensor:
    return torch.from_numpy(RNG.integers(0, 256, (num, channels, SIZE, SIZE), dtype=np.uint8))


def whole(num: int) -> Tensor:
    """Return boxes of whole pictures."""
    return torch.tensor([0.0, 0.0, 1.0, 1.0])[:, None].expand(4, num)


def in_turn(num: int, end: int) -> tuple[Tensor, Tensor]:
    """Return two (N,) rows of numbers below the end, that differ from each other."""
    across, down = torch.arange(2 * num).remainder(end).view(2, num)
    return across, down


def close(found: Tensor, expected: Tensor) -> bool:
    """Tell whether pixels agree up to rounding: of single ones, where a value lies between two."""
    differences = (found.float() - expected).abs()
    return bool(differences.max() <= 0.51)


@CHANNELS
@NUM
def test_the_pictures_that_are_asked_for_are_flipped(num: int, channels: int) -> None:
    pictures, which = noise(num, channels), torch.from_numpy(RNG.random(num) < 0.5)
    for found, picture, one in zip(flipped(pictures, which), pictures, which, strict=True):
        assert torch.equal(found, torchvision.hflip(picture) if one else picture)


@pytest.mark.parametrize("margin", [1, 3, SIZE - 1])
@pytest.mark.parametrize("border", ["black", "reflect"])
@CHANNELS
@NUM
def test_a_shift_cuts_a_padded_picture(num: int, channels: int, border: Border, margin: int) -> None:
    pictures = noise(num, channels)
    across, down = torch.from_numpy(RNG.integers(0, 2 * margin + 1, (2, num)))
    mode = "constant" if border == "black" else "reflect"
    for found, picture, x, y in zip(
        shifted(pictures, margin, across, down, border), pictures, across, down, strict=True
    ):
        padded = torchvision.pad(picture, [margin] * 4, padding_mode=mode)
        assert torch.equal(found, torchvision.crop(padded, int(y), int(x), SIZE, SIZE))


@CHANNELS
@NUM
def test_a_rotation_is_torchvisions(num: int, channels: int) -> None:
    pictures, degrees = noise(num, channels), torch.from_numpy(RNG.uniform(-180, 180, num)).float()
    for found, picture, angle in zip(
        resampled(pictures, whole(num), degrees, "black"), pictures, degrees, strict=True
    ):
        assert close(found, torchvision.rotate(picture.float(), float(angle), InterpolationMode.BILINEAR))


@CHANNELS
@NUM
def test_a_resized_crop_is_torchvisions_but_where_that_sees_the_end_of_the_box(num: int, channels: int) -> None:
    pictures = noise(num, channels)
    sides = RNG.integers(1, SIZE + 1, (2, num))
    starts = RNG.integers(0, SIZE - sides + 1)
    boxes = torch.from_numpy(np.concatenate((starts, sides)) / SIZE).float()
    results = resampled(pictures, boxes, torch.zeros(num), None)
    for found, picture, (x, y), (w, h) in zip(results, pictures, starts.T, sides.T, strict=True):
        size, mode = [SIZE, SIZE], InterpolationMode.BILINEAR
        expected = torchvision.resized_crop(picture.float(), y, x, h, w, size, mode, antialias=False)
        from_left, from_top = ((torch.arange(SIZE) + 0.5) * side / SIZE - 0.5 for side in (w, h))
        columns, rows = (from_left >= 0) & (from_left <= w - 1), (from_top >= 0) & (from_top <= h - 1)
        assert close(found[:, rows][:, :, columns], expected[:, rows][:, :, columns])


@pytest.mark.parametrize("border", ["black", "reflect", None])
def test_a_crop_of_a_rotated_picture_is_taken_from_where_it_comes_from(border: Border | None) -> None:
    num = 12
    pictures, degrees = noise(num, 3), torch.from_numpy(RNG.uniform(-180, 180, num)).float()
    degrees = torch.zeros(num) if border is None else degrees
    width, height = torch.from_numpy(RNG.uniform(0.3, 1, (2, num))).float()
    left, top = (1 - width) * 0.7, (1 - height) * 0.2
    results = resampled(pictures, torch.stack((left, top, width, height)), degrees, border)
    for number in range(num):
        mode = {"black": "constant", "reflect": "reflect", None: "edge"}[border]
        padded = torchvision.pad(pictures[number], [SIZE - 1] * 4, padding_mode=mode).double()
        for row in range(SIZE):
            for column in range(SIZE):
                # As complex numbers, in pixels from the middle, with the axis upwards.
                x = (left[number] + (column + 0.5) / SIZE * width[number] - 0.5) * SIZE
                y = (top[number] + (row + 0.5) / SIZE * height[number] - 0.5) * SIZE
                place = complex(x, -y) * np.exp(-1j * np.radians(float(degrees[number])))
                x, y = place.real + (SIZE - 1) / 2 + SIZE - 1, -place.imag + (SIZE - 1) / 2 + SIZE - 1
                i, j = int(y), int(x)
                upper = padded[:, i, j] * (1 - x + j) + padded[:, i, j + 1] * (x - j)
                lower = padded[:, i + 1, j] * (1 - x + j) + padded[:, i + 1, j + 1] * (x - j)
                assert close(results[number, :, row, column], upper * (1 - y + i) + lower * (y - i))


def test_a_picture_of_one_pixel_rotates_into_itself() -> None:
    pictures = torch.full((2, 3, 1, 1), 77, dtype=torch.uint8)
    for border in ("black", "reflect", None):
        assert torch.equal(resampled(pictures, whole(2), torch.tensor([10.0, 90.0]), border), pictures)


@CHANNELS
@NUM
def test_colours_are_torchvisions(num: int, channels: int) -> None:
    # Neither dark nor light, so that torchvision cuts off nothing in between.
    pictures = noise(num, channels) // 4 + 90
    factors = torch.from_numpy(RNG.uniform(0.8, 1.2, (3, num))).float()
    for found, picture, one in zip(recoloured(pictures, *factors), pictures, factors.T.tolist(), strict=True):
        expected = torchvision.adjust_contrast(torchvision.adjust_brightness(picture / 255, one[0]), one[1])
        assert close(found, 255 * torchvision.adjust_saturation(expected, one[2]))


def test_colours_beyond_the_range_are_cut_off() -> None:
    pictures = torch.tensor([0, 100, 200], dtype=torch.uint8).view(1, 1, 1, 3)
    one, two = torch.ones(1), torch.full((1,), 2.0)
    assert recoloured(pictures, two, one, one).flatten().tolist() == [0, 200, 255]
    assert recoloured(pictures, one, 2 * two, one).flatten().tolist() == [0, 100, 255]


def test_factors_of_one_change_nothing() -> None:
    pictures = noise(20, 3)
    assert torch.equal(recoloured(pictures, *torch.ones(3, 20)), pictures)


@pytest.mark.parametrize("side", [1, 4, 5, 2 * SIZE])
@CHANNELS
@NUM
def test_a_square_is_covered_with_the_mean_colour(num: int, channels: int, side: int) -> None:
    pictures = noise(num, channels)
    across, down = torch.from_numpy(RNG.integers(0, SIZE, (2, num)))
    for found, picture, x, y in zip(
        covered(pictures, side, across, down), pictures, across.tolist(), down.tolist(), strict=True
    ):
        expected = picture.clone()
        for i in range(y - side // 2, y - side // 2 + side):
            for j in range(x - side // 2, x - side // 2 + side):
                if 0 <= i < SIZE and 0 <= j < SIZE:
                    expected[:, i, j] = picture.double().mean(dim=(1, 2)).round().byte()
        assert torch.equal(found, expected)


def test_pictures_are_mixed_by_the_share() -> None:
    ours, others = noise(40, 3), noise(40, 3)
    assert close(mixed(ours, others, 0.3), 0.3 * ours.double() + 0.7 * others.double())
    assert torch.equal(mixed(ours, others, 1.0), ours)
    assert torch.equal(mixed(ours, others, 0.0), others)


def test_a_box_is_pasted_and_the_pictures_stay() -> None:
    ours, others = noise(4, 3), noise(4, 3)
    before = ours.clone()
    found = pasted(ours, others, slice(2, 5), slice(0, 3))
    assert torch.equal(ours, before)
    for number in range(4):
        for i in range(SIZE):
            for j in range(SIZE):
                source = others if 2 <= i < 5 and j < 3 else ours
                assert torch.equal(found[number, :, i, j], source[number, :, i, j])


@pytest.mark.parametrize(
    "change",
    [
        lambda pictures: flipped(pictures, torch.arange(len(pictures)) % 2 == 0),
        lambda pictures: shifted(pictures, 2, *in_turn(len(pictures), 5), border="reflect"),
        lambda pictures: resampled(pictures, whole(len(pictures)), torch.arange(len(pictures)) * 10.0, "reflect"),
        lambda pictures: recoloured(pictures, *torch.linspace(0, 2, 3 * len(pictures)).view(3, -1)),
        lambda pictures: covered(pictures, 3, *in_turn(len(pictures), SIZE)),
        lambda pictures: mixed(pictures, pictures.roll(1, 0), 0.4),
        lambda pictures: pasted(pictures, pictures.roll(1, 0), slice(1, 4), slice(2, 9)),
    ],
)
@CHANNELS
def test_the_order_in_memory_does_not_matter(channels: int, change: Callable[[Tensor], Tensor]) -> None:
    pictures = noise(16, channels)
    found = change(pictures.contiguous(memory_format=torch.channels_last))
    assert found.dtype == torch.uint8
    assert torch.equal(found, change(pictures))
