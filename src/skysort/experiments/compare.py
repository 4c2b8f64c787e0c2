"""Comparisons of recipes with several seeds on the same splits, and of two runs."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from skysort.classifier.classifier import Classifier
from skysort.core.environment import today
from skysort.core.errors import NotUnderstoodError, SkysortError
from skysort.core.files import write_whole
from skysort.core.progress import Progress, SilentProgress
from skysort.data.dataset import Data, source_name
from skysort.data.membership import read_members
from skysort.data.splits import DataTable
from skysort.experiments.seeds import DEFAULT_SEEDS, Variant, check_variants, deciding, made_by, run_seeds
from skysort.experiments.shared_pictures import SharedPictures
from skysort.experiments.train_mode import measured_in_training_mode
from skysort.report.comparison_page import write_comparison_report
from skysort.runs.folder import Run
from skysort.runs.learner import learner
from skysort.runs.resolve import check_network, resolved
from skysort.runs.rows import again, read_rows
from skysort.trust.comparison import Comparison, ComparisonRow, PairedComparison, Spread, difference
from skysort.trust.shift_robustness import accuracy_when_shifted


@dataclass(frozen=True)
class ComparisonSpec:
    """The recipes and pictures of a comparison."""

    title: str
    description: str
    data: str
    variants: tuple[Variant, ...]
    shifts: int = 0
    """Largest shift of test pictures to measure on, in pixels; 0 for none."""
    settings: tuple[str, ...] = ()
    """Settings that all recipes were loaded with. The page shows them."""


def compare(
    spec: ComparisonSpec,
    output: str | PathLike[str],
    *,
    seeds: int = DEFAULT_SEEDS,
    data_dir: str | PathLike[str] | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Train every variant with every seed on the same splits, and compare them.

    Args:
        spec: the variants and their pictures.
        output: folder for comparison.json, report.html and the runs. Finished runs are not run again.
        seeds: number of runs per variant, with seeds 0, 1, 2 …
        data_dir: folder of built-in data; else $SKYSORT_DATA, else the cache folder.
        progress: where to report progress; None for nowhere.

    Raises:
        NotUnderstoodError: for an unknown name or field, or a missing path.
        SkysortError: when a run fails, or the folder has runs of other recipes.
        StoppedError: when the person or the system stopped it.
    """
    progress, output = progress or SilentProgress(), Path(output)
    if not spec.variants:
        raise NotUnderstoodError(
            "missing-argument", "nothing to compare: name recipes with --recipes (skysort recipes), or a --study"
        )
    check_variants(spec.variants, spec.settings, output)
    pictures = SharedPictures(spec.data, data_dir, progress)
    variants = with_one_protocol(spec, pictures.data)
    _check_losses(variants, pictures)
    runs = {variant.name: list(run_seeds(variant, pictures, range(seeds), output)) for variant in variants}
    first = runs[variants[0].name]
    reference = _right(first, first[0].data)
    rows: list[ComparisonRow] = []
    for variant in variants:
        right = _right(runs[variant.name], first[0].data)
        # Every row uses the same draws, so that it does not depend on the other rows.
        gain = difference(right, reference, np.random.default_rng(0)) if rows else None
        row = _row(variant, runs[variant.name], spec.shifts, pictures)
        rows.append(row.model_copy(update={"difference": gain}))
    machine, versions = made_by(run for of_variant in runs.values() for run in of_variant)
    comparison = Comparison(
        title=spec.title,
        description=spec.description,
        source=source_name(first[0].data.source),
        fingerprint=first[0].data.fingerprint,
        protocol=first[0].metrics.protocol,
        pictures=reference.shape[1],
        seeds=tuple(range(seeds)),
        settings=deciding(spec.settings),
        rows=tuple(rows),
        machine=machine,
        versions=versions,
        date=today(),
    )
    write_comparison_report(output / "report.html", comparison)
    write_whole(output / "comparison.json", comparison.to_json())
    return comparison


def compare_two(first: str | PathLike[str], second: str | PathLike[str]) -> tuple[PairedComparison, int]:
    """Compare the classifiers of two finished runs on the test pictures that they share.

    Two pictures are the same if their class and their pixels are.

    Returns:
        The comparison, and the number of test pictures that only one of the runs has.

    Raises:
        NotUnderstoodError: when a path is missing, or both runs have the same classifier.
        SkysortError: when a run is not finished, or the runs have no test picture in common.
    """
    runs = [_finished(Path(path)) for path in (first, second)]
    right = [_right_by_picture(run) for run in runs]
    shared = sorted(right[0].keys() & right[1].keys())
    if not shared:
        raise SkysortError(
            "no-shared-pictures",
            f"{first} and {second} have no test picture in common; use data with its own test split, or train both"
            " with the same data, pictures.size, channels, resize and seed",
        )
    if runs[0].metrics.classifier == runs[1].metrics.classifier:
        raise NotUnderstoodError(
            "same-twice", f"{first} and {second} have the same classifier; name two different ones"
        )
    of_both = [np.array([of_run[key] for key in shared]) for of_run in right]
    return PairedComparison.of((str(first), str(second)), *of_both), sum(
        len(of_run) - len(shared) for of_run in right
    )


def _right_by_picture(run: Run) -> dict[tuple[str, str, int], bool]:
    """Return whether a run labels each test picture right, by class, digest and number among equal pictures."""
    seen: Counter[tuple[str, str]] = Counter()
    tests = sorted(
        (member for member in read_members(run.pictures) if member.split == "test"), key=lambda member: member.path
    )
    rows = dict(_checked_labels(run))
    if rows.keys() != {member.path for member in tests}:
        raise SkysortError(
            "damaged-run", f"{run.pictures} is damaged: its test pictures are not those of predictions.csv"
        )
    right = {}
    for member in tests:
        picture = (member.name, member.digest)
        right[*picture, seen[picture]] = rows[member.path]
        seen[picture] += 1
    return right


def _finished(path: Path) -> Run:
    run = Run.open(path, finished=True)
    run.check_classifier()
    return run


def with_one_protocol(spec: ComparisonSpec, data: Data) -> list[Variant]:
    """Return the variants with one protocol: that of the tutorials only if it is the default of each.

    Raises:
        NotUnderstoodError: when the recipes set different splits themselves.
    """
    for field in ("seed", "protocol", "shares"):
        values = {getattr(variant.recipe.pictures, field) for variant in spec.variants} - {None}
        if len(values) > 1:
            raise NotUnderstoodError(
                "splits-differ",
                f"pictures.{field} is {' and '.join(map(repr, values))} in these recipes, and a comparison needs"
                f" the same splits; add --set pictures.{field}=…",
            )
    for variant in spec.variants:
        check_network(variant.recipe, data)
    # A protocol that one recipe sets applies to all.
    protocols = {resolved(variant.recipe, data).pictures.protocol for variant in spec.variants}
    named = {variant.recipe.pictures.protocol for variant in spec.variants} - {None}
    protocol = next(iter(named or protocols)) if len(named or protocols) == 1 else "four-way"
    return [
        Variant(variant.name, variant.recipe.with_values(pictures={"protocol": protocol}))
        for variant in spec.variants
    ]


def _check_losses(variants: Sequence[Variant], pictures: SharedPictures) -> None:
    """Make sure, before training, that each loss is for this number of classes."""
    prepared = pictures.prepared(resolved(variants[0].recipe, pictures.data).pictures)
    for variant in variants:
        learner(variant.recipe).check_loss(variant.recipe, len(prepared.dataset.listing.classes))


def _row(variant: Variant, runs: list[Run], shifts: int, pictures: SharedPictures) -> ComparisonRow:
    metrics = [run.metrics for run in runs]
    train_accuracy, test_accuracy = (
        Spread.of(figures.splits[split].accuracy for figures in metrics) for split in ("train", "test")
    )
    epochs = [run.epochs for run in runs]
    shifted = [_when_shifted(run, shifts, pictures) for run in runs if shifts]
    return ComparisonRow(
        name=variant.name,
        description=variant.recipe.description,
        parameters=metrics[0].parameters,
        test=test_accuracy,
        train=train_accuracy,
        gap=train_accuracy.mean - test_accuracy.mean,
        difference=None,
        seconds=Spread.of(figures.seconds["training"] for figures in metrics),
        losses=_means(epochs, "train_loss"),
        elapsed=_means(epochs, "seconds"),
        training_mode=measured_in_training_mode(runs, pictures),
        shifted=tuple(map(Spread.of, zip(*shifted, strict=True))),
    )


def _means(runs: list[list[dict[str, float]]], name: str) -> tuple[float, ...]:
    """Return a figure of each epoch, as the mean over runs."""
    return tuple(np.mean([[epoch[name] for epoch in epochs] for epochs in runs], axis=0).tolist())


def _when_shifted(run: Run, pixels: int, pictures: SharedPictures) -> list[float]:
    prepared = pictures.prepared(run.recipe.pictures)
    classifier, rows = Classifier(run.classifier), prepared.splits["test"]
    return accuracy_when_shifted(classifier, prepared.dataset, rows, pixels, pictures.progress)


def _right(runs: list[Run], first: DataTable) -> NDArray[np.bool_]:
    """Return (runs, pictures) whether each run labels each readable test picture right.

    Raises:
        SkysortError: when the runs have different splits, or a file of a run has been altered.
    """
    rows = []
    for run in runs:
        if run.data.split_digest != first.split_digest:
            raise SkysortError(
                "splits-differ",
                f"{run.path} has its pictures in other splits; runs to compare need the same pictures.seed and"
                " pictures.size",
            )
        rows.append([is_right for _, is_right in _checked_labels(run)])
    return np.array(rows)


def _checked_labels(run: Run) -> list[tuple[str, bool]]:
    """Return the path of each readable test picture, and whether the run labels it right.

    Raises:
        SkysortError: when predictions.csv is damaged, or does not belong to metrics.json.
    """
    rows = [(row.path, row.label == row.truth) for row in read_rows(run, "predictions.csv")]
    test = run.metrics.splits["test"]
    num_right = sum(is_right for _, is_right in rows)
    if len(rows) != test.pictures or num_right != round(test.accuracy * test.pictures):
        raise SkysortError(
            "damaged-run",
            f"{run.path / 'predictions.csv'} does not belong to metrics.json beside it; {again(run)}",
        )
    return rows
