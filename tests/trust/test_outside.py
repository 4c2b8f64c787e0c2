import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from skysort.trust.outside import auroc_of

VALUES = st.lists(st.integers(-5, 5), min_size=2, max_size=20)


@given(VALUES, VALUES)
def test_the_area_and_its_interval_are_those_of_pairs(known: list[int], outside: list[int]) -> None:
    area, interval = auroc_of(np.array(known, float), np.array(outside, float))
    truth = [1] * len(known) + [0] * len(outside)
    assert area == pytest.approx(roc_auc_score(truth, known + outside))
    # DeLong's own definition: each picture against all of the other kind, ties counted half.
    higher = np.sign(np.subtract.outer(known, outside)) / 2 + 0.5
    variance = higher.mean(1).var(ddof=1) / len(known) + higher.mean(0).var(ddof=1) / len(outside)
    if variance < 1e-20:
        assert interval is None or interval == pytest.approx([area, area])
    else:
        margin = 1.96 * variance**0.5
        assert interval == pytest.approx([max(0, area - margin), min(1, area + margin)], abs=1e-4)


def test_what_is_told_apart_without_overlap_has_no_interval() -> None:
    assert auroc_of(np.array([3.0, 4.0, 5.0]), np.array([1.0, 2.0])) == (1.0, None)
    assert auroc_of(np.array([3.0]), np.array([1.0, 4.0])) == (0.5, None)
