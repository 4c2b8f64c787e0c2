"""The story of a run: plan, prepare, and carry out: advise, write, learn, measure (finish.py)."""

import shlex
from os import PathLike

from skysort.core.progress import Progress, SilentProgress
from skysort.data.splits import prepare
from skysort.recipe.load import DEFAULT_RECIPE
from skysort.recipe.schema import Recipe
from skysort.runs.advise import advise_on_name
from skysort.runs.arguments import check_named
from skysort.runs.finish import carry_out, go_on
from skysort.runs.folder import Run
from skysort.runs.plan import Sources, make_plan
from skysort.runs.reopen import Moved, prepared_again


def train(
    data: Sources,
    recipe: str | Recipe | None = None,
    run: str | PathLike[str] | None = None,
    *,
    settings: tuple[str, ...] = (),
    budget: str | None = None,
    ood: str | PathLike[str] | None = None,
    data_dir: str | PathLike[str] | None = None,
    progress: Progress | None = None,
) -> Run:
    """Train a network on pictures, write its classifier folder, and measure that.

    The process stays changed in one way: threads that PyTorch starts take numbers below 1e-38 for zero.

    Args:
        data: a name, as `skysort datasets` lists them, a folder or archive with a folder a class, or a .csv file;
            or several paths of one data set: a picture in several of them has the label of the last.
        recipe: a name, as `skysort recipes` lists them, the path of a `.toml` file, `FILE.py:Class` for a network
            of one's own, which runs that file, or a Recipe.
        run: the folder to write, which must not hold anything; else one below `runs/` is chosen.
        settings: fields of the recipe to override, as `training.epochs=3`.
        budget: a time like `60s` or `10m` that the call aims to take; it decides the epochs, and width and stride
            of the network `swift`.
        ood: pictures of none of the classes, named as data is, to measure how many are called unknown; a
            recipe that sets no threshold for that gets one that keeps 95 % of real pictures.
        data_dir: where named data is, or is downloaded to; else $SKYSORT_DATA, else the cache folder.
        progress: where to say how far it is; else silent.

    Raises:
        NotUnderstoodError: for an unknown name or field, or a path that is not there.
        SkysortError: when it cannot be done; what is written so far can be resumed.
    """
    progress = progress or SilentProgress()
    plan = make_plan(data, recipe or DEFAULT_RECIPE, run, settings, budget, ood, data_dir)
    advise_on_name(plan.data, progress)
    prepared = prepare(plan.data, plan.recipe.pictures, progress, plan.ood)
    return carry_out(plan, prepared, progress)


def resume(
    run: str | PathLike[str],
    *,
    moved_to: Moved = None,
    data_dir: str | PathLike[str] | None = None,
    progress: Progress | None = None,
) -> Run:
    """Continue a run that was interrupted, to the same bits as if it had not been.

    Args:
        run: its folder.
        moved_to: where its pictures are now, if they have moved. It is recorded.
        data_dir: where named data is, or is downloaded to; else $SKYSORT_DATA, else the cache folder.
        progress: where to say how far it is; else silent.

    Raises:
        NotUnderstoodError: when there is no such folder.
        SkysortError: when it holds no run, another process is at work on it, or its pictures have changed since.
    """
    check_named(run=run)
    progress = progress or SilentProgress()
    started = Run.open(run)
    if started.is_finished:
        folder = shlex.quote(str(run))
        progress.say(
            f"{run} is finished; there is nothing to resume. Measure it again with: skysort evaluate {folder};"
            f" label pictures with: skysort predict {folder} PICTURES"
        )
        return started
    with started.locked():
        return go_on(started, prepared_again(started, progress, moved_to, data_dir), progress)
