"""The functions of a run that learn, loaded when they are first needed: those with PyTorch, or with a backbone."""

from importlib.util import find_spec
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from skysort.classifier.evidence import Evidence
from skysort.classifier.ood import Similarities
from skysort.classifier.proof import Logits
from skysort.classifier.reference import Reference
from skysort.core.deadline import Deadline
from skysort.core.errors import require
from skysort.core.loading import loading
from skysort.core.progress import Progress
from skysort.data.cut import Indices
from skysort.data.decode import Shape
from skysort.data.quality.suspect_labels import SuspectLabel
from skysort.data.splits import PreparedData
from skysort.recipe.networks import AnyNetwork
from skysort.recipe.schema import Recipe
from skysort.recipe.sections import Training
from skysort.runs.folder import Run
from skysort.trust.learning_curve import LearningCurve

if TYPE_CHECKING:
    from skysort.networks.layers import Variant
    from skysort.transfer.out_of_fold import OutOfFold


PHOTO_LIBRARIES = ("onnx", "safetensors", "sklearn", "threadpoolctl", "matplotlib", "jinja2")


class Learner(Protocol):
    """The functions of a run that learn. The modules `network_learner` and `backbone_learner` have them."""

    def hardware(self, training: Training) -> dict[str, str | int]:
        """Return `device` and `threads` for this computer."""

    def check_network(self, recipe: Recipe, shape: Shape) -> None:
        """Refuse a network that does not fit the shape of the pictures, or the memory of this computer."""

    def check_loss(self, recipe: Recipe, num_classes: int) -> None:
        """Refuse a loss for another number of classes."""

    def check_own_network(self, recipe: Recipe, prepared: PreparedData) -> None:
        """Refuse a user's own network that cannot be trained or exported."""

    def learn(
        self,
        run: Run,
        recipe: Recipe,
        prepared: PreparedData,
        progress: Progress,
        deadline: Deadline | None = None,
    ) -> dict[str, float]:
        """Train from the run's checkpoint, if there is one, and write its classifier; return seconds by step."""

    def train_mode_accuracies(self, run: Run, prepared: PreparedData) -> dict[str, float] | None:
        """Return the accuracies in training mode by split; None if the mode changes nothing."""


class NetworkLearner(Learner, Protocol):
    """The functions of a run that need PyTorch, with those that a budget takes."""

    def variants(self, network: AnyNetwork, size: int) -> "list[Variant]":
        """Return the networks that a budget may choose from for a picture size, fastest first."""

    def seconds_of_training(self, recipe: Recipe, prepared: PreparedData) -> tuple[float, float, float]:
        """Return the seconds per step, per checkpoint and per labelled picture, timed with a few steps."""


class BackboneLearner(Learner, Protocol):
    """The functions of a run with a backbone, with those that measure by the features in the cache."""

    def seconds_for_features(self, recipe: Recipe, prepared: PreparedData) -> float:
        """Return how long the features take that are not in the cache yet."""

    def known_outputs(
        self, run: Run, recipe: Recipe, prepared: PreparedData, rows: Indices, progress: Progress
    ) -> tuple[Logits, NDArray[np.float32]]:
        """Return (N, classes) logits and (N, D) features of (N,) rows, without running the whole classifier."""

    def learning_curve(
        self, recipe: Recipe, prepared: PreparedData, strength: float, progress: Progress
    ) -> LearningCurve:
        """Return the accuracy by pictures per class."""

    def out_of_fold(self, recipe: Recipe, prepared: PreparedData, progress: Progress) -> "OutOfFold":
        """Return the answers to the training pictures, each from a head that has not seen it."""

    def evidence_out_of_fold(
        self, recipe: Recipe, prepared: PreparedData, answers: "OutOfFold", rows: Indices
    ) -> Evidence:
        """Return the evidence for the answers to (N,) training rows, by the heads that gave them."""

    def similarities_apart(
        self, recipe: Recipe, prepared: PreparedData, reference: Reference, progress: Progress
    ) -> Similarities:
        """Return the (N,) similarities of the training pictures to those of a reference outside their groups."""

    def out_of_fold_loss(self, recipe: Recipe, prepared: PreparedData, progress: Progress) -> float:
        """Return the mean cross-entropy of the training pictures, each judged by a head that has not seen it."""

    def suspects(self, recipe: Recipe, prepared: PreparedData, progress: Progress) -> tuple[SuspectLabel, ...]:
        """Return the training pictures' labels that are likely wrong."""


def learner(recipe: Recipe) -> Learner:
    """Return the functions that learn by a recipe: those that need PyTorch, or those for a backbone.

    Raises:
        MissingExtraError: when a library for training is not installed.
    """
    return backbone_learner() if recipe.has_backbone else network_learner()


def has_photo_libraries() -> bool:
    """Return whether the libraries are installed that learning from photographs takes."""
    return all(find_spec(library) for library in PHOTO_LIBRARIES)


def backbone_learner() -> BackboneLearner:
    """Return the functions for a backbone.

    Raises:
        MissingExtraError: when a library for learning from photographs is not installed.
    """
    require("learning from photographs", "photos", *PHOTO_LIBRARIES)
    with loading():
        from skysort.runs import backbone_learner

    return backbone_learner


def network_learner() -> NetworkLearner:
    """Return the functions that need PyTorch.

    Raises:
        MissingExtraError: when a library for training is not installed.
    """
    require("training", "train", "torch", "safetensors", "onnx", "onnxscript", "sklearn", "matplotlib", "jinja2")
    with loading():
        from skysort.runs import network_learner

    return network_learner
