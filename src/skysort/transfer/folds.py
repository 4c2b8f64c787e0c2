"""Folds for cross-validation: groups stay whole, and classes are about as frequent in each fold."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]


def make_folds(labels: Integers, groups: Integers, most: int, seed: int) -> Iterator[tuple[Integers, Integers]]:
    """Yield the (training, held out) rows of each fold.

    The folds are those of scikit-learn's `StratifiedGroupKFold`, which takes a second to load.

    Args:
        labels: (N,) class indices.
        groups: (N,) numbers that are equal for pictures that stay together.
        most: folds, if the smallest class has as many groups.
        seed: of the order in which groups are dealt to folds.
    """
    fewest = min(len(np.unique(groups[labels == label])) for label in np.unique(labels))
    fold_of = _folds_of_rows(labels, groups, max(2, min(most, fewest)), seed)
    for fold in range(fold_of.max() + 1):
        yield np.flatnonzero(fold_of != fold), np.flatnonzero(fold_of == fold)


def _folds_of_rows(labels: Integers, groups: Integers, num_folds: int, seed: int) -> Integers:
    """Return the fold of each row. Groups with the most uneven classes are dealt first."""
    _, label_numbers, per_class = np.unique(labels, return_inverse=True, return_counts=True)
    _, group_numbers = np.unique(groups, return_inverse=True)
    counts = np.zeros((group_numbers.max() + 1, len(per_class)))
    np.add.at(counts, (group_numbers, label_numbers), 1)
    order = np.random.RandomState(seed).permutation(len(counts))  # as scikit-learn shuffles
    order = order[np.argsort(-counts[order].std(axis=1), kind="stable")]
    in_folds = np.zeros((num_folds, len(per_class)))
    fold_of_group = np.zeros(len(counts), np.int64)
    for group in order:
        tried = in_folds + np.eye(num_folds)[:, :, None] * counts[group]  # (tried, folds, classes)
        unevenness = (tried / per_class).std(axis=1).mean(axis=1).tolist()
        fold_of_group[group] = fold = _best(unevenness, in_folds.sum(axis=1).tolist())
        in_folds[fold] += counts[group]
    return fold_of_group[group_numbers]


def _best(unevenness: list[float], sizes: list[float]) -> int:
    """Return the fold with the least unevenness. Of about equal ones it is the smallest."""
    best = 0
    for fold in range(1, len(sizes)):
        difference = unevenness[fold] - unevenness[best]
        is_equal = abs(difference) <= 1e-8 + 1e-5 * unevenness[best]
        if difference < 0 or (is_equal and sizes[fold] < sizes[best]):
            best = fold
    return best
