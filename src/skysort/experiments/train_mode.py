"""What a finished run's network answers in training mode, as texts measure that never leave it."""

from os import PathLike
from pathlib import Path

from skysort.classifier.format import WEIGHTS, check_file, read_table
from skysort.core.progress import Progress, SilentProgress
from skysort.recipe.schema import Normalisation
from skysort.runs.folder import Run
from skysort.runs.reopen import prepared_again
from skysort.trust.comparison import Spread, TrainModeAccuracy


def in_training_mode(
    run: Run, *, data_dir: str | PathLike[str] | None = None, progress: Progress | None = None
) -> dict[str, float] | None:
    """Return the accuracies of a run's network in training mode, on its train and test pictures.

    Only evaluation mode is in the classifier folder, so this takes the weights. See docs/reproduction.md.

    Args:
        run: finished.
        data_dir: where to look for named data; else $SKYSORT_DATA, else the cache folder.
        progress: where to say how far it is; else silent.

    Returns:
        `{"train": …, "test": …}`; None for a network that answers the same in both modes.

    Raises:
        SkysortError: when the run's pictures or weights have changed.
    """
    import torch
    from safetensors.torch import load_file

    from skysort.networks.layers import initial_network
    from skysort.training.device import computing_threads
    from skysort.training.loop import evaluate_in_training_mode
    from skysort.training.optimizer import loss_function
    from skysort.training.setup import pictures_of

    recipe, table = run.recipe, read_table(run.classifier)
    num_classes = len(table.classes)
    nothing = Normalisation(mean=(0.0,) * table.pictures.channels, std=(1.0,) * table.pictures.channels)
    network = initial_network(recipe, table.pictures.shape(), num_classes, nothing)
    if not network.depends_on_mode:
        return None
    check_file(run.classifier, WEIGHTS, table)
    network.load_state_dict(load_file(run.classifier / WEIGHTS))  # its normalisation, too
    prepared = prepared_again(run, Path(data_dir) if data_dir is not None else None, progress or SilentProgress())
    device = torch.device(recipe.training.device)
    network.to(device).to(memory_format=torch.channels_last)
    loss, seed = loss_function(recipe.loss), recipe.training.seed
    with computing_threads(recipe.training.threads):
        return {
            split: evaluate_in_training_mode(
                network, pictures_of(prepared.dataset, prepared.splits[split]), loss, seed, device
            ).accuracy
            for split in ("train", "test")
        }


def measured_in_training_mode(
    runs: list[Run], data_dir: str | PathLike[str] | None, progress: Progress
) -> TrainModeAccuracy | None:
    """Return the accuracies of runs in training mode; None for a network that is the same in both modes."""
    found = [in_training_mode(run, data_dir=data_dir, progress=progress) for run in runs]
    figures = [accuracies for accuracies in found if accuracies is not None]
    if not figures:
        return None
    return TrainModeAccuracy(
        train=Spread.of(accuracies["train"] for accuracies in figures),
        test=Spread.of(accuracies["test"] for accuracies in figures),
    )
