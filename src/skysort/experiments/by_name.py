"""Comparisons of recipes by name, or by the name of a study: the function of `skysort compare`."""

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
    """Train recipes with several seeds on the same splits, and compare them.

    If called again, it continues where it stopped.

    Args:
        data: pictures, named as for `train`. None for those of the study.
        recipes: two or more recipes, named as for `train`. The others are compared with the first.
        study: name of a study instead of recipes (`skysort compare --studies` lists them).
        seeds: number of runs per recipe, with seeds 0, 1, 2 …
        settings: fields to override in all recipes, such as `training.epochs=3`.
        output: folder for comparison.json, report.html and the runs. None for one below `compare/`.
        data_dir: folder of built-in data, also for downloads; else $SKYSORT_DATA, else the cache folder.
        progress: where to report progress; None for nowhere.

    Raises:
        NotUnderstoodError: for an unknown name or field, a missing path, or fewer than two recipes.
        SkysortError: when a run fails, or the folder has runs of other recipes.
        StoppedError: when the person or the system stopped it.
    """
    spec = _spec(None if data is None else str(data), recipes, study, tuple(settings))
    folder = Path("compare") / spec.title if output is None else output
    return compare_variants(spec, folder, seeds=seeds, data_dir=data_dir, progress=progress)


def _spec(
    data: str | None, recipes: Sequence[str], study: str | None, settings: tuple[str, ...]
) -> ComparisonSpec:
    if study is not None:
        if recipes:
            raise NotUnderstoodError("options-conflict", "a --study has its own recipes; leave out --recipes")
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
    # On some systems the name of a folder cannot contain a colon, as in skies:2000.
    title = "-".join((Path(data).stem.replace(":", "-"), *(variant.name for variant in variants)))
    return ComparisonSpec(title, f"recipes on {data}", data, variants, settings=settings)
