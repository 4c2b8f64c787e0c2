import torch

from skysort.recipe import Augment
from skysort.training.augment import augmented

PICTURES = torch.arange(64 * 3 * 8 * 8).remainder(251).to(torch.uint8).view(64, 3, 8, 8)


def test_without_augmentation_pictures_stay_as_they_are() -> None:
    assert torch.equal(augmented(PICTURES, Augment(), 0, 1, 0), PICTURES)


def test_a_flip_mirrors_about_half_of_the_pictures_and_leaves_the_others() -> None:
    flipped = augmented(PICTURES, Augment(flip=True), 0, 1, 0)
    mirrored = [bool(torch.equal(a, b.flip(2))) for a, b in zip(flipped, PICTURES, strict=True)]
    same = [bool(torch.equal(a, b)) for a, b in zip(flipped, PICTURES, strict=True)]
    assert all(m != s for m, s in zip(mirrored, same, strict=True))
    assert 16 <= sum(mirrored) <= 48


def test_a_shift_moves_each_picture_on_its_own_and_black_moves_in() -> None:
    dots = torch.zeros(200, 1, 9, 9, dtype=torch.uint8)
    dots[:, :, 4, 4] = 255
    shifted = augmented(dots, Augment(shift=2), 0, 1, 0)
    assert torch.equal(shifted.sum(dim=(1, 2, 3)), torch.full((200,), 255))
    _, _, down, across = shifted.nonzero(as_tuple=True)
    assert set(down.tolist()) == set(across.tolist()) == {2, 3, 4, 5, 6}
    assert len(set(zip(down.tolist(), across.tolist(), strict=True))) == 25


def test_chances_follow_from_seed_epoch_and_step_alone() -> None:
    augment = Augment(flip=True, shift=1)
    once = augmented(PICTURES, augment, 3, 2, 1)
    assert torch.equal(augmented(PICTURES, augment, 3, 2, 1), once)
    for other in ((4, 2, 1), (3, 3, 1), (3, 2, 2)):
        assert not torch.equal(augmented(PICTURES, augment, *other), once)
