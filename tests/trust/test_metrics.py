import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skysort.trust.metrics import measure, wilson

CLASSES = ("cat", "dog", "fox")
TRUTH = np.array([0, 0, 0, 1, 1, 2])
LABELS = [0, 0, 1, 1, 0, 0]
LOGITS = np.log(np.array([[0.2, 0.3, 0.5]] * 6, np.float32))
for row, label in enumerate(LABELS):
    LOGITS[row] = np.roll(np.log(np.array([0.5, 0.3, 0.2], np.float32)), label)


def test_figures_of_a_small_part_by_hand() -> None:
    figures = measure(LOGITS, TRUTH, CLASSES)
    assert figures["pictures"] == 6
    assert figures["accuracy"] == pytest.approx(3 / 6)
    assert figures["confusion"] == [[2, 1, 0], [1, 1, 0], [1, 0, 0]]
    cat, dog, fox = figures["classes"].values()
    assert (cat["pictures"], cat["recall"], cat["labelled"], cat["precision"]) == (3, 2 / 3, 4, 2 / 4)
    assert (dog["recall"], dog["precision"]) == (1 / 2, 1 / 2)
    assert (fox["recall"], fox["labelled"], fox["precision"]) == (0, 0, None)
    losses = -np.log([0.5, 0.5, 0.2, 0.5, 0.3, 0.2])
    assert figures["loss"] == pytest.approx(losses.mean())
    margin = 1.96 * losses.std(ddof=1) / 6**0.5
    assert figures["loss_interval95"] == pytest.approx([losses.mean() - margin, losses.mean() + margin], rel=1e-4)


def test_a_class_without_pictures_has_no_share_instead_of_a_zero() -> None:
    absent = measure(LOGITS[:5], TRUTH[:5], CLASSES)["classes"]["fox"]
    assert (absent["pictures"], absent["accuracy"], absent["interval95"]) == (0, None, None)


def test_one_picture_has_no_spread() -> None:
    figures = measure(LOGITS[:1], TRUTH[:1], CLASSES)
    assert figures["loss_interval95"] is None
    assert figures["interval95"][0] < 1 == figures["interval95"][1]


def test_huge_logits_give_a_finite_loss() -> None:
    assert measure(np.array([[1e4, -1e4]], np.float32), np.array([1]), ("a", "b"))["loss"] == pytest.approx(2e4)


@pytest.mark.parametrize(
    ("num_right", "num", "low", "high"),
    # from the formula by hand: (k + z²/2 ± z √(k (n - k) / n + z²/4)) / (n + z²)
    [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (1769, 2000, 0.8697, 0.8978), (1, 2, 0.0945, 0.9055)],
)
def test_wilson_interval_of_known_shares(num_right: int, num: int, low: float, high: float) -> None:
    assert wilson(num_right, num) == pytest.approx([low, high], abs=1e-4)


@given(st.integers(1, 10_000).flatmap(lambda num: st.tuples(st.integers(0, num), st.just(num))))
def test_wilson_interval_holds_the_share_and_stays_in_bounds(counts: tuple[int, int]) -> None:
    low, high = wilson(*counts)
    assert 0 <= low <= counts[0] / counts[1] <= high <= 1
