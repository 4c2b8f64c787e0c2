"""The roof: from pictures to figures. Joins the wings: train, resume, evaluate."""

import hashlib
import json
import time
from collections import Counter
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from skysort.classifier.classifier import Classifier
from skysort.errors import MissingExtraError, NotUnderstoodError, SkysortError, unknown
from skysort.files import remove_partials, whole_folder, write_whole
from skysort.pictures.collection import Collection, Data, open_collection
from skysort.pictures.decode import Shape
from skysort.pictures.split import Rows, cut
from skysort.progress import Progress
from skysort.recipe import Normalisation, Recipe
from skysort.trust.evaluation import Evaluation, evaluate_part
from skysort.trust.report import check_report_can_be_drawn, write_report

if TYPE_CHECKING:
    from skysort.networks.layers import PictureNetwork

DEFAULT_RECIPE = "convnet"
FORMAT = 1
NUM_PROOF_PICTURES = 32
NUM_LEFT_OUT_NAMED = 20


@dataclass(frozen=True)
class Run:
    """A run folder, and what is in it."""

    path: Path

    @property
    def recipe(self) -> Recipe:
        """The resolved recipe."""
        return Recipe.load(str(self.path / "recipe.toml"))

    @property
    def data(self) -> dict[str, Any]:
        """What it learned from: source, fingerprint, classes, counts, unreadable pictures."""
        return _read_json(self.path / "data.json")

    @property
    def metrics(self) -> dict[str, Any]:
        """The figures of its classifier."""
        return _read_json(self.path / "metrics.json")

    @property
    def classifier(self) -> Path:
        """The classifier folder, which can be copied anywhere."""
        return self.path / "classifier"

    @property
    def report(self) -> Path:
        """The page for a browser."""
        return self.path / "report.html"

    @property
    def is_finished(self) -> bool:
        """Whether it has come to its figures and its report, which are written last."""
        return (self.path / "metrics.json").exists()


@dataclass(frozen=True)
class _Prepared:
    """Pictures, decoded and cut into parts."""

    data: Data
    shape: Shape
    collection: Collection
    parts: dict[str, Rows]

    def described(self) -> dict[str, Any]:
        """Return what data.json holds."""
        listing = self.collection.listing
        digest = hashlib.blake2b(digest_size=16)
        counts = {}
        for part, rows in self.parts.items():
            digest.update(part.encode() + rows.astype("<i8").tobytes())
            numbers = np.bincount(listing.labels[rows], minlength=len(listing.classes))
            counts[part] = dict(zip(listing.classes, numbers.tolist(), strict=True))
        unreadable = self.collection.unreadable.items()
        return {
            "format": FORMAT,
            "source": self.data.name,
            "fingerprint": self.collection.fingerprint(),
            "parts": digest.hexdigest(),
            "classes": list(listing.classes),
            "counts": counts,
            "in_two_parts": self._num_in_two_parts(),
            "unreadable": [{"path": listing.paths[row], "reason": reason} for row, reason in unreadable],
            "left_out": {
                "files": len(listing.left_out),
                "first": list(listing.left_out[:NUM_LEFT_OUT_NAMED]),
            },
        }

    def _num_in_two_parts(self) -> int:
        """Count pictures that the data itself has in more than one part, equal to the last pixel."""
        groups = self.collection.groups()
        parts_of = Counter(group for rows in self.parts.values() for group in set(groups[rows].tolist()))
        return sum(num > 1 for num in parts_of.values())


def train(
    data: str | PathLike[str],
    recipe: str | Recipe = DEFAULT_RECIPE,
    run: str | PathLike[str] | None = None,
    *,
    settings: tuple[str, ...] = (),
    data_dir: str | PathLike[str] | None = None,
    progress: Progress | None = None,
) -> Run:
    """Train a network on pictures, write its classifier folder, and measure that.

    Args:
        data: a name, as `skysort datasets` lists them, or a folder or zip archive with a folder a class.
        recipe: a name, as `skysort recipes` lists them, the path of a `.toml` file, or a Recipe.
        run: the folder to write, which must not hold anything; else one below `runs/` is chosen.
        settings: fields of the recipe to override, as `training.epochs=3`.
        data_dir: where to look for named data; else $SKYSORT_DATA, else the cache folder.
        progress: where to say how far it is; else silent.

    Raises:
        NotUnderstoodError: for an unknown name or field, or a path that is not there.
        SkysortError: when it cannot be done; what is written so far can be resumed.
    """
    if not isinstance(recipe, Recipe):
        recipe = Recipe.load(recipe, settings)
    elif settings:
        raise NotUnderstoodError("settings go with the name of a recipe; a Recipe is taken as it is")
    progress = progress or Progress()
    found = Data.find(str(data))
    folder = Path(run) if run else _free_folder(found, recipe)
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        holds = "already holds a run" if (folder / "recipe.toml").exists() else "already exists"
        raise SkysortError(f"{folder} {holds}; choose another with --run, or continue it: --resume {folder}")
    recipe = _resolved(recipe, found)
    _check_network(recipe)
    prepared = _prepare(found, recipe, _path(data_dir), progress)
    with whole_folder(folder) as beside:
        write_whole(beside / "recipe.toml", recipe.to_toml())
        write_whole(beside / "data.json", _json(prepared.described()))
    return _finish(Run(folder), recipe, prepared, progress)


def resume(
    run: str | PathLike[str],
    *,
    data_dir: str | PathLike[str] | None = None,
    progress: Progress | None = None,
) -> Run:
    """Continue a run that was interrupted, to the same bits as if it had not been.

    Args:
        run: its folder.
        data_dir: where to look for named data; else $SKYSORT_DATA, else the cache folder.
        progress: where to say how far it is; else silent.

    Raises:
        NotUnderstoodError: when there is no such folder.
        SkysortError: when it holds no run, or its pictures have changed since.
    """
    progress = progress or Progress()
    started = Run(Path(run))
    if not started.path.exists():
        raise NotUnderstoodError(f"{run}: no such run folder")
    if not (started.path / "recipe.toml").exists():
        raise SkysortError(f"{run} holds no run: it has no recipe.toml")
    if started.is_finished:
        progress.say(f"{run} is finished; there is nothing to resume")
        return started
    remove_partials(started.path)
    recipe = started.recipe
    return _finish(started, recipe, _prepared_again(started, _path(data_dir), progress), progress)


def evaluate(
    classifier: str | PathLike[str],
    data: str | PathLike[str] | None = None,
    *,
    output: str | PathLike[str] | None = None,
    data_dir: str | PathLike[str] | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Measure a classifier on its run's own pictures, or on others.

    Without `data`, the parts of the run are measured again and the run's figures and report are written anew.
    With `data`, its test part is measured if it has one, else all of it; classes are matched by name.

    Args:
        classifier: a run folder, its `classifier/` folder, or a copy of that.
        data: a name, folder or zip archive; it need not hold every class.
        output: a folder for metrics.json, predictions.csv and report.html, for other pictures than its own.
        data_dir: where to look for named data; else $SKYSORT_DATA, else the cache folder.
        progress: where to say how far it is; else silent.

    Returns:
        What metrics.json holds.

    Raises:
        NotUnderstoodError: for an unknown name, a path that is not there, a class the classifier does not know.
        SkysortError: when it cannot be done.
    """
    progress = progress or Progress()
    loaded = Classifier(classifier)
    if data is None:
        run = _run_of(Path(classifier))
        if output is not None:
            raise NotUnderstoodError("--output goes with other pictures; a run's own figures are in its folder")
        return _measure(run, loaded, _prepared_again(run, _path(data_dir), progress), {}, progress)
    return _measure_others(loaded, str(data), _path(output), _path(data_dir), progress)


def _resolved(recipe: Recipe, data: Data) -> Recipe:
    """Spell out what the data and this computer decide."""
    try:
        from skysort.training.device import resolve_device, resolve_threads
    except ImportError:
        raise MissingExtraError("training", "train") from None
    pictures, training = recipe.pictures, recipe.training
    shape = data.shape(pictures.size, pictures.channels, pictures.fit)
    of_tutorial = recipe.published is not None and data.named is not None and data.named.in_tutorials
    return recipe.with_values(
        pictures={
            "size": shape.size,
            "channels": shape.channels,
            "protocol": pictures.protocol or ("tutorial" if of_tutorial else "four-way"),
        },
        training={"device": resolve_device(training.device), "threads": resolve_threads(training.threads)},
    )


def _prepare(data: Data, recipe: Recipe, data_dir: Path | None, progress: Progress) -> _Prepared:
    pictures = recipe.pictures
    shape = data.shape(pictures.size, pictures.channels, pictures.fit)
    collection = open_collection(data, shape, data_dir, progress)
    parts = cut(collection.listing, collection.groups(), pictures.protocol or "four-way", pictures.seed)
    return _Prepared(data, shape, collection, parts)


def _prepared_again(run: Run, data_dir: Path | None, progress: Progress) -> _Prepared:
    """Open a run's pictures once more, and make sure that they are the same in the same parts."""
    expected = run.data
    prepared = _prepare(Data.find(expected["source"]), run.recipe, data_dir, progress)
    found = prepared.described()
    for what, key in (("pictures", "fingerprint"), ("parts", "parts")):
        if found[key] != expected[key]:
            raise SkysortError(
                f"the {what} of {run.path} have changed: {expected['source']} had {key} {expected[key]}"
                f" when the run started and has {found[key]} now"
            )
    return prepared


def _finish(run: Run, recipe: Recipe, prepared: _Prepared, progress: Progress) -> Run:
    """Do what is left of a run, and say how to go on when it is interrupted."""
    try:
        _train_export_measure(run, recipe, prepared, progress)
    except KeyboardInterrupt:
        raise SkysortError(f"interrupted; go on with: skysort train --resume {run.path}") from None
    return run


def _train_export_measure(run: Run, recipe: Recipe, prepared: _Prepared, progress: Progress) -> None:
    from skysort.training.batches import Part
    from skysort.training.device import computing_threads
    from skysort.training.export import write_classifier
    from skysort.training.fit import fit

    check_report_can_be_drawn()
    collection, parts = prepared.collection, prepared.parts
    labels = collection.listing.labels

    def part(name: str) -> Part:
        rows = parts[name]
        return Part(len(rows), lambda numbers: collection.pixels(rows[numbers]), labels[rows])

    seconds = {}
    with computing_threads(recipe.training.threads):
        network = _network(recipe, prepared)
        validation = part("validation") if "validation" in parts else None
        seconds["training"] = fit(network, recipe, part("train"), validation, run.path, progress)
        if not run.classifier.exists():
            started = time.monotonic()
            chosen = np.linspace(0, len(parts["train"]) - 1, NUM_PROOF_PICTURES).astype(np.int64)
            proof = collection.pixels(parts["train"][chosen])
            data = {"source": prepared.data.name, "fingerprint": collection.fingerprint()}
            write_classifier(
                run.classifier, network, recipe, collection.listing.classes, prepared.shape, proof, data
            )
            seconds["export"] = time.monotonic() - started
    _measure(run, Classifier(run.classifier), prepared, seconds, progress)


def _check_network(recipe: Recipe) -> None:
    """Find out whether the network can take the pictures, before any is decoded and without any memory."""
    import torch

    from skysort.networks.layers import build_layers

    pictures = recipe.pictures
    assert pictures.size and pictures.channels  # as every resolved recipe has them
    with torch.device("meta"):
        build_layers(recipe.network, Shape(pictures.size, pictures.channels, pictures.fit), num_classes=2)


def _network(recipe: Recipe, prepared: _Prepared) -> "PictureNetwork":
    import torch

    from skysort.networks.layers import PictureNetwork, build_layers

    listing = prepared.collection.listing
    normalise = recipe.pictures.normalise
    if normalise == "data":
        mean, std = prepared.collection.mean_and_std(_rows_for_statistics(prepared))
    elif isinstance(normalise, Normalisation):
        mean, std = normalise.mean, normalise.std
    else:
        figure = {"half": (0.5, 0.5), "none": (0.0, 1.0)}[normalise]
        mean, std = ((value,) * prepared.shape.channels for value in figure)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.training.seed)
        return PictureNetwork(build_layers(recipe.network, prepared.shape, len(listing.classes)), mean, std)


def _rows_for_statistics(prepared: _Prepared) -> Rows:
    """Return the store's rows whose mean and standard deviation normalise pictures.

    They are the training pictures; of classes taken out of a larger set, that set's, as the tutorials have
    it, less those that this run keeps to measure with.
    """
    collection, parts = prepared.collection, prepared.parts
    if prepared.data.named is None or prepared.data.named.classes is None:
        return collection.rows[parts["train"]]
    rows = np.flatnonzero(np.array(collection.store.listing.parts) == "train")
    kept = [collection.rows[parts[part]] for part in parts if part != "train"]
    return np.setdiff1d(rows, np.concatenate(kept))


def _measure(
    run: Run, classifier: Classifier, prepared: _Prepared, seconds: dict[str, float], progress: Progress
) -> dict[str, Any]:
    """Measure a run's classifier on the run's parts; write its figures, rows and report."""
    check_report_can_be_drawn()
    started = time.monotonic()
    evaluations = [
        evaluate_part(classifier, part, prepared.collection, rows, progress)
        for part, rows in prepared.parts.items()
    ]
    known = run.metrics["seconds"] if run.is_finished else {}
    splits = {evaluation.part: evaluation.figures() for evaluation in evaluations}
    metrics = {
        "splits": splits,
        "parameters": classifier.table.parameters,
        "seconds": {**known, **seconds, "evaluation": time.monotonic() - started},
        "protocol": run.recipe.pictures.protocol,
        "classifier": classifier.digest,
        "data": {key: run.data[key] for key in ("source", "fingerprint")},
    }
    test = next(evaluation for evaluation in evaluations if evaluation.part == "test")
    for evaluation in evaluations:
        if evaluation.part == "calibration":
            evaluation.write_csv(run.path / "calibration.csv")
    classifier.table.with_figures(splits["test"]).write(classifier.folder)
    _write_figures(run.path, metrics, test, run)
    return metrics


def _measure_others(
    classifier: Classifier, asked: str, output: Path | None, data_dir: Path | None, progress: Progress
) -> dict[str, Any]:
    """Measure a classifier on pictures that are not its run's."""
    if output is not None:
        check_report_can_be_drawn()
    found = Data.find(asked)
    collection = open_collection(found, classifier.shape, data_dir, progress)
    for name in collection.listing.classes:
        if name not in classifier.classes:
            raise unknown("class", name, classifier.classes)
    readable = collection.positions >= 0
    declared = np.array(collection.listing.parts) == "test"
    rows = np.flatnonzero(readable & (declared if declared.any() else True))
    started = time.monotonic()
    evaluation = evaluate_part(classifier, "test", collection, rows, progress)
    metrics = {
        "splits": {"test": evaluation.figures()},
        "parameters": classifier.table.parameters,
        "seconds": {"evaluation": time.monotonic() - started},
        "protocol": "other pictures",
        "classifier": classifier.digest,
        "data": {"source": found.name, "fingerprint": collection.fingerprint()},
    }
    if output is not None:
        output.mkdir(parents=True, exist_ok=True)
        _write_figures(output, metrics, evaluation, None)
    return metrics


def _write_figures(folder: Path, metrics: dict[str, Any], test: Evaluation, run: Run | None) -> None:
    """Write rows, report and figures; the figures last, since they say that all is there."""
    test.write_csv(folder / "predictions.csv")
    write_report(folder / "report.html", metrics, test, run.path if run else None)
    write_whole(folder / "metrics.json", _json(metrics))


def _free_folder(data: Data, recipe: Recipe) -> Path:
    """Choose a folder below runs/ that is not there yet."""
    source = Path(data.name).stem if data.named is None else data.name.replace(":", "-")
    folder = Path("runs") / f"{source}-{recipe.name}"
    number = 1
    while folder.exists():
        number += 1
        folder = Path("runs") / f"{source}-{recipe.name}-{number}"
    return folder


def _run_of(path: Path) -> Run:
    """Return the run that a classifier was asked for by, when it was asked for by a run."""
    for folder in (path, path.absolute().parent):
        if (folder / "recipe.toml").is_file() and (folder / "data.json").is_file():
            return Run(folder)
    raise NotUnderstoodError(f"{path} is a classifier without its run; name the pictures to measure it on")


def _path(path: str | PathLike[str] | None) -> Path | None:
    return None if path is None else Path(path)


def _json(content: dict[str, Any]) -> str:
    return json.dumps(content, indent=2) + "\n"


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SkysortError(f"cannot read {path}: {error}") from None
    return content
