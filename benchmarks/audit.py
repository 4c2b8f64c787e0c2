"""How often does an audit raise a false alarm, and how long until it raises a right one?

    python benchmarks/audit.py --output runs/bench/audit.json

False alarms are counted over streams whose loss is exactly the one promised, in several mixtures. Delays are
medians over streams: of looked-at pictures of the protected class from the first picture on, and of pictures after
a change that comes late.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
from measuring import report
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from skysort.trust.audit import DELTA, Arrivals, Verdict, log_wealth
from skysort.trust.audit_groups import as_groups
from skysort.trust.intervals import wilson

ALPHA = 0.02
OTHERS_ASIDE = 0.9
THRESHOLD = np.log(1 / DELTA)
NEVER = 10**9

Floats = NDArray[np.float64]


def stream(
    rng: np.random.Generator,
    loss: Floats,
    protected: Floats,
    rates: tuple[Floats, Floats],
    *,
    answered: float = 1.0,
    burst: int = 1,
) -> Arrivals:
    """Return arrivals of which each picture is repeated `burst` times, with coins of its own."""
    num = len(loss)
    is_protected = np.repeat(rng.random(num)[::burst], burst)[:num] < protected
    is_aside = np.repeat(rng.random(num)[::burst], burst)[:num] < np.where(is_protected, loss, OTHERS_ASIDE)
    is_drawn = rng.random(num) < np.where(is_aside, *rates)
    answers = np.where(is_protected, Verdict.PROTECTED, Verdict.OTHER)
    answers[rng.random(num) > answered] = Verdict.NONE
    return Arrivals.of(is_aside, is_drawn, answers, *rates)


def in_groups(pictures: Arrivals, size: int, rng: np.random.Generator) -> Arrivals:
    """Return groups of pictures that follow each other. All pictures of a group have one coin."""
    groups = np.arange(len(pictures)) // size
    is_drawn = rng.random(groups[-1] + 1)[groups] < pictures.rate
    of_groups = Arrivals.of(pictures.is_aside, is_drawn, pictures.answers, pictures.rate_aside, pictures.rate_keep)
    return as_groups(of_groups, groups, np.ones(groups[-1] + 1, bool))


def kept_promises(num: int) -> dict[str, Callable[[np.random.Generator], Arrivals]]:
    """Return makers of streams in which the promise holds at every arrival, with the loss exactly at alpha."""
    at = np.arange(num)
    loss, half = np.full(num, ALPHA), np.full(num, 0.5)
    seasons = 0.5 + 0.45 * np.sin(at / 700)
    equal = (np.full(num, 0.05),) * 2
    unequal = (np.full(num, 0.1), np.full(num, 0.02))
    changing = (np.where(at < num / 3, 0.1, 0.3), np.where(at < num / 2, 0.02, 0.2))
    return {
        "one rate": lambda rng: stream(rng, loss, half, equal),
        "all looked at": lambda rng: stream(rng, loss, half, (np.ones(num),) * 2),
        "unequal rates": lambda rng: stream(rng, loss, half, unequal),
        "mixture changes": lambda rng: stream(rng, loss, seasons, unequal),
        "rates change": lambda rng: stream(rng, loss, seasons, changing),
        "a fifth not answered": lambda rng: stream(rng, loss, seasons, unequal, answered=0.8),
        "each picture five times, as pictures": lambda rng: stream(rng, loss, half, equal, burst=5),
        "five times, as groups": lambda rng: in_groups(stream(rng, loss, half, equal, burst=5), 5, rng),
    }


def alarm_after(arrivals: Arrivals, *, one_start: bool = False) -> int:
    """Return the number of the arrival that raises the alarm."""
    reached = np.flatnonzero(log_wealth(arrivals, ALPHA, one_start=one_start) >= THRESHOLD)
    is_bet = arrivals.is_lost | arrivals.is_saved | arrivals.may_be_saved
    return int(np.flatnonzero(is_bet)[reached[0]]) if len(reached) else NEVER


def false_alarms(num_streams: int, num: int, seed: int) -> dict[str, object]:
    figures: dict[str, object] = {}
    for name, make in kept_promises(num).items():
        rng = np.random.default_rng(seed)
        alarms = sum(alarm_after(make(rng)) < NEVER for _ in range(num_streams))
        figures[name] = {
            "alarms": alarms, "of": num_streams, "interval95": wilson(alarms, num_streams),
        }  # fmt: skip
    return figures


def delays(num_streams: int, seed: int) -> dict[str, object]:
    figures: dict[str, object] = {}
    for name, num, share, rates in (
        ("all looked at, all protected", 6000, 1.0, (1.0, 1.0)),
        ("10 % and 2 %, half protected", 60_000, 0.5, (0.1, 0.02)),
    ):
        for loss in (0.04, 0.06, 0.10):
            rng = np.random.default_rng(seed)
            found: dict[str, list[tuple[int, int, int]]] = {"many starts": [], "one start": []}
            for _ in range(num_streams):
                arrivals = stream(
                    rng, np.full(num, loss), np.full(num, share), (np.full(num, rates[0]), np.full(num, rates[1]))
                )
                is_bet = arrivals.is_lost | arrivals.is_saved
                for starts, rows in found.items():
                    at = alarm_after(arrivals, one_start=starts == "one start")
                    if at == NEVER:
                        rows.append((NEVER,) * 3)
                    else:
                        rows.append((int(is_bet[: at + 1].sum()), int(arrivals.is_drawn[: at + 1].sum()), at + 1))
            for starts, rows in found.items():
                protected, looks, pictures = np.median(rows, axis=0)
                figures[f"{name}, loss {loss:.0%}, {starts}"] = {
                    "protected pictures looked at": protected, "looks": looks, "pictures": pictures,
                }  # fmt: skip
    return figures


def late_change(num_streams: int, seed: int) -> dict[str, object]:
    """Return the median number of pictures after a change that comes after 8,000 good ones."""
    good, num = 8000, 28_000
    loss = np.where(np.arange(num) < good, ALPHA / 2, 0.06)
    figures: dict[str, object] = {}
    for rates in ((0.1, 0.02), (0.05, 0.05), (1.0, 1.0)):
        rng = np.random.default_rng(seed)
        found: dict[str, list[int]] = {"many starts": [], "one start": []}
        for _ in range(num_streams):
            arrivals = stream(rng, loss, np.full(num, 0.5), (np.full(num, rates[0]), np.full(num, rates[1])))
            for starts, rows in found.items():
                rows.append(alarm_after(arrivals, one_start=starts == "one start") - good)
        for starts, rows in found.items():
            figures[f"{rates[0]:.0%} and {rates[1]:.0%}, {starts}"] = {"pictures": float(np.median(rows))}
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=2000)
    parser.add_argument("--pictures", type=int, default=20_000, help="pictures per stream with a kept promise")
    parser.add_argument("--delay-streams", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    figures = {
        "false alarms": false_alarms(arguments.streams, arguments.pictures, arguments.seed),
        "delay from the first picture": delays(arguments.delay_streams, arguments.seed),
        "delay after 8,000 good pictures, loss 6 %": late_change(arguments.delay_streams, arguments.seed),
    }
    for title, rows in figures.items():
        names = list(next(iter(rows.values())))  # type: ignore[call-overload]
        table = Table(title, *names, box=None)
        for name, row in rows.items():
            table.add_row(name, *(str(row[column]) for column in names))  # type: ignore[index]
        Console(width=140).print(table)
    about = {"lose at most": ALPHA, "delta": DELTA, "seed": arguments.seed, "pictures": arguments.pictures}
    report(__doc__ or "", about | figures, arguments.output)


if __name__ == "__main__":
    main()
