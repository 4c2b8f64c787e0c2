"""The training loop. For each batch: forward, loss, check, backward, step, count."""

import copy
from collections.abc import Callable, Iterable
from contextlib import closing, nullcontext
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skysort.networks.inference import InferenceNetwork
from skysort.networks.layers import PictureNetwork
from skysort.recipe.schema import Recipe
from skysort.recipe.sections import num_steps
from skysort.training.augment import augmented
from skysort.training.batches import Batch, SplitPictures, in_turn, shuffled
from skysort.training.device import compiled, mixed_precision
from skysort.training.optimizer import LossFunction, learning_rate, penalty
from skysort.training.pace import Pace
from skysort.training.random_streams import dropout_rng
from skysort.training.step_results import StepResults, Sums

EVALUATION_BATCH, EVALUATION_BATCH_BYTES = 250, 250 * 3 * 64 * 64
"""The most per batch: 250 pictures up to 64x64, 20 of 224x224. A layer's outputs take many times their bytes."""
TRAINING_MODE_BATCH = 64
"""As in the tutorials."""


@dataclass
class Task:
    """Everything a step needs."""

    network: PictureNetwork
    optimizer: torch.optim.Optimizer
    loss_function: LossFunction
    recipe: Recipe
    train: SplitPictures
    device: torch.device
    pace: Pace | None = None
    """The plan within a time; None where the recipe sets the number of epochs."""

    @cached_property
    def steps_per_epoch(self) -> int:
        """Batches per epoch."""
        return num_steps(self.train.num_pictures, self.batch_size)

    @cached_property
    def forward(self) -> Callable[[Tensor], Tensor]:
        """The network, compiled where that is quicker. A plan within a time counts on steps as they were measured,
        without compilation."""
        if self.pace:
            return self.network
        return compiled(self.network, self.device, self.num_epochs * self.steps_per_epoch)

    @property
    def num_epochs(self) -> int:
        """Passes over the training pictures."""
        return self.pace.num_epochs if self.pace else self.recipe.training.epochs_for(self.train.num_pictures)

    @cached_property
    def batch_size(self) -> int:
        """Pictures per step."""
        return self.recipe.training.pictures_per_step(self.train.num_pictures)

    def learning_rate(self, epoch: int, step: int) -> float:
        """Return the learning rate of a step, counted from 0, of an epoch, counted from 1."""
        step_in_run = (epoch - 1) * self.steps_per_epoch + step
        highest = self.recipe.optimizer.learning_rate
        if self.pace:
            position = self.pace.position(step_in_run)
            return learning_rate(self.recipe.schedule, highest, position, self.pace.length)
        num_steps_in_run = self.num_epochs * self.steps_per_epoch
        return learning_rate(self.recipe.schedule, highest, step_in_run, num_steps_in_run)


def train_epoch(
    task: Task, epoch: int, first_step: int, results: StepResults, after_step: Callable[[int], bool | None]
) -> None:
    """Train on an epoch's batches, starting at a step.

    Args:
        task: the network, its optimizer, its pictures.
        epoch: counted from 1.
        first_step: steps of this epoch that are already done.
        results: receives the figures of each step.
        after_step: called with the number of steps done; returns True to end the epoch there.

    Raises:
        DivergedError: when a loss is not finite; on a CPU before that step has changed a weight.
    """
    recipe, network, optimizer, device = task.recipe, task.network, task.optimizer, task.device
    seed, has_penalty = recipe.training.seed, bool(recipe.loss.l1 or recipe.loss.l2)
    is_stochastic, num_classes = network.is_stochastic, task.train.num_classes
    last_rate = None
    network.train()
    balanced = recipe.training.sampling == "balanced"
    with closing(shuffled(task.train, task.batch_size, seed, epoch, first_step, device, balanced)) as batches:
        for step, (pictures, labels, rows) in enumerate(batches, first_step):
            rate = task.learning_rate(epoch, step)
            if rate != last_rate:
                for group in optimizer.param_groups:
                    group["lr"] = group["initial_lr"] * rate / recipe.optimizer.learning_rate
                last_rate = rate

            pictures, targets = augmented(pictures, labels, rows, recipe.augment, seed, epoch, step, num_classes)
            optimizer.zero_grad(set_to_none=True)
            rng = dropout_rng(seed, epoch, step, device) if is_stochastic else nullcontext()
            with rng, mixed_precision(device):
                outputs = task.forward(pictures)
            outputs = outputs.to(network.mean.dtype)  # the loss is not computed in mixed precision
            data_loss = task.loss_function(outputs, targets)
            loss = data_loss + penalty(recipe.loss, network) if has_penalty else data_loss
            results.put(epoch, step, rate, loss, data_loss, num_right(network, outputs, labels), len(labels))
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            if after_step(step + 1):
                break


def num_right(network: PictureNetwork, outputs: Tensor, labels: Tensor) -> Tensor:
    """Return how many of (N, outputs) have their largest logit at their (N,) label, on the device."""
    logits: Tensor = network.head(outputs.detach())
    return (logits.argmax(1) == labels).sum()


@torch.no_grad()
def evaluate(
    network: PictureNetwork, split: SplitPictures, loss_function: LossFunction, device: torch.device
) -> Sums:
    """Return the sums of a split's losses and correct labels, with the network in evaluation mode."""
    with closing(in_turn(split, _evaluated_at_once(split), device)) as batches:
        return _measured(network.folded(), batches, loss_function)


@torch.no_grad()
def logits_in_use(
    network: PictureNetwork, split: SplitPictures, device: torch.device, *, flip: bool
) -> NDArray[np.float32]:
    """Return a split's (N, classes) logits, as the finished classifier gives them at temperature 1."""
    inference = InferenceNetwork(network.folded(), flip=flip)
    with closing(in_turn(split, _evaluated_at_once(split), device)) as batches:
        return torch.cat([inference(pictures).cpu() for pictures, _labels, _rows in batches]).numpy()


@torch.no_grad()
def evaluate_in_training_mode(
    network: PictureNetwork, split: SplitPictures, loss_function: LossFunction, seed: int, device: torch.device
) -> Sums:
    """Return the same sums with the network in training mode, as tutorials measure that never switch it off.

    Batch normalisation then uses the statistics of the batch, so an answer depends on the pictures beside it. They
    come in random order, in batches of 64. The network itself is not changed.
    """
    network = copy.deepcopy(network).train()
    with (
        closing(shuffled(split, TRAINING_MODE_BATCH, seed, 0, 0, device)) as batches,  # training has no epoch 0
        dropout_rng(seed, 0, 0, device),
    ):
        return _measured(network, batches, loss_function)


def _evaluated_at_once(split: SplitPictures) -> int:
    bytes_per_picture = split.pixels(np.zeros(1, np.int64)).nbytes
    return min(EVALUATION_BATCH, max(1, EVALUATION_BATCH_BYTES // bytes_per_picture))


def _measured(network: PictureNetwork, batches: Iterable[Batch], loss_function: LossFunction) -> Sums:
    losses, correct_counts, sizes = [], [], []  # they stay on the device until the end
    for pictures, labels, _rows in batches:
        outputs = network(pictures)
        losses.append(loss_function(outputs, labels))
        sizes.append(len(labels))
        correct_counts.append(num_right(network, outputs, labels))
    sums = Sums()
    for loss, correct, size in zip(
        torch.stack(losses).tolist(), torch.stack(correct_counts).tolist(), sizes, strict=True
    ):
        sums.add(loss, correct, size)
    return sums
