"""A classifier measured on the pictures of its run, and the figures of the run written."""

import time
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from skysort.classifier.classifier import Classifier
from skysort.classifier.evidence import EvidenceOf
from skysort.core.errors import SkysortError, require
from skysort.core.files import write_whole
from skysort.core.progress import Progress
from skysort.data.cut import Indices
from skysort.data.dataset import Dataset
from skysort.data.parallel import in_order, num_cores
from skysort.data.splits import PreparedData
from skysort.report.run_page import DecisionSection, decision_sections, headline, write_report
from skysort.runs.folder import Run
from skysort.runs.improvement_text import improvement_lines
from skysort.runs.learner import backbone_learner
from skysort.trust.evaluation import Evaluation, evaluate_split, evaluation_of
from skysort.trust.metrics import Metrics
from skysort.trust.ood import measure_ood


def evaluate_own(
    classifier: Classifier, split: str, prepared: PreparedData, rows: Indices, progress: Progress
) -> Evaluation:
    """Evaluate a classifier on rows of a split, with the unreadable pictures of the split added."""
    return evaluate_split(classifier, split, prepared.dataset, _with_unreadable(split, prepared, rows), progress)


def _with_unreadable(split: str, prepared: PreparedData, rows: Indices) -> Indices:
    return np.concatenate([rows, prepared.unreadable_of(split)])


def measure_run(
    run: Run,
    classifier: Classifier,
    prepared: PreparedData,
    seconds: dict[str, float],
    progress: Progress,
    evaluated: Evaluation | None = None,
) -> Metrics:
    """Measure a run's classifier on the splits of the run, and write its table, figures, rows and report.

    Args:
        run: locked run.
        classifier: classifier of the run.
        prepared: pictures of the run.
        seconds: durations of steps that the table of the classifier does not have.
        progress: where to report progress.
        evaluated: evaluation of one of the splits, if there is one already.
    """
    require("a report", "photos" if run.recipe.has_backbone else "train", "matplotlib", "jinja2")
    started = time.perf_counter()
    evaluations, evidence = _evaluations(run, classifier, prepared, evaluated, progress)
    held_out = "folds" if prepared.protocol == "folds" else "test"
    seconds = {**seconds, "evaluation": time.perf_counter() - started}
    metrics = _metrics(run, classifier, prepared, evaluations, held_out, seconds, progress)
    calibrated = None
    if calibration := evaluations.get("calibration"):
        calibration.write_csv(run.path / "calibration.csv")
        calibrated = calibration.without(prepared.leaks("calibration"))
    decisions = decision_sections(
        calibrated, prepared.groups, classifier.table.decisions, metrics.decisions, classifier.classes, run.path
    )
    update = {"figures": metrics.held_out.headline, "data": metrics.data}
    classifier.table.model_copy(update=update).write(classifier.folder)
    if run.lacks_learning_curve and classifier.table.backbone:
        progress.say(headline(metrics, is_own=True))
        strength = classifier.table.backbone.penalty
        curve = backbone_learner().learning_curve(run.recipe, prepared, strength, progress)
        run.write_learning_curve(curve)
    write_figures(run.path, metrics, evaluations[held_out], run, decisions, evidence=evidence)
    return metrics


def _evaluations(
    run: Run, classifier: Classifier, prepared: PreparedData, evaluated: Evaluation | None, progress: Progress
) -> tuple[dict[str, Evaluation], EvidenceOf | None]:
    """Return the evaluations by split, and what computes the evidence for the answers of the held-out one."""
    learned = run.recipe.transfer.learned_splits
    evaluations = {
        split: evaluated
        if evaluated and split == evaluated.split
        else _evaluate(run, classifier, split, prepared, rows, progress)
        for split, rows in prepared.measured(all_of_train=run.recipe.speaks_of_train).items()
        if split == "train" or split not in learned  # a learned validation picture is no new one
    }
    if prepared.protocol != "folds":
        return evaluations, evidence_of(classifier, prepared.dataset)
    of_folds, evidence = _judged_by_folds(run, classifier, prepared, progress)
    return {**evaluations, "folds": of_folds}, evidence


def _metrics(
    run: Run,
    classifier: Classifier,
    prepared: PreparedData,
    evaluations: dict[str, Evaluation],
    held_out: str,
    seconds: dict[str, float],
    progress: Progress,
) -> Metrics:
    """Return the figures that follow from evaluations, and from the pictures outside of all classes."""
    table, splits = classifier.table, prepared.splits
    test, leaks = evaluations[held_out], prepared.leaks(held_out)
    new = test.without(leaks)
    # Most of it is the resampling of calibration errors, which threads share.
    each = in_order(lambda evaluation: evaluation.figures(prepared.groups), evaluations.values(), num_cores())
    figures = dict(zip(evaluations, each, strict=True))
    if len(leaks):
        figures[held_out] = figures[held_out].model_copy(update={"without_duplicates": new.share_right()})
    known = table.seconds
    with suppress(SkysortError):  # there are no figures yet, or damaged ones, which are replaced below
        known = known | run.metrics.seconds
    learned = run.recipe.transfer.learned_splits
    return Metrics(
        splits=figures,
        parameters=table.parameters,
        temperature=table.temperature,
        temperature_reason=table.temperature_reason,
        seconds=known | seconds,
        protocol=str(run.recipe.pictures.protocol),
        learned={split: len(splits[split]) for split in learned if split in splits},
        classifier=classifier.digest,
        data={**table.data, "source": prepared.data.name},  # it may have moved
        decisions={decision.name: new.effect_of(decision, prepared.groups) for decision in table.decisions},
        ood=measure_ood(classifier, prepared.ood, test, progress) if prepared.ood else None,
    )


def _evaluate(
    run: Run, classifier: Classifier, split: str, prepared: PreparedData, rows: Indices, progress: Progress
) -> Evaluation:
    """Run a run's classifier on rows of a split.

    The test split, whose figures tell what a person can expect, goes through the classifier as new pictures will.
    For the other splits, the head on features in the cache gives the same except for rounding.
    """
    if run.recipe.has_backbone and split != "test":
        logits, features = backbone_learner().known_outputs(run, run.recipe, prepared, rows, progress)
        similarities = classifier.reference.similarities(features) if classifier.reference else None
        everything = _with_unreadable(split, prepared, rows)
        return evaluation_of(classifier, split, prepared.dataset, everything, rows, logits, similarities)
    return evaluate_own(classifier, split, prepared, rows, progress)


def evidence_of(classifier: Classifier, dataset: Dataset) -> EvidenceOf | None:
    """Return what computes a classifier's evidence for rows of a dataset; None if it gives none."""
    return (lambda rows: classifier.evidence(dataset.pixels(rows))) if classifier.has_evidence else None


def _judged_by_folds(
    run: Run, classifier: Classifier, prepared: PreparedData, progress: Progress
) -> tuple[Evaluation, EvidenceOf]:
    """Return the answers to all pictures, each by a classifier that did not learn from it, and their evidence."""
    rows, recipe = prepared.splits["train"], run.recipe
    answers = backbone_learner().out_of_fold(recipe, prepared, progress)
    similarities = None
    if classifier.reference:
        similarities = backbone_learner().similarities_apart(recipe, prepared, classifier.reference, progress)
    evaluation = evaluation_of(classifier, "folds", prepared.dataset, rows, rows, answers.logits, similarities)
    evidence = partial(backbone_learner().evidence_out_of_fold, recipe, prepared, answers)
    # These pictures set the threshold for unknown, so it says nothing of them.
    return replace(evaluation, unknown=None), evidence


def write_figures(
    folder: Path,
    metrics: Metrics,
    test: Evaluation,
    run: Run | None,
    decisions: list[DecisionSection],
    rows: Evaluation | None = None,
    evidence: EvidenceOf | None = None,
) -> None:
    """Write predictions.csv, report.html and metrics.json. The last one marks the folder as complete.

    Args:
        folder: folder to write to.
        metrics: the figures.
        test: evaluation of the test split.
        run: run that the figures belong to, or None.
        decisions: sections of the report about decisions.
        rows: evaluation to write to predictions.csv, if it is not `test`.
        evidence: for the answers in `test`, which the report shows; None if there is none.
    """
    (rows or test).write_csv(folder / "predictions.csv")
    suspects = run.suspect_labels if run else None
    learning_curve = run.learning_curve if run else None
    improvement = run.improvement if run else None
    write_report(
        folder / "report.html",
        metrics,
        test,
        run.path if run else None,
        decisions,
        suspects,
        learning_curve,
        evidence,
        improvement_lines(improvement) if improvement and improvement.outcome else (),
    )
    write_whole(folder / "metrics.json", metrics.to_json())
