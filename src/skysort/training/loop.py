"""The training loop: for a batch, forward, loss, check, backward, step, count."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from skysort.errors import SkysortError
from skysort.networks.layers import PictureNetwork
from skysort.recipe import Recipe
from skysort.training.augment import augmented
from skysort.training.batches import Part, in_turn, num_steps, shuffled
from skysort.training.optimizer import LossFunction, learning_rate

EVALUATION_BATCH = 250


class DivergedError(SkysortError):
    """The loss is no number any more."""


@dataclass
class Sums:
    """What adds up over pictures."""

    loss: float = 0.0
    correct: int = 0
    pictures: int = 0
    seconds: float = 0.0

    def add(self, loss: float, outputs: Tensor, labels: Tensor, seconds: float = 0.0) -> None:
        """Count one batch: its mean loss, (N, classes) outputs, (N,) labels, and what it took."""
        self.loss += loss * len(labels)
        self.correct += int((outputs.argmax(1) == labels).sum())
        self.pictures += len(labels)
        self.seconds += seconds

    @property
    def mean_loss(self) -> float:
        """Nats a picture."""
        return self.loss / self.pictures

    @property
    def accuracy(self) -> float:
        """Share of pictures labelled right."""
        return self.correct / self.pictures


@dataclass
class Task:
    """Everything a step needs."""

    network: PictureNetwork
    optimizer: torch.optim.Optimizer
    loss_function: LossFunction
    recipe: Recipe
    train: Part
    device: torch.device

    @property
    def steps_an_epoch(self) -> int:
        """Number of batches in an epoch."""
        return num_steps(self.train.num_pictures, self.recipe.training.batch_size)

    def learning_rate(self, epoch: int, step: int) -> float:
        """Return the learning rate of a step, counted from 0, of an epoch, counted from 1."""
        step_in_run = (epoch - 1) * self.steps_an_epoch + step
        num_steps_in_run = self.recipe.training.epochs * self.steps_an_epoch
        highest = self.recipe.optimizer.learning_rate
        return learning_rate(self.recipe.schedule, highest, step_in_run, num_steps_in_run)


def train_epoch(
    task: Task, epoch: int, first_step: int, after_step: Callable[[int, float, Tensor, Tensor], None]
) -> None:
    """Train on an epoch's batches from a step on.

    Args:
        task: what to train, with what.
        epoch: counted from 1.
        first_step: steps of this epoch that are already done.
        after_step: called with the number of steps done, the batch's mean loss, its outputs and its labels.

    Raises:
        DivergedError: when a loss is not finite; the network is left as it was before that step.
    """
    recipe, network, optimizer = task.recipe, task.network, task.optimizer
    seed, batch_size = recipe.training.seed, recipe.training.batch_size
    network.train()
    batches = shuffled(task.train, batch_size, seed, epoch, first_step, task.device)
    for step, (pictures, labels) in enumerate(batches, first_step):
        rate = task.learning_rate(epoch, step)
        for group in optimizer.param_groups:
            group["lr"] = rate

        outputs = network(augmented(pictures, recipe.augment, seed, epoch, step))
        loss = task.loss_function(outputs, labels)
        if not math.isfinite(loss.item()):
            raise DivergedError(
                f"the loss became {loss.item()} in epoch {epoch}, step {step + 1}, at learning rate {rate:g};"
                f" nothing was updated. Try a smaller one: --set optimizer.learning_rate={rate / 10:g}"
            )
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        after_step(step + 1, loss.item(), outputs, labels)


@torch.no_grad()
def evaluate(network: PictureNetwork, part: Part, loss_function: LossFunction, device: torch.device) -> Sums:
    """Return what a part's losses and right labels add up to, with the network in evaluation mode."""
    network.eval()
    sums = Sums()
    for pictures, labels in in_turn(part, EVALUATION_BATCH, device):
        outputs = network(pictures)
        sums.add(loss_function(outputs, labels).item(), outputs, labels)
    return sums
