"""A plan or an interrupted run, carried to its end: learned, unless it has its classifier, and measured."""

from skysort.classifier.classifier import Classifier
from skysort.core.errors import StoppedError
from skysort.core.progress import Progress
from skysort.data.splits import PreparedData
from skysort.recipe.schema import Recipe
from skysort.runs.advise import advise
from skysort.runs.budget import within
from skysort.runs.folder import Run, start_run
from skysort.runs.learner import learner
from skysort.runs.measure import measure_run
from skysort.runs.plan import TrainingPlan
from skysort.runs.resolve import check_calibration, check_network, check_trainable, resolved


def carry_out(plan: TrainingPlan, prepared: PreparedData, progress: Progress) -> Run:
    """Do what a plan says, from its pictures to the figures.

    Args:
        plan: of a training.
        prepared: the plan's pictures, prepared as its recipe says.
        progress: where to report how far it is.

    Raises:
        NotUnderstoodError: when the loss is for another number of classes.
        StoppedError: when it was asked to stop, with the command to go on.
        SkysortError: when it cannot be done.
    """
    check_trainable(plan.recipe, prepared)
    advise(plan, prepared, progress)
    recipe = plan.recipe
    if plan.budget is not None:
        recipe = within(recipe, prepared, plan.budget, plan.began, progress)
    run = start_run(plan.folder, recipe, prepared, progress)
    with run.locked():
        return finish(run, run.recipe, prepared, progress)


def finish(run: Run, recipe: Recipe, prepared: PreparedData, progress: Progress) -> Run:
    """Learn, unless the run has its classifier, and measure.

    Args:
        run: its folder, locked.
        recipe: resolved.
        prepared: the run's pictures.
        progress: where to report how far it is.

    Raises:
        StoppedError: when it was asked to stop, with the command to go on.
        SkysortError: when it cannot be done.
    """
    try:
        seconds = {} if run.has_classifier else learner().learn(run, recipe, prepared, progress)
        measure_run(run, Classifier(run.classifier), prepared, seconds, progress)
    except StoppedError as stopped:
        raise StoppedError("interrupted", f"{stopped}; {run.how_to_go_on}") from None
    except KeyboardInterrupt:
        raise StoppedError("interrupted", f"interrupted; {run.how_to_go_on}") from None
    return run


def go_on(run: Run, prepared: PreparedData, progress: Progress) -> Run:
    """Finish a run that was interrupted, here or on another computer.

    Args:
        run: its folder, locked.
        prepared: the run's pictures, as `prepared_again` returns them.
        progress: where to report how far it is.

    Raises:
        StoppedError: when it was asked to stop, with the command to go on.
        SkysortError: when it cannot be done.
    """
    recipe = resolved(run.recipe, prepared.data)
    check_network(recipe, prepared.data)
    check_calibration(recipe, prepared)
    run.remove_partials()
    return finish(run, recipe, prepared, progress)
