"""Train and resume: plan the run, prepare its pictures, and carry out the plan (`finish.py`)."""

import shlex
from os import PathLike

from skysort.core.progress import Progress, SilentProgress
from skysort.data.splits import prepare
from skysort.recipe.schema import Recipe
from skysort.runs.advise import advise_on_name
from skysort.runs.arguments import check_named
from skysort.runs.choose_backbone import with_backbone_chosen
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
    """Train a network on pictures, write its classifier folder, and measure the classifier.

    One change to the process remains: threads that PyTorch starts treat numbers below 1e-38 as zero.

    Args:
        data: a built-in data set (`skysort datasets` lists them), a folder or archive with one folder per class,
            or a .csv file. Several paths form one data set: a picture in several of them has the label of the
            last.
        recipe: a name (`skysort recipes` lists them), the path of a `.toml` file, a Recipe, or `FILE.py:Class` for
            a network of your own, which runs that file. None for `swift`.
        run: folder to write, missing or empty. None for a new one below `runs/`.
        settings: fields of the recipe to override, such as `training.epochs=3`.
        budget: total time of the call, such as `60s` or `10m`. It sets the number of epochs, and the width and
            stride of the network `swift`.
        ood: pictures of none of the classes, named as for `data`, to measure how many are called unknown. A recipe
            without a threshold for that gets one that keeps 95 % of real pictures.
        data_dir: folder of built-in data, also for downloads; else $SKYSORT_DATA, else the cache folder.
        progress: where to report progress; None for nowhere.

    Raises:
        NotUnderstoodError: for an unknown name or field, or a missing path.
        SkysortError: when the recipe cannot be trained on these pictures, or the run cannot be written.
        StoppedError: when the person or the system stopped it. `resume` continues the run.
    """
    progress = progress or SilentProgress()
    plan = make_plan(data, recipe, run, settings, budget, ood, data_dir)
    advise_on_name(plan.data, progress)
    if plan.why_this_recipe:
        progress.say(plan.why_this_recipe)
    plan = with_backbone_chosen(plan, progress)
    prepared = prepare(plan.data, plan.recipe.pictures, progress, plan.ood)
    return carry_out(plan, prepared, progress)


def resume(
    run: str | PathLike[str],
    *,
    moved_to: Moved = None,
    data_dir: str | PathLike[str] | None = None,
    progress: Progress | None = None,
) -> Run:
    """Continue an interrupted run. Without a budget, it ends with the same bits as one never interrupted.

    Args:
        run: folder of the run.
        moved_to: new place of its pictures, if they have moved. The run records it.
        data_dir: folder of built-in data, also for downloads; else $SKYSORT_DATA, else the cache folder.
        progress: where to report progress; None for nowhere.

    Raises:
        NotUnderstoodError: when there is no such folder.
        SkysortError: when the folder holds no run, another process holds it, or its pictures have changed.
        StoppedError: when the person or the system stopped it again.
    """
    check_named(run=run)
    progress = progress or SilentProgress()
    started = Run.open(run)
    if started.is_finished:
        folder = shlex.quote(str(run))
        progress.say(
            f"{run} is finished, so there is nothing to resume. Measure it again with: skysort evaluate {folder};"
            f" label pictures with: skysort predict {folder} PICTURES"
        )
        return started
    with started.locked():
        return go_on(started, prepared_again(started, progress, moved_to, data_dir), progress)
