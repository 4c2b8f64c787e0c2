import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skysort.classifier.format import KeptShare
from skysort.classifier.ood import why_unknown
from skysort.classifier.proof import Logits
from skysort.trust.abstention import fewest_for_unknown, threshold_for_unknown

KEEPS = st.sampled_from([0.5, 0.8, 0.9, 0.95])


def logits_of(values: list[float]) -> Logits:
    """Return logits of one class, of which the values are the scores."""
    return np.array(values, np.float32)[:, None]


@given(st.lists(st.integers(-9, 9), min_size=20, max_size=60), KEEPS)
def test_of_pictures_left_out_in_turn_no_more_are_unknown_than_stated(values: list[int], keep: float) -> None:
    """As if each were the new one and the others the calibration split: the promise itself, without chance."""
    num_unknown = 0
    for number, value in enumerate(values):
        unknown = threshold_for_unknown(logits_of([*values[:number], *values[number + 1 :]]), keep)
        (why,) = why_unknown(unknown, logits_of([value]))
        num_unknown += bool(why)
    allowed = round(len(values) * round(1 - keep, 2), 6)
    assert num_unknown <= allowed
    if len(set(values)) == len(values):
        assert num_unknown == math.floor(allowed)


@given(st.sets(st.integers(-1000, 1000), min_size=19, max_size=200), KEEPS)
def test_a_threshold_for_unknown_keeps_the_picture_it_is_made_of_and_loses_all_below(
    values: set[int], keep: float
) -> None:
    unknown = threshold_for_unknown(logits_of(list(values)), keep)
    num_lost = math.floor(round((len(values) + 1) * (1 - keep), 6)) - 1
    assert (unknown.calibration.pictures, unknown.calibration.kept) == (len(values), len(values) - num_lost)
    assert sorted(values)[num_lost] - 0.1 < unknown.threshold < sorted(values)[num_lost]


def test_a_threshold_for_unknown_counts_pictures_of_a_group_once() -> None:
    values, groups = [9.0, 1.0, 8.0, 2.0, 7.0, 3.0], np.array([0, 0, 1, 1, 2, 2])
    unknown = threshold_for_unknown(logits_of(values), 0.75, groups, left_out=5)
    alone = threshold_for_unknown(logits_of([1.0, 2.0, 3.0]), 0.75)
    assert unknown.threshold == alone.threshold
    assert unknown.calibration == KeptShare(pictures=6, kept=6, groups=3, left_out=5)
    assert alone.calibration == KeptShare(pictures=3, kept=3)


@pytest.mark.parametrize(("keep", "fewest"), [(0.5, 1), (0.9, 9), (0.95, 19), (0.99, 99), (0.999, 999)])
def test_a_threshold_for_unknown_takes_enough_pictures(keep: float, fewest: int) -> None:
    assert fewest_for_unknown(keep) == fewest
    values = [float(value) for value in range(fewest)]
    assert threshold_for_unknown(logits_of(values), keep).calibration.kept == fewest
    with pytest.raises(ValueError, match=rf" {fewest} .* {fewest - 1}\b"):
        threshold_for_unknown(logits_of(values[1:]), keep)


def test_equal_pictures_stay_equal_when_batches_round_otherwise() -> None:
    unknown = threshold_for_unknown(logits_of([12.5] * 40), 0.5)
    assert unknown.calibration.kept == 40
    assert why_unknown(unknown, logits_of([12.49999])) == [""]
