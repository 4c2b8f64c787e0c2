"""The outcome of an improvement: decisions made anew from audited pictures, and both classifiers compared."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from skysort.classifier.classifier import Classifier
from skysort.classifier.decision import Decision
from skysort.core.errors import SkysortError
from skysort.core.progress import Progress
from skysort.data.cut import Indices
from skysort.data.splits import PreparedData
from skysort.runs.decide import with_grouping
from skysort.runs.folder import Run
from skysort.runs.improvement import Improvement, Outcome, RemadeDecision
from skysort.runs.learner import backbone_learner
from skysort.trust import guarantee
from skysort.trust.comparison import PairedComparison
from skysort.trust.evaluation import Evaluation, logits_of
from skysort.trust.guarantee import Scores
from skysort.trust.improvement import advice, num_to_come
from skysort.work.answered_pictures import SHARE_TO_TEST
from skysort.work.journal import Journal

NAMES = ("old", "new")


@dataclass(frozen=True)
class _Judge:
    """A classifier, and its answers to audited pictures; None where there are none."""

    classifier: Classifier
    calibration: Evaluation | None
    test: Evaluation | None


def finish_improvement(run: Run, classifier: Classifier, prepared: PreparedData, progress: Progress) -> None:
    """Make the old classifier's decisions anew, compare old with new, and write the outcome into the run.

    The decisions are put into the table of the new classifier, which the caller writes.

    Args:
        run: locked improved run.
        classifier: of the run.
        prepared: pictures of the run.
        progress: where to report progress.

    Raises:
        NotUnderstoodError: when the run before is gone, or the journal with the answers.
        SkysortError: when the classifier of the run before or the journal has changed.
    """
    improvement = run.improvement
    assert improvement
    before = Run(Path(improvement.run))
    old_classifier = Classifier(before.classifier)
    if old_classifier.digest != improvement.classifier:
        raise SkysortError(
            "changed-file", f"{before.path} has another classifier now; improve it again, with another --run"
        )
    rows = {
        "calibration": prepared.audited_to_use("calibration"),
        "test": _test_rows(improvement, classifier, prepared),
    }
    old = _judge(before, run, old_classifier, prepared, rows, progress)
    new = _judge(run, run, classifier, prepared, rows, progress)
    decisions = [
        _decision_of_both(promise, old, new, prepared, improvement)
        for promise in _promises(before, old_classifier)
    ]
    for _, _, decision in decisions:
        if decision:
            classifier.table = classifier.table.with_decision(with_grouping(decision, run.recipe))
    outcome = _outcome(decisions, old, new, prepared, improvement)
    run.write_improvement(improvement.model_copy(update={"outcome": outcome}))


_Promise = Decision | RemadeDecision
_DecisionOfBoth = tuple[RemadeDecision, Decision | None, Decision | None]
"""A decision, and the same made for the old and for the new classifier from the same calibration pictures."""


def _test_rows(improvement: Improvement, classifier: Classifier, prepared: PreparedData) -> Indices:
    """Return the rows of audited pictures that test, of which the journal then knows that they have."""
    rows = prepared.audited_to_use("test")
    if not len(rows):
        return rows
    digests = [Path(prepared.dataset.listing.paths[row]).stem for row in rows]
    with Journal(Path(improvement.aside)) as journal:
        if journal.token != improvement.journal:
            raise SkysortError(
                "changed-file", f"{improvement.aside} has another journal now; improve the run before again"
            )
        own = journal.comparisons.claim(digests, classifier.digest)
    return rows[[digest in own for digest in digests]]


def _promises(before: Run, classifier: Classifier) -> list[_Promise]:
    """Return the promises of the run before, also those for which it had too few pictures."""
    improvement, decisions = before.improvement, classifier.table.decisions
    names = {decision.name for decision in decisions}
    earlier = improvement.outcome.decisions if improvement and improvement.outcome else ()
    return [*decisions, *(decision for decision in earlier if decision.name not in names)]


def _judge(
    run: Run,
    improved: Run,
    classifier: Classifier,
    prepared: PreparedData,
    rows: dict[str, Indices],
    progress: Progress,
) -> _Judge:
    recipe, dataset = improved.recipe, prepared.dataset

    def evaluation(part: str) -> Evaluation | None:
        if not len(rows[part]):
            return None
        if recipe.has_backbone:
            logits, features = backbone_learner().known_outputs(run, recipe, prepared, rows[part], progress)
            similarities = classifier.reference.similarities(features) if classifier.reference else None
        else:
            _, logits, similarities = logits_of(classifier, "audited pictures", dataset, rows[part], progress)
        num_new = len(dataset.listing.classes) - len(classifier.classes)  # the old one knows no new class
        logits = np.pad(logits, ((0, 0), (0, num_new)), constant_values=-np.inf)
        return Evaluation(
            part, dataset, dataset.listing.classes, rows[part], dataset.listing.labels[rows[part]], logits, {},
            classifier.table.temperature, classifier.table.unknown, similarities,
        )  # fmt: skip

    return _Judge(classifier, evaluation("calibration"), evaluation("test"))


def _decision_of_both(
    promise: _Promise, old: _Judge, new: _Judge, prepared: PreparedData, improvement: Improvement
) -> _DecisionOfBoth:
    fields = {name: getattr(promise, name) for name in ("name", "keep", "lose_at_most", "confidence")}
    if not (old.calibration and new.calibration):
        needed = guarantee.num_needed(promise.lose_at_most, promise.confidence)
        return _lacking(fields, 0, needed, improvement), None, None
    by_both = [of.calibration.scores(promise.keep, prepared.groups) for of in (old, new) if of.calibration]
    num, today = len(by_both[0].by_group()), date.today().isoformat()
    num_left_out = len(prepared.audited["calibration"]) - len(new.calibration.rows)
    try:
        first, second = (
            guarantee.decide(
                scores, promise.lose_at_most, promise.confidence, today, promise.name, left_out=num_left_out
            )
            for scores in by_both
        )
    except guarantee.TooFewError as error:
        return _lacking(fields, num, error.needed, improvement), None, None
    return RemadeDecision(**fields, num=num), first, second


def _lacking(fields: dict[str, object], num: int, needed: int, improvement: Improvement) -> RemadeDecision:
    rate = improvement.rate
    to_come = num_to_come(needed - num, rate, 1 - SHARE_TO_TEST) if rate else None
    return RemadeDecision.model_validate({**fields, "num": num, "needed": needed, "to_come": to_come})


def _outcome(
    decisions: Sequence[_DecisionOfBoth],
    old: _Judge,
    new: _Judge,
    prepared: PreparedData,
    improvement: Improvement,
) -> Outcome:
    labels = set_aside = lost = None
    in_use = next((of for of in decisions if of[0].name == improvement.decision), None)
    if old.test and new.test:
        groups = prepared.groups[new.test.rows]
        labels = PairedComparison.of(NAMES, *(_all_of(of.is_right, groups) for of in (old.test, new.test)))
        if in_use and in_use[1] and in_use[2]:
            first, second = (
                (of.test.scores(decision.keep, prepared.groups), decision.threshold)
                for of, decision in ((old, in_use[1]), (new, in_use[2]))
                if of.test
            )
            set_aside, lost = _set_aside(first, second), _lost(first, second)
    return Outcome(
        decisions=tuple(of[0] for of in decisions),
        used={
            part: len(of.rows) if of else 0 for part, of in (("calibration", new.calibration), ("test", new.test))
        },
        labels=labels,
        set_aside=set_aside,
        lost=lost,
        leaks=sum(len(rows) - len(prepared.audited_to_use(part)) for part, rows in prepared.audited.items()),
        advice=advice(
            labels,
            set_aside,
            lacks_decision=improvement.decision is not None and not (in_use and in_use[2]),
            is_stale=improvement.is_stale,
        ),
    )


def _set_aside(*classifiers: tuple[Scores, float]) -> PairedComparison | None:
    """Return which groups of other classes are set aside as a whole; None without any."""
    reached = [_all_of(scores.others >= threshold, scores.other_groups) for scores, threshold in classifiers]
    return PairedComparison.of(NAMES, *reached) if len(reached[0]) else None


def _lost(*classifiers: tuple[Scores, float]) -> PairedComparison | None:
    """Return which groups to keep lose a picture; None without any."""
    reached = [scores.by_group() >= threshold for scores, threshold in classifiers]
    return PairedComparison.of(NAMES, *reached) if len(reached[0]) else None


def _all_of(is_so: NDArray[np.bool_], groups: Indices) -> NDArray[np.bool_]:
    """Return for each group, whose pictures are not independent, whether something is so of all its pictures."""
    names, number = np.unique(groups, return_inverse=True)
    is_so_of_all = np.ones(len(names), np.bool_)
    np.logical_and.at(is_so_of_all, number, is_so)
    return is_so_of_all
