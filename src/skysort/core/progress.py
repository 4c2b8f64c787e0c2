"""How far a long step is: a bar on a terminal, a line now and then in a log, or nothing."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress

from skysort.core.text import printable, printable_lines

Tell = Callable[[int, str], None]
"""Called with how many more are done and a note ("loss 0.412")."""

SECONDS_BETWEEN_LINES = 5.0
SECONDS_BETWEEN_REDRAWS = 0.1


def span(seconds: float) -> str:
    """Return a time in the units that a person would use.

    >>> [span(seconds) for seconds in (8.2, 100, 1000, 10_000)]
    ['8 s', '100 s', '17 min', '2.8 h']
    """
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


class Progress:
    """Where long steps say how far they are, always on standard error.

    `bar` draws on a terminal, `lines` prints a plain line every few seconds, `none` is silent.
    """

    def __init__(self, style: Literal["bar", "lines", "none"] = "none") -> None:
        self.style = style

    @classmethod
    def for_terminal(cls, *, quiet: bool) -> "Progress":
        """Choose the style that fits standard error."""
        if quiet:
            return cls("none")
        redraws = sys.stderr.isatty() and not Console(stderr=True).is_dumb_terminal
        return cls("bar" if redraws else "lines")

    def say(self, line: str) -> None:
        """Print one line, unless silent."""
        if self.style != "none":
            print(printable_lines(line), file=sys.stderr, flush=True)

    @contextmanager
    def step(self, what: str, total: int, *, done: int = 0, unit: str = "pictures") -> Iterator[Tell]:
        """Follow one step of `total` units, of which `done` were done before it began."""
        meter = _Meter(what, total, done, unit)
        if self.style == "bar":
            with _drawn(meter) as show:
                yield meter.tell(show, SECONDS_BETWEEN_REDRAWS)
        elif self.style == "lines":
            yield meter.tell(lambda: self.say(meter.line()), SECONDS_BETWEEN_LINES)
            self.say(meter.line())
        else:
            yield lambda _done, _note: None


class _Meter:
    """Counts what is done, and how fast."""

    def __init__(self, what: str, total: int, done: int, unit: str) -> None:
        self.what, self.total, self.unit = what, total, unit
        self.before = self.done = done
        self.note = ""
        self.started = time.monotonic()

    @property
    def speed(self) -> str:
        """The rate in words."""
        return f"{self.rate / 1e6:,.1f} MB/s" if self.unit == "bytes" else f"{self.rate:,.0f} {self.unit}/s"

    @property
    def rate(self) -> float:
        """Units a second since the step began."""
        return (self.done - self.before) / max(time.monotonic() - self.started, 1e-9)

    def tell(self, show: Callable[[], None], seconds_between: float) -> Tell:
        """Return the function that counts, and shows no more often than asked."""
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
        left = (self.total - self.done) / self.rate if self.rate else 0.0
        share = 100 * self.done / max(self.total, 1)
        parts = [f"{self.what}: {self.done:,} of {self.total:,} {self.unit} ({share:.0f} %)"]
        parts += [self.note] if self.note else []
        parts += [self.speed]
        parts += [f"{span(left)} left"] if self.done < self.total else []
        return ", ".join(parts)


@contextmanager
def _drawn(meter: _Meter) -> Iterator[Callable[[], None]]:
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        DownloadColumn() if meter.unit == "bytes" else MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(compact=True),
        TextColumn("{task.fields[note]}", markup=False),
    )
    with RichProgress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(printable(meter.what), total=meter.total, completed=meter.done, rate="", note="")

        def show() -> None:
            bar.update(task, completed=meter.done, rate=meter.speed, note=meter.note)

        yield show
