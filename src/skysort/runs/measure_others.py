"""A classifier measured on pictures that are not those of its run."""

import time
from dataclasses import dataclass, replace
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
from skysort.runs.measure import evidence_of, write_figures
from skysort.trust.evaluation import Evaluation, evaluate_split
from skysort.trust.metrics import Metrics, SplitFigures


@dataclass(frozen=True)
class OtherPictures:
    """Pictures to measure a classifier on, as a person names them."""

    source: str
    """A name or a path, as for `train`."""
    group_by: str | None = None
    """A regular expression on paths; pictures with the same match are not independent. None: that of the run."""
    label_by: str | None = None
    """A regular expression that finds the label in a path. None for labels from class folders."""
    data_dir: str | PathLike[str] | None = None
    """Folder of built-in data."""


def measure_others(
    classifier: Classifier, others: OtherPictures, output: Path | None, run: Run | None, progress: Progress
) -> Metrics:
    """Measure a classifier on pictures that are not those of its run.

    Only the figures of the split `learned` count pictures that the run learned from.

    Args:
        classifier: to measure.
        others: the pictures.
        output: folder for metrics.json, predictions.csv and report.html, or None.
        run: run of the classifier, which records its training pictures; None for a copy without its run.
        progress: where to report progress.

    Raises:
        NotUnderstoodError: for an unknown name, a missing path, or a class that the classifier does not have.
        SkysortError: when no picture can be read, or the output is a run.
    """
    if output is not None:
        _check_output(output)
    data = Data.find(others.source, others.data_dir)
    dataset = open_dataset(data, classifier.shape, progress, _pictures(label_by=others.label_by).label_by)
    for name in dataset.listing.classes:
        if name not in classifier.classes:
            raise unknown("class", name, classifier.classes)
    started = time.perf_counter()
    groups = _groups(dataset, others.group_by, run, progress)
    evaluation = evaluate_split(classifier, "test", dataset, dataset.rows_of_test(), progress)
    origin = {"source": data.name, "fingerprint": dataset.fingerprint()}
    learned = _learned(evaluation, groups, run, origin, classifier)
    test, splits = _without_learned(evaluation, learned, groups)
    is_all_learned = len(learned) == len(evaluation.rows)
    if is_all_learned:
        progress.say(
            f"{others.source}: the classifier learned from all of these; the figures are too good for new pictures"
        )
    table = classifier.table
    metrics = Metrics(
        splits=splits,
        parameters=table.parameters,
        temperature=table.temperature,
        temperature_reason=table.temperature_reason,
        seconds={"evaluation": time.perf_counter() - started},
        protocol="seen pictures" if is_all_learned else "other pictures",
        learned={},
        classifier=classifier.digest,
        data=origin,
        decisions={decision.name: test.effect_of(decision, groups) for decision in table.decisions},
    )
    if output is not None:
        output.mkdir(parents=True, exist_ok=True)
        sections = decision_sections(
            None, groups, table.decisions, metrics.decisions, test.classes, classifier.folder
        )
        write_figures(output, metrics, test, None, sections, evaluation, evidence_of(classifier, dataset))
    return metrics


def _check_output(output: Path) -> None:
    require("a report", "train", "matplotlib", "jinja2")
    if (output / "recipe.toml").exists():
        raise SkysortError(
            "output-taken", f"{output} is a run, whose figures would be lost; choose another --output"
        )


def _learned(
    evaluation: Evaluation,
    groups: NDArray[np.int64],
    run: Run | None,
    origin: dict[str, str],
    classifier: Classifier,
) -> NDArray[np.int64]:
    """Return the rows of pictures that the classifier learned from, or that are in a group with one of them.

    Without the run, nothing records single pictures. So it is all pictures if their data is that of the
    classifier, except if the data declares a test split itself, which training never uses.
    """
    if run is not None:
        return learned_rows(evaluation.dataset, evaluation.rows, groups, run.learned())
    has_own_test = "test" in evaluation.dataset.listing.splits
    is_same_data = bool(origin.items() & classifier.table.data.items())
    return evaluation.rows if is_same_data and not has_own_test else evaluation.rows[:0]


def _without_learned(
    evaluation: Evaluation, learned: NDArray[np.int64], groups: NDArray[np.int64]
) -> tuple[Evaluation, dict[str, SplitFigures]]:
    """Return the evaluation of new pictures, and the figures of new and of learned pictures by split."""
    new = np.setdiff1d(evaluation.rows, learned)
    if not len(learned) or not len(new):
        return evaluation, {"test": evaluation.figures(groups)}
    test, rest = evaluation.without(learned), replace(evaluation.without(new), unreadable={})
    return test, {"test": test.figures(groups), "learned": rest.figures(groups)}


def _groups(dataset: Dataset, group_by: str | None, run: Run | None, progress: Progress) -> NDArray[np.int64]:
    """Return the group of each picture: by the pattern, else by the grouping of the run if that fits."""
    if group_by is not None or run is None:
        return groups_of(dataset, _pictures(group_by=group_by), progress)
    own = run.recipe.pictures
    try:
        return groups_of(dataset, _pictures(group_by=own.group_by, burst_seconds=own.burst_seconds), progress)
    except SkysortError as error:  # these pictures may have names of another form
        progress.say(f"{error}; so the run's grouping does not apply here, and each picture counts separately")
        return groups_of(dataset, _pictures(), progress)


def _pictures(**fields: object) -> Pictures:
    """Return the section `pictures` of a recipe with these fields.

    Raises:
        NotUnderstoodError: when a pattern is not a regular expression.
    """
    return Recipe.load(DEFAULT_RECIPE).with_values(pictures=fields).pictures
