"""Advice before a training, while a person can still start it with other options."""

import shlex
from pathlib import Path

from skysort.core.progress import Progress
from skysort.data.dataset import Data
from skysort.data.quality.check import summary
from skysort.data.quality.findings import quick_findings
from skysort.data.splits import PreparedData, size_advice
from skysort.recipe.sections import Pictures
from skysort.runs.plan import TrainingPlan


def advise_on_name(data: Data, progress: Progress) -> None:
    """Report which pictures are used if a built-in data set and a local folder have the same name."""
    if data.named and Path(data.name).exists():
        progress.say(f"using the built-in data set '{data.name}'; to use the local folder, pass ./{data.name}")


def advise(plan: TrainingPlan, prepared: PreparedData, progress: Progress) -> None:
    """Report advice on the picture size, the pictures and the mirroring."""
    if plan.has_default_size and (advice := size_advice(prepared)):
        progress.say(advice)
    if findings := summary(quick_findings(prepared.dataset, prepared.groups)):
        progress.say(f"{findings}; to see which, run: {_check_command(plan)}")
    classes = prepared.dataset.listing.classes
    is_mirrored = plan.recipe.augment.flip != "none"
    if plan.data.named is None and is_mirrored and all(len(name) == 1 for name in classes):
        progress.say(
            f"classes are named {', '.join(classes[:3])} …; if a mirror image has another meaning, as with digits,"
            " add --set augment.flip=none --set augment.test_time_flip=false"
        )


def _check_command(plan: TrainingPlan) -> str:
    """Return the `skysort check` command that finds the same problems, with the same decoding and grouping."""
    pictures, shape = plan.recipe.pictures, plan.data.shape(None, None, "stretch")
    default = Pictures(size=shape.size, channels=shape.channels)
    words = ["skysort", "check", *plan.sources]
    for field in ("size", "channels", "resize", "near_duplicates", "burst_seconds"):
        if (value := getattr(pictures, field)) != getattr(default, field):
            words += ["--set", f"pictures.{field}={value}"]
    words += ["--group-by", pictures.group_by] if pictures.group_by else []
    words += ["--label-by", pictures.label_by] if pictures.label_by else []
    words += ["--data-dir", str(plan.data.data_dir)] if plan.data.data_dir else []
    return shlex.join(words)
