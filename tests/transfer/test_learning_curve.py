import numpy as np
import pytest

from skysort.transfer.learning_curve import accuracies_by_size
from tests.transfer.test_head import drawn


def curve(features: np.ndarray, labels: np.ndarray, groups: np.ndarray) -> dict[int, tuple[float, ...]]:
    num_classes = int(labels.max()) + 1
    return accuracies_by_size(
        features, labels, groups, num_classes, class_weights="none", strength=0.1, num_folds=5, seed=0
    )


def test_each_size_is_twice_the_one_before_and_more_pictures_do_better() -> None:
    features, labels, groups = drawn(40)
    found = curve(features + np.random.default_rng(1).normal(scale=4, size=features.shape), labels, groups)
    assert list(found) == [4, 8, 16, 32]
    assert all(len(accuracies) == 5 for accuracies in found.values())
    assert np.mean(found[32]) > np.mean(found[4])


def test_heads_do_not_see_the_groups_that_they_judge() -> None:
    """Copies of a picture under a random label: only a head that saw a copy could know that label."""
    rng = np.random.default_rng(0)
    originals, labels = rng.normal(size=(60, 50)), rng.integers(0, 2, 60)
    features, labels, groups = np.repeat(originals, 3, axis=0), np.repeat(labels, 3), np.repeat(np.arange(60), 3)
    *_, apart = curve(features, labels, groups).values()
    *_, leaked = curve(features, labels, np.arange(180)).values()
    assert np.mean(apart) < 0.7 < 0.9 < np.mean(leaked)


def test_largest_size_is_what_the_training_part_of_a_fold_has() -> None:
    """The smallest class allows three folds only, so that two thirds of a class are learned from."""
    features, labels, groups = drawn(30)
    kept = np.concatenate([np.flatnonzero(labels == 0)[:3], np.flatnonzero(labels > 0)])
    assert list(curve(features[kept], labels[kept], groups[kept])) == [2, 5, 10, 20]


@pytest.mark.parametrize("per_class", [3, 4])
def test_too_few_for_two_sizes_have_no_curve(per_class: int) -> None:
    assert curve(*drawn(per_class)) == {}


def test_same_arguments_same_curve() -> None:
    assert curve(*drawn(20)) == curve(*drawn(20))
