"""A run opened again with its pictures, wherever they are now."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from os import PathLike
from pathlib import Path

from skysort.core.damage import damaged
from skysort.core.errors import NotUnderstoodError, SkysortError
from skysort.core.progress import Progress
from skysort.data.builtin.registry import find_named
from skysort.data.dataset import Data, source_name
from skysort.data.splits import DataTable, PreparedData, prepare
from skysort.runs.folder import Run

Moved = str | PathLike[str] | Sequence[str | PathLike[str]] | None
"""New place of a run's pictures, or of each of its sources; None if they have not moved."""


def prepared_again(
    run: Run, progress: Progress, moved_to: Moved = None, data_dir: str | PathLike[str] | None = None
) -> PreparedData:
    """Prepare the pictures of a run again, and make sure that they and their splits are unchanged.

    Args:
        run: the run; locked if the pictures have moved.
        progress: where to report progress.
        moved_to: new place of the pictures. The run records it if the pictures are the same.
        data_dir: folder of built-in data; None for the one that the run used.

    Raises:
        NotUnderstoodError: when nothing is at the new place.
        SkysortError: when the pictures are no longer at their place, or have changed.
    """
    expected = run.data
    folder = data_dir or expected.data_dir
    ood = Data.find(expected.ood.source, folder) if expected.ood else None
    data = _find(run, expected, moved_to, folder)
    prepared = prepare(data, run.recipe.pictures, progress, ood, run.additions)
    check_unchanged(run, prepared, has_moved=moved_to is not None)
    if prepared.data.source != expected.source:
        run.write_data(expected.model_copy(update={"source": prepared.data.source}))
    return prepared


def check_unchanged(run: Run, prepared: PreparedData, *, has_moved: bool = False) -> None:
    """Make sure that pictures and splits are those that a run started with.

    Args:
        run: the run.
        prepared: the pictures.
        has_moved: whether the pictures are at a new place.

    Raises:
        SkysortError: when they are not.
    """
    expected, actual = run.data, prepared.described()
    if actual.ood != expected.ood:
        source = expected.ood.source if expected.ood else "the data"
        raise SkysortError(
            "pictures-changed",
            f"the out-of-distribution pictures of {run.path} have changed: {source} has other pictures now",
        )
    for what, key in (("pictures", "fingerprint"), ("splits", "split_digest"), ("groups", "groups_digest")):
        before, now = getattr(expected, key), getattr(actual, key)
        if now != before and has_moved:
            place = source_name(actual.source)
            raise SkysortError(
                "pictures-changed",
                f"{place} does not hold the {what} of {run.path}: expected {key} {before}, found {now}",
            )
        if now != before:
            raise SkysortError(
                "pictures-changed",
                f"the {what} of {run.path} have changed: {source_name(expected.source)} had {key} {before}"
                f" when the run started and has {now} now",
            )


def _find(run: Run, expected: DataTable, moved_to: Moved, data_dir: str | PathLike[str] | None) -> Data:
    if moved_to is not None:
        if isinstance(expected.source, str) and find_named(expected.source):
            raise NotUnderstoodError(
                "options-conflict",
                f"{run.path} uses the built-in data set '{expected.source}'; name its folder with --data-dir",
            )
        return Data.find(_places(moved_to), data_dir)
    try:
        return Data.find(expected.source, data_dir)
    except NotUnderstoodError:
        raise SkysortError(
            "pictures-moved",
            f"the pictures of {run.path} are no longer at {source_name(expected.source)}; if they have moved,"
            " name the new place with --data PATH",
        ) from None


def _places(moved_to: str | PathLike[str] | Sequence[str | PathLike[str]]) -> list[str]:
    return [str(moved_to)] if isinstance(moved_to, str | PathLike) else [str(place) for place in moved_to]


def run_of(classifier: Path) -> Run | None:
    """Return the run of a classifier folder; None for a copy without its run.

    Raises:
        SkysortError: when the folder of the run has lost its recipe.
    """
    # The path stays relative if it was, for messages. That of the current folder has no parent to name.
    parent = classifier.parent if classifier.name not in ("", "..") else classifier.resolve().parent
    run = Run(parent)
    if not (run.classifier.is_dir() and run.classifier.samefile(classifier)):
        return None
    if (run.path / "recipe.toml").is_file():
        return run
    if (run.path / "data.json").is_file():
        raise damaged("damaged-run", run.path / "recipe.toml", FileNotFoundError())
    return None


@contextmanager
def locked_run(classifier: Path, otherwise: str) -> Iterator[Run]:
    """Open the finished run of a classifier folder, and keep other processes from changing it.

    Args:
        classifier: the classifier folder.
        otherwise: advice for the error when the folder is a copy without its run.

    Raises:
        NotUnderstoodError: when the folder is a copy without its run.
        SkysortError: when another process holds the run, or the run is not finished.
    """
    run = run_of(classifier)
    if run is None:
        raise NotUnderstoodError(
            "classifier-without-run", f"{classifier} is a classifier without its run; {otherwise}"
        )
    with run.locked():  # before reading files that another process may change
        yield Run.open(run.path, finished=True)
