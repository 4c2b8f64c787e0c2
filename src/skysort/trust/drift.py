"""Are today's pictures like earlier ones? A martingale over ranks says when to look. It needs no answers.

The score of an arrival, such as its confidence, is ranked among the scores of reference pictures and of all
earlier arrivals. While all of them are exchangeable, the ranks are independent and uniform from 0 to 1, if ties
are drawn at random. Ranks among the reference alone are not: they share the chance of one small sample, which
would raise false alarms again and again.

Three bettors stake on low ranks, on high ranks, and on nothing: a rank u multiplies their capital by 1 + e (u -
1/2) with e = -1, 1 and 0. Before each rank a share J of all capital is divided among them equally. The total
begins at 1, and by Ville's inequality it ever reaches 1 / delta with a probability of at most delta. With
several scores, the mean of their martingales counts; it ever reaches 1 / delta with at most the number of scores
times delta, since one of them must then reach it. In simulations it was less than delta
(tests/trust/test_drift.py).

Sources: V. Vovk, A. Gammerman, G. Shafer, Algorithmic Learning in a Random World, 2nd edition, 2022, chapter 8,
for the ranks; V. Vovk, I. Petej, I. Nouretdinov, E. Ahlberg, L. Carlsson, A. Gammerman, Retrain or not retrain:
conformal test martingales for change-point detection, 2021, for the simple jumper and its J.
"""

import math
from bisect import bisect_left, bisect_right, insort
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skysort.core.errors import SkysortError

DELTA = 0.01
"""Probability of a false "look" for one score, ever."""
JUMP = 0.01
STAKES = (-1.0, 0.0, 1.0)
CLEAR = 3.0
"""Standard errors of a mean rank from 1/2, from which on a score went one way."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Drift:
    """The state of a stream of arrivals."""

    arrivals: int
    log_wealth: Floats
    """(N,) logarithm of the mean of the martingales after each arrival."""
    alarm_at: int | None
    """The number of the first arrival, from 0, at which it reached 1 / delta; None if it never did."""
    ranks: Floats
    """(scores, N) from 0 to 1. A mean rank above 1/2 says that a score has grown."""

    @property
    def is_alarm(self) -> bool:
        """Whether the arrivals differ from the reference or from earlier ones, so that a person should look."""
        return self.alarm_at is not None

    @property
    def change_at(self) -> int | None:
        """The number of the arrival, from 0, at which the change probably came; None without an alarm.

        Of all arrivals up to the alarm, the mean rank of one score since then is the most standard errors from
        1/2.
        """
        return None if self.alarm_at is None else int(abs(self._errors_since()).max(axis=0).argmax())

    def directions(self) -> list[int]:
        """Return per score -1 if it is lower since the change, 1 if it is higher, and 0 if it is as before."""
        if self.change_at is None:
            return [0] * len(self.ranks)
        errors = self._errors_since()[:, self.change_at]
        return [int(sign) for sign in np.sign(errors) * (abs(errors) > CLEAR)]

    def _errors_since(self) -> Floats:
        """Return (scores, alarm_at + 1): by how many standard errors the mean rank since then is above 1/2."""
        shifts = self.ranks[:, : (self.alarm_at or 0) + 1] - 0.5
        sums = shifts[:, ::-1].cumsum(axis=1)[:, ::-1]
        errors: Floats = sums / np.sqrt(np.arange(shifts.shape[1], 0, -1) / 12)
        return errors

    def loudest(self) -> list[int]:
        """Return the numbers of arrivals since the change, those first whose ranks speak loudest for it.

        Their ranks are extreme in the direction of the change.
        """
        if self.change_at is None:
            return []
        errors = self._errors_since()[:, self.change_at]
        loudness = errors @ (self.ranks - 0.5)
        numbers = np.arange(self.change_at, self.arrivals)
        return [int(number) for number in numbers[np.argsort(-loudness[numbers], kind="stable")]]


def drift(
    reference: Sequence[Floats], arrivals: Sequence[Floats], *, delta: float = DELTA, seed: int = 0
) -> Drift:
    """Compare arrivals with reference pictures and with each other.

    Args:
        reference: per score, (R,) values of reference pictures, which no person chose.
        arrivals: per score, (N,) values of the arrivals, in order.
        delta: probability of a false alarm with one score; with several, at most their number times as much.
        seed: of the draws between equal values. With the same seed, earlier ranks of a stream stay as it grows.

    Raises:
        SkysortError: when a score is not a number.
    """
    num = len(arrivals[0])
    pairs = zip(reference, arrivals, strict=True)
    all_ranks = np.stack(
        [ranks(*pair, np.random.default_rng([seed, number])) for number, pair in enumerate(pairs)]
    )
    martingales = np.stack([log_martingale(of_score) for of_score in all_ranks])
    logs: Floats = np.logaddexp.reduce(martingales, axis=0) - math.log(len(martingales))
    reached = np.flatnonzero(logs >= -math.log(delta))
    return Drift(num, logs, int(reached[0]) if len(reached) else None, all_ranks)


def ranks(reference: Floats, arrivals: Floats, rng: np.random.Generator) -> Floats:
    """Return the (N,) rank of each arrival among the reference, all earlier arrivals, and itself, from 0 to 1.

    Raises:
        SkysortError: when a value is not a number.
    """
    if np.isnan(reference).any() or np.isnan(arrivals).any():
        raise SkysortError("wrong-value", "expected scores that are numbers, found NaN")
    values = sorted(reference.tolist())
    draws = rng.random(len(arrivals))
    uniform = np.empty(len(arrivals))
    for number, (value, draw) in enumerate(zip(arrivals.tolist(), draws, strict=True)):
        lower = bisect_left(values, value)
        equal = bisect_right(values, value) - lower + 1  # itself, too
        uniform[number] = (lower + draw * equal) / (len(values) + 1)
        insort(values, value)
    return uniform


def log_martingale(uniform: Floats) -> Floats:
    """Return the (N,) logarithm of the simple jumper's capital after each rank."""
    capital = [1 / len(STAKES)] * len(STAKES)
    log_scale = 0.0
    logs = np.empty(len(uniform))
    for number, rank in enumerate(uniform.tolist()):
        total = sum(capital)
        capital = [
            ((1 - JUMP) * share + JUMP * total / len(STAKES)) * (1 + stake * (rank - 0.5))
            for share, stake in zip(capital, STAKES, strict=True)
        ]
        total = sum(capital)
        log_scale += math.log(total)
        capital = [share / total for share in capital]
        logs[number] = log_scale
    return logs
