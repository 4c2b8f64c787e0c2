"""Measures a classifier on other pictures than those of its run."""

import time
from dataclasses import replace
from os import PathLike
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from skysort.classifier.classifier import Classifier
from skysort.core.errors import SkysortError, require, unknown
from skysort.core.progress import Progress
from skysort.data.dataset import Data, Dataset, open_dataset
from skysort.data.membership import learned_rows
from skysort.data.quality.grouping import groups_of
from skysort.recipe.load import DEFAULT_RECIPE
from skysort.recipe.schema import Recipe
from skysort.recipe.sections import Pictures
from skysort.report.run_page import decision_sections
from skysort.runs.folder import Run
from skysort.runs.measure import write_figures
from skysort.trust.evaluation import Evaluation, evaluate_split
from skysort.trust.metrics import Metrics, SplitFigures


def measure_others(
    classifier: Classifier,
    source: str,
    group_by: str | None,
    label_by: str | None,
    output: Path | None,
    data_dir: str | PathLike[str] | None,
    run: Run | None,
    progress: Progress,
) -> Metrics:
    """Measure a classifier on pictures that are not those of its run.

    Pictures that the run learned from are left out of all figures but those of the split `learned`.

    Args:
        classifier: to measure.
        source: of the pictures, named as for train.
        group_by: a pattern in their paths for those that are not independent; None for that of the run's recipe.
        label_by: a pattern in their paths that gives the label; None where class folders do.
        output: a folder for metrics.json, predictions.csv and report.html.
        data_dir: where named data is.
        run: that the classifier is part of, which knows what it learned from; None for a copy on its own.
        progress: where to say how far it is.
    """
    if output is not None:
        require("a report", "train", "matplotlib", "jinja2")
        if (output / "recipe.toml").exists():
            raise SkysortError(
                "output-taken", f"{output} is a run, whose own figures would be lost; choose another --output"
            )
    data = Data.find(source, data_dir)
    dataset = open_dataset(data, classifier.shape, progress, label_by)
    for name in dataset.listing.classes:
        if name not in classifier.classes:
            raise unknown("class", name, classifier.classes)
    started = time.perf_counter()
    groups = _groups(dataset, group_by, run, progress)
    rows = dataset.rows_of_test()
    evaluation = evaluate_split(classifier, "test", dataset, rows, progress)
    origin = {"source": data.name, "fingerprint": dataset.fingerprint()}
    if run is not None:
        learned = learned_rows(dataset, evaluation.rows, groups, run.learned())
    else:  # A test split that the data itself declares was kept from training.
        is_same = "test" not in dataset.listing.splits and bool(origin.items() & classifier.table.data.items())
        learned = evaluation.rows if is_same else evaluation.rows[:0]
    test, splits = _without_learned(evaluation, learned, groups)
    is_all_learned = len(learned) == len(evaluation.rows)
    if is_all_learned:
        progress.say(
            f"{source}: the classifier learned from all of these; the figures are too good for new pictures"
        )
    table = classifier.table
    metrics = Metrics(
        splits=splits,
        parameters=table.parameters,
        temperature=table.temperature,
        temperature_reason=table.temperature_reason,
        seconds={"evaluation": time.perf_counter() - started},
        protocol="seen pictures" if is_all_learned else "other pictures",
        classifier=classifier.digest,
        data=origin,
        decisions={one.name: test.effect_of(one, groups) for one in table.decisions},
    )
    if output is not None:
        output.mkdir(parents=True, exist_ok=True)
        sections = decision_sections(
            None, groups, table.decisions, metrics.decisions, test.classes, classifier.folder
        )
        write_figures(output, metrics, test, None, sections, evaluation)
    return metrics


def _without_learned(
    evaluation: Evaluation, learned: NDArray[np.int64], groups: NDArray[np.int64]
) -> tuple[Evaluation, dict[str, SplitFigures]]:
    """Return the evaluation to show first, and figures by split: of new pictures, and of those learned from."""
    others = np.setdiff1d(evaluation.rows, learned)
    if not len(learned) or not len(others):
        return evaluation, {"test": evaluation.figures(groups)}
    test, rest = evaluation.without(learned), replace(evaluation.without(others), unreadable={})
    return test, {"test": test.figures(groups), "learned": rest.figures(groups)}


def _groups(dataset: Dataset, group_by: str | None, run: Run | None, progress: Progress) -> NDArray[np.int64]:
    """Return which pictures are not independent: by the pattern given, else by the run's own, if it fits."""
    if group_by is not None or run is None:
        return groups_of(dataset, _grouped(group_by), progress)
    own = run.recipe.pictures
    try:
        return groups_of(dataset, _grouped(own.group_by, own.burst_seconds), progress)
    except SkysortError as error:  # names of other pictures may be of another kind
        progress.say(f"{error}; so the run's grouping does not apply here, and each picture counts separately")
        return groups_of(dataset, _grouped(None), progress)


def _grouped(group_by: str | None, burst_seconds: float = 0.0) -> Pictures:
    grouped = {"group_by": group_by, "burst_seconds": burst_seconds}
    return Recipe.load(DEFAULT_RECIPE).with_values(pictures=grouped).pictures
