"""How soon, and how often falsely, do MAPIE's RiskMonitoring and `skysort audit` raise an alarm?

    pip install mapie
    python benchmarks/peers/risk_monitoring.py

Both see the same streams: pictures of the protected class alone, all of them looked at. The promise is a loss of
at most 2 %, and both may raise a false alarm in 5 % of streams. RiskMonitoring is given the promise as its
threshold. It keeps half of its level for estimating a threshold from reference data, which is not needed here. So
it runs twice: at its level of 5 %, and at 10 %, which leaves 5 % for the stream.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from mapie.exchangeability_testing.risk_monitoring import RiskMonitoring

sys.path.insert(0, str(Path(__file__).parents[1]))
from measuring import report

from skysort.trust.audit import DELTA, Arrivals, Verdict, log_wealth
from skysort.trust.intervals import wilson

ALPHA = 0.02
NEVER = 10**9


def skysort_after(is_lost: np.ndarray) -> int:
    """Return the number of pictures until the alarm of `skysort audit`."""
    arrivals = Arrivals.of(is_lost, np.ones(len(is_lost)), np.full(len(is_lost), Verdict.PROTECTED), 1.0, 1.0)
    reached = np.flatnonzero(log_wealth(arrivals, ALPHA) >= np.log(1 / DELTA))
    return int(reached[0]) + 1 if len(reached) else NEVER


def mapie_after(is_lost: np.ndarray, level: float) -> int:
    """Return the number of pictures until the alarm of RiskMonitoring. All bounds come from one update."""
    monitor = RiskMonitoring("accuracy", test_level=level, threshold=ALPHA, warn=False)
    monitor.update(np.ones(len(is_lost), int), (~is_lost).astype(int))
    assert monitor.online_risk_sequence_history.mean() == is_lost.mean()  # its risk is the loss
    reached = np.flatnonzero(monitor.online_risk_lower_bound_sequence_history > ALPHA)
    return int(reached[0]) + 1 if len(reached) else NEVER


METHODS = {
    "skysort audit": skysort_after,
    "RiskMonitoring, level 5 %": lambda is_lost: mapie_after(is_lost, 0.05),
    "RiskMonitoring, level 10 %": lambda is_lost: mapie_after(is_lost, 0.10),
}


ALL_GOOD = 4000
STREAMS = {
    "loss 4 %": np.full(6000, 0.04),
    "loss 6 %": np.full(3000, 0.06),
    "loss 10 %": np.full(1500, 0.1),
    "loss 6 % after 4,000 pictures with 1 %": np.where(np.arange(12_000) < ALL_GOOD, 0.01, 0.06),
    "no change": np.full(10_000, ALPHA),
}
"""The loss of each picture."""


def main() -> None:
    """Run all methods on the same streams."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=40)
    parser.add_argument("--only", choices=STREAMS, help="one kind of stream; RiskMonitoring is slow")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path)
    asked = parser.parse_args()
    figures: dict[str, object] = {}
    for kind, losses in STREAMS.items():
        if asked.only in (None, kind):
            rng = np.random.default_rng(asked.seed)
            streams = rng.random((asked.streams, len(losses))) < losses
            figures[kind] = {
                name: summary([after(stream) for stream in streams]) for name, after in METHODS.items()
            }
    report(__doc__ or "", figures, asked.output)


def summary(delays: list[int]) -> dict[str, object]:
    """Return the median number of pictures until an alarm, and the number of alarms."""
    alarms = sum(delay < NEVER for delay in delays)
    low, median, high = np.quantile(delays, [0.05, 0.5, 0.95]).tolist()
    of = {"alarms": alarms, "of": len(delays), "interval95": wilson(alarms, len(delays))}
    return of | {"median": median, "5 to 95 %": [low, high]}


if __name__ == "__main__":
    main()
