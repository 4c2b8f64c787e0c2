"""Faults of a camera, from how its pictures are taken and when they arrive. No answers are needed.

A picture counts as dark, or as blurred, if it is darker, or less sharp, than 99 of 100 pictures of the reference.
One such picture is no fault: in 100 there is one. A fault is eight of them among twenty that arrive one after the
other. If pictures are alike and independent, that happens by chance in three of a million windows of twenty even
if the reference is so small, or so unlucky, that one picture in twenty is below its limit. Nights are no fault if
the reference has nights, too. The pictures of a burst are not independent, so only one of them counts.

benchmarks/drift.py has measured this; docs/how-to/drift.md has the figures.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from skysort.classifier.decision import BURST_SECONDS

QUANTILE = 0.01
"""Share of the reference that is darker, or less sharp, than the limit."""
WINDOW, FEWEST = 20, 8
"""Fewest pictures with a sign of a fault among so many, one after the other."""
HOUR, DAY = 3600.0, 86400.0
SET_BACK = DAY
"""A clock is set back by more than this, in seconds. Summer time ends with an hour."""
TOGETHER = HOUR
"""Pictures that arrive within this time, in seconds, may come in any order, as from a memory card."""
BURST = BURST_SECONDS
"""Pictures taken within this time of the one before, in seconds, are alike, and count once."""
FEWEST_DAYS = 14
"""Days of arrivals before silence can be a fault."""
GAPS = 3
"""Silence is a fault after this many times the longest gap."""

FaultName = Literal["dark", "blurred", "repeated", "clock set back", "no pictures"]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Fault:
    """One fault."""

    name: FaultName
    pictures: int
    """Number of pictures that show it; 0 if there are no pictures."""
    first: int
    """Number, from 0, of the first arrival that shows it; of the last before the silence if there are none."""
    last: int
    """Number of the last one."""


def begins_burst(taken: Floats) -> Flags:
    """Tell of each arrival whether it begins a burst: it was taken a minute or more before or after the last one.

    Args:
        taken: (N,) seconds since 1970 on the camera's clock; NaN if not recorded, which is no part of a burst.
    """
    return ~(abs(np.diff(taken, prepend=np.nan)) < BURST)


def light_faults(brightness: Floats, sharpness: Floats, num_reference: int) -> list[Fault]:
    """Return whether pictures are dark or blurred, compared with the reference.

    Args:
        brightness: (N,) of one arrival per burst, the reference first; NaN if not recorded.
        sharpness: (N,) likewise; NaN also for a picture of one colour.
        num_reference: number of arrivals that others are compared with.
    """
    return _faults_of(
        {"dark": _is_below(brightness, num_reference), "blurred": _is_below(sharpness, num_reference)}
    )


def time_faults(arrived: Floats, taken: Floats, brightness: Floats, sharpness: Floats, now: float) -> list[Fault]:
    """Return whether one picture is repeated, the clock was set back, or no pictures come.

    Args:
        arrived: (N,) seconds since 1970 of all arrivals, in their order.
        taken: (N,) seconds since 1970 on the camera's clock; NaN if not recorded.
        brightness: (N,) NaN if not recorded.
        sharpness: (N,) NaN if not recorded.
        now: seconds since 1970.
    """
    faults = _faults_of(
        {
            "repeated": _is_repeated(brightness, sharpness),
            "clock set back": _is_set_back(np.maximum.accumulate(arrived), taken) if len(arrived) else taken > 0,
        }
    )
    if is_silent(arrived, now):
        faults.append(Fault("no pictures", 0, len(arrived) - 1, len(arrived) - 1))
    return faults


def _faults_of(signs: dict[FaultName, Flags]) -> list[Fault]:
    """Return the faults of which there are signs enough."""
    faults = []
    for name, flags in signs.items():
        at = np.flatnonzero(_in_dense_windows(flags))
        if len(at):
            faults.append(Fault(name, len(at), int(at[0]), int(at[-1])))
    return faults


def is_silent(arrived: Floats, now: float) -> bool:
    """Tell whether no picture has come for three times the longest gap, after 14 days of pictures.

    Args:
        arrived: (N,) seconds since 1970, in order.
        now: seconds since 1970.
    """
    if len(arrived) < 2 or arrived[-1] - arrived[0] < FEWEST_DAYS * DAY:
        return False
    return bool(now - arrived[-1] > GAPS * np.diff(arrived).max())


def _is_below(values: Floats, num_reference: int) -> Flags:
    """Return (N,) flags of arrivals after the reference that are below nearly all of it."""
    reference = values[:num_reference]
    known = reference[~np.isnan(reference)]
    if not len(known):
        return np.zeros(len(values), bool)
    flags: Flags = values < np.quantile(known, QUANTILE)  # false for NaN
    flags[:num_reference] = False
    return flags


def _is_repeated(brightness: Floats, sharpness: Floats) -> Flags:
    """Return (N,) flags of arrivals with the pixels of the one before. Other pixels have other sums."""
    sharpness = np.nan_to_num(sharpness, nan=-1.0)
    flags: Flags = (np.diff(brightness, prepend=np.nan) == 0) & (np.diff(sharpness, prepend=np.nan) == 0)
    return flags


def _is_set_back(arrived: Floats, taken: Floats) -> Flags:
    """Return (N,) flags of arrivals that were taken long before one that had arrived before them.

    Times after the arrival are left out of the comparison: the clock was wrong then.
    """
    is_plausible = taken < arrived + DAY  # false for NaN
    latest = np.maximum.accumulate(np.where(is_plausible, taken, -np.inf))
    before = np.searchsorted(arrived, arrived - TOGETHER)  # number of arrivals well before each
    flags: Flags = taken < np.concatenate([[-np.inf], latest])[before] - SET_BACK
    return flags


def _in_dense_windows(flags: Flags) -> Flags:
    """Return those flags of which there are FEWEST within WINDOW arrivals."""
    at = np.flatnonzero(flags)
    dense = np.zeros(len(flags), bool)
    ends = np.arange(FEWEST - 1, len(at))
    for end in ends[at[ends] - at[ends - FEWEST + 1] < WINDOW]:
        dense[at[end - FEWEST + 1 : end + 1]] = True
    return dense
