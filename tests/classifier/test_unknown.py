import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skysort.classifier.prove import Logits
from skysort.classifier.unknown import fewest_pictures, scores, threshold_for, why_unknown

KEEPS = st.sampled_from([0.5, 0.8, 0.9, 0.95])


def logits_of(values: list[float]) -> Logits:
    """Return logits of one class, of which the values are the scores."""
    return np.array(values, np.float32)[:, None]


def test_the_score_is_the_logarithm_of_the_sum_of_the_exponentials() -> None:
    found = scores(np.array([[0, 0], [math.log(3), math.log(5)], [1000, 0], [-1000, -1000]], np.float32))
    np.testing.assert_allclose(found, [math.log(2), math.log(8), 1000, math.log(2) - 1000], rtol=1e-6)


@given(st.lists(st.integers(-9, 9), min_size=20, max_size=60), KEEPS)
def test_of_pictures_left_out_in_turn_no_more_are_unknown_than_stated(values: list[int], keep: float) -> None:
    """As if each were the new one and the others the calibration part: the promise itself, without chance."""
    num_unknown = 0
    for number, value in enumerate(values):
        unknown = threshold_for(logits_of([*values[:number], *values[number + 1 :]]), keep)
        (why,) = why_unknown(unknown, logits_of([value]))
        num_unknown += bool(why)
    allowed = round(len(values) * round(1 - keep, 2), 6)
    assert num_unknown <= allowed
    if len(set(values)) == len(values):
        assert num_unknown == math.floor(allowed)


@given(st.sets(st.integers(-1000, 1000), min_size=19, max_size=200), KEEPS)
def test_a_threshold_keeps_the_picture_it_is_made_of_and_loses_all_below(values: set[int], keep: float) -> None:
    unknown = threshold_for(logits_of(list(values)), keep)
    num_lost = math.floor(round((len(values) + 1) * (1 - keep), 6)) - 1
    assert (unknown.calibration.pictures, unknown.calibration.kept) == (len(values), len(values) - num_lost)
    assert sorted(values)[num_lost] - 0.1 < unknown.threshold < sorted(values)[num_lost]


@pytest.mark.parametrize(("keep", "fewest"), [(0.5, 1), (0.9, 9), (0.95, 19), (0.99, 99), (0.999, 999)])
def test_a_threshold_takes_enough_pictures(keep: float, fewest: int) -> None:
    assert fewest_pictures(keep) == fewest
    values = [float(value) for value in range(fewest)]
    assert threshold_for(logits_of(values), keep).calibration.kept == fewest
    with pytest.raises(ValueError, match=f"expected at least {fewest} pictures, found {fewest - 1}"):
        threshold_for(logits_of(values[1:]), keep)


def test_equal_pictures_stay_equal_when_batches_round_otherwise() -> None:
    unknown = threshold_for(logits_of([12.5] * 40), 0.5)
    assert unknown.calibration.kept == 40
    assert why_unknown(unknown, logits_of([12.49999, 12.4])) == [
        "",
        "like none of the classes: its score 12.4 is below 12.5",
    ]


def test_without_a_threshold_nothing_is_unknown() -> None:
    assert why_unknown(None, logits_of([-1e9, 1e9])) == ["", ""]
