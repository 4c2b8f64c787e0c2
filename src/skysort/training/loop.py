"""The training loop: for a batch, forward, loss, check, backward, step, count."""

import copy
import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from skysort.errors import SkysortError
from skysort.networks.layers import PictureNetwork
from skysort.recipe import Recipe
from skysort.training.augment import augmented
from skysort.training.batches import Part, in_turn, num_steps, shuffled
from skysort.training.optimizer import LossFunction, learning_rate, penalty

EVALUATION_BATCH = 250
TRAINING_MODE_BATCH = 64
"""As the texts have it."""


class DivergedError(SkysortError):
    """The loss is no number any more."""


@dataclass
class Sums:
    """What adds up over pictures."""

    loss: float = 0.0
    correct: int = 0
    pictures: int = 0
    seconds: float = 0.0

    def add(self, loss: float, logits: Tensor, labels: Tensor, seconds: float = 0.0) -> None:
        """Count one batch: its mean loss, (N, classes) logits, (N,) labels, and what it took."""
        self.loss += loss * len(labels)
        self.correct += int((logits.argmax(1) == labels).sum())
        self.pictures += len(labels)
        self.seconds += seconds

    @property
    def mean_loss(self) -> float:
        """A picture's loss."""
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
        return num_steps(self.train.num_pictures, self.batch_size)

    @property
    def batch_size(self) -> int:
        """Pictures a step."""
        return self.recipe.training.pictures_a_step(self.train.num_pictures)

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
        after_step: called with the number of steps done, the batch's mean loss (penalties left out), its logits
            and its labels.

    Raises:
        DivergedError: when a loss is not finite; the network is left as it was before that step.
    """
    recipe, network, optimizer = task.recipe, task.network, task.optimizer
    seed = recipe.training.seed
    network.train()
    batches = shuffled(task.train, task.batch_size, seed, epoch, first_step, task.device)
    for step, (pictures, labels) in enumerate(batches, first_step):
        rate = task.learning_rate(epoch, step)
        for group in optimizer.param_groups:
            group["lr"] = rate

        with chances_of(seed, epoch, step, task.device):
            outputs = network(augmented(pictures, recipe.augment, seed, epoch, step))
        fit = task.loss_function(outputs, labels)
        loss = fit + penalty(recipe.loss, network)
        if not math.isfinite(loss.item()):
            raise DivergedError(
                f"the loss became {loss.item()} in epoch {epoch}, step {step + 1}, at learning rate {rate:g};"
                f" nothing was updated. Try a smaller one: --set optimizer.learning_rate={rate / 10:g}"
            )
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        after_step(step + 1, fit.item(), network.ending(outputs), labels)


@contextmanager
def chances_of(seed: int, epoch: int, step: int, device: torch.device) -> Iterator[None]:
    """Let what a network draws by chance, its dropout, follow from (seed, epoch, step) alone."""
    # The fourth number keeps them apart from the chances of the augmentation.
    (drawn,) = np.random.SeedSequence((seed, epoch, step + 1, 1)).generate_state(1, np.uint64)
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(int(drawn))
        yield


@torch.no_grad()
def evaluate(network: PictureNetwork, part: Part, loss_function: LossFunction, device: torch.device) -> Sums:
    """Return what a part's losses and right labels add up to, with the network in evaluation mode."""
    network.eval()
    return _measured(network, in_turn(part, EVALUATION_BATCH, device), loss_function)


@torch.no_grad()
def evaluate_in_training_mode(
    network: PictureNetwork, part: Part, loss_function: LossFunction, seed: int, device: torch.device
) -> Sums:
    """Return the same with the network in training mode, as texts measure that never leave it.

    Batch normalisation then goes by the statistics of the very batch, so that an answer depends on the pictures
    beside it: they come in mixed order, in batches of 64. The network itself stays as it was.
    """
    network = copy.deepcopy(network).train()
    batches = shuffled(part, TRAINING_MODE_BATCH, seed, 0, 0, device)  # training has no epoch 0
    with chances_of(seed, 0, 0, device):
        return _measured(network, batches, loss_function)


def _measured(
    network: PictureNetwork, batches: Iterable[tuple[Tensor, Tensor]], loss_function: LossFunction
) -> Sums:
    sums = Sums()
    for pictures, labels in batches:
        outputs = network(pictures)
        sums.add(loss_function(outputs, labels).item(), network.ending(outputs), labels)
    return sums
