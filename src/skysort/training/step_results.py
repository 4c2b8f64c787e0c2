"""What steps give: read from the device in their order, checked, added up."""

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from skysort.core.errors import SkysortError


class DivergedError(SkysortError):
    """The loss is no number any more."""


@dataclass
class Sums:
    """What adds up over pictures."""

    loss: float = 0.0
    correct: int = 0
    pictures: int = 0
    seconds: float = 0.0

    def add(self, loss: float, correct: int, pictures: int) -> None:
        """Count one batch: its mean loss, how many of its pictures are labelled right, and how many there are."""
        self.loss += loss * pictures
        self.correct += correct
        self.pictures += pictures

    @property
    def mean_loss(self) -> float:
        """A picture's loss."""
        return self.loss / self.pictures

    @property
    def accuracy(self) -> float:
        """Share of pictures labelled right."""
        return self.correct / self.pictures


class _StepResult(NamedTuple):
    """What a step gave, on its way from the device."""

    epoch: int
    step: int
    rate: float
    loss: Tensor
    """With penalties."""
    fit: Tensor
    """Without."""
    correct: Tensor
    pictures: int
    arrived: torch.Event | None
    """None where nothing has to be waited for."""


class StepResults:
    """What steps gave, read at once on a CPU; on an accelerator a step late, so that it is not waited for.

    On an accelerator a loss that is no number is thus noticed one update late: the run stops all the same, and no
    checkpoint holds that update, since one is written after `read_all`.

    Args:
        device: where steps are computed.
        count: called in the order of the steps with a batch's mean loss (penalties left out), how many of its
            pictures were labelled right, and how many there are.
        lag: how many steps late figures are read; unset, as said above.
    """

    def __init__(
        self, device: torch.device, count: Callable[[float, int, int], None], lag: int | None = None
    ) -> None:
        self.count = count
        self._device = device
        self._lag = int(device.type != "cpu") if lag is None else lag
        self._coming: deque[_StepResult] = deque()

    def put(
        self, epoch: int, step: int, rate: float, loss: Tensor, fit: Tensor, correct: Tensor, pictures: int
    ) -> None:
        """Take a step's figures, and read what is due.

        Raises:
            DivergedError: when a loss that is due is not finite.
        """
        arrived = None
        if self._device.type != "cpu":
            loss, fit, correct = (figure.detach().to("cpu", non_blocking=True) for figure in (loss, fit, correct))
            arrived = torch.Event(self._device)
            arrived.record()
        self._coming.append(_StepResult(epoch, step, rate, loss, fit, correct, pictures, arrived))
        while len(self._coming) > self._lag:
            self._read(self._coming.popleft())

    def read_all(self) -> None:
        """Wait for what is still on its way.

        Raises:
            DivergedError: when a loss is not finite.
        """
        while self._coming:
            self._read(self._coming.popleft())

    def _read(self, outcome: _StepResult) -> None:
        if outcome.arrived is not None:
            outcome.arrived.synchronize()
        loss = outcome.loss.item()
        if not math.isfinite(loss):
            raise DivergedError(
                "diverged",
                f"the loss became {loss} in epoch {outcome.epoch}, step {outcome.step + 1}, at learning rate"
                f" {outcome.rate:g}; {'training ended there' if self._lag else 'no weight was updated'}."
                f" Try a smaller one: --set optimizer.learning_rate={outcome.rate / 10:g}",
            )
        self.count(outcome.fit.item(), int(outcome.correct.item()), outcome.pictures)
