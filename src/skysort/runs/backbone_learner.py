"""Learning from photographs: a backbone's features, and a head fitted to them. No PyTorch."""

import time

import numpy as np
from numpy.typing import NDArray

from skysort.classifier.classifier import Classifier
from skysort.classifier.evidence import Evidence
from skysort.classifier.format import MODEL, README, OodThreshold
from skysort.classifier.ood import Similarities, scores
from skysort.classifier.predictions import softmax
from skysort.classifier.proof import Logits
from skysort.classifier.readme import readme
from skysort.classifier.reference import Reference
from skysort.core.deadline import Deadline
from skysort.core.errors import SkysortError
from skysort.core.files import whole_folder, write_whole
from skysort.core.progress import Progress
from skysort.data.cut import Indices
from skysort.data.decode import Shape
from skysort.data.parallel import num_cores
from skysort.data.quality.suspect_labels import SuspectLabel, suspect_labels
from skysort.data.splits import PreparedData, evenly_spaced
from skysort.recipe.schema import Recipe
from skysort.recipe.sections import Training
from skysort.runs.backbone_table import backbone_table
from skysort.runs.folder import Run
from skysort.runs.reference_rows import reference_rows
from skysort.runs.unknown_threshold import unknown_threshold
from skysort.transfer.backbones import Backbone, checked_weights, find_backbone
from skysort.transfer.features import (
    PictureFeatures,
    compute_features,
    milliseconds_per_picture,
    num_missing,
)
from skysort.transfer.head import FittedHead, fit_head, make_folds
from skysort.transfer.learning_curve import accuracies_by_size
from skysort.transfer.network import backbone_model, head_of, whole_model
from skysort.transfer.out_of_fold import OutOfFold
from skysort.trust.abstention import threshold_for_unknown
from skysort.trust.calibration import fit_temperature
from skysort.trust.learning_curve import LearningCurve, Size

NUM_PROOF_PICTURES = 8
"""Fewer than of a small network: each is 150 kB."""
FROM_OUT_OF_FOLD = "out-of-fold answers to training pictures"


def hardware(training: Training) -> dict[str, str | int]:
    """Return `device` and `threads` as they are on this computer: ONNX Runtime is used on the processor.

    Raises:
        SkysortError: for another device.
    """
    if training.device not in ("auto", "cpu"):
        raise SkysortError(
            "device-not-here", f"the network 'backbone' runs on the processor, not on '{training.device}'"
        )
    return {"device": "cpu", "threads": training.threads or num_cores()}


def check_network(recipe: Recipe, shape: Shape) -> None:
    """Make sure that the backbone's weights are here and whole, and that it takes pictures of the size.

    Raises:
        NotUnderstoodError: when no backbone has the name.
        SkysortError: when it is not.
    """
    backbone = find_backbone(recipe.transfer.backbone)
    if shape.size != backbone.size:
        raise SkysortError(
            "wrong-picture-size",
            f"the backbone '{backbone.name}' takes pictures of {backbone.size}x{backbone.size}, not of"
            f" {shape.size}x{shape.size}; leave out pictures.size",
        )
    checked_weights(backbone)


def check_loss(recipe: Recipe, num_classes: int) -> None:
    """Refuse nothing: the loss is the cross-entropy of any number of classes."""


def check_own_network(recipe: Recipe, prepared: PreparedData) -> None:
    """Refuse nothing: a backbone is no network of a person's own."""


def learn(
    run: Run, recipe: Recipe, prepared: PreparedData, progress: Progress, _deadline: Deadline | None = None
) -> dict[str, float]:
    """Compute the features of all pictures, fit a head to the training pictures', and write the classifier.

    Returns:
        Seconds by step.

    Raises:
        SkysortError: when the weights are missing or damaged, or something cannot be written.
    """
    started = time.perf_counter()
    backbone, features = _features(recipe, prepared, progress)
    computed = time.perf_counter()
    rows, listing = prepared.splits["train"], prepared.dataset.listing
    others = np.setdiff1d(prepared.rows_of(recipe.transfer.learned_splits), rows)
    fitted = _fit(recipe, prepared, features, rows, others)
    progress.say(
        f"strength of the penalty: {fitted.strength:g}, by cross-validation on {len(rows):,} training pictures"
    )
    temperature = fit_temperature(fitted.out_of_fold.astype(np.float32), listing.labels[rows], FROM_OUT_OF_FOLD)
    progress.say(f"temperature {temperature.value:.3g}: {temperature.reason}")
    run.write_suspect_labels(_suspects(prepared, fitted, temperature.value))
    splits = [split for split in recipe.transfer.learned_splits if split in prepared.splits]
    progress.say(f"the head learned from {len(rows) + len(others):,} pictures: {' and '.join(splits)}")
    head = fitted.linear.cooled(temperature.value)
    learned = time.perf_counter()
    seconds = {"features": computed - started, "training": learned - computed}
    table = backbone_table(recipe, prepared, backbone, fitted, temperature, seconds)
    proof_rows = evenly_spaced(rows, NUM_PROOF_PICTURES)
    logits = (features.of(proof_rows) @ head.weight.T + head.bias) / head.temperature
    with whole_folder(run.classifier) as folder:
        model = whole_model(backbone_model(backbone), head, listing.classes, flip=recipe.transfer.flip)
        write_whole(folder / MODEL, model)
        classifier = Classifier.unproved(folder, table)
        if recipe.trust.keep_known is not None:
            reference = _reference(prepared, features, fitted, temperature.value)
            classifier.write_reference(reference)
            if "calibration" in prepared.splits:
                threshold = unknown_threshold(classifier, recipe.trust.keep_known, prepared, progress)
            else:
                cooled_logits = (fitted.out_of_fold / temperature.value).astype(np.float32)
                threshold = _threshold_out_of_fold(
                    recipe.trust.keep_known, prepared, features, cooled_logits, reference
                )
            classifier.table = classifier.table.with_unknown(threshold)
        write_whole(folder / README, readme(run.classifier.name, table.classes, table.pictures))
        classifier.write(prepared.dataset.pixels(proof_rows), logits.astype(np.float32))
    return {"export": time.perf_counter() - learned}


def _reference(
    prepared: PreparedData, features: PictureFeatures, fitted: FittedHead, temperature: float
) -> Reference:
    rows = reference_rows(prepared)
    chosen = np.searchsorted(prepared.splits["train"], rows)
    energies = scores((fitted.out_of_fold[chosen] / temperature).astype(np.float32))
    return Reference.of(features.of(rows).astype(np.float32), energies, prepared.groups[rows])


def _threshold_out_of_fold(
    keep: float, prepared: PreparedData, features: PictureFeatures, logits: Logits, reference: Reference
) -> OodThreshold:
    """Return the threshold by (N, classes) logits of the training pictures, from heads that have not seen them."""
    groups = prepared.groups[prepared.splits["train"]]
    similarities = _similarities_apart(prepared, features, reference)
    return threshold_for_unknown(logits, keep, groups, similarities=similarities)


def similarities_apart(
    recipe: Recipe, prepared: PreparedData, reference: Reference, progress: Progress
) -> Similarities:
    """Return the (N,) similarities of the training pictures to those of a reference outside their groups.

    Raises:
        SkysortError: when the weights are missing or damaged, or the cache cannot be written.
    """
    _, features = _features(recipe, prepared, progress)
    return _similarities_apart(prepared, features, reference)


def _similarities_apart(prepared: PreparedData, features: PictureFeatures, reference: Reference) -> Similarities:
    rows = prepared.splits["train"]
    of_reference = reference_rows(prepared)
    values = features.of(rows).astype(np.float32)
    return reference.similarities(values, prepared.groups[rows], prepared.groups[of_reference])


def _features(recipe: Recipe, prepared: PreparedData, progress: Progress) -> tuple[Backbone, PictureFeatures]:
    backbone = find_backbone(recipe.transfer.backbone)
    return backbone, compute_features(prepared.dataset, backbone, progress, flip=recipe.transfer.flip)


def _fit(
    recipe: Recipe,
    prepared: PreparedData,
    features: PictureFeatures,
    rows: Indices,
    others: Indices | None = None,
) -> FittedHead:
    """Fit a head to rows, which choose its penalty, and to others, which do not."""
    listing, penalty = prepared.dataset.listing, recipe.transfer.penalty
    return fit_head(
        features.of(rows),
        listing.labels[rows],
        prepared.groups[rows],
        len(listing.classes),
        class_weights=recipe.loss.class_weights,
        strength=None if penalty == "auto" else penalty,
        num_folds=recipe.transfer.folds,
        seed=recipe.training.seed,
        more=None if others is None else (features.of(others), listing.labels[others]),
    )


def learning_curve(recipe: Recipe, prepared: PreparedData, strength: float, progress: Progress) -> LearningCurve:
    """Return the accuracy by pictures per class, of heads that learned from parts of the training pictures.

    Args:
        recipe: recipe of a run.
        prepared: pictures of the run.
        strength: of the penalty.
        progress: where to report progress.

    Raises:
        SkysortError: when the weights are missing or damaged, or the cache cannot be written.
    """
    _, features = _features(recipe, prepared, progress)
    rows, listing = prepared.splits["train"], prepared.dataset.listing
    with progress.step("Drawing the learning curve", recipe.transfer.folds, unit="folds") as tell:
        by_size = accuracies_by_size(
            features.of(rows),
            listing.labels[rows],
            prepared.groups[rows],
            len(listing.classes),
            class_weights=recipe.loss.class_weights,
            strength=strength,
            num_folds=recipe.transfer.folds,
            seed=recipe.training.seed,
            tell=lambda: tell(1, ""),
        )
    sizes = (Size(per_class=per_class, accuracies=accuracies) for per_class, accuracies in by_size.items())
    return LearningCurve(sizes=tuple(sizes))


def seconds_for_features(recipe: Recipe, prepared: PreparedData) -> float:
    """Return how long the features take that are not in the cache yet, from a few pictures timed.

    Raises:
        SkysortError: when the weights are missing or damaged.
    """
    backbone, flip = find_backbone(recipe.transfer.backbone), recipe.transfer.flip
    num = num_missing(prepared.dataset, backbone, flip=flip)
    views = 2 if flip else 1
    return num * views * milliseconds_per_picture(backbone) / 1000 if num else 0.0


def out_of_fold_loss(recipe: Recipe, prepared: PreparedData, progress: Progress) -> float:
    """Return the mean cross-entropy of the training pictures, each judged by a head that has not seen it.

    Raises:
        SkysortError: when the weights are missing or damaged, or the cache cannot be written.
    """
    _, features = _features(recipe, prepared, progress)
    return _fit(recipe, prepared, features, prepared.splits["train"]).loss


def known_outputs(
    run: Run, recipe: Recipe, prepared: PreparedData, rows: Indices, progress: Progress
) -> tuple[Logits, NDArray[np.float32]]:
    """Return (N, classes) logits and (N, D) features of (N,) rows, by the cache and the run's classifier.

    The proof has shown that the whole model gives the same.
    """
    _, features = _features(recipe, prepared, progress)
    head = head_of(run.classifier / MODEL)
    values = features.of(rows)
    return (values @ head.weight.T + head.bias).astype(np.float32), values.astype(np.float32)


def out_of_fold(recipe: Recipe, prepared: PreparedData, progress: Progress) -> OutOfFold:
    """Return the answers to the training pictures, each by a head that learned from the other folds alone.

    Each fold's head chooses its penalty and its temperature within its own training pictures.

    Raises:
        SkysortError: when the weights are missing or damaged, or the cache cannot be written.
    """
    rows, listing = prepared.splits["train"], prepared.dataset.listing
    _, features = _features(recipe, prepared, progress)
    labels, groups = listing.labels[rows], prepared.groups[rows]
    logits, heads = np.zeros((len(rows), len(listing.classes)), np.float32), []
    head_of_picture = np.zeros(len(rows), np.int64)
    folds = list(make_folds(labels, groups, recipe.transfer.folds, recipe.training.seed))
    with progress.step("Judging every picture", len(rows)) as tell:
        for number, (training, held_out) in enumerate(folds):
            fitted = _fit(recipe, prepared, features, rows[training])
            temperature = fit_temperature(fitted.out_of_fold.astype(np.float32), labels[training])
            head = fitted.linear.cooled(temperature.value)
            answers = features.of(rows[held_out]) @ head.weight.T + head.bias
            logits[held_out] = answers / temperature.value
            head_of_picture[held_out] = number
            heads.append(head)
            tell(len(held_out), "")
    return OutOfFold(logits, tuple(heads), head_of_picture)


def evidence_out_of_fold(recipe: Recipe, prepared: PreparedData, answers: OutOfFold, rows: Indices) -> Evidence:
    """Return the evidence for the answers to (N,) training rows, by the heads that gave them.

    Raises:
        SkysortError: when the weights are missing or damaged.
    """
    backbone, numbers = find_backbone(recipe.transfer.backbone), np.searchsorted(prepared.splits["train"], rows)
    return answers.evidence(
        prepared.dataset.pixels(rows),
        numbers,
        backbone_model(backbone),
        prepared.dataset.listing.classes,
        flip=recipe.transfer.flip,
    )


def suspects(recipe: Recipe, prepared: PreparedData, progress: Progress) -> tuple[SuspectLabel, ...]:
    """Return the training pictures' labels that are likely wrong, by heads that learned from the other folds.

    Raises:
        SkysortError: when the weights are missing or damaged, or the cache cannot be written.
    """
    rows = prepared.splits["train"]
    _, features = _features(recipe, prepared, progress)
    fitted = _fit(recipe, prepared, features, rows)
    temperature = fit_temperature(fitted.out_of_fold.astype(np.float32), prepared.dataset.listing.labels[rows])
    return _suspects(prepared, fitted, temperature.value)


def _suspects(prepared: PreparedData, fitted: FittedHead, temperature: float) -> tuple[SuspectLabel, ...]:
    probabilities = softmax(fitted.out_of_fold / temperature)
    return suspect_labels(prepared.dataset.listing, prepared.splits["train"], probabilities)


def train_mode_accuracies(run: Run, prepared: PreparedData) -> dict[str, float] | None:
    """Return None: a head answers the same in both modes."""
    return None
