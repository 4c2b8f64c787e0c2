"""A run opened again, with the pictures that it had, wherever they are now."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from os import PathLike
from pathlib import Path

from skysort.core.errors import NotUnderstoodError, SkysortError
from skysort.core.progress import Progress
from skysort.data.builtin.registry import find_named
from skysort.data.dataset import Data, source_name
from skysort.data.splits import DataTable, PreparedData, prepare
from skysort.runs.folder import Run

Moved = str | PathLike[str] | Sequence[str | PathLike[str]] | None
"""Where a run's pictures are now, or the places of its several sources; None where they were."""


def prepared_again(
    run: Run, progress: Progress, moved_to: Moved = None, data_dir: str | PathLike[str] | None = None
) -> PreparedData:
    """Open a run's pictures once more, and make sure that they are the same in the same splits.

    Args:
        run: its folder, locked where the pictures have moved.
        progress: where to report how far it is.
        moved_to: where the pictures are now. Once they have proved to be the same, the run records it.
        data_dir: where named data is; else where it was for the run.

    Raises:
        NotUnderstoodError: when there is nothing at the new place.
        SkysortError: when the pictures are not where they were, or have changed.
    """
    expected = run.data
    folder = data_dir or expected.data_dir
    ood = Data.find(expected.ood.source, folder) if expected.ood else None
    prepared = prepare(_find(run, expected, moved_to, folder), run.recipe.pictures, progress, ood)
    check_unchanged(run, prepared, has_moved=moved_to is not None)
    if prepared.data.source != expected.source:
        run.write_data(expected.model_copy(update={"source": prepared.data.source}))
    return prepared


def check_unchanged(run: Run, prepared: PreparedData, *, has_moved: bool = False) -> None:
    """Make sure that pictures are those that a run started with, in the same splits.

    Args:
        run: its folder.
        prepared: the pictures.
        has_moved: whether they are at another place than they were.

    Raises:
        SkysortError: when they are not.
    """
    expected, found = run.data, prepared.described()
    if found.ood != expected.ood:
        source = expected.ood.source if expected.ood else "the data"
        raise SkysortError(
            "pictures-changed",
            f"the out-of-distribution pictures of {run.path} have changed: {source} has others now",
        )
    for what, key in (("pictures", "fingerprint"), ("splits", "split_digest"), ("groups", "groups_digest")):
        before, now = getattr(expected, key), getattr(found, key)
        if now != before and has_moved:
            place = source_name(found.source)
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
                f"{run.path} learned from the named data '{expected.source}'; --data-dir says where that is",
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
    """Return the run that a classifier folder is part of; None for a copy on its own."""
    run = Run(classifier.absolute().parent)
    if (run.path / "recipe.toml").is_file() and run.classifier.is_dir() and run.classifier.samefile(classifier):
        return run
    return None


@contextmanager
def locked_run(classifier: Path, otherwise: str) -> Iterator[Run]:
    """Open the finished run that a classifier folder is part of, and keep other processes from changing it.

    Args:
        classifier: the folder.
        otherwise: what to do when the folder is a copy without its run.

    Raises:
        NotUnderstoodError: when the folder is a copy without its run.
        SkysortError: when another process is at work on the run, or the run is not finished.
    """
    run = run_of(classifier)
    if run is None:
        raise NotUnderstoodError(
            "classifier-without-run", f"{classifier} is a classifier without its run; {otherwise}"
        )
    with run.locked():  # before anything is read that another process may be about to change
        yield Run.open(run.path, finished=True)
