"""Multinomial logistic regression on standardised features, for one strength of the penalty after another.

scikit-learn's `LogisticRegression` is the oracle in the tests. Its fits take longer, and it takes a second to
load (benchmarks/fits.py).
"""

from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize  # here, so that its own BLAS is loaded before `one_thread_per_fit` limits it

from skysort.transfer.network import LinearHead

MOST_ITERATIONS = 300
SMALL_GRADIENT = 3e-3
"""A fit ends where no derivative is larger, in coordinates in which the loss has a curvature of about 1."""
SMALL_GAIN = 1e-9
"""A fit ends where an iteration lowers the loss by less than this share."""
SHARE_OF_CURVATURE = 0.03
"""Mean curvature of the cross-entropy along a logit, as a share of that of equal probabilities. It sets the scale
of each coordinate, and with it only how fast a fit is."""
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
ROUNDING = 1e-10
"""Share of the largest sum of squares below which a coordinate is rounding."""
Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Integers = NDArray[np.int64]
ClassWeights = Literal["none", "balanced"]


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


def fit_path(
    features: Floats, labels: Integers, num_classes: int, class_weights: ClassWeights, strengths: tuple[float, ...]
) -> list[Affine]:
    """Return the heads of several strengths of the penalty, each fit starting from the one before.

    Args:
        features: (N, D).
        labels: (N,) class indices; classes without a picture get no answer.
        num_classes: how many classes there are.
        class_weights: whether each class counts alike, however few its pictures.
        strengths: a fit minimises the sum of cross-entropies plus strength / 2 times the squared weights.
    """
    mean, variance = features.mean(axis=0), features.var(axis=0)
    std = np.sqrt(variance + SHARE_OF_MEAN_VARIANCE * variance.mean() + SMALLEST_VARIANCE)
    standardised = (features - mean) / std
    axes = _PrincipalAxes.of(standardised)
    present, numbers, counts = np.unique(labels, return_inverse=True, return_counts=True)
    truth = np.eye(len(present))[numbers]
    weights = np.ones(len(labels)) if class_weights == "none" else (len(labels) / len(present) / counts)[numbers]
    weight, bias = np.zeros((len(present), len(axes.squares))), np.zeros(len(present))
    heads = []
    for strength in strengths:
        weight, bias = _minimised(axes, truth, weights, strength, weight, bias)
        centred = axes.back(weight - weight.mean(axis=0)) / std
        whole = Affine(np.zeros((num_classes, features.shape[1])), np.full(num_classes, NEVER))
        whole.weight[present], whole.bias[present] = centred, bias - bias.mean() - centred @ mean
        heads.append(whole)
    return heads


@dataclass(frozen=True)
class _PrincipalAxes:
    """Pictures along R axes on which their features do not covary. The penalty is the same along any axes."""

    pictures: Singles
    """(N, R)."""
    squares: Floats
    """(R,) sum of squares along each axis."""
    features: Floats
    """(M, D): each axis is a sum of some rows. Rows are the pictures themselves, or else single features."""
    shares: Floats
    """(M, R) of each row in each axis."""

    @classmethod
    def of(cls, features: Floats) -> Self:
        """Return the axes of (N, D) features. At most N have any variance."""
        num_pictures, num_features = features.shape
        if num_pictures < num_features:
            squares, vectors = _eigen(features @ features.T)
            lengths = np.sqrt(squares)
            return cls((vectors * lengths).astype(np.float32), squares, features, vectors / lengths)
        squares, vectors = _eigen(features.T @ features)
        return cls((features @ vectors).astype(np.float32), squares, np.eye(num_features), vectors)

    def back(self, weight: Floats) -> Floats:
        """Return (classes, D) weights of features for (classes, R) weights of axes."""
        of_features: Floats = (weight @ self.shares.T) @ self.features
        return of_features


def _eigen(products: Floats) -> tuple[Floats, Floats]:
    squares, vectors = np.linalg.eigh(products)
    is_real = squares > max(ROUNDING * squares[-1], 0.0)
    return squares[is_real], vectors[:, is_real]


def _minimised(
    axes: _PrincipalAxes, truth: Floats, weights: Floats, strength: float, weight: Floats, bias: Floats
) -> tuple[Floats, Floats]:
    """Return the (classes, R) weights and (classes,) biases of the least loss, from others to start at."""
    num_classes = len(bias)
    curvature = SHARE_OF_CURVATURE * (1 - 1 / num_classes) / num_classes
    scale = 1 / np.sqrt(curvature * axes.squares + strength)
    pictures, penalty = axes.pictures * scale.astype(np.float32), strength * scale**2

    def loss(parameters: Floats) -> tuple[float, Floats]:
        scaled, biases = parameters[:-num_classes].reshape(num_classes, -1), parameters[-num_classes:]
        logits = pictures @ scaled.T.astype(np.float32) + biases  # (N, classes)
        logits -= logits.max(axis=1, keepdims=True)
        log_shares = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        by_logit = (np.exp(log_shares) - truth) * weights[:, None]
        by_weight = by_logit.T.astype(np.float32) @ pictures + penalty * scaled
        of_pictures = -float((log_shares * truth).sum(axis=1) @ weights)
        gradient = np.concatenate([by_weight.ravel(), by_logit.sum(axis=0)])
        return of_pictures + float((penalty * scaled**2).sum()) / 2, gradient

    found = minimize(
        loss,
        np.concatenate([(weight / scale).ravel(), bias]),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": MOST_ITERATIONS, "gtol": SMALL_GRADIENT, "ftol": SMALL_GAIN},
    ).x
    return found[:-num_classes].reshape(num_classes, -1) * scale, found[-num_classes:]
