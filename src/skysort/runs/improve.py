"""Improve a run: learn from corrections, decide anew on audited pictures, and compare both classifiers.

The new run has the pictures and splits of the run before. Corrections join its training split. Audited pictures
are in no split: they make the decisions anew and compare the classifiers (`improvement_outcome.py`). Copies of all
of them are in its folder of answers, so it can be resumed and measured again wherever the pictures go.
"""

from collections.abc import Mapping
from datetime import date
from os import PathLike
from pathlib import Path

import numpy as np

from skysort.classifier.classifier import Classifier
from skysort.classifier.format import find_classifier
from skysort.core.errors import SkysortError
from skysort.core.progress import Progress, SilentProgress
from skysort.core.text import printable
from skysort.data.dataset import Data
from skysort.data.splits import PreparedData, prepare
from skysort.recipe.schema import Recipe
from skysort.runs.arguments import check_named
from skysort.runs.finish import finish
from skysort.runs.folder import Run, additions_to
from skysort.runs.improvement import Improvement
from skysort.runs.pictures_to_add import (
    FEWEST_OF_NEW_CLASS,
    PicturesToAdd,
    copy_into,
    pictures_to_add,
    write_table,
)
from skysort.runs.reopen import Moved, locked_run, prepared_again
from skysort.runs.resolve import check_network, check_trainable, resolved
from skysort.runs.start import check_free, whole_run, write_start
from skysort.work.answered_pictures import AnsweredPictures, answered_pictures
from skysort.work.journal import Journal


def improve(
    run: str | PathLike[str],
    aside: str | PathLike[str],
    new_run: str | PathLike[str],
    *,
    moved_to: Moved = None,
    data_dir: str | PathLike[str] | None = None,
    progress: Progress | None = None,
) -> Run:
    """Learn from corrections and write a new run, whose `improvement.outcome` says whether to switch to it.

    The run before stays as it is. Audited pictures were drawn at random, and nothing learns from them: half of
    them, by a second coin, make the decisions of the old classifier anew, and the others compare old and new.

    Args:
        run: folder of the run to improve.
        aside: a watcher's folder for pictures that are not kept, or a folder that `sort` filled, with a journal.
        new_run: folder to write, missing or empty.
        moved_to: new place of the run's pictures, if they have moved. The run records it.
        data_dir: folder of built-in data; else the run's own, $SKYSORT_DATA, or the cache folder.
        progress: where to report progress; None for nowhere.

    Raises:
        NotUnderstoodError: for a missing path, a folder without a journal, or a journal of other classes.
        SkysortError: when there are no answers, the run's pictures have changed, or the new folder is taken.
        StoppedError: when the person or the system stopped it. `resume` continues the new run.
    """
    check_named(run=run, aside=aside, new_run=new_run)
    progress = progress or SilentProgress()
    folder = Path(new_run)
    otherwise = "an improved run needs the pictures of a run: name the folder of the run"
    with locked_run(find_classifier(Path(run)), otherwise) as before:
        check_free(folder)
        before.check_classifier()
        classifier = Classifier(before.classifier)
        with Journal(Path(aside)) as journal:
            _check_classes(journal, classifier.classes, Path(aside))
            answered = answered_pictures(journal)
            to_add = pictures_to_add(answered, before, journal.token, classifier.classes)
            facts = _facts_of(journal, classifier)
        _check_answers(to_add, answered, Path(aside))
        of_before = prepared_again(before, progress, moved_to, data_dir)
        improvement = Improvement(
            run=str(before.path.absolute()),
            classifier=classifier.digest,
            aside=str(Path(aside).absolute()),
            date=date.today().isoformat(),
            rate=answered.rate,
            left_out=vars(answered.left_out),
            **facts,
            **_numbers(to_add),
        )
        improved, prepared = _start(folder, before, of_before, to_add, improvement, progress)
    with improved.locked():
        return finish(improved, improved.recipe, prepared, progress)


def _check_classes(journal: Journal, classes: tuple[str, ...], aside: Path) -> None:
    if others := set(journal.classes()) - set(classes):
        names = ", ".join(f"'{printable(name)}'" for name in sorted(others))
        raise SkysortError(
            "unknown-class",
            f"the journal of {aside} is of a classifier with the classes {names}, which this run does not have;"
            " name the run that pictures were sorted with",
        )


def _check_answers(to_add: PicturesToAdd, answered: AnsweredPictures, aside: Path) -> None:
    if not to_add.pictures:
        num_open = answered.left_out.unanswered
        gone = f"; {len(to_add.gone):,} answered pictures are not there any more" if to_add.gone else ""
        raise SkysortError(
            "no-pictures",
            f"{aside} has no answers to improve with{gone}. Correct pictures with skysort undo, or answer the"
            f" {num_open:,} drawn ones with skysort audit",
        )


def _facts_of(journal: Journal, classifier: Classifier) -> dict[str, object]:
    """Return the facts in the journal about the decision that pictures were last sorted by."""
    newest = next((row for row in journal.rows() if row.by == "watch"), None)
    if newest is None:
        return {"journal": journal.token, "decision": None, "is_stale": False, "folders": {}}
    settings = journal.settings(newest.session)
    is_of_it = settings.decision is not None and settings.classifier == classifier.digest
    return {
        "journal": journal.token,
        "decision": settings.decision,
        "is_stale": is_of_it and journal.alarms.now(settings) is not None,
        "folders": {name: folder for name, folder in settings.folders.items() if name != "copy"},
    }


def _numbers(to_add: PicturesToAdd) -> Mapping[str, object]:
    """Return the fields of improvement.json that depend on which pictures are there."""
    return {
        "corrections": to_add.num("train"),
        "new_corrections": to_add.num_new_corrections,
        "audited": {part: to_add.num(part) for part in ("calibration", "test")},
        "gone": tuple(map(str, to_add.gone)),
        "new_classes": to_add.new_classes,
        "unused_classes": dict(to_add.unused_classes),
    }


def _start(
    folder: Path,
    before: Run,
    of_before: PreparedData,
    to_add: PicturesToAdd,
    improvement: Improvement,
    progress: Progress,
) -> tuple[Run, PreparedData]:
    """Write the folder of the improved run, whole or not at all: copies, recipe and tables."""
    recipe = resolved(before.recipe, of_before.data)
    check_network(recipe, of_before.data)
    ood = before.data.ood

    def joined(run: Run) -> PreparedData:
        return prepare(
            of_before.data,
            recipe.pictures,
            progress,
            Data.find(ood.source, of_before.data.data_dir) if ood else None,
            additions_to(before, run.path),
        )

    with whole_run(folder, progress) as run:
        copy_into(run.path, to_add)
        prepared = joined(run)
        if few := _new_with_few_groups(to_add, prepared):
            to_add.leave_out(few)
            write_table(run.path, to_add)
            prepared = joined(run)
        _check_learnable(recipe, prepared)
        write_start(run, recipe, prepared)
        run.write_improvement(improvement.model_copy(update=dict(_numbers(to_add))))
    return Run(folder), prepared


def _new_with_few_groups(to_add: PicturesToAdd, prepared: PreparedData) -> set[str]:
    """Return the new classes with too few corrections of pictures that are not like each other."""
    listing, train = prepared.dataset.listing, prepared.splits["train"]

    def num_groups(name: str) -> int:
        is_it = listing.labels[train] == listing.classes.index(name)
        return len(np.unique(prepared.groups[train[is_it]]))

    return {
        name
        for name in to_add.new_classes
        if name not in listing.classes or num_groups(name) < FEWEST_OF_NEW_CLASS
    }


def _check_learnable(recipe: Recipe, prepared: PreparedData) -> None:
    """Make sure that the recipe can be trained on the pictures, and that there are some of each class.

    Raises:
        SkysortError: when it cannot, or a class has none.
    """
    listing = prepared.dataset.listing
    nums = np.bincount(listing.labels[prepared.splits["train"]], minlength=len(listing.classes))
    if missing := [name for name, num in zip(listing.classes, nums, strict=True) if not num]:
        raise SkysortError("class-too-small", f"there is no picture to train on in class: {', '.join(missing)}")
    check_trainable(recipe, prepared)
