import numpy as np
import pytest
from numpy.typing import NDArray

from skysort.trust.audit import ARRIVALS_PER_START, BETS, DELTA, Arrivals, Verdict, audit, log_wealth, loss_so_far
from skysort.trust.audit_forecast import Mixture, looks_until_alarm
from tests.conftest import refused

ALPHA = 0.1


def stream(
    num: int, loss: float | NDArray[np.float64], seed: int, rate_aside: float = 0.5, rate_keep: float = 0.2
) -> Arrivals:
    """Arrivals whose mixture of classes and rates change, and whose looks are partly skipped."""
    rng = np.random.default_rng(seed)
    is_protected = rng.random(num) < 0.5 + 0.4 * np.sin(np.arange(num) / 40)
    is_aside = rng.random(num) < np.where(is_protected, loss, 0.7)
    # From the middle on, the rates are others.
    rates = [np.where(np.arange(num) < num // 2, rate, min(1.0, 1.7 * rate)) for rate in (rate_aside, rate_keep)]
    is_drawn = rng.random(num) < np.where(is_aside, *rates)
    answers = np.where(is_protected, Verdict.PROTECTED, Verdict.OTHER)
    skipped = rng.random(num)
    answers[skipped < 0.05] = Verdict.CANNOT_TELL
    answers[skipped > 0.95] = Verdict.NONE
    return Arrivals.of(is_aside, is_drawn, answers, *rates)


def by_definition(
    arrivals: Arrivals, alpha: float, *, sign: float = 1.0, bound_has_rate: bool = True
) -> NDArray[np.float64]:
    """W after each arrival, by its definition, one start after the other."""
    num, rate = len(arrivals), np.where(arrivals.is_aside, arrivals.rate_aside, arrivals.rate_keep)
    x = np.zeros(num)
    is_protected = arrivals.is_drawn & (arrivals.answers == Verdict.PROTECTED)
    x[is_protected] = sign * ((arrivals.is_aside - alpha) / rate)[is_protected]
    against = _against(arrivals)
    x[against] = -alpha / arrivals.rate_keep[against]
    wealth, left = np.zeros(num), np.ones(num)
    for number, start in enumerate(range(0, num, ARRIVALS_PER_START), start=1):
        bets = BETS[:, None] * (arrivals.rate_keep[start:] if bound_has_rate else 1.0) / alpha
        weight = 1 / (number * (number + 1))
        wealth[start:] += weight * (1 + bets * x[start:]).cumprod(axis=1).mean(axis=0)
        left[start:] -= weight
    return wealth + left


@pytest.mark.parametrize("seed", range(3))
def test_the_wealth_is_that_of_the_definition(seed: int) -> None:
    arrivals = stream(950, 0.2, seed)
    naive = by_definition(arrivals, ALPHA)
    changes = np.flatnonzero(np.diff(naive, prepend=1.0).round(12))
    logs = log_wealth(arrivals, ALPHA)
    assert np.allclose(logs, np.log(naive[arrivals.is_lost | arrivals.is_saved | _against(arrivals)]))
    assert len(changes) == len(logs) > 50
    result = audit(arrivals, ALPHA)
    assert result.wealth == pytest.approx(naive[-1])
    first = np.flatnonzero(naive >= 1 / DELTA)
    assert result.alarm_at == (first[0] if len(first) else None)


def _against(arrivals: Arrivals) -> NDArray[np.bool_]:
    return arrivals.is_drawn & (arrivals.answers <= Verdict.CANNOT_TELL) & ~arrivals.is_aside


def answered(arrivals: Arrivals, answers: NDArray[np.int8]) -> Arrivals:
    """The same arrivals with other answers."""
    return Arrivals.of(arrivals.is_aside, arrivals.is_drawn, answers, arrivals.rate_aside, arrivals.rate_keep)


def alarms_of(wealth: list[NDArray[np.float64]]) -> float:
    return float(np.mean([one.max() >= 1 / DELTA for one in wealth]))


def test_false_alarms_are_at_most_delta() -> None:
    num = 1500
    logs = [log_wealth(stream(600, ALPHA, seed), ALPHA) for seed in range(num)]
    share = alarms_of([np.exp(one) for one in logs])
    assert 0 < share <= DELTA


def test_a_wrong_sign_or_bound_would_raise_false_alarms() -> None:
    arrivals = [stream(600, ALPHA, seed) for seed in range(60)]
    assert alarms_of([by_definition(one, ALPHA) for one in arrivals]) <= 3 * DELTA
    assert alarms_of([by_definition(one, ALPHA, sign=-1.0) for one in arrivals]) > 0.5
    without_rate = [by_definition(one, ALPHA, bound_has_rate=False) for one in arrivals]
    assert min(one.min() for one in without_rate) < 0  # no longer a bet that may be made


@pytest.mark.parametrize(("rate_aside", "rate_keep"), [(0.1, 0.1), (0.1, 0.02), (0.05, 0.3)])
def test_a_bet_is_the_likelihood_ratio_of_the_looked_at(rate_aside: float, rate_keep: float) -> None:
    """A looked-at picture of the protected class was set aside with probability phi."""

    def phi(loss: float) -> float:
        return loss * rate_aside / (loss * rate_aside + (1 - loss) * rate_keep)

    rng = np.random.default_rng(5)
    is_aside = rng.random(90) < 0.3
    arrivals = Arrivals.of(is_aside, np.ones(90), np.full(90, Verdict.PROTECTED), rate_aside, rate_keep)
    of_grid = phi(ALPHA) + BETS * (1 - phi(ALPHA))  # the loss at which c is the bet of the likelihood ratio
    losses = of_grid * rate_keep / (of_grid * rate_keep + (1 - of_grid) * rate_aside)
    lost, saved = is_aside.cumsum(), (~is_aside).cumsum()
    ratios = [(phi(loss) / phi(ALPHA)) ** lost * ((1 - phi(loss)) / (1 - phi(ALPHA))) ** saved for loss in losses]
    assert np.allclose(log_wealth(arrivals, ALPHA, one_start=True), np.log(np.mean(ratios, axis=0)))


def test_a_look_without_an_answer_counts_against_an_alarm() -> None:
    for seed in range(20):
        arrivals = stream(300, 0.3, seed)
        before = audit(arrivals, ALPHA)
        for row in np.flatnonzero(arrivals.is_drawn)[:25]:
            for answer in (Verdict.NONE, Verdict.CANNOT_TELL):
                answers = arrivals.answers.copy()
                answers[row] = answer
                after = audit(answered(arrivals, answers), ALPHA)
                assert after.wealth <= before.wealth * (1 + 1e-9)
                if before.loss and after.loss:
                    assert after.loss.low <= before.loss.low and after.loss.high >= before.loss.high


def test_answers_to_arrivals_that_were_not_drawn_do_not_count() -> None:
    arrivals = stream(500, 0.3, 0)
    answers = np.where(arrivals.is_drawn, arrivals.answers, Verdict.PROTECTED)
    assert audit(answered(arrivals, answers), ALPHA) == audit(arrivals, ALPHA)


def test_counts_are_those_of_the_looks() -> None:
    answers = [
        Verdict.NONE,
        Verdict.CANNOT_TELL,
        Verdict.OTHER,
        Verdict.PROTECTED,
        Verdict.PROTECTED,
        Verdict.PROTECTED,
    ]
    result = audit(Arrivals.of([0, 0, 1, 1, 0, 1], [1, 1, 1, 1, 1, 0], answers, 0.5, 0.1), ALPHA)
    assert (result.arrivals, result.drawn, result.done, result.due, result.cannot_tell) == (6, 5, 4, 1, 1)
    assert (result.protected, result.lost, result.is_alarm) == (2, 1, False)
    assert result.loss and result.loss.estimate == pytest.approx(2 / (2 + 10))


def test_nothing_is_known_before_the_first_look() -> None:
    result = audit(Arrivals.of([], [], [], [], []), ALPHA)
    assert (result.wealth, result.loss, result.alarm_at) == (1.0, None, None)


def test_the_interval_of_the_loss_holds_at_all_times() -> None:
    num, outside = 150, 0
    for seed in range(num):
        arrivals = stream(400, 0.2, seed)
        for end in (50, 100, 200, 400):
            loss = loss_so_far(Arrivals(**{name: values[:end] for name, values in vars(arrivals).items()}))
            if loss and not loss.low <= 0.2 <= loss.high:
                outside += 1
                break
    assert outside <= num * DELTA


def test_the_interval_reaches_0_and_1_and_narrows() -> None:
    def loss(num: int, lost: int) -> tuple[float, float]:
        is_aside = np.arange(num) < lost
        found = loss_so_far(Arrivals.of(is_aside, np.ones(num), np.full(num, Verdict.PROTECTED), 0.5, 0.5))
        assert found
        return found.low, found.high

    assert loss(40, 0)[0] == 0 and loss(40, 40)[1] == 1
    assert 0 < loss(40, 0)[1] < 0.5 < loss(40, 40)[0] < 1
    assert loss(400, 40)[0] > loss(40, 4)[0] and loss(400, 40)[1] < loss(40, 4)[1]


def test_a_late_change_is_noticed_sooner_with_many_starts() -> None:
    num, change = 6000, 4000
    loss = np.where(np.arange(num) < change, ALPHA / 2, 3 * ALPHA)
    by_starts: list[int] = []
    by_one: list[int] = []
    for seed in range(9):
        arrivals = stream(num, loss, seed)
        for found, one_start in ((by_starts, False), (by_one, True)):
            found.append(int(np.argmax(log_wealth(arrivals, ALPHA, one_start=one_start) >= np.log(1 / DELTA))))
    assert np.median(by_starts) < np.median(by_one)


@pytest.mark.parametrize(("loss", "protected"), [(0.04, 516), (0.06, 166), (0.10, 52)])
def test_the_forecast_is_the_median_of_audits(loss: float, protected: int) -> None:
    forecast = looks_until_alarm(loss, 0.02, 1.0, 1.0, Mixture(1.0, 1.0), streams=1000)
    assert forecast and forecast.protected == pytest.approx(protected, rel=0.12)
    assert forecast.protected == forecast.looks == forecast.arrivals
    if loss == 0.04:
        return
    rng, looks = np.random.default_rng(1), []
    for _ in range(150):
        is_aside = rng.random(6 * protected) < loss
        all_drawn, answers = np.ones(len(is_aside)), np.full(len(is_aside), Verdict.PROTECTED)
        found = audit(Arrivals.of(is_aside, all_drawn, answers, 1.0, 1.0), 0.02).alarm_at
        looks.append(np.inf if found is None else found + 1)
    assert forecast.protected == pytest.approx(np.median(looks), rel=0.2)


def test_the_forecast_counts_looks_at_others_too() -> None:
    forecast = looks_until_alarm(0.06, 0.02, 0.1, 0.02, Mixture(0.5, 0.9))
    assert forecast and forecast.protected < forecast.looks < forecast.arrivals
    rates = 0.5 * (0.06 * 0.1 + 0.94 * 0.02), 0.5 * (0.9 * 0.1 + 0.1 * 0.02)
    assert forecast.looks / forecast.arrivals == pytest.approx(sum(rates), rel=0.01)


def test_a_kept_promise_has_no_forecast() -> None:
    assert looks_until_alarm(0.01, 0.02, 0.5, 0.5, Mixture(0.5, 0.9), streams=20) is None


@pytest.mark.parametrize("rate", [0.0, -0.1, 1.1, float("nan")])
def test_rates_are_above_0_and_at_most_1(rate: float) -> None:
    with refused("wrong-value"):
        Arrivals.of([True], [True], [Verdict.OTHER], 0.5, rate)
