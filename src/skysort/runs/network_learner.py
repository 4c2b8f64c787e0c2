"""The functions of a run that need PyTorch. No other module of runs and experiments imports it.

`learner.learner()` loads this module when it is first needed, so runs can be read without PyTorch.
"""

import csv
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

from skysort.classifier.format import (
    README,
    WEIGHTS,
    ClassifierTable,
    PictureFormat,
    Temperature,
    check_file,
    read_table,
)
from skysort.classifier.readme import readme
from skysort.core.deadline import Deadline
from skysort.core.environment import machine_description, versions
from skysort.core.errors import SkysortError
from skysort.core.files import whole_folder, write_whole
from skysort.core.progress import Progress, SilentProgress
from skysort.data.decode import Shape
from skysort.data.splits import PreparedData, evenly_spaced
from skysort.export.onnx import export_classifier
from skysort.networks import families
from skysort.networks.families import build_layers, check_classes, initial_network
from skysort.networks.layers import PictureNetwork, Variant
from skysort.recipe.networks import AnyNetwork, OwnNetwork
from skysort.recipe.schema import Recipe
from skysort.recipe.sections import Normalisation, Training
from skysort.runs.folder import Run
from skysort.runs.unknown_threshold import unknown_threshold
from skysort.training.batches import SplitPictures
from skysort.training.checkpoint import State
from skysort.training.device import check_memory, computing_threads, resolve_device, resolve_threads
from skysort.training.fit import fit
from skysort.training.loop import evaluate, evaluate_in_training_mode, logits_in_use
from skysort.training.optimizer import loss_function
from skysort.training.setup import pictures_of, starting_network
from skysort.trust.calibration import fit_temperature

NUM_PROOF_PICTURES = 32
STEPS_TIMED, STEPS_TO_WARM_UP = 4, 2
PICTURES_TIMED = 250
"""Number of pictures to label, to time one."""


def hardware(training: Training) -> dict[str, str | int]:
    """Return `device` and `threads` for this computer.

    Raises:
        NotUnderstoodError: for an unknown device.
        SkysortError: for a device that this computer does not have, or too many threads.
    """
    return {"device": resolve_device(training.device), "threads": resolve_threads(training.threads)}


def check_network(recipe: Recipe, shape: Shape) -> None:
    """Make sure that a network fits the shape of the pictures and this computer's memory, without allocating it.

    Raises:
        SkysortError: when the pictures are too small for the network, or it is too large for the memory.
    """
    with torch.device("meta"):
        layers = build_layers(recipe.network, shape, 2)
    check_memory(sum(parameter.numel() for parameter in layers.parameters()))


def check_loss(recipe: Recipe, num_classes: int) -> None:
    """Make sure that a recipe's loss is for this number of classes.

    Raises:
        NotUnderstoodError: when it is not.
    """
    check_classes(recipe.loss, num_classes)


def check_own_network(recipe: Recipe, prepared: PreparedData) -> None:
    """Make sure that a user's own network, if the recipe has one, can be trained and exported.

    Raises:
        SkysortError: when it cannot.
    """
    if isinstance(recipe.network, OwnNetwork):
        from skysort.export.own_network import check_own  # loads PyTorch's exporter, which no other network needs

        check_own(starting_network(recipe, prepared), prepared.shape, prepared.dataset.listing.classes)


def variants(network: AnyNetwork, size: int) -> list[Variant]:
    """Return the networks that a budget may choose from for a picture size, fastest first."""
    return families.variants(network, size)


def seconds_of_training(recipe: Recipe, prepared: PreparedData) -> tuple[float, float, float]:
    """Time a few steps of training, and the labels of a few pictures.

    Returns:
        Seconds per step, per checkpoint and per labelled picture.

    Raises:
        StoppedError: when the person or the system stopped it.
    """
    dataset, rows = prepared.dataset, prepared.splits["train"]
    training = recipe.training
    pictures_per_step = min(training.pictures_per_step(len(rows)), len(rows))
    timed = np.resize(rows, (STEPS_TO_WARM_UP + STEPS_TIMED) * pictures_per_step)
    labelled = evenly_spaced(rows, PICTURES_TIMED)
    # Mixing and class weights take almost no time, and need pictures of all classes.
    short = recipe.with_values(
        training={"epochs": 1, "log_every": 1, "batch_size": pictures_per_step},
        augment={"mixup": 0.0, "cutmix": 0.0},
        loss={"class_weights": "none"},
    )
    with computing_threads(training.threads), tempfile.TemporaryDirectory() as folder:
        network = starting_network(recipe, prepared)
        started = time.perf_counter()
        fit(network, short, pictures_of(dataset, timed), None, Path(folder), SilentProgress())
        step, steps = _seconds_of_steps(Path(folder) / "history.csv")
        beside_steps = time.perf_counter() - started - steps  # mostly the checkpoint
        started = time.perf_counter()
        loss, device = loss_function(recipe.loss), torch.device(training.device)
        evaluate(network, pictures_of(dataset, labelled), loss, device)
        seconds_per_picture = (time.perf_counter() - started) / len(labelled)
    return step, beside_steps, seconds_per_picture


def _seconds_of_steps(history: Path) -> tuple[float, float]:
    """Return the median seconds of a step and the total of all steps, from a history with one row per step."""
    with history.open(encoding="utf-8", newline="") as file:
        seconds = [float(row["seconds"]) for row in csv.DictReader(file) if row["kind"] == "steps"]
    return float(statistics.median(np.diff(seconds)[STEPS_TO_WARM_UP - 1 :].tolist())), seconds[-1]


def learn(
    run: Run, recipe: Recipe, prepared: PreparedData, progress: Progress, deadline: Deadline | None = None
) -> dict[str, float]:
    """Train from the run's checkpoint, if there is one, and write its classifier.

    Args:
        run: locked run.
        recipe: resolved recipe.
        prepared: pictures of the run.
        progress: where to report progress.
        deadline: when the training of a new run has to end; None to train for the recipe's epochs.

    Returns:
        Seconds of the export, by that name.

    Raises:
        StoppedError: when the person or the system stopped it.
        SkysortError: when the loss diverges, or a file cannot be written.
    """
    dataset, splits = prepared.dataset, prepared.splits
    with computing_threads(recipe.training.threads):
        network = starting_network(recipe, prepared)
        if run.improvement:
            _continue_from(network, Path(run.improvement.run), prepared.dataset.listing.classes)
        validation = pictures_of(dataset, splits["validation"]) if "validation" in splits else None
        train = pictures_of(dataset, splits["train"])
        state = fit(network, recipe, train, validation, run.path, progress, deadline)
        started = time.perf_counter()
        temperature = _temperature(network, recipe, validation, progress)
        table = _table(recipe, prepared, network.num_parameters, temperature, state)
        proof = dataset.pixels(evenly_spaced(splits["train"], NUM_PROOF_PICTURES))
        with whole_folder(run.classifier) as folder:
            classifier, logits = export_classifier(folder, network, table, proof)
            if recipe.trust.keep_known is not None:
                threshold = unknown_threshold(classifier, recipe.trust.keep_known, prepared, progress)
                classifier.table = classifier.table.with_unknown(threshold)
            write_whole(folder / README, readme(run.classifier.name, table.classes, table.pictures))
            classifier.write(proof, logits)
    return {"export": time.perf_counter() - started}


def _continue_from(network: PictureNetwork, run: Path, classes: tuple[str, ...]) -> None:
    """Give a network the weights of a run's classifier. Weights of new classes, the last ones, stay as they are.

    Raises:
        SkysortError: when the classifier of the run is damaged, or is another network.
    """
    folder = Run(run).classifier
    table = read_table(folder)
    check_file(folder, WEIGHTS, table)
    num, weights, new = len(table.classes), load_file(folder / WEIGHTS), network.state_dict()
    for name, tensor in weights.items():
        if new[name].shape == tensor.shape:
            new[name] = tensor
        elif new[name].shape == (len(classes), *tensor.shape[1:]) and tensor.shape[0] == num:
            new[name][:num] = tensor
        else:
            raise SkysortError(
                "damaged-run",
                f"{folder} has weights of another network: {name} is {list(tensor.shape)}, expected"
                f" {list(new[name].shape)}; train again with skysort train",
            )
    network.load_state_dict(new)


def _temperature(
    network: PictureNetwork, recipe: Recipe, validation: SplitPictures | None, progress: Progress
) -> Temperature:
    if validation is None:
        temperature = Temperature(reason="there are no validation pictures to fit it to")
        if smoothing := recipe.loss.label_smoothing:
            progress.say(
                f"temperature 1: {temperature.reason}, so confidences stay as low, and the loss as high, as label"
                f" smoothing {smoothing:g} makes them"
            )
        return temperature
    flip = recipe.augment.test_time_flip is True
    logits = logits_in_use(network, validation, torch.device(recipe.training.device), flip=flip)
    temperature = fit_temperature(logits, validation.labels)
    progress.say(f"temperature {temperature.value:.3g}: {temperature.reason}")
    return temperature


def _table(
    recipe: Recipe, prepared: PreparedData, num_parameters: int, temperature: Temperature, state: State
) -> ClassifierTable:
    shape = prepared.shape
    return ClassifierTable(
        classes=prepared.dataset.listing.classes,
        pictures=PictureFormat(size=shape.size, channels=shape.channels, resize=shape.resize),
        network=recipe.network.model_dump(mode="json"),
        recipe=recipe.name,
        test_time_flip=recipe.augment.test_time_flip is True,
        parameters=num_parameters,
        epochs=state.epoch - 1,
        temperature=temperature.value,
        temperature_reason=temperature.reason,
        data={"source": prepared.data.name, "fingerprint": prepared.dataset.fingerprint()},
        seconds={"training": state.seconds},
        files={},
        versions=versions(),
        machine=machine_description(recipe.training.device, recipe.training.threads),
    )


def train_mode_accuracies(run: Run, prepared: PreparedData) -> dict[str, float] | None:
    """Return the accuracies of a run's network in training mode, on its train and test pictures.

    model.onnx has evaluation mode only, so this builds the network from its weights. See docs/reproduction.md.

    Args:
        run: finished run.
        prepared: its pictures.

    Returns:
        `{"train": …, "test": …}`; None if the mode changes nothing.

    Raises:
        SkysortError: when the run's weights have changed.
    """
    recipe, table = run.recipe, read_table(run.classifier)
    identity = Normalisation(mean=(0.0,) * table.pictures.channels, std=(1.0,) * table.pictures.channels)
    network = initial_network(recipe, table.pictures.shape(), len(table.classes), identity)
    if not network.depends_on_mode:
        return None
    check_file(run.classifier, WEIGHTS, table)
    network.load_state_dict(load_file(run.classifier / WEIGHTS))  # with its normalisation
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
