"""When a training has to end, and the costs that were measured to plan it."""

import time
from dataclasses import dataclass


@dataclass(frozen=True)
class Deadline:
    """The end of a training that a time budget limits."""

    at: float
    """By `time.perf_counter()`."""
    per_step: float
    """Seconds per step, as measured before the training."""
    per_epoch: float
    """Seconds per epoch beside its steps: the validation and the checkpoint."""


_start_of_command: list[float] = []


def count_from_process_start() -> None:
    """Count the processor time that this process has used into the next budget. A command calls this first."""
    _start_of_command[:] = [time.perf_counter() - time.process_time()]


def start_of_budget() -> float:
    """Return when the time of a budget begins, by `time.perf_counter()`: now, or before the start of Python."""
    return _start_of_command.pop() if _start_of_command else time.perf_counter()
