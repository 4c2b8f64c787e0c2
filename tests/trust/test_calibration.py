import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import softmax

from skysort.classifier.predictions import cross_entropies
from skysort.trust.calibration import CalibrationError, calibration_error, fit_temperature
from tests.conftest import numbers, refused

RNG = np.random.default_rng


def answers(num: int, classes: int, times: float) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return logits and labels drawn by them, the logits then multiplied."""
    logits = 2 * RNG(0).normal(size=(num, classes))
    truth = (softmax(logits, axis=1).cumsum(axis=1) < RNG(1).random((num, 1))).sum(axis=1)
    return (times * logits).astype(np.float32), truth


@pytest.mark.parametrize("times", [0.2, 1.0, 7.0])
def test_the_temperature_undoes_what_logits_were_multiplied_by(times: float) -> None:
    logits, truth = answers(20_000, 5, times)
    fitted = fit_temperature(logits, truth)
    assert fitted.value == (1 if times == 1 else pytest.approx(times, rel=0.05))
    assert numbers(fitted.reason) == (["20,000", "1", "95"] if times == 1 else ["20,000"])


def test_no_other_temperature_has_less_cross_entropy() -> None:
    logits, truth = answers(300, 3, 2.5)
    temperature = fit_temperature(logits, truth).value

    def loss(other: float) -> float:
        return float(cross_entropies(logits / other, truth).mean())

    assert loss(temperature) <= min(loss(temperature * factor) for factor in (0.5, 0.99, 1.01, 2)) + 1e-9


def test_two_classes_and_one_margin_in_closed_form() -> None:
    # The confidence is that of the logit difference, which is 3 everywhere; 90 of 120 are right.
    logits = np.tile(np.array([[3.0, 0.0]], np.float32), (120, 1))
    truth = np.array([0] * 90 + [1] * 30)
    assert fit_temperature(logits, truth).value == pytest.approx(3 / np.log(9 / 3), rel=1e-4)


@pytest.mark.parametrize("num", [100, 400])
def test_where_all_are_right_confidence_goes_no_further_than_their_number_speaks_for(num: int) -> None:
    logits = np.tile(np.array([[3.0, 0.0]], np.float32), (num, 1))
    fitted = fit_temperature(logits, np.zeros(num, np.int64))
    assert numbers(fitted.reason) == [str(num)] and "limit" in fitted.reason
    assert softmax(logits[0] / fitted.value)[0] == pytest.approx((num + 1) / (num + 2), rel=1e-4)


@pytest.mark.parametrize("size", [0.0, 1e30])
def test_logits_of_no_or_any_size_have_a_temperature_in_bounds(size: float) -> None:
    logits = size * np.tile(np.eye(4, dtype=np.float32), (20, 1))
    assert 0.01 <= fit_temperature(logits, np.arange(80) % 4).value <= 100


@pytest.mark.parametrize("num", [1, 9, 49])
def test_few_pictures_set_no_temperature(num: int) -> None:
    logits = np.tile(np.array([[9.0, 0.0]], np.float32), (num, 1))
    truth = np.arange(num) % 2  # as wrong as can be
    fitted = fit_temperature(logits, truth)
    assert (fitted.value, numbers(fitted.reason)) == (1.0, [str(num), "50"])
    assert fit_temperature(np.tile(logits, (50, 1)), np.arange(50 * num) % 2).value != 1


def true_change(num: int, times: float, seed: int) -> float:
    """Return by how much a fit on some pictures changes the cross entropy over all pictures."""
    logits, truth = answers(50 * num, 3, times)
    some = RNG(seed).choice(len(truth), num, replace=False)
    temperature = fit_temperature(logits[some], truth[some]).value
    return float((cross_entropies(logits / temperature, truth) - cross_entropies(logits, truth)).mean())


def test_on_average_a_fit_helps_where_it_is_needed_and_hardly_harms_where_it_is_not() -> None:
    needed = np.array([true_change(50, 2.0, seed) for seed in range(60)])
    assert needed.mean() < -0.05
    not_needed = np.array([true_change(50, 1.0, seed) for seed in range(60)])
    assert not_needed.mean() < 0.01
    assert np.count_nonzero(not_needed) < 12  # of 60, where the test at 95 % gives 3


def test_logits_that_are_no_numbers_are_refused() -> None:
    with refused("diverged"):
        fit_temperature(np.array([[np.nan, 0.0]], np.float32), np.array([0]))


def test_huge_logits_give_a_finite_loss() -> None:
    assert cross_entropies(np.array([[1e4, -1e4]], np.float32), np.array([1])) == pytest.approx([2e4])


def test_calibration_error_of_two_bins_by_hand() -> None:
    confidences = np.array([0.6] * 20 + [0.9] * 20)
    right = np.array([True] * 15 + [False] * 5 + [True] * 16 + [False] * 4)
    found = calibration_error(confidences[::-1], right[::-1])
    assert found.value == pytest.approx((0.15 + 0.1) / 2)
    points = [(point.pictures, point.confidence, point.accuracy) for point in found.points]
    assert points == [(20, pytest.approx(0.6), 0.75), (20, pytest.approx(0.9), 0.8)]


@pytest.mark.parametrize(("num", "bins"), [(1, 1), (39, 1), (40, 2), (299, 14), (5000, 15)])
def test_bins_are_of_as_many_pictures_each_and_not_of_few(num: int, bins: int) -> None:
    confidences = RNG(0).uniform(0.5, 1, num)
    points = calibration_error(confidences, RNG(1).random(num) < 0.8).points
    sizes = [point.pictures for point in points]
    assert len(points) == bins and sum(sizes) == num
    assert max(sizes) - min(sizes) <= 1
    assert [point.confidence for point in points] == sorted(point.confidence for point in points)


@given(st.lists(st.tuples(st.sampled_from([0.5, 0.8, 1.0]), st.booleans()), min_size=1, max_size=90), st.randoms())
def test_the_order_of_pictures_changes_nothing(pictures: list[tuple[float, bool]], chance: st.DataObject) -> None:
    def found() -> CalibrationError:
        confidences, right = zip(*pictures, strict=True)
        return calibration_error(np.array(confidences), np.array(right))

    before = found()
    chance.shuffle(pictures)  # type: ignore[attr-defined]
    assert found() == before
    if len(pictures) < 20:
        assert before.interval95 is None
    else:
        assert before.interval95 is not None
        low, high = before.interval95
        assert 0 <= low <= before.value <= high <= 1 and low < high


def test_the_interval_holds_the_true_error_where_percentiles_of_resamples_never_do() -> None:
    rng = RNG(3)
    held = {0.0: 0, 0.05: 0}
    for overconfidence in held:
        for _ in range(40):
            confidences = rng.uniform(0.6, 0.95, 300)
            error = calibration_error(confidences, rng.random(300) < confidences - overconfidence)
            assert error.interval95 is not None
            low, high = error.interval95
            held[overconfidence] += low <= overconfidence <= high
    # each is right 38 times of 40 on average; fewer than 33 happens once in a thousand times
    assert min(held.values()) >= 33


def test_chance_alone_is_told_from_a_true_error() -> None:
    confidences = RNG(0).uniform(0.6, 0.95, 2000)
    calibrated = calibration_error(confidences, RNG(1).random(2000) < confidences)
    overconfident = calibration_error(confidences, RNG(1).random(2000) < confidences - 0.1)
    assert calibrated.interval95[0] == 0
    assert calibrated.value == pytest.approx(calibrated.by_chance, rel=0.6)
    assert overconfident.interval95[0] > 2 * overconfident.by_chance


def test_certainty_that_was_never_wrong_is_not_proved_by_few() -> None:
    found = calibration_error(np.ones(24), np.ones(24, bool))
    assert found.value == 0
    # 24 of 24 happen once in 40 at 1 - 0.025 ** (1 / 24)
    assert found.interval95 == (0, pytest.approx(0.142, abs=0.035))
