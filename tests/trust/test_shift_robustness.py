import numpy as np
import pytest

from skysort.trust.shift_robustness import shifted


@pytest.mark.parametrize(
    ("down", "across"), [(0, 0), (1, 0), (-1, 0), (0, 2), (0, -2), (3, -1), (4, 0), (-9, 0), (0, 9)]
)
def test_a_picture_moves_and_black_moves_in(down: int, across: int) -> None:
    pictures = np.random.default_rng(0).integers(1, 256, (2, 3, 4, 4), dtype=np.uint8)
    moved = shifted(pictures, down, across)
    assert moved.shape == pictures.shape
    for y in range(4):
        for x in range(4):
            inside = 0 <= y - down < 4 and 0 <= x - across < 4
            expected = pictures[:, :, y - down, x - across] if inside else np.zeros((2, 3))
            assert (moved[:, :, y, x] == expected).all()
