"""Comparisons that the tutorials describe, by name."""

from dataclasses import dataclass

from skysort.core.errors import unknown
from skysort.experiments.compare import ComparisonSpec
from skysort.experiments.seeds import Variant
from skysort.recipe.schema import Recipe

CAPACITIES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
WIDTHS = ((4, 2), (8, 4), (16, 8), (32, 16), (64, 32))


@dataclass(frozen=True)
class Study:
    """A comparison with a name."""

    description: str
    variants: dict[str, tuple[str, tuple[str, ...]]]
    """Recipe and settings of each variant, by its name."""
    data: str = "birds-vs-airplanes"
    shifts: int = 0
    """Largest shift of test pictures to measure on, in pixels; 0 for none."""


def _recipes(*names: str) -> dict[str, tuple[str, tuple[str, ...]]]:
    return {name: (name, ()) for name in names}


STUDIES = {
    "step-size": Study(
        "one step per epoch, per picture, or per 64 pictures, with the same number of epochs",
        _recipes("mlp-full-batch", "mlp-single-sample", "mlp"),
    ),
    "loss": Study(
        "loss functions: negative log likelihood, cross entropy, squared error, regression, and one output",
        {
            "negative-log-likelihood": ("mlp", ()),
            "cross-entropy": ("mlp", ("loss.name=cross-entropy",)),
            "mean-squared-error": ("mlp-mse", ()),
            "regression": ("mlp-regression", ()),
            "binary-cross-entropy": ("mlp-bce", ()),
        },
    ),
    "crop": Study(
        "does a network overfit less on pictures cropped at random in every epoch?", _recipes("mlp", "mlp-crop")
    ),
    "capacity": Study(
        "how many hidden units until a fully connected network overfits?",
        {f"mlp-{width}": ("mlp", (f"network.hidden=[{width}]",)) for width in CAPACITIES},
    ),
    "width": Study(
        "how many channels does a convolutional network need?",
        {f"convnet-{one}-{two}": ("convnet", (f"network.channels=[{one}, {two}]",)) for one, two in WIDTHS},
    ),
    "regularisation": Study(
        "what keeps a convolutional network from overfitting?",
        _recipes("convnet-wide", "convnet-l2", "convnet-dropout", "convnet-batchnorm"),
    ),
    "depth": Study(
        "from two convolutions to ten residual blocks",
        _recipes("convnet", "convnet-residual", "resnet-deep", "resnet-deep-shared"),
    ),
    "translation": Study(
        "which network still recognises pictures shifted by a few pixels?", _recipes("mlp", "convnet"), shifts=8
    ),
    "normalisation": Study(
        "how to normalise pictures",
        {name: ("mlp", (f"pictures.normalise={name}",)) for name in ("none", "half", "data")},
    ),
}


def find_study(name: str, data: str | None = None, settings: tuple[str, ...] = ()) -> ComparisonSpec:
    """Return the recipes and pictures of a study.

    Args:
        name: name of the study.
        data: pictures to use instead of those of the study.
        settings: fields to override in all its recipes, such as `training.epochs=10`.

    Raises:
        NotUnderstoodError: for an unknown study or field.
    """
    if name not in STUDIES:
        raise unknown("study", name, STUDIES)
    study = STUDIES[name]
    variants = tuple(
        Variant(shown, Recipe.load(recipe, (*own, *settings))) for shown, (recipe, own) in study.variants.items()
    )
    return ComparisonSpec(name, study.description, data or study.data, variants, study.shifts, settings)
