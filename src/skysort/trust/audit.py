"""Does the promise of a decision still hold? Answers to a few randomly drawn pictures say so.

A decision promises that at most a share alpha of the pictures of the protected class is set aside. Every arrival
is drawn for a look with a known rate: q_A if it was set aside, q_K if not. Let A be 1 if it was set aside, and B
be 1 if it is of the protected class. An arrival gives

    X = B (A - alpha) / q  if it was drawn, with the rate q that it was drawn with, and 0 otherwise.

As long as each picture of the protected class is set aside with a probability of at most alpha, the expectation
of X given the past is at most 0. The share of other pictures may change. The product of 1 + lambda X over the
arrivals is then a nonnegative supermartingale for lambda = c q_K / alpha and c below 1: only a protected picture
that was kept makes X negative, by alpha / q_K. So is the mean of the products over a grid of c, and so is the
sum over starts k = 1, 2, … with the weights 1 / (k (k + 1)), in which the product of a start begins at its
arrival and counts 1 before. This sum W begins at 1, and by Ville's inequality it ever reaches 1 / delta with a
probability of at most delta. The alarm is raised when W reaches 1 / delta.

A look without an answer counts against an alarm: X is 0 if the picture was set aside, and -alpha / q_K if not.

The unit is that of the decision: a picture, or a group of them (`trust/audit_groups.py`).

Sources: I. Waudby-Smith, A. Ramdas, Estimating means of bounded random variables by betting, 2024, for the bets;
S. R. Howard, A. Ramdas, J. McAuliffe, J. Sekhon, Time-uniform, nonparametric, nonasymptotic confidence sequences,
2021; Z. Xu, N. Karampatziakis, P. Mineiro, Active, anytime-valid risk controlling prediction sets, 2024, for the
division by q; J. Shin, A. Ramdas, A. Rinaldo, E-detectors, 2022, for the sum over starts.
"""

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skysort.core.errors import SkysortError

DELTA = 0.05
"""Probability of a false alarm in the whole life of a decision that keeps its promise."""
BETS = np.geomspace(0.0005, 0.9, 14)
"""(14,) values of c: a bet loses at most this share of its product. Small ones suit losses just above alpha."""
ARRIVALS_PER_START = 100
LOSSES = 100_000
"""The ends of the loss are searched among so many equal steps from 0 to 1."""

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


class Verdict(IntEnum):
    """A person's answer about a picture."""

    NONE = 0
    """Nothing yet."""
    CANNOT_TELL = 1
    OTHER = 2
    """It is not of the protected class."""
    PROTECTED = 3


@dataclass(frozen=True)
class Arrivals:
    """The arrivals under one decision, in their order: pictures, or groups where the decision counts groups."""

    is_aside: Flags
    """(N,) whether each was set aside."""
    is_drawn: Flags
    """(N,) whether each was drawn for a look."""
    answers: NDArray[np.int8]
    """(N,) one `Verdict` per arrival. Those of arrivals that were not drawn do not count."""
    rate_aside: Floats
    """(N,) probability of a draw if it was set aside, above 0."""
    rate_keep: Floats
    """(N,) probability of a draw if not, above 0."""
    rate: Floats
    """(N,) probability with which each was drawn: that of its kind; the larger one for a group of both."""
    may_be_lost: Flags
    """(N,) whether it was drawn, and answers that are missing could make it a lost one of the protected class."""
    may_be_saved: Flags
    """(N,) whether they could make it one that was not set aside."""

    @classmethod
    def of(
        cls,
        is_aside: ArrayLike,
        is_drawn: ArrayLike,
        answers: ArrayLike,
        rate_aside: ArrayLike,
        rate_keep: ArrayLike,
    ) -> Self:
        """Return arrivals from anything like arrays. A rate may be one number for all.

        Raises:
            SkysortError: when a rate is not above 0 and at most 1.
        """
        aside, drawn = np.asarray(is_aside, bool), np.asarray(is_drawn, bool)
        of_aside, of_keep = (
            np.broadcast_to(np.asarray(rate, float), aside.shape) for rate in (rate_aside, rate_keep)
        )
        for rate in (of_aside, of_keep):
            if not ((rate > 0) & (rate <= 1)).all():  # NaN, too
                raise SkysortError("wrong-value", "expected rates of looks above 0 and at most 1")
        verdicts = np.asarray(answers, np.int8)
        is_open = drawn & (verdicts <= Verdict.CANNOT_TELL)
        rate = np.where(aside, of_aside, of_keep)
        return cls(aside, drawn, verdicts, of_aside, of_keep, rate, is_open & aside, is_open & ~aside)

    def __len__(self) -> int:
        return len(self.is_aside)

    def first(self, num: int) -> Self:
        """Return the first arrivals."""
        return type(self)(*(getattr(self, field.name)[:num] for field in fields(self)))

    @property
    def is_lost(self) -> Flags:
        """(N,) whether it was drawn, is of the protected class, and was set aside."""
        return np.logical_and(self.is_aside, self._is_protected)

    @property
    def is_saved(self) -> Flags:
        """(N,) whether it was drawn, is of the protected class, and was not set aside."""
        return np.logical_and(~self.is_aside, self._is_protected)

    @property
    def _is_protected(self) -> Flags:
        is_protected: Flags = self.is_drawn & (self.answers == Verdict.PROTECTED)
        return is_protected


@dataclass(frozen=True)
class Loss:
    """The share of the protected class that was set aside, if it was the same all the time."""

    estimate: float
    low: float
    high: float
    """Both ends hold at all times together with a probability of at least 1 - delta, however often one looks."""


@dataclass(frozen=True)
class Audit:
    """The state of a promise after some arrivals."""

    arrivals: int
    drawn: int
    done: int
    """Looks with an answer, "cannot tell" among them."""
    cannot_tell: int
    due: int
    """Looks without an answer."""
    protected: int
    """Looked-at pictures, or groups, of the protected class."""
    lost: int
    """Those of them that were set aside."""
    wealth: float
    """W now: 1 at the beginning, and an alarm from 1 / delta on. At most 1e300."""
    alarm_at: int | None
    """The number of the arrival, from 0, whose answer made W reach 1 / delta first; None without an alarm."""
    loss: Loss | None
    """None before the first look at a picture of the protected class."""

    @property
    def is_alarm(self) -> bool:
        """Whether the promise is broken, except with a probability of delta."""
        return self.alarm_at is not None


def audit(arrivals: Arrivals, lose_at_most: float, delta: float = DELTA) -> Audit:
    """Return what the answers say about a promise.

    Args:
        arrivals: all of them under the decision, in order.
        lose_at_most: alpha, the share that the decision promises not to exceed, above 0 and below 1.
        delta: probability of a false alarm, ever.
    """
    logs = log_wealth(arrivals, lose_at_most)
    alarms = np.flatnonzero(logs >= -np.log(delta))
    drawn, answers = int(arrivals.is_drawn.sum()), arrivals.answers[arrivals.is_drawn]
    due = int((answers == Verdict.NONE).sum())
    lost = int(arrivals.is_lost.sum())
    return Audit(
        arrivals=len(arrivals),
        drawn=drawn,
        done=drawn - due,
        cannot_tell=int((answers == Verdict.CANNOT_TELL).sum()),
        due=due,
        protected=lost + int(arrivals.is_saved.sum()),
        lost=lost,
        wealth=float(np.exp(min(logs[-1], np.log(1e300)))) if len(logs) else 1.0,
        alarm_at=int(_bets_at(arrivals)[alarms[0]]) if len(alarms) else None,
        loss=loss_so_far(arrivals, delta),
    )


def log_wealth(arrivals: Arrivals, lose_at_most: float, *, one_start: bool = False) -> Floats:
    """Return the logarithm of W after each arrival that changes it: (M,), in order.

    With S the logarithm of the product from the first arrival on, the sum over starts is exp(S) times the sum of
    the weights times exp(-S before the start). So one running sum serves all starts.

    Args:
        arrivals: all of them.
        lose_at_most: alpha.
        one_start: begin only at the first arrival, and not again at every hundredth.
    """
    from scipy.special import logsumexp

    at = _bets_at(arrivals)
    if not len(at):
        return np.zeros(0)
    odds = (arrivals.rate_keep / arrivals.rate)[at] * (1 - lose_at_most) / lose_at_most
    logs = np.log1p(np.where(arrivals.is_lost[at], odds, -1.0)[:, None] * BETS)  # (M, 14)
    sums = logs.cumsum(axis=0)
    if one_start:
        products: Floats = logsumexp(sums, axis=1) - np.log(len(BETS))
        return products
    starts = at // ARRIVALS_PER_START + 1
    before = np.concatenate([[0], starts[:-1]])
    with np.errstate(divide="ignore"):  # no new start has the weight 0
        weights = np.log((starts - before) / ((starts + 1) * (before + 1)))
    from_starts = sums + np.logaddexp.accumulate(weights[:, None] - (sums - logs), axis=0)
    reached: Floats = logsumexp(from_starts, axis=1) - np.log(len(BETS))
    wealth: Floats = np.logaddexp(reached, -np.log(starts + 1))
    return wealth


def _bets_at(arrivals: Arrivals) -> NDArray[np.int64]:
    """Return the numbers of the arrivals that change W, in order."""
    return np.flatnonzero(arrivals.is_lost | arrivals.is_saved | arrivals.may_be_saved)


def loss_so_far(arrivals: Arrivals, delta: float = DELTA) -> Loss | None:
    """Return the estimate of the loss and the ends of its confidence sequence; None without a protected picture.

    A share m is excluded from below when bets against "at most m" win 2 / delta from the first arrival on. From
    above it is the same with X negated, and lambda = c q_A / (1 - m). Looks without an answer count against both:
    from below as for the alarm, from above as lost if set aside, and as nothing if kept.
    """
    is_lost, is_saved = arrivals.is_lost, arrivals.is_saved
    lost, saved = (float((1 / arrivals.rate[rows]).sum()) for rows in (is_lost, is_saved))
    if not lost + saved:
        return None
    wins = (arrivals.rate_keep / arrivals.rate)[is_lost], (arrivals.rate_aside / arrivals.rate)[is_saved]
    num_against = (is_saved | arrivals.may_be_saved).sum(), (is_lost | arrivals.may_be_lost).sum()
    from_below, from_above = (
        _excludes(ratios, int(num), delta / 2) for ratios, num in zip(wins, num_against, strict=True)
    )
    steps = range(1, LOSSES)
    low = bisect_left(steps, True, key=lambda step: not from_below(step / LOSSES))
    high = bisect_left(steps, True, key=lambda step: from_above(1 - step / LOSSES))
    return Loss(lost / (lost + saved), low / LOSSES, min(1.0, (high + 1) / LOSSES))


def loss_over_time(arrivals: Arrivals, most: int = 100, delta: float = DELTA) -> list[tuple[int, Loss]]:
    """Return the loss after so many arrivals, each number with its loss, at `most` times or fewer.

    All intervals hold together: they are of one confidence sequence.
    """
    numbers = np.unique(np.linspace(1, len(arrivals), min(most, len(arrivals))).round().astype(int)).tolist()
    parts = ((number, loss_so_far(arrivals.first(number), delta)) for number in numbers)
    return [(number, loss) for number, loss in parts if loss]


def _excludes(ratios: Floats, num_against: int, delta: float) -> Callable[[float], bool]:
    """Return a function that tells whether bets exclude a share m.

    Args:
        ratios: of rates, for each arrival that wins. It multiplies a product by 1 + c ratio (1 - m) / m.
        num_against: number of the arrivals that lose. Each multiplies a product by 1 - c.
        delta: probability of excluding the true share, ever.
    """
    values, counts = np.unique(ratios, return_counts=True)
    losses = num_against * np.log1p(-BETS)

    def excludes(share: float) -> bool:
        wins = counts @ np.log1p(values[:, None] * BETS * (1 - share) / share)
        return bool(np.logaddexp.reduce(losses + wins) >= np.log(len(BETS) / delta))

    return excludes
