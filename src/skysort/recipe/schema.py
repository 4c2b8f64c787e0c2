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
from skysort.recipe.networks import NETWORKS, BackboneNetwork, Network, OwnNetwork
from skysort.recipe.published import Published
from skysort.recipe.sections import (
    Augment,
    Loss,
    Normalisation,
    Optimizer,
    Pictures,
    Schedule,
    Training,
    Transfer,
    Trust,
)

UNUSED_BY_BACKBONE = {
    "pictures": ("normalise",),
    "loss": ("name", "label_smoothing", "l1", "l2"),
    "optimizer": tuple(Optimizer.model_fields),
    "schedule": tuple(Schedule.model_fields),
    "augment": tuple(Augment.model_fields),
    "training": ("epochs", "batch_size", "sampling", "log_every"),
}
"""Fields by section."""
UNUSED_BY_OTHERS = {"transfer": tuple(Transfer.model_fields)}
"""Fields by section, of networks that are trained."""


class Recipe(FrozenModel):
    """What to run.

    Examples:
        >>> Recipe.load("convnet").training.batch_size
        64
        >>> Recipe.load("convnet", ["training.epochs=3"]).training.epochs
        3
    """

    name: Annotated[str, Field(pattern=r"^\w[\w. -]*$")]
    """Name of the recipe, which runs are named after: letters, digits, and between them dots, hyphens and
    blanks."""
    description: str = ""
    """One line that helps a person to choose a recipe."""
    pictures: Pictures = Pictures()
    network: Network
    loss: Loss = Loss()
    optimizer: Optimizer = Optimizer()
    schedule: Schedule = Schedule()
    augment: Augment = Augment()
    training: Training = Training()
    transfer: Transfer = Transfer()
    trust: Trust = Trust()
    published: Published | None = None
    """The figures that a text published, if the recipe repeats its system."""

    @model_validator(mode="after")
    def _augmentation_fits_size(self) -> Self:
        size, shift, cutout = self.pictures.size, self.augment.shift, self.augment.cutout
        if size is not None and shift >= size:
            raise ValueError(
                f"augment.shift = {shift} shifts pictures out of view; it must be less than pictures.size = {size}"
            )
        if size is not None and cutout >= size:
            raise ValueError(
                f"augment.cutout = {cutout} covers whole pictures; it must be less than pictures.size = {size}"
            )
        return self

    @model_validator(mode="after")
    def _loss_takes_mixed_pictures(self) -> Self:
        if self.augment.mixes_pictures and self.loss.has_one_output:
            field = "mixup" if self.augment.mixup else "cutmix"
            raise ValueError(
                f"augment.{field} mixes pictures of several classes, and loss.name = '{self.loss.name}' takes only"
                " pictures of one class; use loss.name = 'cross-entropy'"
            )
        return self

    @model_validator(mode="after")
    def _balanced_once(self) -> Self:
        if self.loss.class_weights == "balanced" == self.training.sampling:
            raise ValueError(
                "loss.class_weights = 'balanced' and training.sampling = 'balanced' both raise the weight of rare"
                " classes; use only one of them"
            )
        return self

    @model_validator(mode="after")
    def _normalisation_fits_channels(self) -> Self:
        normalise, channels = self.pictures.normalise, self.pictures.channels
        if isinstance(normalise, Normalisation) and channels not in (None, len(normalise.mean)):
            raise ValueError(
                f"pictures.normalise has means for {len(normalise.mean)} channels,"
                f" but pictures.channels = {channels}"
            )
        return self

    @model_validator(mode="after")
    def _fields_fit_network(self) -> Self:
        """Refuse a field that the network does not use, rather than ignore it."""
        for section, fields in (UNUSED_BY_BACKBONE if self.has_backbone else UNUSED_BY_OTHERS).items():
            values = getattr(self, section)
            for field in fields:
                if getattr(values, field) != getattr(type(values)(), field):
                    raise ValueError(
                        f"the network '{self.network.name}' does not use {section}.{field}; leave it out"
                    )
        if self.has_backbone and self.pictures.channels == 1:
            raise ValueError("the network 'backbone' takes pictures with pictures.channels = 3")
        return self

    @model_validator(mode="after")
    def _folds_take_a_backbone(self) -> Self:
        if self.pictures.protocol == "folds" and not self.has_backbone:
            raise ValueError(
                f"pictures.protocol = 'folds' learns several times, which takes too long with the network"
                f" '{self.network.name}'; the network 'backbone' can"
            )
        return self

    @property
    def has_backbone(self) -> bool:
        """Whether a head is fitted to a backbone's features, and no network is trained."""
        return isinstance(self.network, BackboneNetwork)

    @property
    def speaks_of_train(self) -> bool:
        """Whether the text published an accuracy on the training pictures."""
        return self.published is not None and any(
            figure.split == "train" and figure.what == "accuracy" for figure in self.published.figures
        )

    @classmethod
    def load(cls, name: str | PathLike[str], settings: Iterable[str] = ()) -> Self:
        """Load a shipped recipe by name or a `.toml` file by path, or make a recipe for your own network.

        Args:
            name: one of the names that `skysort recipes` lists, the path of a `.toml` file, or `FILE.py:Class`.
                The last makes the default recipe with your network and Adam at 0.001. It does not run the file.
            settings: fields to override, such as `training.epochs=3`. Values are written as in TOML. A value that
                is not TOML counts as text.

        Raises:
            NotUnderstoodError: if no recipe or field has the name, or a value is not allowed.
        """
        return cls._checked(str(name), content_of(str(name), settings))

    def with_values(self, **sections: Tables) -> Self:
        """Return a copy with some fields replaced. It is checked like any other recipe.

        Raises:
            NotUnderstoodError: if the new values do not fit the others.
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
            # Through JSON, because strict mode then refuses true for a number but accepts a list for a tuple.
            return cls.model_validate_json(json.dumps(content, default=str), strict=True)
        except ValidationError as error:
            problems = "\n".join(f"  {line}" for line in dict.fromkeys(problems_of(error, cls, NETWORKS)))
            raise NotUnderstoodError("invalid-recipe", f"recipe '{name}' is invalid:\n{problems}") from None

    def to_toml(self) -> str:
        """Return the recipe as TOML: every default spelled out, no unset fields, none that the network ignores."""
        unused = UNUSED_BY_BACKBONE if self.has_backbone else UNUSED_BY_OTHERS
        exclude = {section: set(fields) for section, fields in unused.items()}
        tables = self.model_dump(mode="json", exclude_none=True, exclude=exclude)
        return tomli_w.dumps({name: table for name, table in tables.items() if table or name not in unused})
