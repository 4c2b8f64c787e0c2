"""When a training has to end, and the costs that were measured to plan it."""

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
