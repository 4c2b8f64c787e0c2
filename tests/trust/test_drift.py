import numpy as np
import pytest
from numpy.typing import NDArray

from skysort.trust.drift import DELTA, JUMP, STAKES, drift, log_martingale, ranks
from tests.conftest import refused

NUM = 400
Floats = NDArray[np.float64]


def two_scores(num: int, rng: np.random.Generator) -> list[Floats]:
    """A confidence, rounded so that many are equal, and a distance that depends on it."""
    distance = rng.gamma(2.0, size=num)
    return [np.round(1 / (1 + np.exp(distance - rng.normal(2, 1, num))), 2), distance]


def test_false_alarms_are_at_most_delta() -> None:
    delta, num_streams, alarms = 0.1, 200, 0
    for seed in range(num_streams):
        rng = np.random.default_rng(seed)
        alarms += drift(two_scores(60, rng), two_scores(NUM, rng), delta=delta, seed=seed).is_alarm
    assert alarms <= delta * num_streams


def test_ranks_among_the_reference_alone_would_raise_false_alarms() -> None:
    alarms = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        reference, arrivals = np.sort(rng.random(60)), rng.random(2000)
        places = np.searchsorted(reference, arrivals)
        alone = (places + rng.random(2000)) / 61
        alarms += bool(log_martingale(alone).max() >= -np.log(DELTA))
    assert alarms > 10


@pytest.mark.parametrize("sign", [-1, 1])
def test_a_shift_is_noticed_and_has_a_direction(sign: int) -> None:
    rng = np.random.default_rng(0)
    reference, before = rng.normal(size=500), rng.normal(size=200)
    shifted = rng.normal(sign * 1.0, 1, 200)
    found = drift([reference], [np.concatenate([before, shifted])])
    assert found.alarm_at is not None and 200 <= found.alarm_at < 300
    assert sign * (found.ranks[0, 200:].mean() - 0.5) > 0.1


def test_earlier_ranks_stay_as_a_stream_grows() -> None:
    reference, arrivals = (two_scores(60, np.random.default_rng(seed)) for seed in (3, 4))
    whole = drift(reference, arrivals).ranks
    part = drift(reference, [values[:20] for values in arrivals]).ranks
    np.testing.assert_array_equal(part, whole[:, :20])


def test_one_score_of_two_is_enough() -> None:
    rng = np.random.default_rng(1)
    same = rng.normal(size=700)
    other = np.concatenate([rng.normal(size=500), rng.normal(1.5, 1, 200)])
    assert drift([same[:500], other[:500]], [same[500:], other[500:]]).is_alarm


def test_ranks_are_uniform_with_ties() -> None:
    rng = np.random.default_rng(2)
    found = ranks(rng.integers(0, 3, 50).astype(float), rng.integers(0, 3, 3000).astype(float), rng)
    counts, _ = np.histogram(found, 10, (0, 1))
    assert (abs(counts - 300) < 5 * np.sqrt(300)).all()
    assert abs(np.corrcoef(found[:-1], found[1:])[0, 1]) < 0.08


def test_a_rank_counts_earlier_arrivals() -> None:
    found = ranks(np.array([0.0]), np.array([1.0, 2.0, 0.5]), np.random.default_rng(0))
    for rank, (low, high) in zip(found, [(1 / 2, 1), (2 / 3, 1), (1 / 4, 2 / 4)], strict=True):
        assert low <= rank <= high


def test_the_martingale_is_the_definition_and_has_the_mean_1() -> None:
    uniform = (np.arange(1000) + 0.5) / 1000  # one rank: the mean over all is the integral
    assert np.mean([np.exp(log_martingale(np.array([one]))[0]) for one in uniform]) == pytest.approx(1)
    shares = np.full(3, 1 / 3)
    for rank in (0.9, 0.8, 0.95):
        shares = (1 - JUMP) * shares + JUMP * shares.sum() / 3
        shares = shares * (1 + np.array(STAKES) * (rank - 0.5))
    assert log_martingale(np.array([0.9, 0.8, 0.95]))[-1] == pytest.approx(np.log(shares.sum()))


def test_long_streams_do_not_overflow() -> None:
    logs = log_martingale(np.full(20_000, 0.99))
    assert np.isfinite(logs).all() and logs[-1] > 1000


def test_no_arrivals_are_no_drift() -> None:
    found = drift([np.array([0.5])], [np.array([])])
    assert (found.arrivals, found.is_alarm) == (0, False)


def test_a_score_that_is_not_a_number_is_refused() -> None:
    with refused("wrong-value", "NaN"):
        drift([np.array([0.5])], [np.array([np.nan])])


@pytest.mark.parametrize("sign", [-1, 1])
def test_the_change_its_direction_and_its_loudest_pictures(sign: int) -> None:
    rng = np.random.default_rng(5)
    changed = np.concatenate([rng.normal(size=300), rng.normal(sign * 2.0, 1, 100)])
    noise = rng.normal(size=400)
    found = drift([rng.normal(size=500), rng.normal(size=500)], [changed, noise])
    assert found.change_at is not None and found.alarm_at is not None
    assert 280 <= found.change_at <= 310 < found.alarm_at < 340
    assert found.directions() == [sign, 0]
    loudest = found.loudest()
    assert sorted(loudest) == list(range(found.change_at, 400))
    assert set(loudest[:5]) <= set(np.argsort(-sign * changed)[:20].tolist())


def test_without_a_drift_there_is_no_change() -> None:
    found = drift([np.arange(100.0)], [np.array([50.0])])
    assert (found.change_at, found.directions(), found.loudest()) == (None, [0], [])
