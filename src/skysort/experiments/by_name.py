"""Comparisons by the names of their recipes, or by the name of a study: what `skysort compare` does."""

from collections.abc import Sequence
from os import PathLike
from pathlib import Path

from skysort.core.errors import NotUnderstoodError
from skysort.core.progress import Progress
from skysort.experiments.compare import ComparisonSpec
from skysort.experiments.compare import compare as compare_variants
from skysort.experiments.seeds import DEFAULT_SEEDS, Variant
from skysort.experiments.studies import find_study
from skysort.recipe.schema import Recipe
from skysort.trust.comparison import Comparison


def compare(
    data: str | PathLike[str] | None = None,
    recipes: Sequence[str] = (),
    *,
    study: str | None = None,
    seeds: int = DEFAULT_SEEDS,
    settings: Sequence[str] = (),
    output: str | PathLike[str] | None = None,
    data_dir: str | PathLike[str] | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Train recipes with several seeds on the same splits, and put the results side by side.

    Called again, it continues where it stopped.

    Args:
        data: as for `train`; a study has its own.
        recipes: two or more, as for `train`; the first is the one that the others are compared with.
        study: the name of a study, as `skysort compare --studies` lists them, instead of recipes.
        seeds: number of runs of each recipe, with seeds from 0 on.
        settings: fields to override in all recipes, such as `training.epochs=3`.
        output: folder for comparison.json, report.html and the runs; by default `compare/` and the title.
        data_dir: where built-in data is, or is downloaded to; else $SKYSORT_DATA, else the cache folder.
        progress: where to report how far it is; else silent.

    Raises:
        NotUnderstoodError: for an unknown name or field, a path that is not there, or fewer than two recipes.
        SkysortError: when a run cannot be done, or the folder holds runs of other recipes.
    """
    spec = _spec(None if data is None else str(data), recipes, study, tuple(settings))
    folder = Path("compare") / spec.title if output is None else output
    return compare_variants(spec, folder, seeds=seeds, data_dir=data_dir, progress=progress)


def _spec(
    data: str | None, recipes: Sequence[str], study: str | None, settings: tuple[str, ...]
) -> ComparisonSpec:
    if study is not None:
        if recipes:
            raise NotUnderstoodError(
                "options-conflict", "the recipes of a --study are its own; leave --recipes out"
            )
        return find_study(study, data, settings)
    if data is None or not recipes:
        raise NotUnderstoodError(
            "missing-argument",
            "nothing to compare: name pictures and --recipes, a --study (--studies lists them), or two runs",
        )
    if len(recipes) < 2:
        raise NotUnderstoodError(
            "missing-argument",
            f"'{recipes[0]}' is the only recipe: name two or more, such as --recipes mlp,convnet, or a --study",
        )
    loaded = [Recipe.load(name, settings) for name in recipes]
    variants = tuple(Variant(recipe.name, recipe) for recipe in loaded)
    # A colon, as in skies:2000, cannot be in the name of a folder everywhere.
    title = "-".join((Path(data).stem.replace(":", "-"), *(variant.name for variant in variants)))
    return ComparisonSpec(title, f"recipes on {data}", data, variants, settings=settings)
