"""Long calls into a library, which Ctrl-C and other signals reach."""

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

Result = TypeVar("Result")

SECONDS_BETWEEN_LOOKS = 1.0
"""Where signals do not end the waiting for a lock, as on Windows, this long passes until one is seen."""
SECONDS_TO_TERMINATE = 5.0
"""ONNX Runtime looks between two operators whether it is to end; one operator may take this long."""


class _Worker:
    """A thread that works while another waits for it."""

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
            del function, outcome  # else they would be held until the next

    def result(self) -> tuple[Any, BaseException | None]:
        """Wait for what the function returned or raised; signals are handled meanwhile."""
        while True:
            with suppress(Empty):
                return self.done.get(timeout=SECONDS_BETWEEN_LOOKS)


_idle: list[_Worker] = []
"""At most one: only the main thread uses it."""
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_idle.clear)  # threads do not live on in a child


def interruptible(function: Callable[[], Result], terminate: Callable[[], None]) -> Result:
    """Call a function, so that a signal's handler runs while a library is at work in it.

    Python runs handlers on the main thread, between two of its own instructions. Hence the main thread waits while
    another works. Called from any other thread it is a plain call.

    Args:
        function: what to call.
        terminate: makes the function end soon, and is called when a handler raises, as that of Ctrl-C does.
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
