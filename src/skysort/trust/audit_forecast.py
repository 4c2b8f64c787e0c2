"""How many looks it takes until an audit notices that a promise is broken."""

from dataclasses import dataclass

import numpy as np

from skysort.trust.audit import ARRIVALS_PER_START, BETS, DELTA

STREAMS = 400
MOST_PROTECTED = 20_000
"""Looked-at pictures of the protected class after which a simulation ends."""


@dataclass(frozen=True)
class Mixture:
    """The arrivals of a camera."""

    protected: float
    """Share of the protected class among all arrivals, above 0 and at most 1."""
    others_aside: float
    """Share of the other arrivals that is set aside."""


@dataclass(frozen=True)
class Forecast:
    """The median over simulated streams until the alarm."""

    loss: float
    """The share of the protected class that is set aside in the simulation."""
    protected: int
    """Looked-at pictures of the protected class."""
    looks: int
    arrivals: int


def looks_until_alarm(
    loss: float,
    lose_at_most: float,
    rate_aside: float,
    rate_keep: float,
    mixture: Mixture,
    *,
    delta: float = DELTA,
    seed: int = 0,
    streams: int = STREAMS,
) -> Forecast | None:
    """Simulate arrivals with a loss until half of the streams have raised the alarm of `audit`.

    A looked-at picture of the protected class was set aside with the probability
    phi = loss q_A / (loss q_A + (1 - loss) q_K), and only such pictures count. Between two of them lie as many
    arrivals as on average.

    Returns:
        The medians; None when half of the streams raise no alarm within 20,000 such pictures.
    """
    looked_lost, looked_saved = loss * rate_aside, (1 - loss) * rate_keep
    per_arrival = mixture.protected * (looked_lost + looked_saved)
    others = (1 - mixture.protected) * (mixture.others_aside * rate_aside + (1 - mixture.others_aside) * rate_keep)
    win = BETS * rate_keep / rate_aside * (1 - lose_at_most) / lose_at_most
    factors = np.stack([1 - BETS, 1 + win])
    rng = np.random.default_rng(seed)
    wealth = np.zeros((streams, len(BETS)))
    is_over = np.zeros(streams, bool)
    starts = 0
    for number in range(1, MOST_PROTECTED + 1):
        before, starts = starts, int(number / per_arrival) // ARRIVALS_PER_START + 1
        wealth += 1 / (before + 1) - 1 / (starts + 1)  # the weights of the starts since the last bet
        wealth *= factors[(rng.random(streams) < looked_lost / (looked_lost + looked_saved)).astype(int)]
        is_over |= wealth.mean(axis=1) + 1 / (starts + 1) >= 1 / delta
        np.minimum(wealth, 1 / delta * len(BETS), out=wealth)  # enough for an alarm; more would overflow
        if 2 * is_over.sum() >= streams:
            arrivals = number / per_arrival
            return Forecast(loss, number, round(arrivals * (per_arrival + others)), round(arrivals))
    return None
