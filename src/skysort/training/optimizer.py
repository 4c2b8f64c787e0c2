"""From a recipe to the optimizer, the loss and the learning rate at a step."""

import math
from collections.abc import Callable, Iterable, Iterator
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from skysort.recipe.schema import Loss, Optimizer, Schedule
from skysort.training.muon import Muon

LossFunction = Callable[[Tensor, Tensor], Tensor]
"""From a network's (N, outputs) and (N,) labels to the mean loss of a batch. Those of one output a class also take
(N, classes) shares that sum to 1."""


def build_optimizer(optimizer: Optimizer, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    """Return the optimizer a recipe asks for, over those parameters that are to be learned.

    Each of its groups notes the learning rate that it starts from as `initial_lr`.
    """
    built = _build(optimizer, [parameter for parameter in parameters if parameter.requires_grad])
    for group in built.param_groups:
        group["initial_lr"] = group["lr"]
    return built


def _build(optimizer: Optimizer, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    rate, decay, momentum = optimizer.learning_rate, optimizer.weight_decay, optimizer.momentum
    if optimizer.name == "muon":
        return Muon(_muon_groups(optimizer, parameters))
    if optimizer.name == "adam":
        return torch.optim.Adam(parameters, lr=rate, weight_decay=decay, fused=True)
    if optimizer.name == "adamw":
        return torch.optim.AdamW(parameters, lr=rate, weight_decay=decay, fused=True)
    if optimizer.name == "rmsprop":
        return torch.optim.RMSprop(parameters, lr=rate, weight_decay=decay, momentum=momentum)
    nesterov = optimizer.nesterov
    return torch.optim.SGD(parameters, rate, momentum, weight_decay=decay, nesterov=nesterov, fused=True)


def _muon_groups(optimizer: Optimizer, parameters: list[nn.Parameter]) -> Iterator[dict[str, object]]:
    rate, momentum = optimizer.learning_rate, optimizer.momentum
    sgd_momentum = momentum if optimizer.sgd_momentum is None else optimizer.sgd_momentum
    filters, weights, vectors = ([p for p in parameters if p.ndim == ndim] for ndim in (4, 2, 1))
    for params, lr, kept in (
        (filters, rate, momentum),
        (weights, optimizer.linear_learning_rate or rate, sgd_momentum),
        (vectors, optimizer.bias_learning_rate or rate, sgd_momentum),
    ):
        if params:
            yield {"params": params, "lr": lr, "momentum": kept, "orthogonal": params is filters}


def loss_function(loss: Loss, weights: Tensor | None = None) -> LossFunction:
    """Return the loss a recipe asks for, without its penalties.

    Args:
        loss: of the recipe.
        weights: (classes,) of each class, on the device; None for all alike.
    """
    if weights is not None:
        return partial(_weighted_mean, weights, loss.label_smoothing)
    if loss.label_smoothing:
        return partial(functional.cross_entropy, label_smoothing=loss.label_smoothing)
    return _LOSSES[loss.name]


def class_weights(loss: Loss, labels: NDArray[np.int64]) -> Tensor | None:
    """Return the (classes,) weights a recipe asks for, from (N,) labels with all classes among them."""
    if loss.class_weights == "none":
        return None
    counts = np.bincount(labels)
    return torch.from_numpy((len(labels) / (len(counts) * counts)).astype(np.float32))


def penalty(loss: Loss, network: nn.Module) -> Tensor | float:
    """Return what a recipe's L1 and L2 penalties add to the loss of each batch, over what is learned."""
    added: Tensor | float = 0.0
    if loss.l1 or loss.l2:
        for parameter in network.parameters():
            if parameter.requires_grad:
                added = added + loss.l1 * parameter.abs().sum() + loss.l2 * parameter.square().sum()
    return added


def _weighted_mean(weights: Tensor, label_smoothing: float, logits: Tensor, targets: Tensor) -> Tensor:
    mean = functional.cross_entropy(logits, targets, weights, label_smoothing=label_smoothing)
    # PyTorch divides by the weights of the pictures where it has labels, by their number where it has shares.
    return mean * len(targets) / (targets @ weights).sum() if targets.is_floating_point() else mean


def _mean_squared_error(logits: Tensor, targets: Tensor) -> Tensor:
    wanted = targets if targets.is_floating_point() else functional.one_hot(targets, logits.shape[1])
    return functional.mse_loss(functional.softmax(logits, dim=1), wanted.to(logits.dtype))


def _regression(outputs: Tensor, labels: Tensor) -> Tensor:
    return functional.mse_loss(outputs[:, 0], labels.to(outputs.dtype))


def _binary_cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    return functional.binary_cross_entropy_with_logits(logits[:, 0], labels.to(logits.dtype))


_LOSSES: dict[str, LossFunction] = {
    "cross-entropy": functional.cross_entropy,
    # of their log-softmax, which is the same
    "negative-log-likelihood": functional.cross_entropy,
    "mean-squared-error": _mean_squared_error,
    "regression": _regression,
    "binary-cross-entropy": _binary_cross_entropy,
}


def learning_rate(schedule: Schedule, highest: float, step: int, num_steps: int) -> float:
    """Return the learning rate of a step, counted from 0 over the whole run."""
    if schedule.name == "linear":
        return highest * (1 - step / num_steps)
    if schedule.name == "cosine":
        return highest * (1 + math.cos(math.pi * step / num_steps)) / 2
    return highest
