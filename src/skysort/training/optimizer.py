"""From a recipe to the optimizer, the loss and the learning rate at a step."""

import inspect
import math
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from skysort.recipe.sections import Loss, Optimizer, Schedule
from skysort.training.muon import Muon

METHODS = ("add_param_group", "zero_grad", "state_dict", "load_state_dict")
"""Methods of an optimizer that PyTorch excludes from compilation, besides `step`."""
AnyOptimizer = TypeVar("AnyOptimizer", bound=torch.optim.Optimizer)
LossFunction = Callable[[Tensor, Tensor], Tensor]
"""From a network's (N, outputs) and (N,) labels to the mean loss of a batch. Losses with one output per class also
take (N, classes) shares that sum to 1."""


def build_optimizer(optimizer: Optimizer, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    """Return a recipe's optimizer over those parameters that require a gradient.

    Each of its groups keeps its first learning rate as `initial_lr`.
    """
    built = _build(optimizer, [parameter for parameter in parameters if parameter.requires_grad])
    for group in built.param_groups:
        group["initial_lr"] = group["lr"]
    return built


def _build(optimizer: Optimizer, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    rate, decay, momentum = optimizer.learning_rate, optimizer.weight_decay, optimizer.momentum
    if optimizer.name == "muon":
        return _eager(Muon)(_muon_groups(optimizer, parameters))
    if optimizer.name == "adam":
        return _eager(torch.optim.Adam)(parameters, lr=rate, weight_decay=decay, fused=True)
    if optimizer.name == "adamw":
        return _eager(torch.optim.AdamW)(parameters, lr=rate, weight_decay=decay, fused=True)
    if optimizer.name == "rmsprop":
        return _eager(torch.optim.RMSprop)(parameters, lr=rate, weight_decay=decay, momentum=momentum)
    nesterov = optimizer.nesterov
    return _eager(torch.optim.SGD)(parameters, rate, momentum, weight_decay=decay, nesterov=nesterov, fused=True)


def _eager(kind: type[AnyOptimizer]) -> type[AnyOptimizer]:
    """Return a subclass whose methods do not load PyTorch's compiler.

    A small run learns for less time than the compiler takes to load. PyTorch's decorators load it only to say that
    these methods are not to be compiled.
    """
    methods = {name: inspect.unwrap(getattr(kind, name)) for name in METHODS}
    return type(kind.__name__, (kind,), {**methods, "step": torch.no_grad()(inspect.unwrap(kind.step))})


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
    """Return a recipe's loss, without its penalties.

    Args:
        loss: of the recipe.
        weights: (classes,), one weight per class, on the device; None for equal weights.
    """
    if weights is not None:
        return partial(_weighted_mean, weights, loss.label_smoothing)
    if loss.label_smoothing:
        return partial(functional.cross_entropy, label_smoothing=loss.label_smoothing)
    return _LOSSES[loss.name]


def class_weights(loss: Loss, labels: NDArray[np.int64]) -> Tensor | None:
    """Return a recipe's weights per class, (classes,), from (N,) labels that include every class."""
    if loss.class_weights == "none":
        return None
    counts = np.bincount(labels)
    return torch.from_numpy((len(labels) / (len(counts) * counts)).astype(np.float32))


def penalty(loss: Loss, network: nn.Module) -> Tensor | float:
    """Return a recipe's L1 and L2 penalties on the parameters that require a gradient, to add to each loss."""
    added: Tensor | float = 0.0
    if loss.l1 or loss.l2:
        for parameter in network.parameters():
            if parameter.requires_grad:
                added = added + loss.l1 * parameter.abs().sum() + loss.l2 * parameter.square().sum()
    return added


def _weighted_mean(weights: Tensor, label_smoothing: float, logits: Tensor, targets: Tensor) -> Tensor:
    mean = functional.cross_entropy(logits, targets, weights, label_smoothing=label_smoothing)
    # PyTorch divides by the sum of the weights for labels, but by the number of pictures for shares.
    return mean * len(targets) / (targets @ weights).sum() if targets.is_floating_point() else mean


def _mean_squared_error(logits: Tensor, targets: Tensor) -> Tensor:
    shares = targets if targets.is_floating_point() else functional.one_hot(targets, logits.shape[1])
    return functional.mse_loss(functional.softmax(logits, dim=1), shares.to(logits.dtype))


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


def learning_rate(schedule: Schedule, highest: float, step: float, num_steps: float) -> float:
    """Return the learning rate of a step, counted from 0 over the whole run."""
    if schedule.name == "linear":
        return highest * (1 - step / num_steps)
    if schedule.name == "cosine":
        return highest * (1 + math.cos(math.pi * step / num_steps)) / 2
    return highest
