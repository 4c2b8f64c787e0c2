"""The door from runs to PyTorch: what a run needs of it, loaded when it is first needed."""

from typing import TYPE_CHECKING, Protocol

from skysort.core.errors import require
from skysort.core.progress import Progress
from skysort.data.decode import Shape
from skysort.data.splits import PreparedData
from skysort.recipe.networks import AnyNetwork
from skysort.recipe.schema import Recipe
from skysort.recipe.sections import Training
from skysort.runs.folder import Run

if TYPE_CHECKING:
    from skysort.networks.layers import Variant


class Learner(Protocol):
    """What a run needs of PyTorch; the module `network_learner` has these functions."""

    def hardware(self, training: Training) -> dict[str, str | int]:
        """Return `device` and `threads` as they are on this computer."""

    def check_network(self, recipe: Recipe, shape: Shape) -> None:
        """Refuse a network that does not fit pictures of a shape, or this computer's memory."""

    def check_loss(self, recipe: Recipe, num_classes: int) -> None:
        """Refuse a loss that is for another number of classes."""

    def check_own_network(self, recipe: Recipe, prepared: PreparedData) -> None:
        """Refuse a network of a person's own that cannot be trained or exported."""

    def variants(self, network: AnyNetwork, size: int) -> "list[Variant]":
        """Return the networks that a budget may choose among for pictures of a size, the quickest first."""

    def seconds_per_epoch_and_picture(self, recipe: Recipe, prepared: PreparedData) -> tuple[float, float]:
        """Return how long an epoch takes, and an answer to a picture, by a few steps of training."""

    def learn(self, run: Run, recipe: Recipe, prepared: PreparedData, progress: Progress) -> dict[str, float]:
        """Train from the run's checkpoint, if there is one, and write its classifier; return seconds by step."""

    def train_mode_accuracies(self, run: Run, prepared: PreparedData) -> dict[str, float] | None:
        """Return the accuracies in training mode by split; None for a network that is the same in both modes."""


def learner() -> Learner:
    """Return the functions that need PyTorch.

    Raises:
        MissingExtraError: when a library for training is not installed.
    """
    require("training", "train", "torch", "safetensors", "onnx", "onnxscript", "sklearn", "matplotlib", "jinja2")
    from skysort.runs import network_learner

    return network_learner
