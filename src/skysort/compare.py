"""The roof: recipes side by side, each with several seeds, on the same parts of the same pictures."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skysort.classifier.classifier import Classifier
from skysort.classifier.format import MODEL, read_table
from skysort.errors import NotUnderstoodError, SkysortError, StoppedError
from skysort.files import write_whole
from skysort.machine import today
from skysort.pictures.collection import Data
from skysort.pictures.prepare import DataTable
from skysort.progress import Progress
from skysort.recipe import Recipe
from skysort.run import prepared_again, resolved, resume, train
from skysort.run_folder import Run
from skysort.training_mode import in_training_mode
from skysort.trust.comparison import Comparison, InTrainingMode, Row, Spread, difference
from skysort.trust.comparison_report import write_comparison_report
from skysort.trust.translation import accuracy_when_shifted

DEFAULT_SEEDS = 3
WHERE_IT_RUNS = ("device", "threads", "log_every")
"""Fields of a recipe's training that do not decide what comes out, but for rounding."""


@dataclass(frozen=True)
class Variant:
    """What is compared: a recipe under a name of its own."""

    name: str
    recipe: Recipe

    def with_seed(self, seed: int) -> Recipe:
        """Return the recipe with the seed of one run."""
        return self.recipe.with_values(training={"seed": seed})


@dataclass(frozen=True)
class Asked:
    """What a comparison is of."""

    title: str
    description: str
    data: str
    variants: tuple[Variant, ...]
    shifts: int = 0
    """Measure on test pictures shifted by 0 to so many pixels, too."""
    settings: tuple[str, ...] = ()
    """What all recipes were loaded with, to be said with the figures."""


def compare(
    asked: Asked,
    output: str | PathLike[str],
    *,
    seeds: int = DEFAULT_SEEDS,
    data_dir: str | PathLike[str] | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Train every variant with every seed on the same parts, and put the results side by side.

    Args:
        asked: what to compare on which pictures.
        output: a folder for comparison.json, report.html, and the runs, of which those finished are not run again.
        seeds: how many runs of each, with seeds from 0 on.
        data_dir: where to look for named data; else $SKYSORT_DATA, else the cache folder.
        progress: where to say how far it is; else silent.

    Raises:
        NotUnderstoodError: for an unknown name or field, or a path that is not there.
        SkysortError: when a run cannot be done, or the folder holds runs of other recipes.
    """
    progress, output = progress or Progress(), Path(output)
    variants = on_the_same_parts(asked)
    runs = {
        variant.name: list(run_seeds(variant, asked.data, range(seeds), output, data_dir, progress))
        for variant in variants
    }
    first_data = runs[variants[0].name][0].data
    reference = _right(runs[variants[0].name], first_data)
    rows: list[Row] = []
    for variant in variants:
        right = _right(runs[variant.name], first_data)
        row = _row(variant, runs[variant.name], asked.shifts, data_dir, progress)
        # The same draws for every row, whichever others there are.
        gain = difference(right, reference, np.random.default_rng(0)) if rows else None
        rows.append(row.model_copy(update={"difference": gain}))
    comparison = Comparison(
        title=asked.title,
        description=asked.description,
        source=first_data.source,
        fingerprint=first_data.fingerprint,
        protocol=runs[variants[0].name][0].metrics["protocol"],
        pictures=reference.shape[1],
        seeds=tuple(range(seeds)),
        settings=deciding(asked.settings),
        rows=tuple(rows),
        **made_by(run for of_variant in runs.values() for run in of_variant),
        date=today(),
    )
    write_comparison_report(output / "report.html", comparison)
    write_whole(output / "comparison.json", comparison.model_dump_json(indent=2) + "\n")
    return comparison


def run_seeds(
    variant: Variant,
    data: str,
    seeds: Sequence[int],
    output: Path,
    data_dir: str | PathLike[str] | None,
    progress: Progress,
) -> Iterator[Run]:
    """Yield a variant's finished runs, one a seed; train or resume those that are not finished.

    Raises:
        SkysortError: when a run cannot be done, or its folder holds a run of another recipe or of other pictures.
    """
    found = Data.find(data)
    for seed in seeds:
        folder = output / "runs" / f"{variant.name}-seed{seed}"
        recipe = variant.with_seed(seed)
        if (folder / "recipe.toml").exists():
            run = Run(folder)
            if run.data.source != found.name or _computed(run.recipe) != _computed(resolved(recipe, found)):
                raise SkysortError(
                    f"{folder} holds a run of another recipe or of other pictures; choose another --output"
                )
            if run.is_finished:
                _check_finished(run, data_dir, progress)
                yield run
                continue
        progress.say(f"{variant.name}, seed {seed}: in {folder}")
        try:
            if (folder / "recipe.toml").exists():
                yield resume(folder, data_dir=data_dir, progress=progress)
            else:
                yield train(data, recipe, folder, data_dir=data_dir, progress=progress)
        except StoppedError as stopped:
            what = str(stopped).partition(";")[0]
            raise StoppedError(f"{what}, in {folder}; the same command goes on from there") from None


def _check_finished(run: Run, data_dir: str | PathLike[str] | None, progress: Progress) -> None:
    """Make sure that a run's pictures, classifier and figures still belong together."""
    prepared_again(run, Path(data_dir) if data_dir is not None else None, progress)
    if read_table(run.classifier).files[MODEL] != run.metrics["classifier"]:
        raise SkysortError(
            f"the figures of {run.path} are not of its classifier; measure it again: skysort evaluate {run.path}"
        )


def _computed(recipe: Recipe) -> dict[str, Any]:
    """Return what decides a run's figures, where it runs and what it logs left aside."""
    content = recipe.model_dump(mode="json", exclude={"name", "description", "published"})
    for field in WHERE_IT_RUNS:
        del content["training"][field]
    return content


def deciding(settings: Iterable[str]) -> tuple[str, ...]:
    """Return the settings that decide figures."""
    others = {f"training.{field}" for field in WHERE_IT_RUNS}
    return tuple(setting for setting in settings if setting.partition("=")[0].strip() not in others)


def check_settings(names: Sequence[str], settings: Iterable[str]) -> None:
    """Make sure that every run has a folder of its own, and that nothing asked for is passed over.

    Raises:
        NotUnderstoodError: for a name that comes twice, or a seed among the settings.
    """
    for name in names:
        if names.count(name) > 1:
            raise NotUnderstoodError(f"'{name}' is asked for twice")
    if any(setting.partition("=")[0].strip() == "training.seed" for setting in settings):
        raise NotUnderstoodError("training.seed is 0, 1, 2 … in runs that are compared; --seeds says how many")


def made_by(runs: Iterable[Run]) -> dict[str, Any]:
    """Return `machine` and `versions` of runs, all there are of each."""
    tables = [read_table(run.classifier) for run in runs]
    names = {name for table in tables for name in table.versions}
    found = {name: {table.versions[name] for table in tables if name in table.versions} for name in sorted(names)}
    return {
        "machine": " | ".join(sorted({table.machine for table in tables})),
        "versions": {name: " and ".join(sorted(versions)) for name, versions in found.items()},
    }


def on_the_same_parts(asked: Asked) -> list[Variant]:
    """Give all variants one protocol: the tutorials' only where it is the default of each."""
    if not asked.variants:
        raise NotUnderstoodError("what to compare? Name recipes (skysort recipes) with --recipes, or a --study")
    check_settings([variant.name for variant in asked.variants], asked.settings)
    for field in ("seed", "protocol"):
        values = {getattr(variant.recipe.pictures, field) for variant in asked.variants} - {None}
        if len(values) > 1:
            raise NotUnderstoodError(
                f"pictures.{field} is {' and '.join(map(repr, values))} in these recipes; what is compared shares"
                f" its parts: --set pictures.{field}=…"
            )
    found = Data.find(asked.data)
    protocols = {resolved(variant.recipe, found).pictures.protocol for variant in asked.variants}
    protocol = next(
        (variant.recipe.pictures.protocol for variant in asked.variants if variant.recipe.pictures.protocol),
        protocols.pop() if len(protocols) == 1 else "four-way",
    )
    return [
        Variant(variant.name, variant.recipe.with_values(pictures={"protocol": protocol}))
        for variant in asked.variants
    ]


def _row(
    variant: Variant, runs: list[Run], shifts: int, data_dir: str | PathLike[str] | None, progress: Progress
) -> Row:
    metrics = [run.metrics for run in runs]
    train_accuracy, test_accuracy = (
        Spread.of(figures["splits"][part]["accuracy"] for figures in metrics) for part in ("train", "test")
    )
    epochs = [run.epochs for run in runs]
    shifted = [_when_shifted(run, shifts, data_dir, progress) for run in runs if shifts]
    return Row(
        name=variant.name,
        description=variant.recipe.description,
        parameters=metrics[0]["parameters"],
        test=test_accuracy,
        train=train_accuracy,
        gap=train_accuracy.mean - test_accuracy.mean,
        difference=None,
        seconds=Spread.of(figures["seconds"]["training"] for figures in metrics),
        losses=_means(epochs, "train_loss"),
        elapsed=_means(epochs, "seconds"),
        training_mode=measured_in_training_mode(runs, data_dir, progress),
        shifted=tuple(map(Spread.of, zip(*shifted, strict=True))),
    )


def measured_in_training_mode(
    runs: list[Run], data_dir: str | PathLike[str] | None, progress: Progress
) -> InTrainingMode | None:
    """Return the accuracies of runs in training mode; None for a network that is the same in both modes."""
    found = [in_training_mode(run, data_dir=data_dir, progress=progress) for run in runs]
    figures = [accuracies for accuracies in found if accuracies is not None]
    if not figures:
        return None
    return InTrainingMode(
        train=Spread.of(accuracies["train"] for accuracies in figures),
        test=Spread.of(accuracies["test"] for accuracies in figures),
    )


def _means(runs: list[list[dict[str, float]]], name: str) -> tuple[float, ...]:
    """Return a figure of each epoch, over runs."""
    return tuple(np.mean([[epoch[name] for epoch in epochs] for epochs in runs], axis=0).tolist())


def _when_shifted(run: Run, pixels: int, data_dir: str | PathLike[str] | None, progress: Progress) -> list[float]:
    prepared = prepared_again(run, Path(data_dir) if data_dir is not None else None, progress)
    classifier, rows = Classifier(run.classifier), prepared.parts["test"]
    return accuracy_when_shifted(classifier, prepared.collection, rows, pixels, progress)


def _right(runs: list[Run], first: DataTable) -> NDArray[np.bool_]:
    """Return (runs, pictures), whether each run labels each readable test picture right.

    Raises:
        SkysortError: when the runs were not measured on the same pictures.
    """
    for run in runs:
        if (run.data.source, run.data.split_digest) != (first.source, first.split_digest):
            raise SkysortError(
                f"{run.path} has its pictures in other parts; runs that are compared share them, by one"
                " pictures.seed and one pictures.size, and their pictures stay as they are meanwhile"
            )
    return np.array([[row["label"] == row["truth"] for row in _labelled(run)] for run in runs])


def _labelled(run: Run) -> Iterator[dict[str, str]]:
    with (run.path / "predictions.csv").open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        yield from (row for row in csv.DictReader(file) if row["status"] != "unreadable")
