"""The choice of a backbone by cross-validation, for a recipe that leaves it open."""

from dataclasses import replace

from skysort.core.progress import Progress
from skysort.data.splits import prepare
from skysort.runs.learner import backbone_learner
from skysort.runs.plan import TrainingPlan
from skysort.runs.resolve import check_network


def with_backbone_chosen(plan: TrainingPlan, progress: Progress) -> TrainingPlan:
    """Return a plan whose recipe names the backbone of the least cross-entropy.

    Each backbone sees the training pictures at its own size. A head is fitted to its features with
    cross-validation, and each picture is judged by a head that has not seen it. No other picture takes part.

    Args:
        plan: plan of a training; if its recipe names a backbone, it is returned as it is.
        progress: prints the cross-entropy of each backbone, and the choice.

    Raises:
        SkysortError: when weights are damaged, the pictures cannot be cut, or the cache cannot be written.
    """
    if not plan.candidates:
        return plan
    losses = []
    for backbone in plan.candidates:
        size = {"size": backbone.size}
        recipe = plan.recipe.with_values(transfer={"backbone": backbone.name}, pictures=size)
        check_network(recipe, plan.data)
        prepared = prepare(plan.data, recipe.pictures, progress)
        loss = backbone_learner().out_of_fold_loss(recipe, prepared, progress)
        num_pictures = len(prepared.splits["train"])
        progress.say(
            f"{backbone.name}: cross-entropy {loss:.4f} on {num_pictures:,} training pictures, out of fold"
        )
        losses.append((loss, recipe))
    _, recipe = min(losses, key=lambda candidate: candidate[0])
    progress.say(f"training with {recipe.transfer.backbone}, the least cross-entropy of {len(losses)}")
    return replace(plan, recipe=recipe)
