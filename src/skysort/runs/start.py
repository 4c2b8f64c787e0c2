"""The folder of a new run: its name, and its first files, written whole or not at all."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from skysort.core.errors import NotUnderstoodError, SkysortError
from skysort.core.files import remove_partials, whole_folder, write_whole
from skysort.core.progress import Progress
from skysort.data.dataset import Data
from skysort.data.splits import PreparedData
from skysort.recipe.network_file import read_source
from skysort.recipe.networks import OwnNetwork
from skysort.recipe.schema import Recipe
from skysort.runs.folder import Run


def free_folder(data: Data, recipe: Recipe) -> Path:
    """Return a folder below runs/ that does not exist yet."""
    first = data.source if isinstance(data.source, str) else data.source[0]
    source = Path(first).stem if data.named is None else first.replace(":", "-")
    folder = Path("runs") / f"{source}-{recipe.name}"
    number = 1
    while folder.exists():
        number += 1
        folder = Path("runs") / f"{source}-{recipe.name}-{number}"
    return folder


def check_free(folder: Path) -> None:
    """Make sure that a run can be written to a folder, before anything is computed for it.

    Raises:
        NotUnderstoodError: when it is the current folder.
        SkysortError: when the folder is not empty, or its name is not valid UTF-8.
    """
    if folder.absolute() == Path.cwd():
        raise NotUnderstoodError(
            "output-taken", "a run needs a folder of its own, not the current one; name it with --run"
        )
    try:
        str(folder.absolute()).encode()
    except UnicodeEncodeError:
        raise SkysortError(
            "bad-text",
            f"{folder}: the name is not valid UTF-8, so a classifier cannot be exported to it; choose another with"
            " --run",
        ) from None
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        if (folder / "recipe.toml").exists():
            raise SkysortError(
                "output-taken",
                f"{folder} already holds a run; choose another with --run, or {Run(folder).how_to_go_on}",
            )
        raise SkysortError("output-taken", f"{folder} already exists; choose another with --run")


def start_run(folder: Path, recipe: Recipe, prepared: PreparedData, progress: Progress) -> Run:
    """Write the folder of a new run: its recipe and the table of its pictures.

    Raises:
        SkysortError: when it cannot be written, or another process has started a run there in the meantime.
    """
    with whole_run(folder, progress) as run:
        write_start(run, recipe, prepared)
    return Run(folder)


@contextmanager
def whole_run(folder: Path, progress: Progress) -> Iterator[Run]:
    """Yield a run to fill, which appears in its folder only when it is complete.

    Raises:
        SkysortError: when it cannot be written, or another process has started a run there in the meantime.
    """
    if remove_partials(folder):
        progress.say(f"removed half-written files of a killed process beside {folder}")
    try:
        with whole_folder(folder) as beside:
            yield Run(beside)
    except SkysortError:
        if (folder / "recipe.toml").exists():
            raise SkysortError(
                "output-taken", f"another process has just started a run in {folder}; choose another with --run"
            ) from None
        raise


def write_start(run: Run, recipe: Recipe, prepared: PreparedData) -> None:
    """Write the recipe of a run and the table of its pictures, into a folder that has no name yet."""
    if isinstance(network := recipe.network, OwnNetwork):
        write_whole(run.path / network.file, read_source(network.path, network.sha256))
    write_whole(run.path / "recipe.toml", recipe.to_toml())
    run.write_data(prepared.described())
    run.write_pictures(prepared)
