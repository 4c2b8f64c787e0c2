"""A progress bar for terminals, and the choice of the progress that fits standard error."""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress

from skysort.core.log import log_to_stderr
from skysort.core.log import tell as log_event
from skysort.core.progress import LineProgress, LogProgress, Meter, Progress, SilentProgress, Tell
from skysort.core.text import printable

SECONDS_BETWEEN_REDRAWS = 0.1


def progress_on_stderr(*, quiet: bool, as_json: bool = False) -> Progress:
    """Choose the progress that fits standard error: a bar on a terminal, lines in a log, nothing when quiet.

    Args:
        quiet: whether to show nothing.
        as_json: whether to write one JSON object per line, for programs.
    """
    if quiet:
        return SilentProgress()
    if as_json:
        log_to_stderr("json")
        log_event(logging.INFO, "started", pid=os.getpid())
        return LogProgress()
    redraws = sys.stderr.isatty() and not Console(stderr=True).is_dumb_terminal
    return TerminalProgress() if redraws else LineProgress()


class TerminalProgress(LineProgress):
    """Draws a bar on a terminal, and erases it when the step ends."""

    @contextmanager
    def step(self, what: str, total: int, *, done: int = 0, unit: str = "pictures") -> Iterator[Tell]:
        """Draw a bar for one step."""
        meter = Meter(what, total, done, unit)
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            DownloadColumn() if unit == "bytes" else MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(compact=True),
            TextColumn("{task.fields[note]}", markup=False),
        )
        with RichProgress(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(printable(what), total=total, completed=done, rate="", note="")

            def show() -> None:
                bar.update(task, completed=meter.done, rate=meter.speed, note=meter.note)

            yield meter.tell(show, SECONDS_BETWEEN_REDRAWS)
