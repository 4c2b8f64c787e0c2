import numpy as np
import pytest
import torch
from torch import Tensor

from skysort.recipe.sections import Augment
from skysort.training.augment import augmented
from skysort.training.random_streams import Stream, stream_rng
from skysort.training.transforms import flipped, shifted

PICTURES = torch.arange(64 * 3 * 8 * 8).remainder(251).to(torch.uint8).view(64, 3, 8, 8)
LABELS = torch.arange(64) % 5
ROWS = torch.arange(64) * 37 % 1000
EACH = {
    "random flip": Augment(flip="random"),
    "shift": Augment(shift=1),
    "reflecting shift": Augment(shift=2, border="reflect"),
    "resized crop": Augment(resized_crop=0.4),
    "rotation": Augment(rotation=20),
    "colour": Augment(colour=0.3),
    "cutout": Augment(cutout=3),
    "mixup": Augment(mixup=0.5),
    "cutmix": Augment(cutmix=0.5),
    "everything": Augment(
        flip="alternating", shift=2, resized_crop=0.5, rotation=9, colour=0.2, cutout=2, mixup=0.3, cutmix=0.3
    ),
}


def pictures_of(
    pictures: Tensor, augment: Augment, seed: int = 0, epoch: int = 1, step: int = 0, rows: Tensor | None = None
) -> Tensor:
    num = len(pictures)
    rows = torch.arange(num) if rows is None else rows
    return augmented(pictures, torch.zeros(num, dtype=torch.int64), rows, augment, seed, epoch, step, 2)[0]


def of_all(augment: Augment, seed: int, epoch: int, step: int) -> tuple[Tensor, Tensor]:
    return augmented(PICTURES, LABELS, ROWS, augment, seed, epoch, step, 5)


def test_without_augmentation_pictures_and_labels_are_what_they_were() -> None:
    pictures = PICTURES.contiguous(memory_format=torch.channels_last)
    found = augmented(pictures, LABELS, ROWS, Augment(border="reflect", test_time_flip=True), 0, 1, 0, 5)
    assert found[0] is pictures
    assert found[1] is LABELS


@pytest.mark.parametrize("augment", EACH.values(), ids=EACH)
def test_draws_follow_from_seed_epoch_and_step_alone(augment: Augment) -> None:
    pictures, targets = of_all(augment, 3, 2, 1)
    before = PICTURES.clone()
    again, targets_again = of_all(augment, 3, 2, 1)
    assert torch.equal(again, pictures)
    assert torch.equal(targets_again, targets)
    assert torch.equal(PICTURES, before)
    for other in ((4, 2, 1), (3, 3, 1), (3, 2, 2)):
        assert not torch.equal(of_all(augment, *other)[0], pictures)


@pytest.mark.parametrize("augment", EACH.values(), ids=EACH)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("num", [1, 64])
def test_grey_and_colours_and_one_picture_keep_their_shape_in_any_order_in_memory(
    num: int, channels: int, augment: Augment
) -> None:
    pictures, labels, rows = PICTURES[:num, :channels], LABELS[:num], ROWS[:num]
    found, targets = augmented(pictures, labels, rows, augment, 0, 1, 0, 5)
    assert found.dtype == torch.uint8
    assert found.shape == pictures.shape
    assert not torch.equal(found, pictures) or num == 1
    assert len(targets) == num
    other = pictures.contiguous(memory_format=torch.channels_last)
    again, targets_again = augmented(other, labels, rows, augment, 0, 1, 0, 5)
    assert torch.equal(again, found)
    assert torch.equal(targets_again, targets)


@pytest.mark.parametrize("augment", [augment for augment in EACH.values() if not augment.mixes_pictures])
def test_labels_stay_where_pictures_are_not_mixed(augment: Augment) -> None:
    assert of_all(augment, 0, 1, 0)[1] is LABELS


def test_flips_and_shifts_come_from_the_augmentation_stream() -> None:
    rng = stream_rng(Stream.AUGMENTATION, 3, 2, 4)
    which = torch.from_numpy(rng.random(64) < 0.5)
    across, down = torch.from_numpy(rng.integers(0, 5, (2, 64)))
    expected = shifted(flipped(PICTURES, which), 2, across, down, "black")
    assert torch.equal(of_all(Augment(flip="random", shift=2), 3, 2, 4)[0], expected)


def test_a_random_flip_mirrors_about_half_of_the_pictures_and_leaves_the_others() -> None:
    found = pictures_of(PICTURES, Augment(flip="random"))
    mirrored = [bool(torch.equal(a, b.flip(2))) for a, b in zip(found, PICTURES, strict=True)]
    same = [bool(torch.equal(a, b)) for a, b in zip(found, PICTURES, strict=True)]
    assert all(m != s for m, s in zip(mirrored, same, strict=True))
    assert 16 <= sum(mirrored) <= 48


def mirrored(rows: Tensor, seed: int, epoch: int, step: int = 0) -> Tensor:
    """Return (N,) bool: which rows an alternating flip mirrors."""
    pictures = torch.tensor([0, 1], dtype=torch.uint8).expand(len(rows), 1, 1, 2)
    return pictures_of(pictures, Augment(flip="alternating"), seed, epoch, step, rows)[:, 0, 0, 0] == 1


def test_an_alternating_flip_mirrors_each_picture_in_one_of_two_epochs() -> None:
    rows = torch.arange(10_000)
    first = mirrored(rows, 7, 1)
    assert torch.equal(mirrored(rows, 7, 2), ~first)
    assert torch.equal(mirrored(rows, 7, 3), first)


def test_an_alternating_flip_knows_a_picture_wherever_it_comes() -> None:
    rows = torch.arange(1000)
    order = torch.from_numpy(np.random.default_rng(0).permutation(1000))
    assert torch.equal(mirrored(rows[order], 7, 1, step=5), mirrored(rows, 7, 1)[order])


def test_the_coins_of_an_alternating_flip_are_fair_and_have_nothing_to_do_with_each_other() -> None:
    rows = torch.arange(10_000)
    coins = [mirrored(rows, seed, 1) for seed in range(4)]
    pairs = [(one, other) for number, one in enumerate(coins) for other in coins[:number]]
    neighbours = [(one[distance:], one[:-distance]) for one in coins for distance in (1, 2, 3, 4, 8, 256)]
    for coin in coins:
        assert 0.48 < coin.float().mean() < 0.52
    for one, other in pairs + neighbours:
        assert 0.48 < (one == other).float().mean() < 0.52


def test_a_flip_that_is_still_to_be_resolved_is_not_taken_for_another() -> None:
    with pytest.raises(AssertionError, match="resolved"):
        of_all(Augment(flip="auto"), 0, 1, 0)


def test_a_shift_moves_each_picture_on_its_own_and_black_moves_in() -> None:
    dots = torch.zeros(200, 1, 9, 9, dtype=torch.uint8)
    dots[:, :, 4, 4] = 255
    found = pictures_of(dots, Augment(shift=2))
    assert torch.equal(found.sum(dim=(1, 2, 3)), torch.full((200,), 255))
    _, _, down, across = found.nonzero(as_tuple=True)
    assert set(down.tolist()) == set(across.tolist()) == {2, 3, 4, 5, 6}
    assert len(set(zip(down.tolist(), across.tolist(), strict=True))) == 25


def test_a_reflecting_shift_lets_nothing_black_in() -> None:
    light = torch.full((50, 3, 9, 9), 200, dtype=torch.uint8)
    assert torch.equal(pictures_of(light, Augment(shift=8, border="reflect")), light)


def test_resized_crops_lie_anywhere_and_are_as_large_and_as_narrow_as_they_may_be() -> None:
    # Red grows to the right by two levels a pixel, green downwards: colours say where a pixel was.
    places = 2 * torch.arange(100, dtype=torch.uint8)
    slopes = torch.stack((places.expand(100, 100), places[:, None].expand(100, 100), torch.zeros(100, 100).byte()))
    found = pictures_of(slopes.expand(300, 3, 100, 100), Augment(resized_crop=0.3)).double() / 2
    left, right = found[:, 0, 50, 5], found[:, 0, 50, 95]
    top, bottom = found[:, 1, 5, 50], found[:, 1, 95, 50]
    width, height = (right - left) / 90, (bottom - top) / 90
    area, ratio = width * height, width / height
    assert 0.28 < area.min() < 0.35
    assert 0.93 < area.max() < 1.02
    assert 0.73 < ratio.min() < 0.8
    assert 1.25 < ratio.max() < 1.36
    assert abs(ratio.log().mean()) < 0.03
    for start, side in ((left - 5 * width, width), (top - 5 * height, height)):
        assert start.min() > -1.5
        assert (start + 100 * side).max() < 101.5
        where = (start / (100 * (1 - side)))[side < 0.9]
        assert 0.45 < where.mean() < 0.55
        assert where.std() > 0.25  # that of uniform draws is 0.29


def test_rotations_go_both_ways_as_far_as_they_may() -> None:
    # A light quarter to the right of the middle turns about it.
    pictures = torch.zeros(300, 1, 64, 64, dtype=torch.uint8)
    pictures[:, :, 28:36, 44:60] = 255
    found = pictures_of(pictures, Augment(rotation=30))[:, 0].double()
    middle = torch.arange(64) - 31.5
    total = found.sum(dim=(1, 2))
    x, y = (found.sum(dim=1) * middle).sum(dim=1) / total, (found.sum(dim=2) * middle).sum(dim=1) / total
    degrees = torch.atan2(-y, x).rad2deg()
    assert -30.5 < degrees.min() < -28
    assert 28 < degrees.max() < 30.5
    assert abs(degrees.mean()) < 3


def test_what_moves_in_with_a_rotation_is_the_border() -> None:
    light = torch.full((50, 3, 16, 16), 200, dtype=torch.uint8)
    assert (pictures_of(light, Augment(rotation=40))[:, :, 0, 0] == 0).any()
    for augment in (Augment(rotation=40, border="reflect"), Augment(resized_crop=0.2)):
        assert torch.equal(pictures_of(light, augment), light)


def test_colours_change_by_no_more_than_they_may() -> None:
    grey = torch.full((500, 3, 4, 4), 100, dtype=torch.uint8)
    found = pictures_of(grey, Augment(colour=0.2))
    assert torch.equal(found, found[:, :1, :1, :1].expand_as(found))
    assert 80 <= found.min() < 83
    assert 117 < found.max() <= 120


def test_cutout_covers_a_square_with_its_middle_on_any_pixel() -> None:
    dotted = torch.zeros(2000, 1, 6, 6, dtype=torch.uint8)
    dotted[:, :, ::2] = 200
    covered = pictures_of(dotted, Augment(cutout=3)) == 100
    sizes = covered.sum(dim=(1, 2, 3))
    # at a corner, at an edge, elsewhere
    assert set(sizes.tolist()) == {4, 6, 9}
    assert len({tuple(one.flatten().tolist()) for one in covered}) == 36


def two_values(num: int) -> tuple[Tensor, Tensor]:
    """Return pictures that are black for class 0 and of level 200 for class 1, by chance."""
    labels = torch.from_numpy(np.random.default_rng(1).integers(0, 2, num))
    return (200 * labels).byte()[:, None, None, None].expand(num, 3, 10, 10).contiguous(), labels


def test_mixup_mixes_pictures_and_targets_by_the_same_share() -> None:
    pictures, labels = two_values(50)
    shares = []
    for step in range(40):
        found, targets = augmented(pictures, labels, torch.arange(50), Augment(mixup=0.4), 0, 1, step, 2)
        assert targets.dtype == torch.float32
        assert targets.sum(dim=1).tolist() == pytest.approx([1.0] * 50)
        assert (found - 200 * targets[:, 1, None, None, None]).abs().max() <= 0.51
        assert len(set(found.flatten().tolist())) > 2 or targets.max() > 0.99
        shares.append(targets[(labels == 1) & (labels.roll(1) == 0)][0, 1].item())
    # Beta(0.4, 0.4) has this mean and standard deviation.
    assert np.mean(shares) == pytest.approx(0.5, abs=0.15)
    assert np.std(shares) == pytest.approx(0.37, abs=0.07)


def test_cutmix_mixes_targets_by_the_area_that_is_pasted() -> None:
    pictures, labels = two_values(50)
    shares = []
    for step in range(60):
        found, targets = augmented(pictures, labels, torch.arange(50), Augment(cutmix=1.0), 0, 1, step, 2)
        assert targets.sum(dim=1).tolist() == pytest.approx([1.0] * 50)
        assert set(found.flatten().tolist()) == {0, 200}
        area = (found == 200).float().mean(dim=(1, 2, 3))
        assert area.tolist() == pytest.approx(targets[:, 1].tolist(), abs=1e-6)
        pasted = found != pictures
        lines, columns = pasted.any(dim=(0, 1, 3)).sum(), pasted.any(dim=(0, 1, 2)).sum()
        assert (pasted.sum(dim=(1, 2, 3)) == 3 * lines * columns)[labels != labels.roll(1)].all()
        shares.append(targets[(labels == 1) & (labels.roll(1) == 0)][0, 1].item())
    # Less is pasted than drawn, as boxes are cut off.
    assert min(shares) < 0.3
    assert 0.5 < np.mean(shares) < 0.8


def test_of_mixup_and_cutmix_a_coin_decides_for_each_batch() -> None:
    pictures, labels = two_values(50)
    augment = Augment(mixup=1.0, cutmix=1.0)
    num_cut = 0
    for step in range(100):
        found, _ = augmented(pictures, labels, torch.arange(50), augment, 0, 1, step, 2)
        num_cut += set(found.flatten().tolist()) == {0, 200}
    assert 35 < num_cut < 65


def test_targets_have_a_column_for_each_class() -> None:
    _, targets = augmented(PICTURES, LABELS, ROWS, Augment(mixup=1.0), 0, 1, 0, 9)
    assert targets.shape == (64, 9)
    assert not targets[:, 5:].any()
    alone = augmented(PICTURES[:1], LABELS[:1], ROWS[:1], Augment(cutmix=1.0), 0, 1, 0, 9)
    assert torch.equal(alone[0], PICTURES[:1])
    assert alone[1].tolist() == [[1.0] + [0.0] * 8]
