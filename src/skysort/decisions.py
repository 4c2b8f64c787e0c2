"""The roof: what to set aside, decided by a run's calibration pictures and measured on its test part."""

from collections.abc import Sequence
from datetime import date
from os import PathLike
from pathlib import Path

from skysort.classifier.classifier import Classifier
from skysort.classifier.decision import Decision
from skysort.errors import NotUnderstoodError, SkysortError, require
from skysort.progress import Progress
from skysort.run import measure_run, prepared_again, run_of
from skysort.trust import guarantee
from skysort.trust.evaluation import evaluate_part


def decide(
    run: str | PathLike[str],
    keep: Sequence[str],
    lose_at_most: float,
    confidence: float = 0.95,
    *,
    name: str = "",
    data_dir: str | PathLike[str] | None = None,
    progress: Progress | None = None,
) -> Decision:
    """Find the threshold that sets aside the most and keeps a promise, and store it with the classifier.

    The run's figures and its report are written anew, with what the decision does on the test part.

    Args:
        run: its folder.
        keep: the classes of which few may be lost.
        lose_at_most: share of their pictures that may be set aside, above 0 and below 1.
        confidence: probability to keep that promise, over the draw of calibration pictures, likewise.
        name: of the decision, in place of an earlier one of that name; by default from the classes to keep.
        data_dir: where named data is; else where it was for the run, $SKYSORT_DATA, or the cache folder.
        progress: where to say how far it is; else silent.

    Raises:
        NotUnderstoodError: for a path that is not there, a class that the classifier does not know, or shares that
            are none.
        SkysortError: when the run has no calibration part, or too few pictures in it, naming the number that would
            do.
    """
    progress = progress or Progress()
    if name and not (name.isprintable() and name.strip()):
        raise NotUnderstoodError(f"expected a name that can be printed for the decision, found {name!r}")
    # Else the decision would be stored, and what it does not be measured.
    require("a decision", "train", "sklearn", "matplotlib", "jinja2")
    classifier = Classifier(run)
    found = run_of(classifier)
    if not found.is_finished:
        raise SkysortError(f"{found.path} is not finished; {found.how_to_go_on}")
    if "calibration" not in found.data.counts:
        raise SkysortError(
            f"{found.path} has no calibration part, and a promise can be made from no other;"
            " train with --set pictures.protocol=four-way"
        )
    with found.locked():
        prepared = prepared_again(found, Path(data_dir) if data_dir else None, progress)
        rows = prepared.parts["calibration"]
        evaluation = evaluate_part(classifier, "calibration", prepared.collection, rows, progress)
        scores = evaluation.scores(keep, prepared.groups)
        made = guarantee.decide(scores, lose_at_most, confidence, date.today().isoformat(), name)
        for earlier in classifier.table.decisions:
            if earlier.name == made.name:
                progress.say(f"in place of '{earlier.name}' as it was made on {earlier.made}")
        classifier.table.with_decision(made).write(classifier.folder)
        measure_run(found, Classifier(classifier.folder), prepared, {}, progress)
    return made
