"""Long calls into a library that Ctrl-C and other signals can interrupt."""

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

Result = TypeVar("Result")

SECONDS_BETWEEN_LOOKS = 1.0
"""On Windows a signal does not wake a thread that waits. It is handled within this time."""
SECONDS_TO_TERMINATE = 5.0
"""ONNX Runtime checks between two operators whether it must end. One operator may take this long."""


class _Worker:
    """A thread that runs functions for another thread, which waits."""

    def __init__(self) -> None:
        self.work: SimpleQueue[Callable[[], Any] | None] = SimpleQueue()
        self.done: SimpleQueue[tuple[Any, BaseException | None]] = SimpleQueue()
        threading.Thread(target=self._work, name="skysort-inference", daemon=True).start()

    def _work(self) -> None:
        while function := self.work.get():
            outcome: tuple[Any, BaseException | None]
            try:
                outcome = function(), None
            except BaseException as error:
                outcome = None, error
            self.done.put(outcome)
            del function, outcome  # release them now, not at the next call

    def result(self) -> tuple[Any, BaseException | None]:
        """Wait for the result or the error of the function. Signals are handled meanwhile."""
        while True:
            with suppress(Empty):
                return self.done.get(timeout=SECONDS_BETWEEN_LOOKS)


_idle: list[_Worker] = []
"""At most one worker: only the main thread uses it."""
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_idle.clear)  # a forked child has none of its parent's threads


def interruptible(function: Callable[[], Result], terminate: Callable[[], None]) -> Result:
    """Call a function in such a way that signal handlers can run meanwhile.

    Python runs signal handlers on the main thread, between two Python instructions. So a worker thread calls the
    function, and the main thread waits. From any other thread this is a plain call.

    Args:
        function: a long call into a library.
        terminate: makes the function end soon. It is called when a signal handler raises, as that of Ctrl-C does.
    """
    if threading.current_thread() is not threading.main_thread():
        return function()
    worker = _idle.pop() if _idle else _Worker()
    try:
        worker.work.put(function)
        result, error = worker.result()
    except BaseException:
        terminate()
        with suppress(Empty):
            worker.done.get(timeout=SECONDS_TO_TERMINATE)
        worker.work.put(None)
        raise
    _idle.append(worker)
    if error is not None:
        raise error
    returned: Result = result
    return returned
