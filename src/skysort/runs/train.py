"""From pictures to figures. Joins the wings: train, resume, evaluate."""

import os
import shlex
import time
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from skysort.classifier.classifier import Classifier
from skysort.classifier.format import OodThreshold, find_classifier
from skysort.core.errors import NotUnderstoodError, SkysortError, StoppedError, require
from skysort.core.progress import Progress, SilentProgress
from skysort.data.cut import how_to_calibrate
from skysort.data.dataset import Data
from skysort.data.quality.check import quick_findings, summary
from skysort.data.splits import PreparedData, evenly, prepare, smaller_than_they_are
from skysort.recipe.schema import DEFAULT_RECIPE, Augment, OwnNetwork, Pictures, Recipe
from skysort.runs.budget import DECIDED_BY_BUDGET, seconds_of, within
from skysort.runs.folder import Run, check_free, free_folder, start_run
from skysort.runs.measure import measure_run
from skysort.runs.measure_others import measure_others
from skysort.runs.reopen import Moved, locked_run, prepared_again, run_of
from skysort.trust.abstention import fewest_for_unknown, threshold_for_unknown
from skysort.trust.calibration import fit_temperature
from skysort.trust.evaluation import logits_of
from skysort.trust.metrics import Metrics

KEEP_KNOWN = 0.95
"""Of real pictures, where a run has out-of-distribution pictures and its recipe does not say."""
NUM_PROOF_PICTURES = 32
SPINS = "30000"
"""Turns of a loop, some tens of microseconds: longer than from one operation to the next."""


def train(
    data: str | PathLike[str] | Sequence[str | PathLike[str]],
    recipe: str | Recipe = DEFAULT_RECIPE,
    run: str | PathLike[str] | None = None,
    *,
    settings: tuple[str, ...] = (),
    budget: str | None = None,
    ood: str | PathLike[str] | None = None,
    data_dir: str | PathLike[str] | None = None,
    progress: Progress | None = None,
) -> Run:
    """Train a network on pictures, write its classifier folder, and measure that.

    The process stays changed: threads that PyTorch started go on taking numbers below 1e-38 for zero, and memory
    that is freed is kept for the next use.

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
    started = time.perf_counter()
    sources = [data] if isinstance(data, str | PathLike) else list(data)
    for source in sources or [""]:
        _check_named(data=source)
    _check_named(recipe=recipe, run=run, ood=ood)
    asked = [str(source) for source in sources]
    seconds = None if budget is None else seconds_of(budget)
    for setting in settings if budget else ():
        if (field := setting.partition("=")[0].strip()) in DECIDED_BY_BUDGET:
            raise NotUnderstoodError(
                "options-conflict", f"--budget decides {field} itself; give it, or set {field}, not both"
            )
    if not isinstance(recipe, Recipe):
        recipe = Recipe.load(recipe, settings)
    elif settings:
        raise NotUnderstoodError(
            "options-conflict", "settings go with the name of a recipe; a Recipe is taken as it is"
        )
    progress = progress or SilentProgress()
    found = Data.find(asked)
    if found.named and Path(found.name).exists():
        progress.say(f"'{found.name}' is the data of that name; what is called so here is ./{found.name}")
    folder = Path(run) if run else free_folder(found, recipe)
    check_free(folder)
    has_default_size = found.named is None and recipe.pictures.size is None
    recipe = resolved(recipe, found)
    if ood is not None and recipe.trust.keep_known is None:
        recipe = recipe.with_values(trust={"keep_known": KEEP_KNOWN})
    prepared = prepare(found, recipe.pictures, _path(data_dir), progress, None if ood is None else str(ood))
    check_loss(recipe, prepared)
    check_calibration(recipe, prepared)
    check_own_network(recipe, prepared)
    if has_default_size and (said := smaller_than_they_are(prepared)):
        progress.say(said)
    if findings := summary(quick_findings(prepared.dataset, prepared.groups)):
        progress.say(f"{findings}; {_how_to_check(asked, found, recipe.pictures, data_dir)} says which")
    classes = prepared.dataset.listing.classes
    if found.named is None and recipe.augment.flip != "none" and all(len(name) == 1 for name in classes):
        progress.say(
            f"classes are named {', '.join(classes[:3])} …: if their mirror images mean something else, as of"
            " digits, add --set augment.flip=none --set augment.test_time_flip=false"
        )
    if seconds is not None:
        try:
            recipe = within(recipe, prepared, seconds, started, progress)
        except StoppedError:
            raise StoppedError("interrupted", "interrupted before the run began") from None
    started_run = start_run(folder, recipe, prepared, _path(data_dir), progress)
    with started_run.locked():
        return _finish(started_run, started_run.recipe, prepared, progress)


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
    _check_named(run=run)
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
        prepared = prepared_again(started, _path(data_dir), progress, moved_to)
        recipe = resolved(started.recipe, prepared.data)
        check_calibration(recipe, prepared)
        started.remove_partials()
        return _finish(started, recipe, prepared, progress)


def evaluate(
    classifier: str | PathLike[str],
    data: str | PathLike[str] | None = None,
    *,
    moved_to: Moved = None,
    output: str | PathLike[str] | None = None,
    group_by: str | None = None,
    label_by: str | None = None,
    data_dir: str | PathLike[str] | None = None,
    progress: Progress | None = None,
) -> Metrics:
    """Measure a classifier on its run's own pictures, or on others.

    Without `data`, the splits of the run are measured again and the run's figures and report are written anew.
    With `data`, its test split is measured if it has one, else all of it; classes are matched by name. Pictures
    that the run learned from, or that are in a group with one of these, are a split of their own, `learned`.

    Args:
        classifier: a run folder, its `classifier/` folder, or a copy of that.
        data: as for train; it need not hold every class.
        moved_to: where the run's own pictures are now, if they have moved. It is recorded.
        output: a folder for metrics.json, predictions.csv and report.html, for other pictures than its own.
        group_by: as `pictures.group_by` of a recipe, likewise: pictures of the same match are not independent.
            By default that of the run, where it matches.
        label_by: as `pictures.label_by` of a recipe, for other pictures than its own.
        data_dir: where named data is, or is downloaded to; else $SKYSORT_DATA, else the cache folder.
        progress: where to say how far it is; else silent.

    Raises:
        NotUnderstoodError: for an unknown name, a path that is not there, a class the classifier does not know.
        SkysortError: when it cannot be done.
    """
    _check_named(classifier=classifier, data=data, output=output)
    require("measuring", "train", "sklearn")
    progress = progress or SilentProgress()
    folder = find_classifier(Path(classifier))
    if data is not None:
        if moved_to is not None:
            raise NotUnderstoodError(
                "options-conflict", "--data says where the run's own pictures are now; it takes no other pictures"
            )
        if label_by is not None:
            Recipe.load(DEFAULT_RECIPE).with_values(pictures={"label_by": label_by})  # refuses what is no pattern
        return measure_others(
            Classifier(classifier),
            str(data),
            group_by,
            label_by,
            _path(output),
            _path(data_dir),
            run_of(folder),
            progress,
        )
    if output is not None:
        raise NotUnderstoodError(
            "options-conflict", "--output goes with other pictures; a run's own figures are in its folder"
        )
    if group_by is not None:
        raise NotUnderstoodError(
            "options-conflict", "--group-by goes with other pictures; a run's own have the groups of its recipe"
        )
    if label_by is not None:
        raise NotUnderstoodError(
            "options-conflict", "--label-by goes with other pictures; a run's own have the labels of its recipe"
        )
    with locked_run(folder, "name the pictures to measure it on") as run:
        prepared = prepared_again(run, _path(data_dir), progress, moved_to)
        if not run.pictures.exists():
            run.write_pictures(prepared)
        return measure_run(run, Classifier(run.classifier), prepared, {}, progress)


def resolved(recipe: Recipe, data: Data) -> Recipe:
    """Spell out what the data and this computer decide, and make sure that they fit together."""
    require("training", "train", "torch", "safetensors", "onnx", "onnxscript", "sklearn", "matplotlib", "jinja2")
    # How often OpenMP's threads look for work before they sleep. By default they go on for so long that they take
    # the cores from whatever else runs; to sleep at once costs an idle computer a fifth of a step of swift. It
    # counts before PyTorch is first loaded.
    os.environ.setdefault("GOMP_SPINCOUNT", SPINS)
    import torch

    from skysort.networks.layers import build_layers
    from skysort.training.device import check_memory, resolve_device, resolve_threads

    pictures, training = recipe.pictures, recipe.training
    shape = data.shape(pictures.size, pictures.channels, pictures.fit)
    with torch.device("meta"):  # nothing is allocated
        layers = build_layers(recipe.network, shape, 2)
    check_memory(sum(parameter.numel() for parameter in layers.parameters()))
    is_known = recipe.published is not None and data.named is not None and data.named.in_tutorials
    of_tutorial = is_known and pictures.shares is None
    return recipe.with_values(
        pictures={
            "size": shape.size,
            "channels": shape.channels,
            "protocol": pictures.protocol or ("tutorial" if of_tutorial else "four-way"),
        },
        augment=_mirrored(recipe.augment, data),
        training={"device": resolve_device(training.device), "threads": resolve_threads(training.threads)},
    )


def _mirrored(augment: Augment, data: Data) -> dict[str, Any]:
    """Spell out whether pictures are mirrored: not those of which the mirror image means something else."""
    means_the_same = data.named is None or data.named.mirror_means_the_same
    chosen: dict[str, Any] = {}
    if augment.flip == "auto":
        chosen["flip"] = "alternating" if means_the_same else "none"
    if augment.test_time_flip == "auto":
        chosen["test_time_flip"] = means_the_same
    return chosen


def _how_to_check(asked: list[str], data: Data, pictures: Pictures, data_dir: str | PathLike[str] | None) -> str:
    """Return what to type to find in the same pictures, decoded and grouped alike, what training found."""
    shape = data.shape(None, None, "stretch")
    usual = Pictures(size=shape.size, channels=shape.channels)
    words = ["skysort", "check", *asked]
    for field in ("size", "channels", "fit", "near_duplicates", "burst_seconds"):
        if (value := getattr(pictures, field)) != getattr(usual, field):
            words += ["--set", f"pictures.{field}={value}"]
    words += ["--group-by", pictures.group_by] if pictures.group_by else []
    words += ["--label-by", pictures.label_by] if pictures.label_by else []
    words += ["--data-dir", str(data_dir)] if data_dir else []
    return shlex.join(words)


def check_loss(recipe: Recipe, prepared: PreparedData) -> None:
    """Make sure that a recipe's loss is for as many classes as there are.

    Raises:
        NotUnderstoodError: when it is not.
    """
    from skysort.networks.layers import check_classes

    check_classes(recipe.loss, len(prepared.dataset.listing.classes))


def check_own_network(recipe: Recipe, prepared: PreparedData) -> None:
    """Make sure that a person's own network, if the recipe has one, can be trained and exported.

    Raises:
        SkysortError: when it cannot.
    """
    if isinstance(recipe.network, OwnNetwork):
        from skysort.export.onnx import check_own
        from skysort.training.setup import starting_network

        check_own(starting_network(recipe, prepared), prepared.shape, prepared.dataset.listing.classes)


def check_calibration(recipe: Recipe, prepared: PreparedData) -> None:
    """Make sure that there are as many calibration pictures as a recipe's threshold takes.

    Raises:
        SkysortError: when there are not.
    """
    keep = recipe.trust.keep_known
    if keep is None:
        return
    fewest = fewest_for_unknown(keep)
    needed = f"to keep {keep} of known pictures takes at least {fewest:,} calibration pictures, or groups of them"
    if "calibration" not in prepared.splits:
        raise SkysortError(
            "missing-split",
            f"{needed}, and protocol '{recipe.pictures.protocol}' has none; use --set pictures.protocol=four-way",
        )
    rows = prepared.to_calibrate()
    num = len(np.unique(prepared.groups[rows]))
    if num < fewest:
        left_out = len(prepared.splits["calibration"]) - len(rows)
        without = (
            f", without {left_out:,} pictures of which training or validation has the like" if left_out else ""
        )
        listing = prepared.dataset.listing
        ways = how_to_calibrate(fewest, len(listing), recipe.pictures.percentages, listing)
        raise SkysortError("too-few-pictures", f"{needed}; there are {num:,}{without}. {ways}")


def _finish(run: Run, recipe: Recipe, prepared: PreparedData, progress: Progress) -> Run:
    """Do what is left of a run, and say how to go on when it is interrupted."""
    try:
        seconds = {} if run.has_classifier else _train_and_export(run, recipe, prepared, progress)
        measure_run(run, Classifier(run.classifier), prepared, seconds, progress)
    except StoppedError as stopped:
        raise StoppedError("interrupted", f"{stopped}; {run.how_to_go_on}") from None
    except KeyboardInterrupt:
        raise StoppedError("interrupted", f"interrupted; {run.how_to_go_on}") from None
    return run


def _train_and_export(run: Run, recipe: Recipe, prepared: PreparedData, progress: Progress) -> dict[str, float]:
    """Train from the run's checkpoint, if it has one, to its classifier; return what the steps took."""
    import torch

    from skysort.export.onnx import write_classifier
    from skysort.training.device import computing_threads
    from skysort.training.fit import fit
    from skysort.training.loop import logits_in_use
    from skysort.training.setup import pictures_of, starting_network

    dataset, splits = prepared.dataset, prepared.splits
    classes = dataset.listing.classes
    with computing_threads(recipe.training.threads):
        network = starting_network(recipe, prepared)
        validation = pictures_of(dataset, splits["validation"]) if "validation" in splits else None
        training = fit(network, recipe, pictures_of(dataset, splits["train"]), validation, run.path, progress)
        started = time.perf_counter()
        temperature, reason = 1.0, "there are no validation pictures to fit it to"
        if validation is not None:
            flip = recipe.augment.test_time_flip is True
            logits = logits_in_use(network, validation, torch.device(recipe.training.device), flip=flip)
            temperature, reason = fit_temperature(logits, validation.labels)
            progress.say(f"temperature {temperature:.3g}: {reason}")
        proof = dataset.pixels(evenly(splits["train"], NUM_PROOF_PICTURES))
        data = {"source": prepared.data.name, "fingerprint": dataset.fingerprint()}

        def set_unknown(made: Classifier) -> OodThreshold | None:
            keep = recipe.trust.keep_known
            if keep is None:
                return None
            rows, logits = logits_of(made, "calibration", dataset, prepared.to_calibrate(), progress)
            left_out = len(splits["calibration"]) - len(rows)
            return threshold_for_unknown(logits, keep, prepared.groups[rows], left_out)

        write_classifier(
            run.classifier,
            network,
            recipe,
            classes,
            prepared.shape,
            proof,
            data,
            training,
            (temperature, reason),
            set_unknown,
        )
    return {"export": time.perf_counter() - started}


def _check_named(**named: object) -> None:
    """Refuse arguments that are no text and no path, and the empty text, which would name the current folder."""
    for name, value in named.items():
        if value is not None and not (isinstance(value, str | PathLike | Recipe) and str(value)):
            raise NotUnderstoodError("wrong-value", f"expected a name or a path as {name}, found {value!r}")


def _path(path: str | PathLike[str] | None) -> Path | None:
    return None if path is None else Path(path)
