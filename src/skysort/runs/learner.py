"""The functions of a run that need PyTorch, loaded when they are first needed."""

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
    """The functions of a run that need PyTorch. The module `network_learner` has them."""

    def hardware(self, training: Training) -> dict[str, str | int]:
        """Return `device` and `threads` for this computer."""

    def check_network(self, recipe: Recipe, shape: Shape) -> None:
        """Refuse a network that does not fit the shape of the pictures, or the memory of this computer."""

    def check_loss(self, recipe: Recipe, num_classes: int) -> None:
        """Refuse a loss for another number of classes."""

    def check_own_network(self, recipe: Recipe, prepared: PreparedData) -> None:
        """Refuse a user's own network that cannot be trained or exported."""

    def variants(self, network: AnyNetwork, size: int) -> "list[Variant]":
        """Return the networks that a budget may choose from for a picture size, fastest first."""

    def seconds_per_epoch_and_picture(self, recipe: Recipe, prepared: PreparedData) -> tuple[float, float]:
        """Return the seconds per epoch and the seconds to label a picture, timed with a few steps."""

    def learn(self, run: Run, recipe: Recipe, prepared: PreparedData, progress: Progress) -> dict[str, float]:
        """Train from the run's checkpoint, if there is one, and write its classifier; return seconds by step."""

    def train_mode_accuracies(self, run: Run, prepared: PreparedData) -> dict[str, float] | None:
        """Return the accuracies in training mode by split; None if the mode changes nothing."""


def learner() -> Learner:
    """Return the functions that need PyTorch.

    Raises:
        MissingExtraError: when a library for training is not installed.
    """
    require("training", "train", "torch", "safetensors", "onnx", "onnxscript", "sklearn", "matplotlib", "jinja2")
    from skysort.runs import network_learner

    return network_learner
