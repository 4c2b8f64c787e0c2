"""A classifier measured, on its run's own pictures or on others."""

from os import PathLike
from pathlib import Path

from skysort.classifier.classifier import Classifier
from skysort.classifier.format import find_classifier
from skysort.core.errors import NotUnderstoodError, require
from skysort.core.progress import Progress, SilentProgress
from skysort.recipe.load import DEFAULT_RECIPE
from skysort.recipe.schema import Recipe
from skysort.runs.arguments import check_named
from skysort.runs.measure import measure_run
from skysort.runs.measure_others import measure_others
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
    """Measure a classifier on its run's own pictures, or on others.

    Without `data`, the splits of the run are measured again and the run's figures and report are written anew.
    With `data`, its test split is measured if it has one, else all of it; classes are matched by name. Pictures
    that the run learned from, or that are in a group with one of these, are a split of their own, `learned`.

    Args:
        classifier: a run folder, its `classifier/` folder, or a copy of that.
        data: as for train; it need not hold every class.
        moved_to: where the run's own pictures are now, if they have moved. It is recorded.
        output: a folder for metrics.json, predictions.csv and report.html, for other pictures than its own.
        group_by: as `pictures.group_by` of a recipe, likewise: pictures of the same match are not independent.
            By default that of the run, where it matches.
        label_by: as `pictures.label_by` of a recipe, for other pictures than its own.
        data_dir: where named data is, or is downloaded to; else $SKYSORT_DATA, else the cache folder.
        progress: where to say how far it is; else silent.

    Raises:
        NotUnderstoodError: for an unknown name, a path that is not there, a class the classifier does not know.
        SkysortError: when it cannot be done.
    """
    check_named(classifier=classifier, data=data, output=output)
    require("measuring", "train", "sklearn")
    progress = progress or SilentProgress()
    folder = find_classifier(Path(classifier))
    if data is not None:
        if moved_to is not None:
            raise NotUnderstoodError(
                "options-conflict", "--data says where the run's own pictures are now; it takes no other pictures"
            )
        if label_by is not None:
            Recipe.load(DEFAULT_RECIPE).with_values(pictures={"label_by": label_by})  # refuses what is no pattern
        return measure_others(
            Classifier(classifier),
            str(data),
            group_by,
            label_by,
            None if output is None else Path(output),
            data_dir,
            run_of(folder),
            progress,
        )
    if output is not None:
        raise NotUnderstoodError(
            "options-conflict", "--output goes with other pictures; a run's own figures are in its folder"
        )
    if group_by is not None:
        raise NotUnderstoodError(
            "options-conflict", "--group-by goes with other pictures; a run's own have the groups of its recipe"
        )
    if label_by is not None:
        raise NotUnderstoodError(
            "options-conflict", "--label-by goes with other pictures; a run's own have the labels of its recipe"
        )
    with locked_run(folder, "name the pictures to measure it on") as run:
        prepared = prepared_again(run, progress, moved_to, data_dir)
        if not run.pictures.exists():
            run.write_pictures(prepared)
        return measure_run(run, Classifier(run.classifier), prepared, {}, progress)
