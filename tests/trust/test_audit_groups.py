"""Groups of pictures in an audit: a group is lost if one of its pictures to keep is set aside."""

from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from skysort.trust.audit import DELTA, Arrivals, Verdict, audit, log_wealth
from skysort.trust.audit_groups import as_groups
from tests.trust.test_audit import ALPHA, stream

BIRD, NO_BIRD, OPEN = Verdict.PROTECTED, Verdict.OTHER, Verdict.NONE


@pytest.mark.parametrize("seed", range(5))
def test_groups_of_one_picture_are_pictures(seed: int) -> None:
    arrivals = stream(600, 0.2, seed)
    groups = as_groups(arrivals, np.arange(600), np.ones(600, bool))
    assert audit(groups, ALPHA) == audit(arrivals, ALPHA)


@pytest.mark.parametrize(
    ("pictures", "outcome"),
    [  # of one drawn group: whether each picture was set aside, and its answer
        ([(True, BIRD), (False, BIRD)], "lost"),
        ([(True, BIRD), (False, OPEN), (False, NO_BIRD)], "lost"),
        ([(True, NO_BIRD), (False, BIRD)], "saved"),
        ([(False, BIRD), (False, OPEN)], "saved"),
        ([(True, NO_BIRD), (False, NO_BIRD)], "none"),
        ([(True, NO_BIRD), (True, NO_BIRD)], "none"),
        ([(True, OPEN), (True, NO_BIRD)], "may be lost"),
        ([(True, OPEN), (False, NO_BIRD)], "may be lost"),
        ([(False, OPEN), (True, NO_BIRD)], "may be saved"),
        ([(True, OPEN), (False, BIRD)], "may be lost, may be saved"),
        ([(True, Verdict.CANNOT_TELL), (False, OPEN)], "may be lost, may be saved"),
    ],
)
def test_the_outcome_of_a_group(pictures: list[tuple[bool, Verdict]], outcome: str) -> None:
    is_aside, answers = zip(*pictures, strict=True)
    num = len(pictures)
    arrivals = Arrivals.of(is_aside, np.ones(num), answers, 0.5, 0.1)

    def outcome_if(*, has_ended: bool) -> str:
        group = as_groups(arrivals, np.zeros(num, np.int64), np.array([has_ended]))
        flags = {
            "lost": group.is_lost, "saved": group.is_saved, "may be lost": group.may_be_lost,
            "may be saved": group.may_be_saved,
        }  # fmt: skip
        assert group.rate == (0.5 if any(is_aside) else 0.1)
        return ", ".join(name for name, flag in flags.items() if flag) or "none"

    assert outcome_if(has_ended=True) == outcome
    assert outcome_if(has_ended=False) == "may be lost, may be saved"


def bursts(num: int, loss: float, seed: int, rates: tuple[float, float]) -> tuple[Arrivals, NDArray[np.int64]]:
    """Groups of up to six pictures. Half of them have birds, of which a share loses one picture or more."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 7, num)
    groups = np.repeat(np.arange(num), sizes)
    has_birds, is_lost, part = rng.random(num) < 0.5, rng.random(num) < loss, rng.random(num)
    is_first = np.diff(groups, prepend=-1) > 0
    is_bird = has_birds[groups] & (is_first | (rng.random(len(groups)) < 0.7))
    is_aside = np.where(is_bird, is_lost[groups] & (is_first | (rng.random(len(groups)) < part[groups])), True)
    is_aside &= is_bird | (rng.random(len(groups)) < 0.6)
    is_any_aside, is_any_kept = (np.isin(np.arange(num), groups[which]) for which in (is_aside, ~is_aside))
    rate = np.maximum(np.where(is_any_aside, rates[0], 0), np.where(is_any_kept, rates[1], 0))
    is_drawn = (rng.random(num) < rate)[groups]
    answers = np.where(is_bird, BIRD, NO_BIRD)
    answers[rng.random(len(groups)) < 0.02] = OPEN
    return Arrivals.of(is_aside, is_drawn, answers, *rates), groups


@pytest.mark.parametrize("rates", [(0.5, 0.2), (0.2, 0.5)])
def test_false_alarms_are_at_most_delta_where_groups_lose_what_is_promised(rates: tuple[float, float]) -> None:
    num, alarms = 400, np.zeros(2)
    for seed in range(num):
        pictures, groups = bursts(300, ALPHA, seed, rates)
        by_group = as_groups(pictures, groups, np.ones(300, bool))
        worse = as_groups(*bursts(300, 3 * ALPHA, seed, rates), np.ones(300, bool))
        alarms += [log_wealth(one, ALPHA).max() >= np.log(1 / DELTA) for one in (by_group, worse)]
    assert alarms[0] <= num * DELTA < alarms[1]


def test_a_broken_promise_is_noticed() -> None:
    pictures, groups = bursts(600, 0.5, 0, (0.5, 0.2))
    result = audit(as_groups(pictures, groups, np.ones(600, bool)), ALPHA)
    assert result.is_alarm and result.loss and result.loss.low < 0.5 < result.loss.high
    assert result.loss.estimate == pytest.approx(0.5, abs=0.12)


def test_what_is_not_known_yet_never_speaks_against_the_promise() -> None:
    for seed in range(10):
        pictures, groups = bursts(100, 0.4, seed, (0.6, 0.3))
        rng, has_ended = np.random.default_rng(seed), np.ones(100, bool)
        full = [audit(as_groups(pictures, groups, has_ended), ALPHA)]
        answers = pictures.answers.copy()
        for _ in range(10):
            answers[rng.integers(0, len(groups), 3)] = rng.choice([OPEN, Verdict.CANNOT_TELL])
            has_ended[rng.integers(0, 100, 2)] = False
            fewer = Arrivals.of(pictures.is_aside, pictures.is_drawn, answers, 0.6, 0.3)
            full.append(audit(as_groups(fewer, groups, has_ended), ALPHA))
        for more, less in pairwise(full):
            assert less.wealth <= more.wealth * (1 + 1e-9)
            if more.loss and less.loss:
                assert less.loss.low <= more.loss.low and less.loss.high >= more.loss.high
