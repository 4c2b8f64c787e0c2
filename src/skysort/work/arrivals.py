"""New files in a folder: the system reports them, and a scan now and then finds those that it missed."""

import logging
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from skysort.core.log import tell

SECONDS_BETWEEN_SWEEPS = 300.0
"""A scan finds changes that the system did not report: its queue of changes is limited."""
AT_LIMIT = ("watch limit reached", "Error creating")
"""Texts in the errors of watchfiles when the system can watch no more folders or files."""
TICK_MS = 500
POLL_MS = 2000


class Stop:
    """Asks a watcher to end. A signal handler may set it at any moment; threading.Event could deadlock there."""

    def __init__(self) -> None:
        self._is_set = False
        self._is_interruptible = False

    def set(self) -> None:
        """Ask the watcher to end."""
        self._is_set = True

    def set_by_signal(self) -> None:
        """Ask the watcher to end, from a signal handler on the main thread. It interrupts classification.

        Raises:
            KeyboardInterrupt: while pictures are being classified.
        """
        self.set()
        if self._is_interruptible:
            raise KeyboardInterrupt

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Let a signal interrupt the block, which must have no side effects."""
        self._is_interruptible = True
        try:
            yield
        except KeyboardInterrupt:
            if not self._is_set:
                raise
        finally:
            self._is_interruptible = False

    def is_set(self) -> bool:
        """Tell whether `set` was called."""
        return self._is_set

    def wait(self, seconds: float) -> bool:
        """Wait for some seconds, or until `set` is called; tell whether it was."""
        until = time.monotonic() + seconds
        while not self._is_set and (remaining := until - time.monotonic()) > 0:
            time.sleep(min(remaining, TICK_MS / 1000))
        return self._is_set


def arrivals(folder: Path, sweep: Callable[[], None], stop: Stop, *, poll: bool) -> Iterator[set[Path]]:
    """Yield the paths of new and changed files, or an empty set, every half second until `stop` is set.

    Args:
        folder: absolute.
        sweep: scans the whole folder. It is called at the start and every five minutes.
        stop: set it to end.
        poll: scan every two seconds, for drives whose changes the system does not report.
    """
    while not stop.is_set():
        swept = -math.inf  # the first sweep comes after the system has begun to report, so that nothing is missed
        for changes in _changes(folder, stop, poll):
            if isinstance(changes, Exception):
                poll = _polls_after(changes, stop, poll)
                break
            if time.monotonic() - swept > SECONDS_BETWEEN_SWEEPS:
                sweep()
                swept = time.monotonic()
            yield changes


def _changes(folder: Path, stop: Stop, poll: bool) -> Iterator[set[Path] | Exception]:
    """Yield the changes that the system reports. If watchfiles gives up, its error comes last."""
    from watchfiles import watch as changes_below

    try:
        for changes in changes_below(
            folder, watch_filter=None, step=100, debounce=TICK_MS, rust_timeout=TICK_MS,
            yield_on_timeout=True, stop_event=stop, force_polling=poll, poll_delay_ms=POLL_MS,
            ignore_permission_denied=True,
        ):  # fmt: skip
            yield {Path(name) for _, name in changes}
    except (RuntimeError, OSError) as error:
        yield error


def _polls_after(error: Exception, stop: Stop, poll: bool) -> bool:
    """Return whether to poll after watchfiles gave up.

    Raises:
        OSError: when the reason was not the system's limit of watched folders.
    """
    if not poll and any(sign in str(error) for sign in AT_LIMIT):
        tell(logging.WARNING, "polling from now on, as with --poll", error=str(error))
        return True
    if isinstance(error, OSError):
        raise error
    # watchfiles gives up at a name that is not UTF-8. The next sweep finds the file.
    tell(logging.DEBUG, "watching the inbox anew", error=str(error))
    stop.wait(TICK_MS / 1000)
    return poll
