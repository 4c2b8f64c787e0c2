"""Progress of long steps: the protocol, and versions that are silent, print lines, or log events for programs.

`cli.progress` has a bar.
"""

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Protocol

from skysort.core.log import tell
from skysort.core.text import printable_lines

Tell = Callable[[int, str], None]
"""Takes the number of units done since the last call, and a note such as "loss 0.412"."""

SECONDS_BETWEEN_LINES = 5.0
SECONDS_BETWEEN_EVENTS = 0.5


def span(seconds: float) -> str:
    """Return a duration in seconds, minutes or hours.

    >>> [span(seconds) for seconds in (8.2, 100, 1000, 10_000)]
    ['8 s', '100 s', '17 min', '2.8 h']
    """
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


class Progress(Protocol):
    """Receives the progress of long steps. Pass an object of your own to show progress elsewhere."""

    def say(self, line: str) -> None:
        """Report one line."""

    def step(
        self, what: str, total: int, *, done: int = 0, unit: str = "pictures"
    ) -> AbstractContextManager[Tell]:
        """Follow one step of `total` units, `done` of which were complete before it began."""


class SilentProgress:
    """Prints nothing. It is the default of every function that takes a `Progress`."""

    def say(self, line: str) -> None:
        """Print nothing."""

    def step(
        self, what: str, total: int, *, done: int = 0, unit: str = "pictures"
    ) -> AbstractContextManager[Tell]:
        """Print nothing about the step."""
        return nullcontext(lambda _more, _note: None)


class LineProgress:
    """Prints a plain line to standard error every few seconds, which suits a log."""

    def say(self, line: str) -> None:
        """Print one line."""
        print(printable_lines(line), file=sys.stderr, flush=True)

    @contextmanager
    def step(self, what: str, total: int, *, done: int = 0, unit: str = "pictures") -> Iterator[Tell]:
        """Print how far the step is, every few seconds and at its end."""
        meter = Meter(what, total, done, unit)
        yield meter.tell(lambda: self.say(meter.line()), SECONDS_BETWEEN_LINES)
        self.say(meter.line())


class LogProgress:
    """Logs events: `message`, and `progress` at the start of a step, every half second and at its end."""

    def say(self, line: str) -> None:
        """Log one line."""
        tell(logging.INFO, "message", text=line)

    @contextmanager
    def step(self, what: str, total: int, *, done: int = 0, unit: str = "pictures") -> Iterator[Tell]:
        """Log how far the step is."""
        meter = Meter(what, total, done, unit)

        def log() -> None:
            facts = {"what": what, "done": meter.done, "total": total, "unit": unit, "note": meter.note}
            tell(logging.INFO, "progress", **facts, rate=meter.rate, seconds_left=meter.seconds_left)

        log()
        yield meter.tell(log, SECONDS_BETWEEN_EVENTS)
        log()


class Meter:
    """Counts the units that are done, and how many per second."""

    def __init__(self, what: str, total: int, done: int, unit: str) -> None:
        self.what, self.total, self.unit = what, total, unit
        self.before = self.done = done
        self.note = ""
        self.started = time.monotonic()

    @property
    def speed(self) -> str:
        """The rate with its unit, such as 1,200 pictures/s."""
        return f"{self.rate / 1e6:,.1f} MB/s" if self.unit == "bytes" else f"{self.rate:,.0f} {self.unit}/s"

    @property
    def rate(self) -> float:
        """Units per second since the step began."""
        return (self.done - self.before) / max(time.monotonic() - self.started, 1e-9)

    @property
    def seconds_left(self) -> float | None:
        """Seconds to the end of the step at this rate; None while nothing is done."""
        return (self.total - self.done) / self.rate if self.rate else None

    def tell(self, show: Callable[[], None], seconds_between: float) -> Tell:
        """Return a function that counts units, and calls `show` at most once per `seconds_between`."""
        shown = time.monotonic()

        def tell(more: int, note: str) -> None:
            nonlocal shown
            self.done += more
            self.note = note
            if time.monotonic() - shown >= seconds_between:
                shown = time.monotonic()
                show()

        return tell

    def line(self) -> str:
        """Return how far the step is, in one line."""
        share = 100 * self.done / max(self.total, 1)
        parts = [f"{self.what}: {self.done:,} of {self.total:,} {self.unit} ({share:.0f} %)"]
        parts += [self.note] if self.note else []
        parts += [self.speed]
        parts += [f"{span(self.seconds_left or 0.0)} left"] if self.done < self.total else []
        return ", ".join(parts)
