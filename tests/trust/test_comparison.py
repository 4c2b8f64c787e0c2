import numpy as np
import pytest
from scipy.stats import t

from skysort.trust.comparison import (
    PairedComparison,
    Spread,
    difference,
    pooled_std,
    prediction_interval,
    verdict_on,
)

NAMES = ("one", "other")


def answers(rng: np.random.Generator, share: float, runs: int = 3, pictures: int = 500) -> np.ndarray:
    return rng.random((runs, pictures)) < share


def test_a_spread_is_mean_and_sample_standard_deviation() -> None:
    spread = Spread.of([0.8, 0.9, 1.0])
    assert (spread.mean, spread.std) == (pytest.approx(0.9), pytest.approx(0.1))
    assert Spread.of([0.8]).std is None


def test_a_recipe_does_not_differ_from_itself_beyond_its_runs() -> None:
    right = np.tile(answers(np.random.default_rng(1), 0.8, runs=1), (3, 1))
    found = difference(right, right, np.random.default_rng(0))
    assert (found.mean, *found.interval95) == (0.0, 0.0, 0.0)


def test_the_interval_of_one_run_each_is_that_of_paired_pictures() -> None:
    rng = np.random.default_rng(2)
    first, second = answers(rng, 0.9, runs=1), answers(rng, 0.7, runs=1)
    found = difference(first, second, np.random.default_rng(0))
    each = first[0].astype(float) - second[0]
    margin = 1.96 * each.std() / len(each) ** 0.5
    assert found.mean == pytest.approx(each.mean())
    assert found.interval95 == pytest.approx((each.mean() - margin, each.mean() + margin), abs=0.006)


def test_runs_that_differ_widen_the_interval() -> None:
    rng = np.random.default_rng(3)
    reference = answers(rng, 0.5)
    steady = np.tile(answers(rng, 0.7, runs=1), (3, 1))
    unsteady = np.concatenate([answers(rng, share, runs=1) for share in (0.5, 0.7, 0.9)])
    narrow, wide = (difference(right, reference, np.random.default_rng(0)) for right in (steady, unsteady))
    assert wide.interval95[1] - wide.interval95[0] > 1.5 * (narrow.interval95[1] - narrow.interval95[0])


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    rng = np.random.default_rng(4)
    held = 0
    for _ in range(100):
        found = difference(answers(rng, 0.8, 1, 300), answers(rng, 0.7, 1, 300), rng)
        held += found.interval95[0] <= 0.1 <= found.interval95[1]
    assert 88 <= held <= 100  # of 95 expected; fewer than 88 happens once in 300 times


def test_with_three_runs_that_differ_the_interval_holds_the_truth_somewhat_less_often() -> None:
    rng = np.random.default_rng(5)
    held = 0
    for _ in range(100):
        both = [
            np.concatenate([answers(rng, share, 1, 300) for share in rng.normal(0.8, 0.02, 3)]) for _ in range(2)
        ]
        low, high = difference(both[0], both[1], rng).interval95
        held += low <= 0 <= high
    assert 82 <= held <= 99  # three runs show two thirds of their variance; about 91 are held


def test_pooling_needs_two_runs_of_something() -> None:
    assert pooled_std([[0.9], [0.8]]) == (0.0, 0)
    std, freedom = pooled_std([[0.80, 0.82], [0.90, 0.94, 0.92]])
    assert freedom == 3
    assert std == pytest.approx(((2 * 0.01**2 + 2 * 0.02**2) / 3) ** 0.5)


def test_without_a_spread_there_is_no_interval() -> None:
    assert prediction_interval(Spread.of([0.9]), 0.9, 2_000, 0.0, 0) is None
    assert verdict_on(0.9, Spread.of([0.9]), None) == ("undecided", None)


def test_where_pictures_have_no_error_the_interval_is_that_of_one_more_run() -> None:
    measured = Spread.of([0.97, 0.98, 0.99])
    found = prediction_interval(measured, 1.0, 10_000, 0.01, 2)
    margin = t.ppf(0.975, 2) * 0.01 * (1 + 1 / 3) ** 0.5
    assert found == pytest.approx((0.98 - margin, 0.98 + margin))


def test_where_runs_have_no_error_the_interval_is_binomial() -> None:
    found = prediction_interval(Spread.of([0.9, 0.9]), 0.9, 2_000, 0.0, 1)
    margin = 1.96 * (0.9 * 0.1 / 2_000) ** 0.5
    assert found == pytest.approx((0.9 - margin, 0.9 + margin), abs=1e-5)


@pytest.mark.parametrize(
    ("published", "half_width", "verdict", "short_by"),
    [
        (0.91, 0.015, "meets", None),
        (0.85, 0.015, "meets", None),
        (0.92, 0.015, "short", 0.02),
        (0.92, 0.021, "undecided", None),
    ],
)
def test_a_verdict_follows_from_the_interval(
    published: float, half_width: float, verdict: str, short_by: float | None
) -> None:
    found = verdict_on(published, Spread.of([0.9]), (0.9 - half_width, 0.9 + half_width))
    assert found == (verdict, pytest.approx(short_by) if short_by else None)


def test_two_classifiers_by_the_pictures_on_which_they_disagree() -> None:
    first = np.array([True] * 90 + [True] * 9 + [False] * 2 + [False] * 4)
    second = np.array([True] * 90 + [False] * 9 + [True] * 2 + [False] * 4)
    found = PairedComparison.of(NAMES, first, second)
    assert (found.both, found.only_first, found.only_second, found.neither) == (90, 9, 2, 4)
    # 2 · (C(11, 0) + C(11, 1) + C(11, 2)) / 2¹¹
    assert found.p == pytest.approx(2 * (1 + 11 + 55) / 2**11)
    assert found.difference.mean == pytest.approx(first.mean() - second.mean())
    assert found.difference.interval95[0] < found.difference.mean < found.difference.interval95[1]
    assert found.better is None
    assert PairedComparison.of(NAMES, second, first).p == found.p
    more = np.append(first, [True]), np.append(second, [False])  # ten against two: p = 0.039
    assert (PairedComparison.of(NAMES, *more).better, PairedComparison.of(NAMES, *more[::-1]).better) == (
        "first",
        "second",
    )


def test_two_that_never_disagree_may_still_differ_on_other_pictures() -> None:
    right = np.array([True, True, False])
    found = PairedComparison.of(NAMES, right, right)
    assert found.p == 1
    low, high = found.difference.interval95
    assert low == -high and 0 < high < 1
