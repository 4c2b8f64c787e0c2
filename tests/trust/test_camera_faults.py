from dataclasses import dataclass, replace

import numpy as np
import pytest
from numpy.typing import NDArray

from skysort.trust.camera_faults import DAY, begins_burst, is_silent, light_faults, time_faults

NUM, REFERENCE = 300, 100
HOURLY = np.arange(NUM) * 3600.0 + 1e9


@dataclass(frozen=True)
class Captures:
    arrived: NDArray[np.float64]
    taken: NDArray[np.float64]
    brightness: NDArray[np.float64]
    sharpness: NDArray[np.float64]


def captures(seed: int = 0) -> Captures:
    """Pictures in order, one per hour, each taken a minute before it arrived."""
    brightness, sharpness = np.random.default_rng(seed).uniform(0.3, 0.8, (2, NUM))
    brightness[:REFERENCE:20] = sharpness[:REFERENCE:20] = 0.2
    return Captures(HOURLY, HOURLY - 60, brightness, sharpness)


def with_values(values: NDArray[np.float64], at: slice, new: float) -> NDArray[np.float64]:
    changed = values.copy()
    changed[at] = new
    return changed


def found(captures: Captures, now: float = HOURLY[-1] + 1) -> dict[str, tuple[int, int, int]]:
    found = light_faults(captures.brightness, captures.sharpness, REFERENCE)
    found += time_faults(captures.arrived, captures.taken, captures.brightness, captures.sharpness, now)
    return {fault.name: (fault.pictures, fault.first, fault.last) for fault in found}


def test_a_camera_in_order_has_no_fault() -> None:
    assert [found(captures(seed)) for seed in range(20)] == [{}] * 20


@pytest.mark.parametrize(("name", "field"), [("dark", "brightness"), ("blurred", "sharpness")])
def test_pictures_below_nearly_all_of_the_reference_are_a_fault(name: str, field: str) -> None:
    plain = captures()
    values = getattr(plain, field)
    broken = replace(plain, **{field: with_values(values, slice(250, 259), 0.01)})
    assert found(broken) == {name: (9, 250, 258)}
    few = replace(plain, **{field: with_values(values, slice(250, 257), 0.01)})
    assert found(few) == {}
    at_night = replace(plain, **{field: with_values(getattr(broken, field), slice(0, 40), 0.01)})
    assert found(at_night) == {}  # the reference has such pictures too
    unknown = replace(plain, **{field: np.full(NUM, np.nan)})
    assert found(unknown) == {}


def test_signs_that_are_far_apart_are_no_fault() -> None:
    spread = captures()
    spread.brightness[100::3] = 0.01
    assert found(spread) == {}  # seven in twenty
    spread.brightness[100::2] = 0.01
    assert "dark" in found(spread)


def test_one_picture_repeated() -> None:
    plain = captures()
    stuck = slice(200, 209)
    repeated = replace(
        plain,
        brightness=with_values(plain.brightness, stuck, 0.5),
        sharpness=with_values(plain.sharpness, stuck, 0.2),
    )
    assert found(repeated) == {"repeated": (8, 201, 208)}
    alike = replace(plain, brightness=with_values(plain.brightness, stuck, 0.5))
    assert found(alike) == {}  # as bright, and not the same
    one_colour = replace(repeated, sharpness=with_values(plain.sharpness, stuck, np.nan))
    assert found(one_colour) == {"repeated": (8, 201, 208)}


def test_a_clock_that_was_set_back() -> None:
    plain = captures()
    back = replace(plain, taken=np.where(np.arange(NUM) >= 200, plain.taken - 30 * DAY, plain.taken))
    assert found(back) == {"clock set back": (100, 200, 299)}
    summer_time = replace(plain, taken=np.where(np.arange(NUM) >= 200, plain.taken - 3600, plain.taken))
    assert found(summer_time) == {}
    once_ahead = replace(plain, taken=with_values(plain.taken, slice(50, 51), HOURLY[-1] + 1000 * DAY))
    assert found(once_ahead) == {}
    without = replace(plain, taken=np.full(NUM, np.nan))
    assert found(without) == {}


def test_a_memory_card_may_come_in_any_order() -> None:
    plain = captures()
    shuffled = np.random.default_rng(0).permutation(plain.taken - 10 * DAY)
    card = replace(plain, arrived=1e9 + np.arange(NUM) * 0.5, taken=shuffled)
    assert found(card, now=1e9 + NUM) == {}


def test_silence_is_three_times_the_longest_gap_after_two_weeks() -> None:
    daily = 1e9 + np.arange(20) * DAY
    assert not is_silent(daily, daily[-1] + 2.9 * DAY)
    assert is_silent(daily, daily[-1] + 3.1 * DAY)
    assert not is_silent(daily[:10], daily[9] + 3.1 * DAY)  # too early to know its gaps
    assert not is_silent(np.delete(daily, 5), daily[-1] + 3.1 * DAY)
    unknown = np.full(20, np.nan)
    (fault,) = time_faults(daily, unknown, unknown, unknown, daily[-1] + 9 * DAY)
    assert (fault.name, fault.pictures, fault.first) == ("no pictures", 0, 19)


def test_no_pictures_have_no_fault() -> None:
    empty = np.empty(0)
    assert light_faults(empty, empty, 500) == time_faults(empty, empty, empty, empty, 1e9) == []


def test_a_burst_counts_once_by_the_time_of_the_camera() -> None:
    taken = np.array([np.nan, 100, 101, 150, 211, 211, np.nan, 212, 90, 30.5])
    assert np.flatnonzero(~begins_burst(taken)).tolist() == [2, 3, 5, 9]
