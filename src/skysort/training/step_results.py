"""The figures of steps: read from the device in order, checked, added up."""

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from skysort.core.errors import SkysortError


class DivergedError(SkysortError):
    """The loss became NaN or infinite."""


@dataclass
class Sums:
    """Sums over pictures."""

    loss: float = 0.0
    correct: int = 0
    pictures: int = 0
    seconds: float = 0.0

    def add(self, loss: float, correct: int, pictures: int) -> None:
        """Add one batch: its mean loss, its number of correct labels, its number of pictures."""
        self.loss += loss * pictures
        self.correct += correct
        self.pictures += pictures

    @property
    def mean_loss(self) -> float:
        """Mean loss per picture."""
        return self.loss / self.pictures

    @property
    def accuracy(self) -> float:
        """Share of pictures with the correct label."""
        return self.correct / self.pictures


class _StepResult(NamedTuple):
    """The figures of a step, on their way from the device."""

    epoch: int
    step: int
    rate: float
    loss: Tensor
    """With penalties."""
    data_loss: Tensor
    """Without."""
    correct: Tensor
    pictures: int
    arrived: torch.Event | None
    """None on a CPU, where the figures are there at once."""


class StepResults:
    """Reads the figures of steps: at once on a CPU, one step late on an accelerator, so that the loop never waits.

    On an accelerator a loss that is NaN or infinite is therefore noticed one update late. The run stops all the
    same, and no checkpoint holds that update, because each is written after `read_all`.

    Args:
        device: where steps are computed.
        count: called in the order of the steps with a batch's mean loss (without penalties), its number of correct
            labels and its number of pictures.
        lag: number of steps to read late; None chooses by the device.
    """

    def __init__(
        self, device: torch.device, count: Callable[[float, int, int], None], lag: int | None = None
    ) -> None:
        self.count = count
        self._device = device
        self._lag = int(device.type != "cpu") if lag is None else lag
        self._coming: deque[_StepResult] = deque()

    def put(
        self, epoch: int, step: int, rate: float, loss: Tensor, data_loss: Tensor, correct: Tensor, pictures: int
    ) -> None:
        """Take the figures of a step, and read those that are due.

        Raises:
            DivergedError: when a loss that is due is not finite.
        """
        arrived = None
        if self._device.type != "cpu":
            loss, data_loss, correct = (
                figure.detach().to("cpu", non_blocking=True) for figure in (loss, data_loss, correct)
            )
            arrived = torch.Event(self._device)
            arrived.record()
        self._coming.append(_StepResult(epoch, step, rate, loss, data_loss, correct, pictures, arrived))
        while len(self._coming) > self._lag:
            self._read(self._coming.popleft())

    def read_all(self) -> None:
        """Wait for all figures that are still on their way.

        Raises:
            DivergedError: when a loss is not finite.
        """
        while self._coming:
            self._read(self._coming.popleft())

    def _read(self, result: _StepResult) -> None:
        if result.arrived is not None:
            result.arrived.synchronize()
        loss = result.loss.item()
        if not math.isfinite(loss):
            raise DivergedError(
                "diverged",
                f"the loss became {loss} in epoch {result.epoch}, step {result.step + 1}, at learning rate"
                f" {result.rate:g}; {'training ended there' if self._lag else 'no weight was updated'}."
                f" Try a smaller one: --set optimizer.learning_rate={result.rate / 10:g}",
            )
        self.count(result.data_loss.item(), int(result.correct.item()), result.pictures)
