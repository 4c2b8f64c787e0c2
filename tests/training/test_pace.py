import itertools
from collections.abc import Callable

import pytest

from skysort.training.pace import Pace

STEPS_PER_EPOCH = 10


def run_to_the_end(
    pace: Pace, seconds_of_step: Callable[[float], float], per_epoch: float = 1.0
) -> tuple[float, list[float]]:
    """Let a training take its steps by a clock of its own; return the seconds and the places in the schedule."""
    now, done, shares = 0.0, 0, []
    while done < pace.num_steps:
        for _ in range(STEPS_PER_EPOCH):
            shares.append(pace.position(done) / pace.length)
            seconds = seconds_of_step(now)
            now, done = now + seconds, done + 1
            pace.add_step(seconds)
            pace.plan(done, now)
            if done >= pace.num_steps:
                break
        pace.per_epoch = per_epoch
        pace.plan(done, now)
        now += per_epoch
    return now, shares


def make_pace(until: float) -> Pace:
    return Pace(until, per_step=1.0, per_epoch=1.0, steps_per_epoch=STEPS_PER_EPOCH)


def test_without_a_change_of_pace_the_plan_and_the_schedule_stay() -> None:
    pace = make_pace(until=55.0)  # five epochs of ten steps and a validation
    assert (pace.num_steps, pace.num_epochs) == (50, 5)
    seconds, shares = run_to_the_end(pace, lambda _: 1.0)
    assert seconds == 55.0
    assert shares == [step / 50 for step in range(50)]


@pytest.mark.parametrize("until", [7.0, 33.5, 100.0, 222.2])
def test_the_last_epoch_ends_early_rather_than_leave_time(until: float) -> None:
    seconds, _ = run_to_the_end(make_pace(until), lambda _: 1.0)
    assert until - 2.0 <= seconds <= until  # a step and a validation are whole


@pytest.mark.parametrize("slower", [0.25, 0.6, 1.5, 4.0])
@pytest.mark.parametrize("since", [0.0, 60.0, 140.0])
def test_another_pace_changes_the_number_of_steps_and_not_the_end(slower: float, since: float) -> None:
    pace = make_pace(until=220.0)
    planned = pace.num_steps
    seconds, shares = run_to_the_end(pace, lambda now: slower if now >= since else 1.0)
    assert 220.0 - 2 * max(slower, 1.0) - 1.0 <= seconds <= 220.0 + slower
    assert (len(shares) < planned) == (slower > 1)
    rises = [later - earlier for earlier, later in itertools.pairwise(shares)]
    assert shares[0] == 0.0 and all(0 < rise < 0.2 for rise in rises)  # the learning rate never jumps
    assert shares[-1] > 0.9  # and falls to the end


def test_a_computer_that_stands_still_ends_the_training_at_once() -> None:
    seconds, shares = run_to_the_end(make_pace(until=100.0), lambda now: 1.0 if now < 20 else 90.0)
    assert seconds < 220
    assert len(shares) < 25


def test_a_training_without_time_takes_one_step() -> None:
    assert len(run_to_the_end(make_pace(until=-5.0), lambda _: 1.0)[1]) == 1
