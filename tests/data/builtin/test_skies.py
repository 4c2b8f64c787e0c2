import numpy as np
import pytest

from skysort.data.builtin.skies import CLASSES, SMALLEST, draw


def test_the_classes_are_airplane_and_bird() -> None:
    assert CLASSES == ("airplane", "bird")


@pytest.mark.parametrize("size", [SMALLEST, 9, 32, 65])
@pytest.mark.parametrize("index", [0, 1])
def test_any_size_from_the_smallest_on_can_be_drawn(size: int, index: int) -> None:
    pixels = draw(index, size)
    assert (pixels.shape, pixels.dtype) == ((size, size, 3), np.uint8)


def test_the_same_picture_is_drawn_again() -> None:
    np.testing.assert_array_equal(draw(5, 32, seed=3), draw(5, 32, seed=3))


def test_what_was_drawn_before_does_not_matter() -> None:
    alone = draw(5, 16)
    draw(4, 16)
    np.testing.assert_array_equal(draw(5, 16), alone)


def test_every_index_is_another_picture() -> None:
    assert len({draw(index, 16).tobytes() for index in range(50)}) == 50


def test_every_seed_is_another_picture() -> None:
    assert len({draw(0, 16, seed=seed).tobytes() for seed in range(20)}) == 20


def test_no_picture_is_of_one_colour() -> None:
    assert min(draw(index, 16).std() for index in range(20)) > 1


@pytest.mark.parametrize(("index", "size", "seed"), [(-1, 32, 0), (0, 32, -1), (0, SMALLEST - 1, 0)])
def test_what_cannot_be_drawn_is_a_value_error(index: int, size: int, seed: int) -> None:
    with pytest.raises(ValueError, match=r"^skies: "):
        draw(index, size, seed)
