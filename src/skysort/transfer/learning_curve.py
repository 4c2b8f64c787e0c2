"""How accuracy grows with the pictures per class: heads fitted to ever larger parts of the training pictures."""

from collections.abc import Callable

import numpy as np

from skysort.data.parallel import in_order, num_cores
from skysort.transfer.head import ClassWeights, Floats, Integers, fit_linear, make_folds, one_thread_per_fit

NUM_SIZES = 4
FEWEST = 2
"""Pictures per class that a head of the curve learns from. With one, the variance within a class is unknown."""


def accuracies_by_size(
    features: Floats,
    labels: Integers,
    groups: Integers,
    num_classes: int,
    *,
    class_weights: ClassWeights,
    strength: float,
    num_folds: int,
    seed: int,
    tell: Callable[[], None] = lambda: None,
) -> dict[int, tuple[float, ...]]:
    """Return the accuracy of each fold by the pictures per class that its head learned from, fewest first.

    Each size is twice the size before; the largest is what the median class has in the training part of a fold.
    A class with fewer pictures gives all it has. A head learns from the first pictures of each class in a drawn
    order, so that it has all pictures of the smaller head of its fold.

    Args:
        features: (N, D) of the training pictures.
        labels: (N,) class indices; every class occurs.
        groups: (N,) numbers that are equal for pictures that stay together in one fold.
        num_classes: how many classes there are.
        class_weights: whether each class counts alike, however few its pictures.
        strength: of the penalty, the same for all sizes.
        num_folds: at most, as in `fit_head`, whose folds these are.
        seed: of the folds and the order.
        tell: called after each fold.

    Returns:
        Nothing if the pictures are too few for two sizes.
    """
    rng = np.random.default_rng(seed)
    folds = list(make_folds(labels, groups, num_folds, seed))
    largest = int(np.median(np.bincount(labels, minlength=num_classes))) * (len(folds) - 1) // len(folds)
    sizes = [size for power in reversed(range(NUM_SIZES)) if (size := largest >> power) >= FEWEST]
    if len(sizes) < 2:
        return {}

    def accuracies(task: tuple[Integers, Integers]) -> list[float]:
        drawn, held_out = task
        by_size = []
        for size in sizes:
            rows = np.concatenate([drawn[labels[drawn] == label][:size] for label in range(num_classes)])
            head = fit_linear(features[rows], labels[rows], num_classes, class_weights, strength)
            answers = (features[held_out] @ head.weight.T + head.bias).argmax(axis=1)
            by_size.append(float((answers == labels[held_out]).mean()))
        return by_size

    tasks = [(rng.permutation(training), held_out) for training, held_out in folds]
    by_fold = []
    with one_thread_per_fit():
        for of_fold in in_order(accuracies, tasks, num_cores()):
            by_fold.append(of_fold)
            tell()
    return dict(zip(sizes, zip(*by_fold, strict=True), strict=True))
