"""The section of a recipe with the figures that a text published."""

from typing import Annotated, Literal

from pydantic import Field

from skysort.core.models import FrozenModel


class Figure(FrozenModel):
    """One published figure, or a curve of figures over the epochs."""

    what: Literal["accuracy", "mean-loss", "last-batch-loss"]
    """The measure. `last-batch-loss` is the loss of one batch, so it is noisy."""
    split: Literal["train", "test"]
    """The split it was measured on. `test` is the split that the text held out."""
    mode: Literal["training", "evaluation"] = "evaluation"
    """Whether the network was in training mode when it was measured."""
    epochs: tuple[int, ...] = ()
    """The epochs after which it was measured; empty for the end of training."""
    values: Annotated[tuple[float, ...], Field(min_length=1)]
    """Accuracies (0 … 1) or losses in nats, one per epoch; for the end of training, one per source."""


class Published(FrozenModel):
    """The figures that a text published for the system that a recipe repeats."""

    source: str
    """The text, described in words."""
    data: str
    """Name of the built-in data set that the figures are of."""
    figures: tuple[Figure, ...] = ()
    """The published figures; empty for a system that the text only describes."""
