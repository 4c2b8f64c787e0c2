"""A decision about what to set aside, made from a run's calibration pictures and measured on its test split."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from os import PathLike
from pathlib import Path

import numpy as np

from skysort.classifier.classifier import Classifier
from skysort.classifier.decision import Decision, Grouping, check_kept
from skysort.classifier.format import find_classifier
from skysort.core.errors import NotUnderstoodError, SkysortError, require
from skysort.core.progress import Progress, SilentProgress
from skysort.core.text import counted, printable
from skysort.data.cut import Indices, how_to_calibrate
from skysort.data.splits import PreparedData
from skysort.recipe.schema import Recipe
from skysort.runs.folder import Run
from skysort.runs.measure import evaluate_own, measure_run
from skysort.runs.reopen import Moved, locked_run, prepared_again
from skysort.trust import guarantee
from skysort.trust.evaluation import Evaluation, evaluate_split

MORE_ANSWERS = "Answer more drawn pictures with skysort audit, and run skysort improve again"
LEAST_CONFIDENCE = 0.5
"""With a lower confidence the promise would more likely be broken than kept, so it is probably a slip."""


@dataclass(frozen=True)
class DecisionResult:
    """A decision that was made and stored."""

    decision: Decision
    replaced: Decision | None
    """The earlier decision of the same name, which is lost; None if there was none."""
    run: Run
    """The run. Its metrics hold the effect of the decision on the test split."""


def decide(
    run: str | PathLike[str],
    keep: str | Sequence[str],
    lose_at_most: float,
    confidence: float = 0.95,
    *,
    name: str = "",
    moved_to: Moved = None,
    data_dir: str | PathLike[str] | None = None,
    progress: Progress | None = None,
) -> DecisionResult:
    """Find the threshold that sets aside the most and keeps a promise, and store it with the classifier.

    The figures and the report of the run are written again, with the effect of the decision on the test split.
    Leaked calibration pictures, with a near-duplicate in train or validation, are not used. An improved run with
    an audit calibrates with audited pictures alone, which are a random sample of those that came.

    Args:
        run: folder of the run.
        keep: the class, or classes, to protect.
        lose_at_most: largest share of their pictures that may be set aside, above 0 and below 1.
        confidence: probability that the limit holds, over the draw of calibration pictures; at least 0.5, below 1.
        name: name of the decision. It replaces an earlier one of that name. Empty for `keep-CLASS`.
        moved_to: new place of the run's pictures, if they have moved. The run records it.
        data_dir: folder of built-in data; else the run's own, $SKYSORT_DATA, or the cache folder.
        progress: where to report progress; None for nowhere.

    Raises:
        NotUnderstoodError: for a missing path, an unknown class, or a share out of range.
        SkysortError: when the run has no calibration split or too few calibration pictures, or its classifier is
            not the one that it was measured with.
    """
    progress = progress or SilentProgress()
    keep = [keep] if isinstance(keep, str) else keep
    _check_arguments(confidence, name)
    # Without these libraries, the decision would be stored and its effect could not be measured.
    require("a decision", "train", "sklearn", "matplotlib", "jinja2")
    otherwise = "a decision is made from the calibration pictures of a run: name the folder of the run"
    with locked_run(find_classifier(Path(run)), otherwise) as opened:
        check_calibration(opened)
        opened.check_classifier()
        classifier = Classifier(opened.classifier)
        check_kept(classifier.classes, keep)
        prepared = prepared_again(opened, progress, moved_to, data_dir)
        is_audited = opened.is_audited
        calibration, leaks = (audited_evaluation if is_audited else _own)(classifier, prepared, progress)
        if len(leaks):
            num = counted(len(leaks), "calibration picture")
            progress.say(f"{num} left out: a near-duplicate, or a picture of the group, is in train or validation")
        scores = calibration.without(leaks).scores(keep, prepared.groups)
        today = date.today().isoformat()
        try:
            decision = guarantee.decide(scores, lose_at_most, confidence, today, name, left_out=len(leaks))
        except guarantee.TooFewError as error:
            advice = MORE_ANSWERS if is_audited else _advice(error, keep, opened, prepared)
            raise SkysortError("too-few-pictures", f"{error}. {advice}") from None
        decision = with_grouping(decision, opened.recipe)
        replaced = _replaced(classifier, decision, is_named=bool(name))
        classifier.table = classifier.table.with_decision(decision)
        measure_run(opened, classifier, prepared, {}, progress, None if is_audited else calibration)
    return DecisionResult(decision, replaced, opened)


def with_grouping(decision: Decision, recipe: Recipe) -> Decision:
    """Return a decision that says how pictures to come are grouped: as a recipe groups them by times or paths."""
    pictures = recipe.pictures
    if not pictures.burst_seconds and pictures.group_by is None:
        return decision
    grouping = Grouping(group_by=pictures.group_by, burst_seconds=pictures.burst_seconds)
    return decision.model_copy(update={"grouping": grouping})


def check_calibration(run: Run) -> None:
    """Make sure that a run has a calibration split, or audited pictures in its place.

    Raises:
        SkysortError: when it has neither. The message says which setting gives a split.
    """
    if "calibration" not in run.data.counts and not run.is_audited:
        raise SkysortError(
            "missing-split",
            f"{run.path} has no calibration split, which a promise needs;"
            " train with --set pictures.protocol=four-way and, if pictures are few,"
            " --set pictures.shares=50/10/30/10",
        )


def _own(classifier: Classifier, prepared: PreparedData, progress: Progress) -> tuple[Evaluation, Indices]:
    """Return the answers to the calibration split, and the rows of its leaks."""
    rows = prepared.splits["calibration"]
    calibration = evaluate_own(classifier, "calibration", prepared, rows, progress)
    return calibration, prepared.leaks("calibration")


def audited_evaluation(
    classifier: Classifier, prepared: PreparedData, progress: Progress
) -> tuple[Evaluation, Indices]:
    """Return the answers to the audited pictures that calibrate, and the rows of their leaks.

    Raises:
        SkysortError: when there are none.
    """
    rows = prepared.audited["calibration"]
    if not len(rows):
        raise SkysortError("too-few-pictures", f"no audited pictures calibrate. {MORE_ANSWERS}")
    progress.say(f"{counted(len(rows), 'audited picture')} calibrate, and none of the pictures of the first run")
    calibration = evaluate_split(classifier, "audited pictures", prepared.dataset, rows, progress)
    return calibration, np.setdiff1d(rows, prepared.audited_to_use("calibration"))


def _check_arguments(confidence: float, name: str) -> None:
    if confidence < LEAST_CONFIDENCE:
        raise NotUnderstoodError(
            "wrong-value",
            f"confidence must be at least {100 * LEAST_CONFIDENCE:.10g} %, got {100 * confidence:.10g} %"
            f" (did you mean {100 - 100 * confidence:.10g} %?)",
        )
    if name and not (name.isprintable() and name.strip()):
        raise NotUnderstoodError("wrong-value", f"expected a printable name for the decision, got {name!r}")


def _advice(error: guarantee.TooFewError, keep: Sequence[str], run: Run, prepared: PreparedData) -> str:
    """Return how to get as many calibration pictures as the promise needs."""
    counts, recipe = run.data.counts, run.recipe
    num = sum(counts[split][name] for split in counts for name in keep)
    names = " or ".join(f"'{printable(name)}'" for name in keep)
    return how_to_calibrate(
        error.needed, num, recipe.pictures.percentages, prepared.dataset.listing, f" of {names}"
    )


def _replaced(classifier: Classifier, decision: Decision, *, is_named: bool) -> Decision | None:
    """Return the earlier decision of the same name.

    Raises:
        SkysortError: when it keeps other classes, and nobody chose the name.
    """
    earlier = next((other for other in classifier.table.decisions if other.name == decision.name), None)
    if earlier and earlier.keep != decision.keep and not is_named:
        raise SkysortError(
            "name-taken",
            f"a decision named '{decision.name}' keeps {' and '.join(map(repr, earlier.keep))};"
            " choose another name with --name",
        )
    return earlier
