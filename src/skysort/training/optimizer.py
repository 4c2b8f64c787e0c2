"""From a recipe to the optimizer, the loss and the learning rate at a step."""

import math
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional

from skysort.recipe import Loss, Optimizer, Schedule

LossFunction = Callable[[Tensor, Tensor], Tensor]
"""From (N, classes) outputs and (N,) labels to the mean loss of a batch."""


def build_optimizer(optimizer: Optimizer, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    """Return the optimizer a recipe asks for."""
    return torch.optim.SGD(
        parameters,
        lr=optimizer.learning_rate,
        momentum=optimizer.momentum,
        weight_decay=optimizer.weight_decay,
    )


def loss_function(loss: Loss) -> LossFunction:
    """Return the loss a recipe asks for."""
    return functional.nll_loss if loss.name == "negative-log-likelihood" else functional.cross_entropy


def learning_rate(schedule: Schedule, highest: float, step: int, num_steps: int) -> float:
    """Return the learning rate of a step, counted from 0 over the whole run."""
    if schedule.name == "linear":
        return highest * (1 - step / num_steps)
    if schedule.name == "cosine":
        return highest * (1 + math.cos(math.pi * step / num_steps)) / 2
    return highest
