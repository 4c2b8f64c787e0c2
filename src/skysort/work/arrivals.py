"""What comes into a folder, as the system tells of it; swept now and then, for what it does not tell of."""

import logging
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from skysort.core.log import tell

SECONDS_BETWEEN_SWEEPS = 300.0
"""For what the system did not tell of: its queue of changes is not without end."""
AT_LIMIT = ("watch limit reached", "Error creating")
"""In errors of watchfiles, when the system watches no more folders or files for anybody."""
TICK_MS = 500
POLL_MS = 2000


class Stop:
    """Whether to end. A signal may set it at any moment, which threading.Event does not bear."""

    def __init__(self) -> None:
        self._asked = False
        self._is_interruptible = False

    def set(self) -> None:
        """Ask to end."""
        self._asked = True

    def set_by_signal(self) -> None:
        """Ask to end, on the main thread; what is being judged is not waited for.

        Raises:
            KeyboardInterrupt: while pictures are being judged.
        """
        self.set()
        if self._is_interruptible:
            raise KeyboardInterrupt

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Let a signal end what is done below, which changes nothing."""
        self._is_interruptible = True
        try:
            yield
        except KeyboardInterrupt:
            if not self._asked:
                raise
        finally:
            self._is_interruptible = False

    def is_set(self) -> bool:
        """Tell whether it was asked."""
        return self._asked

    def wait(self, seconds: float) -> bool:
        """Wait so long, or until asked; tell whether it was."""
        until = time.monotonic() + seconds
        while not self._asked and (left := until - time.monotonic()) > 0:
            time.sleep(min(left, TICK_MS / 1000))
        return self._asked


def arrivals(folder: Path, sweep: Callable[[], None], stop: Stop, *, poll: bool) -> Iterator[set[Path]]:
    """Yield what has come, again and again, and nothing for a while now and then, until asked to stop.

    Args:
        folder: absolute.
        sweep: looks through all of it; called at the start and between.
        stop: set when it is to end.
        poll: look again and again, where the system tells nothing.
    """
    while not stop.is_set():
        swept = -math.inf  # swept once the system has begun to tell, so that nothing is missed, and at times
        for changes in _changes(folder, stop, poll):
            if isinstance(changes, Exception):
                poll = _polls_after(changes, stop, poll)
                break
            if time.monotonic() - swept > SECONDS_BETWEEN_SWEEPS:
                sweep()
                swept = time.monotonic()
            yield changes


def _changes(folder: Path, stop: Stop, poll: bool) -> Iterator[set[Path] | Exception]:
    """Yield what the system tells of, until watchfiles gives up; at last, the error with which it did."""
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
    """Return whether to look again and again after watchfiles gave up.

    Raises:
        OSError: when it gave up for another reason than the system's limit.
    """
    if not poll and any(sign in str(error) for sign in AT_LIMIT):
        tell(logging.WARNING, "looks again and again, as with --poll", error=str(error))
        return True
    if isinstance(error, OSError):
        raise error
    # It gives up at a name that is not UTF-8; the next sweep finds it.
    tell(logging.DEBUG, "looks through the inbox anew", error=str(error))
    stop.wait(TICK_MS / 1000)
    return poll
