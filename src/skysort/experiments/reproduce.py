"""The tutorials' recipes run as published, and their figures compared with the published ones."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from skysort.core.environment import today
from skysort.core.errors import NotUnderstoodError
from skysort.core.files import write_whole
from skysort.core.progress import Progress, SilentProgress
from skysort.experiments.seeds import DEFAULT_SEEDS, Variant, check_variants, deciding, made_by, run_seeds
from skysort.experiments.shared_pictures import SharedPictures
from skysort.experiments.train_mode import measured_in_training_mode
from skysort.recipe.load import recipe_names
from skysort.recipe.published import Figure, Published
from skysort.recipe.schema import Recipe
from skysort.report.comparison_page import write_reproduction_report
from skysort.runs.folder import Run
from skysort.trust.comparison import (
    Mode,
    ReproducedCurve,
    ReproducedFigure,
    Reproduction,
    Spread,
    TrainModeAccuracy,
    pooled_std,
    prediction_interval,
    verdict_on,
)


@dataclass(frozen=True)
class _RecipeResult:
    """A recipe with published figures, and its runs."""

    recipe: Recipe
    published: Published
    runs: list[Run]
    training_mode: TrainModeAccuracy | None

    def accuracy(self, split: str, mode: Mode) -> Spread:
        """Return the accuracy of the runs. If the mode changes nothing, both modes have the same one."""
        if mode == "training" and self.training_mode is not None:
            return self.training_mode.train if split == "train" else self.training_mode.test
        return Spread.of(run.metrics.splits[split].accuracy for run in self.runs)


def with_figures() -> list[str]:
    """Return the sorted names of the recipes with a published accuracy."""
    return [name for name in recipe_names() if _accuracies(Recipe.load(name))]


def reproduce(
    recipes: Iterable[str] = (),
    output: str | PathLike[str] = "reproduce/all",
    *,
    seeds: int = DEFAULT_SEEDS,
    settings: tuple[str, ...] = (),
    data_dir: str | PathLike[str] | None = None,
    progress: Progress | None = None,
) -> Reproduction:
    """Train the tutorials' recipes on their data, and compare the figures with the published ones.

    Args:
        recipes: names of recipes with published figures, such as `convnet`, or `convnet:1` for its own number of
            seeds. Empty for all of them.
        output: folder for reproduction.json, report.html and the runs. Finished runs are not run again.
        seeds: number of runs per recipe, with seeds 0, 1, 2 …
        settings: fields to override in all recipes. The verdicts are then for the changed recipes.
        data_dir: folder of built-in data; else $SKYSORT_DATA, else the cache folder.
        progress: where to report progress; None for nowhere.

    Raises:
        NotUnderstoodError: for an unknown recipe, or one without published figures.
        SkysortError: when a run fails.
        StoppedError: when the person or the system stopped it.
    """
    progress, output = progress or SilentProgress(), Path(output)
    names = [_with_seeds(name, seeds) for name in list(recipes) or with_figures()]
    loaded = [Recipe.load(name, settings) for name, _ in names]
    for recipe in loaded:
        if not _accuracies(recipe):
            raise NotUnderstoodError(
                "nothing-published",
                f"recipe '{recipe.name}' has no published accuracy to reproduce;"
                f" these have: {', '.join(with_figures())}",
            )
    check_variants([Variant(recipe.name, recipe) for recipe in loaded], settings, output)
    texts = [recipe.published.data for recipe in loaded if recipe.published]
    pictures = {name: SharedPictures(name, data_dir, progress) for name in texts}
    measured = [
        _measure(recipe, output, num, pictures[name])
        for recipe, name, (_, num) in zip(loaded, texts, names, strict=True)
    ]
    machine, versions = made_by(run for each in measured for run in each.runs)
    reproduction = Reproduction(
        figures=tuple(_figures(measured)),
        settings=deciding(settings),
        losses=tuple(row for each in measured for row in _losses(each)),
        seeds={each.recipe.name: len(each.runs) for each in measured},
        seconds={
            each.recipe.name: Spread.of(run.metrics.seconds["training"] for run in each.runs).mean
            for each in measured
        },
        machine=machine,
        versions=versions,
        date=today(),
    )
    write_reproduction_report(output / "report.html", reproduction)
    write_whole(output / "reproduction.json", reproduction.to_json())
    return reproduction


def _with_seeds(name: str, seeds: int) -> tuple[str, int]:
    """Split a name such as `convnet:1` into the name and its number of seeds."""
    recipe, colon, number = name.rpartition(":")
    if not colon or not number.isdecimal():
        return name, seeds
    if int(number) < 1:
        raise NotUnderstoodError("wrong-value", f"expected at least 1 seed after '{recipe}:', got {number}")
    return recipe, int(number)


def _accuracies(recipe: Recipe) -> list[Figure]:
    figures = recipe.published.figures if recipe.published else ()
    return [figure for figure in figures if figure.what == "accuracy"]


def _measure(recipe: Recipe, output: Path, seeds: int, pictures: SharedPictures) -> _RecipeResult:
    assert recipe.published is not None  # it has figures
    variant = Variant(recipe.name, recipe)
    runs = list(run_seeds(variant, pictures, range(seeds), output))
    return _RecipeResult(recipe, recipe.published, runs, measured_in_training_mode(runs, pictures))


def _figures(measured: list[_RecipeResult]) -> Iterator[ReproducedFigure]:
    """Yield a row a published accuracy, and one for the mode that its text does not speak of."""
    spreads = {
        split: pooled_std(
            each.accuracy(split, figure.mode).values
            for each in measured
            for figure in _accuracies(each.recipe)
            if figure.split == split
        )
        for split in ("train", "test")
    }
    for each in measured:
        for figure in _accuracies(each.recipe):
            for value in figure.values:
                yield _held_against(each, figure, value, *spreads[figure.split])
            if each.training_mode is not None:
                yield _in_the_other_mode(each, figure)


def _held_against(each: _RecipeResult, figure: Figure, value: float, std: float, freedom: int) -> ReproducedFigure:
    accuracy, num_pictures = each.accuracy(figure.split, figure.mode), _num_pictures(each, figure)
    interval = prediction_interval(accuracy, value, num_pictures, std, freedom)
    verdict, short_by = verdict_on(value, accuracy, interval)
    return ReproducedFigure(
        recipe=each.recipe.name,
        source=each.published.source,
        data=each.published.data,
        split=figure.split,
        mode=figure.mode,
        pictures=num_pictures,
        published=value,
        measured=accuracy,
        interval95=interval,
        verdict=verdict,
        short_by=short_by,
    )


def _in_the_other_mode(each: _RecipeResult, figure: Figure) -> ReproducedFigure:
    other: Mode = "evaluation" if figure.mode == "training" else "training"
    return ReproducedFigure(
        recipe=each.recipe.name,
        source=each.published.source,
        data=each.published.data,
        split=figure.split,
        mode=other,
        pictures=_num_pictures(each, figure),
        published=None,
        measured=each.accuracy(figure.split, other),
        interval95=None,
        verdict=None,
        short_by=None,
    )


def _num_pictures(each: _RecipeResult, figure: Figure) -> int:
    return each.runs[0].metrics.splits[figure.split].pictures


def _losses(each: _RecipeResult) -> Iterator[ReproducedCurve]:
    """Yield the published curves of mean losses. Losses of single batches are too noisy to compare."""
    epochs = [run.epochs for run in each.runs]
    for figure in each.published.figures:
        if figure.what == "mean-loss":
            reached = [epoch for epoch in figure.epochs if epoch <= len(epochs[0])]
            yield ReproducedCurve(
                recipe=each.recipe.name,
                epochs=tuple(reached),
                published=figure.values[: len(reached)],
                measured=tuple(
                    Spread.of(of_run[epoch - 1]["train_loss"] for of_run in epochs).mean for epoch in reached
                ),
            )
