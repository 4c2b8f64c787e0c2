from pathlib import Path

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from skysort.classifier.ood import scores
from skysort.classifier.reference import MOST_ROWS, NEAREST, Reference
from tests.conftest import refused


def features(num: int, seed: int = 0, num_features: int = 12) -> np.ndarray:
    return np.random.default_rng(seed).gamma(0.5, size=(num, num_features)).astype(np.float32)


def test_similarities_are_those_of_scikit_learn() -> None:
    known, new = features(60), features(2_500, 1)
    reference = Reference.of(known, np.random.default_rng(2).normal(size=60), np.arange(60))
    distances, _ = NearestNeighbors(n_neighbors=NEAREST, metric="cosine").fit(known).kneighbors(new)
    expected = reference.weight * (1 - distances).mean(axis=1)
    np.testing.assert_allclose(reference.similarities(new), expected, atol=2e-3 * reference.weight)
    logits = np.zeros((2_500, 2), np.float32)
    np.testing.assert_allclose(scores(logits, reference.similarities(new)), np.log(2) + expected, atol=0.01)


def test_over_training_pictures_similarity_varies_as_energy_does_and_leaves_out_the_group() -> None:
    known, energies = features(40), np.random.default_rng(2).normal(size=40)
    reference = Reference.of(known, energies, np.arange(40))
    distances, _ = NearestNeighbors(n_neighbors=NEAREST, metric="cosine").fit(known).kneighbors()
    assert reference.weight * (1 - distances).mean(axis=1).std() == pytest.approx(energies.std(), rel=1e-3)
    twice = Reference.of(np.repeat(known, 6, axis=0), np.repeat(energies, 6), np.repeat(np.arange(40), 6))
    apart = Reference.of(np.repeat(known, 6, axis=0), np.repeat(energies, 6), np.arange(240))
    assert apart.weight > 100 * twice.weight  # copies of each picture are its nearest, all with a cosine of 1


def test_pictures_that_are_all_equal_have_no_similarity_to_go_by() -> None:
    reference = Reference.of(np.ones((10, 4), np.float32), np.arange(10.0), np.arange(10))
    assert (reference.similarities(features(3, num_features=4)) == 0).all()


def test_few_pictures_and_features_of_zero_have_finite_similarities() -> None:
    reference = Reference.of(features(3), np.arange(3.0), np.arange(3))
    assert np.isfinite(reference.similarities(np.zeros((2, 12), np.float32))).all()


def test_what_is_written_gives_the_same_to_the_bit(tmp_path: Path) -> None:
    reference = Reference.of(features(30), np.arange(30.0), np.arange(30))
    reference.write(tmp_path / "reference.npz")
    new = features(9, 1)
    again = Reference.read(tmp_path / "reference.npz")
    np.testing.assert_array_equal(again.similarities(new), reference.similarities(new))


@pytest.mark.parametrize(
    "arrays",
    [
        {"features": np.ones((3, 4), np.float16)},
        {"features": np.ones((3, 4), np.float32), "weight": np.float64(1)},
        {"features": np.ones((MOST_ROWS + 1, 1), np.float16), "weight": np.float64(1)},
        {"features": np.ones((0, 4), np.float16), "weight": np.float64(1)},
        {"features": np.full((3, 4), np.nan, np.float16), "weight": np.float64(1)},
        {"features": np.ones((3, 4), np.float16), "weight": np.float64(np.nan)},
        {"features": np.ones((3, 4), np.float16), "weight": np.ones(2)},
        {"features": np.ones((3, 4), object), "weight": np.float64(1)},
    ],
)
def test_a_damaged_reference_is_refused(arrays: dict[str, np.ndarray], tmp_path: Path) -> None:
    np.savez(tmp_path / "reference.npz", **arrays)  # type: ignore[arg-type]
    with refused("damaged-classifier", "reference.npz"):
        Reference.read(tmp_path / "reference.npz")
