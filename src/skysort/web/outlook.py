"""What a training would be, before it starts: the pictures, the recipe that is taken and why, and the time."""

from dataclasses import dataclass

import numpy as np

from skysort.core.errors import unknown
from skysort.core.progress import SilentProgress
from skysort.data.dataset import Data
from skysort.data.exif import median_size
from skysort.recipe.load import RECIPE_FOR_PHOTOGRAPHS, recipe_names
from skysort.recipe.schema import Recipe
from skysort.runs.budget import SECONDS_TO_FINISH_PHOTOS, seconds_of
from skysort.runs.plan import SMALLEST_PHOTOGRAPH, default_recipe
from skysort.transfer.backbones import CHOSEN_FIRST, backbones_here, shipped
from skysort.web.words import _, duration, number


@dataclass(frozen=True)
class Outlook:
    """The pictures of a folder, and the recipe that suits them."""

    source: str
    """Name of a built-in data set, or an absolute path."""
    classes: dict[str, int]
    """Number of files per class. Some may turn out unreadable."""
    recipe: str
    why: str
    """Why this recipe is taken."""

    @property
    def num_pictures(self) -> int:
        """Number of files."""
        return sum(self.classes.values())


def outlook(pictures: str) -> Outlook:
    """Look at pictures without decoding them.

    Args:
        pictures: named as for `skysort train`.

    Raises:
        NotUnderstoodError: when nothing is there.
        SkysortError: when the pictures have no classes, or cannot be listed.
    """
    data = Data.find(pictures)
    source = data.open_source(data.shape(None, None, "stretch"), SilentProgress())
    with source.opened() as (listing, _reader):
        counts = np.bincount(listing.labels, minlength=len(listing.classes)).tolist()
    default = default_recipe(data, ())
    median = median_size(source)
    return Outlook(
        data.name,
        dict(zip(listing.classes, counts, strict=True)),
        default.name,
        _why(default.name, default.why, median),
    )


def _why(recipe: str, why: str, median: tuple[int, int] | None) -> str:
    if median is None:
        return _("Built-in pictures: the network learns from these pictures alone.")
    size = {"width": number(median[0]), "height": number(median[1])}
    if recipe == RECIPE_FOR_PHOTOGRAPHS:
        return _(
            "Photographs of %(width)s x %(height)s pixels, in the median: it starts from a network that has seen"
            " many photographs, and a few dozen pictures per class are a start.",
            **size,
        )
    if min(median) < SMALLEST_PHOTOGRAPH:
        return _(
            "Small pictures of %(width)s x %(height)s pixels, in the median: the network learns from these"
            " pictures alone, so the more there are, the better.",
            **size,
        )
    return why  # what to install


def check_recipe(recipe: str) -> None:
    """Make sure that a recipe is a shipped one: a page must not name a file to run.

    Raises:
        NotUnderstoodError: when it is not.
    """
    if recipe not in recipe_names():
        raise unknown("recipe", recipe, recipe_names())


def forecast(look: Outlook, recipe: str, budget: str) -> str:
    """Return how long a training would take, in a sentence.

    Args:
        look: at its pictures.
        recipe: name of a recipe.
        budget: time for the whole training, such as `5m`; empty for as long as the recipe takes.

    Raises:
        NotUnderstoodError: when the recipe is unknown, or the budget is no time.
        SkysortError: when the backbone's weights are missing or damaged.
    """
    check_recipe(recipe)
    seconds = seconds_of(budget) if budget else None
    if Recipe.load(recipe).has_backbone:
        from skysort.transfer.features import milliseconds_per_picture  # loads ONNX

        backbones = backbones_here() or (shipped()[CHOSEN_FIRST],)
        computing = look.num_pictures * sum(map(milliseconds_per_picture, backbones)) / 1000
        return _(
            "About %(time)s on this computer, less if it has seen these pictures before.",
            time=duration(computing + SECONDS_TO_FINISH_PHOTOS),
        )
    if seconds is not None:
        return _("About %(time)s: as many epochs as fit.", time=duration(seconds))
    epochs = Recipe.load(recipe).training.epochs
    if epochs == "auto":
        return _("Ten epochs, more with few pictures. How long they take shows within seconds of training.")
    return _("%(num)s epochs. How long they take shows within seconds of training.", num=number(epochs))
