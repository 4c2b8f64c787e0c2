"""What to set aside, decided by a run's calibration pictures and measured on its test split."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from os import PathLike
from pathlib import Path

from skysort.classifier.classifier import Classifier
from skysort.classifier.decision import Decision, check_kept
from skysort.classifier.format import find_classifier
from skysort.core.errors import NotUnderstoodError, SkysortError, require
from skysort.core.progress import Progress, SilentProgress
from skysort.core.text import printable
from skysort.data.cut import how_to_calibrate
from skysort.runs.folder import Run
from skysort.runs.measure import evaluate_own, measure_run
from skysort.runs.reopen import Moved, locked_run, prepared_again
from skysort.trust import guarantee

LEAST_CONFIDENCE = 0.5
"""Below it, a promise is likelier broken than kept: most probably a slip for its rest to 1."""


@dataclass(frozen=True)
class DecisionResult:
    """A decision that was made and stored."""

    decision: Decision
    replaced: Decision | None
    """The earlier one of that name, which is lost."""
    run: Run
    """Its metrics hold what the decision does on the test split."""


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

    The run's figures and its report are written anew, with what the decision does on the test split. Calibration
    pictures of which training or validation has the like decide nothing.

    Args:
        run: its folder.
        keep: the class, or classes, of which few may be lost.
        lose_at_most: share of their pictures that may be set aside, above 0 and below 1.
        confidence: probability to keep that promise, over the draw of calibration pictures, likewise.
        name: of the decision, in place of an earlier one of that name; by default from the classes to keep.
        moved_to: where the run's pictures are now, if they have moved. It is recorded.
        data_dir: where named data is; else where it was for the run, $SKYSORT_DATA, or the cache folder.
        progress: where to say how far it is; else silent.

    Raises:
        NotUnderstoodError: for a path that is not there, a class that the classifier does not know, or shares that
            are none.
        SkysortError: when the run has no calibration split, or too few pictures in it, naming the number that
            would do; or when its classifier is not the one that it was measured with.
    """
    progress = progress or SilentProgress()
    keep = [keep] if isinstance(keep, str) else keep
    if confidence < LEAST_CONFIDENCE:
        raise NotUnderstoodError(
            "wrong-value",
            f"a confidence of {100 * confidence:.10g} % is that to break the promise rather than to keep it;"
            f" expected {100 * LEAST_CONFIDENCE:.10g} % at least, such as 95 %",
        )
    if name and not (name.isprintable() and name.strip()):
        raise NotUnderstoodError(
            "wrong-value", f"expected a name that can be printed for the decision, found {name!r}"
        )
    # Else the decision would be stored, and what it does not be measured.
    require("a decision", "train", "sklearn", "matplotlib", "jinja2")
    otherwise = "a decision is made from a run's calibration pictures: name the run's folder"
    with locked_run(find_classifier(Path(run)), otherwise) as opened:
        if "calibration" not in opened.data.counts:
            raise SkysortError(
                "missing-split",
                f"{opened.path} has no calibration split, and a promise can be made from no other;"
                " train with --set pictures.protocol=four-way",
            )
        opened.check_classifier()
        classifier = Classifier(opened.classifier)
        check_kept(classifier.classes, keep)
        prepared = prepared_again(opened, progress, moved_to, data_dir)
        leaks = prepared.leaks("calibration")
        if len(leaks):
            progress.say(f"{len(leaks):,} calibration pictures are left out: training or validation has the like")
        calibration = evaluate_own(classifier, "calibration", prepared, prepared.splits["calibration"], progress)
        scores = calibration.without(leaks).scores(keep, prepared.groups)
        today = date.today().isoformat()
        try:
            decision = guarantee.decide(scores, lose_at_most, confidence, today, name, left_out=len(leaks))
        except guarantee.TooFewError as error:
            counts = opened.data.counts
            num = sum(counts[split][name] for split in counts for name in keep)
            names = " or ".join(f"'{printable(name)}'" for name in keep)
            ways = how_to_calibrate(
                error.needed, num, opened.recipe.pictures.percentages, prepared.dataset.listing, f" of {names}"
            )
            raise SkysortError("too-few-pictures", f"{error}. {ways}") from None
        replaced = next((other for other in classifier.table.decisions if other.name == decision.name), None)
        if replaced and replaced.keep != decision.keep and not name:
            kept = " and ".join(map(repr, replaced.keep))
            raise SkysortError(
                "name-taken",
                f"'{decision.name}' is the name of a decision that keeps {kept}; choose another with --name",
            )
        classifier.table = classifier.table.with_decision(decision)
        measure_run(opened, classifier, prepared, {}, progress, calibration)
    return DecisionResult(decision, replaced, opened)
