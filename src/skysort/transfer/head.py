"""The head: multinomial logistic regression on standardised features, its penalty chosen by cross-validation."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from threadpoolctl import threadpool_limits

from skysort.classifier.predictions import cross_entropies
from skysort.core.environment import release_freed_memory
from skysort.data.parallel import in_order, num_cores
from skysort.transfer.network import LinearHead

STRENGTHS = tuple(10.0**exponent for exponent in (2, 1, 0, -1, -2, -3))
"""Of the penalty: a fit minimises the sum of cross-entropies plus strength / 2 times the squared weights. The
first makes all classes come out alike; the last hardly does anything."""
MOST_ITERATIONS = 300
NEVER = -30.0
"""The logit of a class that a fold has no picture of."""
SHARE_OF_MEAN_VARIANCE = 0.1
"""Added to each feature's variance. Of few pictures, many features are 0 in nearly all; such a feature has a tiny
variance, and one new picture in which it is not 0 would decide by it alone. With 3, 5, 10 pictures of each of 20
species of birds, this lifts the accuracy from 0.851, 0.906, 0.935 to 0.876, 0.915, 0.940 (means of 4, 4, 3 draws);
with 39 it is 0.975 instead of 0.977 (one draw). Thrice or ten times as much does no better. All are at strength
0.1. The share was chosen by these figures, so they may be somewhat high."""
SMALLEST_VARIANCE = 1e-12
"""Of pictures that are all equal there is nothing to scale by."""
Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
ClassWeights = Literal["none", "balanced"]


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
        return _path(*learned, num_classes, class_weights, strengths)

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


def make_folds(labels: Integers, groups: Integers, most: int, seed: int) -> Iterator[tuple[Integers, Integers]]:
    """Yield the (training, held out) rows of each fold; groups stay whole, and folds have about equal classes."""
    fewest = min(len(np.unique(groups[labels == label])) for label in np.unique(labels))
    folds = StratifiedGroupKFold(max(2, min(most, fewest)), shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of classes with fewer pictures than folds
        yield from folds.split(labels, labels, groups)


@dataclass(frozen=True)
class Affine:
    """Logits are `features @ weight.T + bias`."""

    weight: Floats
    """(classes, D)."""
    bias: Floats
    """(classes,)."""

    def rounded(self) -> LinearHead:
        """Return the head in float32, for a model."""
        return LinearHead(self.weight.astype(np.float32), self.bias.astype(np.float32))


def fit_linear(
    features: Floats, labels: Integers, num_classes: int, class_weights: ClassWeights, strength: float
) -> Affine:
    """Return the head of one strength, without cross-validation; classes without a picture get no answer.

    Threads may call it at the same time, within `one_thread_per_fit`.
    """
    (head,) = _path(features, labels, num_classes, class_weights, (strength,))
    return head


@contextmanager
def one_thread_per_fit() -> Iterator[None]:
    """Let each fit inside the block use one thread, without warnings of fits that end early; then release memory.

    More threads in one matrix product round otherwise, and gain nothing on so little. The warnings of a process
    cannot be set in several threads at once.
    """
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a head that is not quite there is still a head
        yield
    release_freed_memory()


def _path(
    features: Floats, labels: Integers, num_classes: int, class_weights: ClassWeights, strengths: tuple[float, ...]
) -> list[Affine]:
    """Return the heads of several strengths, each fit starting from the one before.

    Features are rotated to as many as there are pictures, where there are more: the penalty is the same in any
    rotation, and what lies outside the span of the pictures has no weight.
    """
    mean, variance = features.mean(axis=0), features.var(axis=0)
    std = np.sqrt(variance + SHARE_OF_MEAN_VARIANCE * variance.mean() + SMALLEST_VARIANCE)
    standardised = (features - mean) / std
    rotation = None
    if len(features) < features.shape[1]:
        rotation, triangle = np.linalg.qr(standardised.T)
        standardised = triangle.T
    present = np.unique(labels)
    model = LogisticRegression(
        max_iter=MOST_ITERATIONS,
        tol=1e-5,
        warm_start=True,
        class_weight=None if class_weights == "none" else "balanced",
    )
    heads = []
    with threadpool_limits(1):  # OpenMP's limit is that of a thread, so that of the calling thread does not hold
        for strength in strengths:
            model.C = 1 / strength
            model.fit(standardised, labels)
            weight, bias = _by_class(model, present, num_classes)
            weight = (weight if rotation is None else weight @ rotation.T) / std
            heads.append(Affine(weight, bias - weight @ mean))
    return heads


def _by_class(model: LogisticRegression, present: Integers, num_classes: int) -> tuple[Floats, Floats]:
    """Return weights and biases with a row per class; of two classes scikit-learn has one row for the second."""
    coefficients, intercepts = model.coef_, model.intercept_
    if len(present) == 2:
        coefficients = np.concatenate([-coefficients, coefficients]) / 2
        intercepts = np.concatenate([-intercepts, intercepts]) / 2
    weight, bias = np.zeros((num_classes, coefficients.shape[1])), np.full(num_classes, NEVER)
    weight[present], bias[present] = coefficients, intercepts
    return weight, bias


def _weights(labels: Integers, num_classes: int, class_weights: ClassWeights) -> Floats:
    if class_weights == "none":
        return np.ones(len(labels))
    counts = np.bincount(labels, minlength=num_classes)
    return len(labels) / (num_classes * counts[labels])
