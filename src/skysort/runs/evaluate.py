"""A classifier measured on the pictures of its run, or on others."""

from os import PathLike
from pathlib import Path

from skysort.classifier.classifier import Classifier
from skysort.classifier.format import find_classifier
from skysort.core.errors import NotUnderstoodError, require
from skysort.core.progress import Progress, SilentProgress
from skysort.runs.arguments import check_named
from skysort.runs.measure import measure_run
from skysort.runs.measure_others import OtherPictures, measure_others
from skysort.runs.reopen import Moved, locked_run, prepared_again, run_of
from skysort.trust.metrics import Metrics


def evaluate(
    classifier: str | PathLike[str],
    data: str | PathLike[str] | None = None,
    *,
    moved_to: Moved = None,
    output: str | PathLike[str] | None = None,
    group_by: str | None = None,
    label_by: str | None = None,
    data_dir: str | PathLike[str] | None = None,
    progress: Progress | None = None,
) -> Metrics:
    """Measure a classifier on the pictures of its run, or on others.

    Without `data`, the splits of the run are measured again, and its figures and report are written again. With
    `data`, the test split of the data is measured, or all of it if it has none. Classes are matched by name.
    Pictures that the run learned from, or of the same group as one of these, form a split of their own, `learned`.

    Args:
        classifier: a run folder, its `classifier/` folder, or a copy of that.
        data: other pictures, named as for `train`. They need not have every class.
        moved_to: new place of the run's pictures, if they have moved. The run records it.
        output: folder for metrics.json, predictions.csv and report.html. Only for other pictures.
        group_by: a regular expression on paths. Pictures with the same match are not independent. Only for other
            pictures; None for that of the run, if it matches.
        label_by: a regular expression that finds the label in a path. Only for other pictures.
        data_dir: folder of built-in data, also for downloads; else $SKYSORT_DATA, else the cache folder.
        progress: where to report progress; None for nowhere.

    Raises:
        NotUnderstoodError: for an unknown name, a missing path, a class that the classifier does not have, or
            arguments that do not go together.
        SkysortError: when the run or the classifier is damaged, or pictures cannot be read.
    """
    check_named(classifier=classifier, data=data, output=output)
    require("measuring", "train", "sklearn")
    progress = progress or SilentProgress()
    folder = find_classifier(Path(classifier))
    if data is not None:
        if moved_to is not None:
            raise NotUnderstoodError(
                "options-conflict", "--data names the new place of the run's own pictures; name no other pictures"
            )
        others = OtherPictures(str(data), group_by, label_by, data_dir)
        return measure_others(
            Classifier(classifier), others, None if output is None else Path(output), run_of(folder), progress
        )
    for option, value in (("--output", output), ("--group-by", group_by), ("--label-by", label_by)):
        if value is not None:
            raise NotUnderstoodError(
                "options-conflict", f"{option} needs other pictures to measure on; name them after the classifier"
            )
    with locked_run(folder, "name the pictures to measure it on") as run:
        prepared = prepared_again(run, progress, moved_to, data_dir)
        if not run.pictures.exists():
            run.write_pictures(prepared)
        return measure_run(run, Classifier(run.classifier), prepared, {}, progress)
