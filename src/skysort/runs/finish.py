"""The rest of a training, from a plan or an interrupted run: train the classifier if needed, and measure it."""

from skysort.classifier.classifier import Classifier
from skysort.core.deadline import Deadline
from skysort.core.errors import StoppedError
from skysort.core.progress import Progress
from skysort.data.splits import PreparedData
from skysort.recipe.schema import Recipe
from skysort.runs.advise import advise
from skysort.runs.budget import within
from skysort.runs.folder import Run
from skysort.runs.improvement_outcome import finish_improvement
from skysort.runs.learner import learner
from skysort.runs.measure import measure_run
from skysort.runs.plan import TrainingPlan
from skysort.runs.resolve import check_calibration, check_network, check_trainable, resolved
from skysort.runs.start import start_run


def carry_out(plan: TrainingPlan, prepared: PreparedData, progress: Progress) -> Run:
    """Carry out a plan: check, advise, start the run, train and measure.

    Args:
        plan: plan of a training.
        prepared: pictures of the plan, prepared by its recipe.
        progress: where to report progress.

    Raises:
        NotUnderstoodError: when the loss is for another number of classes.
        StoppedError: when the person or the system stopped it. The message has the command to continue.
        SkysortError: when the recipe cannot be trained on these pictures, or the run cannot be written.
    """
    recipe = plan.recipe.with_values(pictures={"protocol": prepared.protocol})
    check_trainable(recipe, prepared)
    advise(plan, prepared, progress)
    deadline = None
    if plan.budget is not None:
        recipe, deadline = within(recipe, prepared, plan.budget, plan.began, progress)
    run = start_run(plan.folder, recipe, prepared, progress)
    with run.locked():
        return finish(run, run.recipe, prepared, progress, deadline)


def finish(
    run: Run, recipe: Recipe, prepared: PreparedData, progress: Progress, deadline: Deadline | None = None
) -> Run:
    """Train the classifier if the run has none, and measure it.

    Args:
        run: locked run.
        recipe: resolved recipe.
        prepared: pictures of the run.
        progress: where to report progress.
        deadline: when the training of a new run has to end, if it has a budget. A checkpoint keeps it.

    Raises:
        StoppedError: when the person or the system stopped it. The message has the command to continue.
        SkysortError: when the loss diverges, or a file cannot be written.
    """
    try:
        seconds = {} if run.has_classifier else learner(recipe).learn(run, recipe, prepared, progress, deadline)
        classifier = Classifier(run.classifier)
        if run.improvement:
            finish_improvement(run, classifier, prepared, progress)
        measure_run(run, classifier, prepared, seconds, progress)
    except StoppedError as stopped:
        raise StoppedError("interrupted", f"{stopped}; {run.how_to_go_on}") from None
    except KeyboardInterrupt:
        raise StoppedError("interrupted", f"interrupted; {run.how_to_go_on}") from None
    return run


def go_on(run: Run, prepared: PreparedData, progress: Progress) -> Run:
    """Finish a run that was interrupted, on this computer or another.

    Args:
        run: locked run.
        prepared: pictures of the run, from `prepared_again`.
        progress: where to report progress.

    Raises:
        StoppedError: when the person or the system stopped it. The message has the command to continue.
        SkysortError: when the run does not fit this computer, the loss diverges, or a file cannot be written.
    """
    recipe = resolved(run.recipe, prepared.data)
    check_network(recipe, prepared.data)
    check_calibration(recipe, prepared)
    run.remove_partials()
    return finish(run, recipe, prepared, progress)
