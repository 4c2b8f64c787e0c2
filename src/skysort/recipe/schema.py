"""A recipe: everything that decides what a run computes, typed, validated, in one TOML file."""

import json
from collections.abc import Iterable
from os import PathLike
from typing import Annotated, Self

import tomli_w
from pydantic import Field, ValidationError, model_validator

from skysort.core.errors import NotUnderstoodError
from skysort.core.models import FrozenModel
from skysort.recipe.load import Tables, content_of
from skysort.recipe.messages import problems_of
from skysort.recipe.networks import NETWORKS, Network, OwnNetwork
from skysort.recipe.sections import (
    Augment,
    Loss,
    Normalisation,
    Optimizer,
    Pictures,
    Published,
    Schedule,
    Training,
    Trust,
)


class Recipe(FrozenModel):
    """What to run.

    >>> Recipe.load("convnet").training.batch_size
    64
    >>> Recipe.load("convnet", ["training.epochs=3"]).training.epochs
    3
    """

    name: Annotated[str, Field(pattern=r"^\w[\w. -]*$")]
    """Runs are called by it; letters, digits, and between them . - and blanks."""
    description: str = ""
    """One line for a person choosing."""
    pictures: Pictures = Pictures()
    network: Network
    loss: Loss = Loss()
    optimizer: Optimizer = Optimizer()
    schedule: Schedule = Schedule()
    augment: Augment = Augment()
    training: Training = Training()
    trust: Trust = Trust()
    published: Published | None = None
    """Set for what repeats a text."""

    @model_validator(mode="after")
    def _augmentation_fits_size(self) -> Self:
        size, shift, cutout = self.pictures.size, self.augment.shift, self.augment.cutout
        if size is not None and shift >= size:
            raise ValueError(f"augment.shift = {shift} moves pictures of pictures.size = {size} away")
        if size is not None and cutout >= size:
            raise ValueError(f"augment.cutout = {cutout} covers pictures of pictures.size = {size}")
        return self

    @model_validator(mode="after")
    def _loss_takes_mixed_pictures(self) -> Self:
        if self.augment.mixes_pictures and self.loss.has_one_output:
            field = "mixup" if self.augment.mixup else "cutmix"
            raise ValueError(
                f"augment.{field} gives pictures shares of several classes; loss.name = '{self.loss.name}' has one"
                f" output and cannot take them, 'cross-entropy' can"
            )
        return self

    @model_validator(mode="after")
    def _balanced_once(self) -> Self:
        if self.loss.class_weights == "balanced" == self.training.sampling:
            raise ValueError(
                "loss.class_weights = 'balanced' and training.sampling = 'balanced' each make up for rare classes;"
                " together they would favour them"
            )
        return self

    @model_validator(mode="after")
    def _normalisation_fits_channels(self) -> Self:
        figures, channels = self.pictures.normalise, self.pictures.channels
        if isinstance(figures, Normalisation) and channels not in (None, len(figures.mean)):
            raise ValueError(
                f"pictures.normalise has figures for {len(figures.mean)} channels,"
                f" but pictures.channels = {channels}"
            )
        return self

    @property
    def speaks_of_train(self) -> bool:
        """Whether an accuracy on the training pictures was published."""
        return self.published is not None and any(
            figure.split == "train" and figure.what == "accuracy" for figure in self.published.figures
        )

    @classmethod
    def load(cls, name: str | PathLike[str], settings: Iterable[str] = ()) -> Self:
        """Load a shipped recipe by name, or a `.toml` file by path, or make one for a person's own network.

        Args:
            name: as `skysort recipes` lists them, the path of a file ending in `.toml`, or `FILE.py:Class`, which
                takes the default recipe with Adam at 0.001. Nothing is run of that file.
            settings: fields to override, as `training.epochs=3`; values are written as in TOML, and what
                is no TOML value is taken as text.

        Raises:
            NotUnderstoodError: for an unknown recipe or field, or values that are not allowed.
        """
        return cls._checked(str(name), content_of(str(name), settings))

    def with_values(self, **sections: Tables) -> Self:
        """Return the recipe with fields of some sections replaced, checked like any other.

        Raises:
            NotUnderstoodError: when they do not fit the others.
        """
        content = self.model_dump(mode="json", exclude_none=True)
        for section, values in sections.items():
            content[section].update(values)
        if isinstance(self.network, OwnNetwork):
            content["network"]["folder"] = self.network.folder
        return self._checked(self.name, content)

    @classmethod
    def _checked(cls, name: str, content: Tables) -> Self:
        try:
            # By way of JSON, where strict means that true is no number but a list may be a tuple.
            return cls.model_validate_json(json.dumps(content, default=str), strict=True)
        except ValidationError as error:
            problems = "\n".join(f"  {line}" for line in dict.fromkeys(problems_of(error, cls, NETWORKS)))
            raise NotUnderstoodError("invalid-recipe", f"recipe '{name}' cannot be run:\n{problems}") from None

    def to_toml(self) -> str:
        """Return the recipe with every default spelled out; fields that are unset are left out."""
        return tomli_w.dumps(self.model_dump(mode="json", exclude_none=True))
