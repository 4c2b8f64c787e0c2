import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skysort.trust.intervals import (
    average_precision_interval,
    f1_interval,
    mean_interval,
    mean_share_interval,
    paired_difference_interval,
    roc_auc_interval,
    wilson,
)


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


def test_mean_interval_by_hand() -> None:
    # mean 2, standard deviation 1 of 4: 2 ± 1.96 / 2
    values = np.array([1.0, 1.0, 2.0, 3.0, 3.0, 2.0])
    margin = 1.96 * values.std(ddof=1) / 6**0.5
    assert mean_interval(values) == pytest.approx([2 - margin, 2 + margin], rel=1e-4)
    assert mean_interval(np.array([0.0, 9.0]))[0] == 0


def test_the_mean_of_one_share_has_its_own_interval() -> None:
    assert mean_share_interval([0.8], [wilson(8, 10)]) == pytest.approx(wilson(8, 10))


def test_the_mean_of_shares_is_surer_than_each_and_stays_in_bounds() -> None:
    shares, intervals = [1.0, 1.0, 0.5], [wilson(9, 9), wilson(40, 40), wilson(5, 10)]
    low, high = mean_share_interval(shares, intervals)
    # by hand: the root of the squares of (1 - 0.7008), (1 - 0.9124), (0.5 - 0.2366), over 3
    assert low == pytest.approx(5 / 6 - 0.1361, abs=1e-4)
    assert high == pytest.approx(5 / 6 + 0.2634 / 3, abs=1e-4)


def test_f1_is_as_sure_as_the_share_that_decides_it() -> None:
    # Wilson for 8 of 10, 0.4902 and 0.9433, each by 2 s / (1 + s)
    assert f1_interval(8, 2) == pytest.approx([0.6579, 0.9708], abs=1e-4)
    assert f1_interval(0, 5)[0] == 0


def test_average_precision_interval_by_hand() -> None:
    # logit 2.1972 ± 1.96 / √(50 · 0.9 · 0.1)
    assert average_precision_interval(0.9, 50) == pytest.approx([0.7813, 0.9578], abs=1e-4)
    for perfect in (1.0, 1 - 1e-16, 1 + 1e-15):
        assert average_precision_interval(perfect, 50) is None
    low, high = average_precision_interval(1e-9, 1) or (0.0, 0.0)  # without a warning
    assert 0 <= low < 1e-9 < high <= 1


@pytest.mark.parametrize(("area", "num", "num_others"), [(0.8, 20, 30), (0.99, 7, 2000), (0.5, 1, 1)])
def test_ends_of_the_interval_of_an_area_are_just_explained_by_their_own_error(
    area: float, num: int, num_others: int
) -> None:
    for end in roc_auc_interval(area, num, num_others):
        # Hanley and McNeil's variance with both counts less 1 replaced by their mean
        first, second = end / (2 - end) - end**2, 2 * end**2 / (1 + end) - end**2
        variance = (end * (1 - end) + ((num + num_others) / 2 - 1) * (first + second)) / (num * num_others)
        assert abs(area - end) == pytest.approx(1.959964 * variance**0.5, rel=1e-5)


def test_a_perfect_area_is_not_certain_and_is_the_mirror_of_the_worst() -> None:
    low, high = roc_auc_interval(1.0, 20, 30)
    assert 0.9 < low < 0.93 and high == 1
    assert roc_auc_interval(0.0, 20, 30) == pytest.approx([0, 1 - low])


def test_paired_difference_of_a_published_table() -> None:
    # M. Fagerland, S. Lydersen, P. Laake, Recommended tests and confidence intervals for paired binomial
    # proportions, 2014: airway hyper-responsiveness before and after stem cell transplantation
    assert paired_difference_interval(1, 1, 7, 12) == pytest.approx((-0.507, -0.026), abs=6e-4)


@given(st.tuples(*[st.integers(0, 500)] * 4).filter(any))
def test_paired_difference_lies_in_its_interval_and_turns_with_the_order(
    counts: tuple[int, int, int, int],
) -> None:
    both, first, second, neither = counts
    low, high = paired_difference_interval(*counts)
    assert -1 - 1e-9 <= low <= (first - second) / sum(counts) <= high <= 1 + 1e-9
    assert paired_difference_interval(both, second, first, neither) == pytest.approx((-high, -low))
