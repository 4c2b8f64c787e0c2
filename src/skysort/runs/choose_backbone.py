"""The choice of a backbone by cross-validation, for a recipe that leaves it open."""

import time
from dataclasses import replace

from skysort.core.progress import Progress, SilentProgress, span
from skysort.data.splits import PreparedData, prepare
from skysort.recipe.schema import Recipe
from skysort.runs.budget import check_features_fit, seconds_lacking
from skysort.runs.learner import backbone_learner
from skysort.runs.plan import TrainingPlan
from skysort.runs.resolve import check_network


def with_backbone_chosen(plan: TrainingPlan, progress: Progress) -> TrainingPlan:
    """Return a plan whose recipe names the backbone of the least cross-entropy.

    Each backbone sees the training pictures at its own size. A head is fitted to its features with
    cross-validation, and each picture is judged by a head that has not seen it. No other picture takes part.
    With a budget, a backbone whose features take longer than what is left of it is not tried.

    Args:
        plan: plan of a training; if its recipe names a backbone, it is returned as it is.
        progress: prints the cross-entropy of each backbone, and the choice.

    Raises:
        SkysortError: when weights are damaged, the pictures cannot be cut, the cache cannot be written, or the
            budget is too short for the features of the first backbone.
    """
    if not plan.candidates:
        return plan
    losses: list[tuple[float, Recipe]] = []
    for backbone in plan.candidates:
        size = {"size": backbone.size}
        recipe = plan.recipe.with_values(transfer={"backbone": backbone.name}, pictures=size)
        check_network(recipe, plan.data)
        prepared = prepare(plan.data, recipe.pictures, progress)
        if plan.budget is not None:
            if not losses:
                check_features_fit(recipe, prepared, plan.budget, plan.began, SilentProgress())
            elif computing := _too_long(recipe, prepared, plan.budget, plan.began):
                progress.say(
                    f"{backbone.name}: not tried; its features take {span(computing)}, too long for the"
                    f" {span(plan.budget)} of --budget"
                )
                continue
        loss = backbone_learner().out_of_fold_loss(recipe, prepared, progress)
        num_pictures = len(prepared.splits["train"])
        progress.say(
            f"{backbone.name}: cross-entropy {loss:.4f} on {num_pictures:,} training pictures, out of fold"
        )
        losses.append((loss, recipe))
    _, recipe = min(losses, key=lambda candidate: candidate[0])
    of_how_many = f"the least cross-entropy of {len(losses)}" if len(losses) > 1 else "the only one tried"
    progress.say(f"training with {recipe.transfer.backbone}, {of_how_many}")
    return replace(plan, recipe=recipe)


def _too_long(recipe: Recipe, prepared: PreparedData, budget: float, began: float) -> float:
    """Return the seconds for a backbone's features if a budget has no room for them, else 0."""
    computing = backbone_learner().seconds_for_features(recipe, prepared)
    return computing if seconds_lacking(computing, budget, time.perf_counter() - began) else 0.0
