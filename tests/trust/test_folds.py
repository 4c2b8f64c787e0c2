"""The interval of an accuracy by folds, on an easy classifier: the class of the nearest mean."""

from collections.abc import Callable
from itertools import starmap

import numpy as np
import pytest

from skysort.trust.folds import folds_interval
from skysort.trust.intervals import Interval, wilson

PER_CLASS, DIMENSIONS, FOLDS, DRAWS = 5, 20, 5, 1500


def test_it_is_that_of_two_thirds_as_many_pictures() -> None:
    assert folds_interval(24, 30) == wilson(16, 20)
    assert folds_interval(0, 9)[0] == 0
    assert folds_interval(9, 9)[1] == 1


def nearest(points: np.ndarray, learned: np.ndarray) -> np.ndarray:
    """Return the class of the nearest mean for (N, D) points, learned from (classes, M, D)."""
    return np.linalg.norm(points[:, None] - learned.mean(axis=1), axis=2).argmin(axis=1)


@pytest.fixture(scope="module")
def draws() -> list[tuple[int, int]]:
    """How many points folds judge right, of how many, in many draws of points of two Gaussians."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(DRAWS):
        points = rng.normal(size=(2, PER_CLASS, DIMENSIONS))
        points[1, :, 0] += 2.5
        right = 0
        for fold in range(FOLDS):
            learned = np.delete(points, fold, axis=1)
            right += int((nearest(points[:, fold], learned) == [0, 1]).sum())
        found.append((right, 2 * PER_CLASS))
    return found


def coverage(draws: list[tuple[int, int]], interval: Callable[[int, int], Interval]) -> float:
    """Return how often an interval holds the mean accuracy."""
    mean = sum(right for right, _ in draws) / sum(num for _, num in draws)
    return float(np.mean([low <= mean <= high for low, high in starmap(interval, draws)]))


def test_it_holds_the_mean_as_often_as_it_says(draws: list[tuple[int, int]]) -> None:
    shares = np.array([right / num for right, num in draws])
    independent = shares.mean() * (1 - shares.mean()) / (2 * PER_CLASS)
    assert 1.3 < shares.var() / independent < 1.6
    assert coverage(draws, wilson) < 0.93
    assert 0.94 < coverage(draws, folds_interval) < 0.98
