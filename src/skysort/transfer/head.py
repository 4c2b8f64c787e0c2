"""The head: multinomial logistic regression on standardised features, its penalty chosen by cross-validation."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain

import numpy as np
from threadpoolctl import threadpool_limits

from skysort.classifier.predictions import cross_entropies
from skysort.core.environment import release_freed_memory
from skysort.data.parallel import in_order, num_cores
from skysort.transfer.folds import make_folds
from skysort.transfer.logistic import Affine, ClassWeights, Floats, Integers, fit_path
from skysort.transfer.network import LinearHead

STRENGTHS = tuple(10.0**exponent for exponent in (2, 1, 0, -1, -2, -3))
"""Of the penalty: a fit minimises the sum of cross-entropies plus strength / 2 times the squared weights. The
first makes all classes come out alike; the last hardly does anything."""


@dataclass(frozen=True)
class FittedHead:
    """A head, and what its cross-validation says."""

    linear: LinearHead
    strength: float
    """Of the penalty."""
    out_of_fold: Floats
    """(N, classes) logits for each training picture, by a head that has not seen it or its group."""
    loss: float
    """Mean cross-entropy of these logits, with the class weights."""


def fit_head(
    features: Floats,
    labels: Integers,
    groups: Integers,
    num_classes: int,
    *,
    class_weights: ClassWeights = "none",
    strength: float | None = None,
    num_folds: int = 5,
    seed: int = 0,
    more: tuple[Floats, Integers] | None = None,
) -> FittedHead:
    """Fit a head to training pictures.

    Args:
        features: (N, D).
        labels: (N,) class indices; every class occurs.
        groups: (N,) numbers that are equal for pictures that stay together in one fold.
        num_classes: how many classes there are.
        class_weights: whether each class counts alike, however few its pictures.
        strength: of the penalty; None to choose the one of the least cross-entropy in cross-validation.
        num_folds: at most; no more than the smallest class has groups.
        seed: of the folds.
        more: (M, D) features and (M,) labels that the head learns from, too, but that choose nothing.

    Returns:
        The head. On one computer, the same arguments give the same bits.
    """
    strengths = STRENGTHS if strength is None else (strength,)

    def heads(learned: tuple[Floats, Integers]) -> list[Affine]:
        return fit_path(*learned, num_classes, class_weights, strengths)

    with one_thread_per_fit():
        folds = list(make_folds(labels, groups, num_folds, seed))
        out_of_fold = np.zeros((len(strengths), len(labels), num_classes))
        everything = (features, labels)
        if more:
            everything = (np.concatenate([features, more[0]]), np.concatenate([labels, more[1]]))
        # All pictures are a task as the folds are: no core waits until the strength is chosen.
        of_folds = ((features[training], labels[training]) for training, _ in folds)
        paths = in_order(heads, chain([everything], of_folds), num_cores())
        of_all = next(paths)
        for (_, held_out), path in zip(folds, paths, strict=True):
            for number, head in enumerate(path):
                out_of_fold[number, held_out] = features[held_out] @ head.weight.T + head.bias
    weights = _weights(labels, num_classes, class_weights)
    losses = [float((cross_entropies(logits, labels) * weights).sum()) for logits in out_of_fold]
    best = int(np.argmin(losses))
    head = of_all[best]
    return FittedHead(
        head.rounded(),
        strengths[best],
        out_of_fold[best],
        losses[best] / float(weights.sum()),
    )


def fit_linear(
    features: Floats, labels: Integers, num_classes: int, class_weights: ClassWeights, strength: float
) -> Affine:
    """Return the head of one strength, without cross-validation; classes without a picture get no answer.

    Threads may call it at the same time, within `one_thread_per_fit`.
    """
    (head,) = fit_path(features, labels, num_classes, class_weights, (strength,))
    return head


@contextmanager
def one_thread_per_fit() -> Iterator[None]:
    """Let each fit inside the block use one thread; then release memory.

    More threads in one matrix product round otherwise, and gain nothing on so little.
    """
    with threadpool_limits(1):
        yield
    release_freed_memory()


def _weights(labels: Integers, num_classes: int, class_weights: ClassWeights) -> Floats:
    if class_weights == "none":
        return np.ones(len(labels))
    counts = np.bincount(labels, minlength=num_classes)
    return len(labels) / (num_classes * counts[labels])
