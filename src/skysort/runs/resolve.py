"""A recipe with every field set for its pictures and this computer, and checks that it fits them."""

import numpy as np

from skysort.core.errors import SkysortError
from skysort.data.cut import how_to_calibrate
from skysort.data.dataset import Data
from skysort.data.decode import Shape
from skysort.data.splits import PreparedData
from skysort.recipe.schema import Recipe
from skysort.recipe.sections import Augment, Protocol
from skysort.runs.learner import learner
from skysort.transfer.backbones import find_backbone
from skysort.trust.abstention import fewest_for_unknown


def resolved(recipe: Recipe, data: Data) -> Recipe:
    """Return a recipe with the fields set that depend on the data and on this computer.

    With a backbone, the protocol stays unset: it goes by the number of pictures.

    Raises:
        NotUnderstoodError: for an unknown device.
        SkysortError: for a device that this computer does not have, too many threads, or a missing library.
    """
    pictures = recipe.pictures
    shape = shape_of(recipe, data)
    is_known = recipe.published is not None and data.named is not None and data.named.in_tutorials
    of_tutorial = is_known and pictures.shares is None
    return recipe.with_values(
        pictures={
            "size": shape.size,
            "channels": shape.channels,
            "protocol": pictures.protocol or _usual_protocol(recipe, of_tutorial=of_tutorial),
        },
        augment=_mirrored(recipe.augment, data),
        training=learner(recipe).hardware(recipe.training),
    )


def shape_of(recipe: Recipe, data: Data) -> Shape:
    """Return the shape of the pictures that a recipe's network sees: the backbone's, where it has one."""
    pictures = recipe.pictures
    size = pictures.size
    if recipe.has_backbone and size is None:
        size = find_backbone(recipe.transfer.backbone).size
    return data.shape(size, 3 if recipe.has_backbone else pictures.channels, pictures.resize)


def _usual_protocol(recipe: Recipe, *, of_tutorial: bool) -> Protocol | None:
    if recipe.has_backbone:
        return None if recipe.pictures.shares is None else "four-way"
    return "tutorial" if of_tutorial else "four-way"


def _mirrored(augment: Augment, data: Data) -> dict[str, str | bool]:
    """Return the fields for mirroring. Pictures whose mirror image has another meaning are not mirrored."""
    means_the_same = data.named is None or data.named.mirror_means_the_same
    chosen: dict[str, str | bool] = {}
    if augment.flip == "auto":
        chosen["flip"] = "alternating" if means_the_same else "none"
    if augment.test_time_flip == "auto":
        chosen["test_time_flip"] = means_the_same
    return chosen


def check_network(recipe: Recipe, data: Data) -> None:
    """Make sure that a recipe's network fits the pictures and this computer's memory, before decoding any.

    Raises:
        SkysortError: when the pictures are too small for the network, or it is too large for the memory.
    """
    learner(recipe).check_network(recipe, shape_of(recipe, data))


def check_trainable(recipe: Recipe, prepared: PreparedData) -> None:
    """Make sure that a recipe can be trained on its pictures, before anything is written.

    Raises:
        NotUnderstoodError: when its loss is for another number of classes.
        SkysortError: when there are too few calibration pictures, or a user's own network cannot be trained.
    """
    learner(recipe).check_loss(recipe, len(prepared.dataset.listing.classes))
    check_calibration(recipe, prepared)
    learner(recipe).check_own_network(recipe, prepared)


def check_calibration(recipe: Recipe, prepared: PreparedData) -> None:
    """Make sure that there are enough calibration pictures for a recipe's threshold.

    Raises:
        SkysortError: when there are too few.
    """
    keep = recipe.trust.keep_known
    if keep is None:
        return
    fewest = fewest_for_unknown(keep)
    if recipe.pictures.protocol == "folds":
        _check_for_threshold(keep, prepared)
        return
    needed = f"keeping {keep} of known pictures needs at least {fewest:,} calibration pictures, or groups of them"
    if "calibration" not in prepared.splits:
        raise SkysortError(
            "missing-split",
            f"{needed}, and protocol '{recipe.pictures.protocol}' has none; use --set pictures.protocol=four-way",
        )
    rows = prepared.to_calibrate()
    num = len(np.unique(prepared.groups[rows]))
    if num < fewest:
        num_leaks = len(prepared.splits["calibration"]) - len(rows)
        without = f", without {num_leaks:,} with a near-duplicate in train or validation" if num_leaks else ""
        listing = prepared.dataset.listing
        ways = how_to_calibrate(fewest, len(listing), recipe.pictures.percentages, listing)
        raise SkysortError("too-few-pictures", f"{needed}; there are {num:,}{without}. {ways}")


def _check_for_threshold(keep: float, prepared: PreparedData) -> None:
    fewest, num = fewest_for_unknown(keep), len(np.unique(prepared.groups[prepared.splits["train"]]))
    if num < fewest:
        raise SkysortError(
            "too-few-pictures",
            f"keeping {keep} of known pictures needs at least {fewest:,} pictures, or groups of them; there are"
            f" {num:,}. Add pictures, or lower trust.keep_known",
        )
