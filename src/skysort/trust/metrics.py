"""The figures of a split: accuracy, loss, calibration, per class, each with n and a 95 % interval."""

from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, BaseModel, ConfigDict

from skysort.classifier.decision import Decision, SetAside
from skysort.classifier.predictions import softmax
from skysort.trust.calibration import calibration_error, cross_entropies
from skysort.trust.intervals import (
    average_precision_interval,
    f1_interval,
    mean_interval,
    mean_share_interval,
    roc_auc_interval,
    wilson,
)

LEAST_WIDENING = 1.05
"""Of intervals, to be told of: of less, nobody would see the difference."""


class Measured(BaseModel):
    """A part of metrics.json; what a newer Skysort adds is kept."""

    model_config = ConfigDict(frozen=True, extra="allow", use_attribute_docstrings=True)


class Point(Measured):
    """A bin of a reliability diagram."""

    pictures: int
    confidence: float
    """Their mean."""
    accuracy: float
    interval95: tuple[float, float]
    """Of the accuracy."""


class CalibrationError(Measured):
    """How far confidences are from accuracies."""

    value: float
    interval95: tuple[float, float] | None
    """None of fewer pictures than a bin takes."""
    by_chance: float
    """What the value would be on average, for these confidences, were every one of them true."""
    points: tuple[Point, ...]
    """The bins, in the order of confidence."""


class CalibrationErrors(Measured):
    """How far to believe a split's confidences."""

    before: CalibrationError | None
    """Without the temperature; None where none was fitted."""
    after: CalibrationError
    """As the classifier answers."""


class ClassFigures(Measured):
    """The figures of a class; a share of no pictures is None."""

    pictures: int
    accuracy: float | None
    """The recall, too, as metrics.json has called it from the start."""
    recall: float | None
    """Share of the class's pictures that were labelled as it."""
    interval95: tuple[float, float] | None
    """Of the recall."""
    labelled: int
    """Pictures of whatever class that were labelled as this one."""
    precision: float | None
    precision_interval95: tuple[float, float] | None
    f1: float | None = None
    f1_interval95: tuple[float, float] | None = None
    average_precision: float | None = None
    """Of this class against the rest, as the last."""
    average_precision_interval95: tuple[float, float] | None = None
    roc_auc: float | None = None
    roc_auc_interval95: tuple[float, float] | None = None


class Share(Measured):
    """The share of some pictures that something holds for; of none it is None."""

    pictures: int
    """All of them."""
    share: float | None
    interval95: tuple[float, float] | None


class GroupCounts(Measured):
    """Pictures of a split that are not independent: of one declared group, of one burst, or near-duplicates."""

    groups: int
    widening: float
    """How many times as wide intervals would be, were the pictures of a group all alike; none allows for that."""


class SplitFigures(Measured):
    """The figures of a split."""

    pictures: int
    accuracy: float
    interval95: tuple[float, float]
    balanced_accuracy: float | None = None
    """Mean recall of the classes that have pictures."""
    balanced_accuracy_interval95: tuple[float, float] | None = None
    loss: float
    """Mean cross entropy, in nats."""
    loss_interval95: tuple[float, float] | None
    calibration_error: CalibrationErrors | None = None
    classes: dict[str, ClassFigures]
    confusion: dict[str, dict[str, int]]
    """How many pictures of a class got a label, by class and label; what never happened is left out."""
    unreadable: int
    grouped: GroupCounts | None = None
    """None where groups would hardly widen an interval."""
    unknown: Share | None = None
    """Called so; None where the classifier has no threshold."""
    accepted: Share | None = None
    """Labelled right, of those that are not called unknown."""
    without_duplicates: Share | None = None
    """Labelled right, of the test pictures that have nothing alike in an earlier split: no equal picture, no
    near-duplicate, none of their group. None where all are such."""

    def matrix(self) -> NDArray[np.int64]:
        """Return (classes, classes) counts: one row per true class, one column per label."""
        number = {name: label for label, name in enumerate(self.classes)}
        counts = np.zeros((len(number), len(number)), np.int64)
        for truth, labels in self.confusion.items():
            for label, num in labels.items():
                counts[number[truth], number[label]] = num
        return counts


class Effect(Measured):
    """What a decision does to test pictures that have nothing alike in an earlier split."""

    lost: SetAside | None
    """Of the classes to keep; None where there are none."""
    set_aside: SetAside | None
    """Of the others."""
    keep: tuple[str, ...] = ()
    """The decision's, as the next, since another may have its name now; older figures lack both."""
    threshold: float | None = None

    def is_of(self, decision: Decision) -> bool:
        """Return whether this is what a decision does, as far as it says of which it is."""
        return self.threshold is None or (self.keep, self.threshold) == (decision.keep, decision.threshold)


class OodFigures(Measured):
    """What a classifier makes of pictures of none of its classes."""

    source: str
    """A name, or an absolute path."""
    fingerprint: str
    pictures: int
    """Readable ones."""
    unreadable: int
    false_accepts: Share
    """Not called unknown."""
    roc_auc: float
    """How often an outside picture is less like the classes than one of the test split."""
    roc_auc_interval95: tuple[float, float]
    test_pictures: int
    """Of the test split, that the area is over, too."""


def _has_test(splits: dict[str, SplitFigures]) -> dict[str, SplitFigures]:
    if "test" not in splits:
        raise ValueError("expected figures of the split test")
    return splits


class Metrics(Measured):
    """metrics.json."""

    splits: Annotated[dict[str, SplitFigures], AfterValidator(_has_test)]
    """By part; `test` is always there."""
    parameters: int
    seconds: dict[str, float]
    temperature: float = 1.0
    """The classifier's, fitted on validation, or 1."""
    temperature_reason: str = ""
    """What it was fitted to, or why it is 1."""
    protocol: str
    classifier: str
    """Digest of the classifier measured."""
    data: dict[str, str]
    """Source and fingerprint of the pictures."""
    decisions: dict[str, Effect] = {}
    """What each of the classifier's decisions does on the test split."""
    outside: OodFigures | None = None
    """None where none were named."""


def measure(
    logits: NDArray[np.float32], truth: NDArray[np.int64], classes: Sequence[str], temperature: float = 1.0
) -> dict[str, Any]:
    """Return the figures of a split, as metrics.json holds them, with intervals as `intervals` has them.

    Args:
        logits: (N, classes), N at least 1.
        truth: (N,) class indices.
        classes: their names.
        temperature: that the logits have been divided by; 1 when none was fitted.

    Returns:
        What `SplitFigures` says, as far as logits and truth tell it.
    """
    losses = cross_entropies(logits, truth)
    confusion = np.zeros((len(classes), len(classes)), np.int64)
    np.add.at(confusion, (truth, logits.argmax(axis=1)), 1)
    num, num_right = len(truth), int(confusion.trace())
    shares = softmax(logits)
    nums, nums_labelled = confusion.sum(axis=1).tolist(), confusion.sum(axis=0).tolist()
    figures = {
        name: {
            **_class_figures(int(confusion[label, label]), nums[label], nums_labelled[label]),
            **_against_the_rest(shares[:, label], truth == label),
        }
        for label, name in enumerate(classes)
    }
    seen = [of_class for of_class in figures.values() if of_class["pictures"]]
    recalls = [of_class["recall"] for of_class in seen]
    return {
        "pictures": num,
        "accuracy": num_right / num,
        "interval95": wilson(num_right, num),
        "balanced_accuracy": float(np.mean(recalls)),
        "balanced_accuracy_interval95": mean_share_interval(
            recalls, [of_class["interval95"] for of_class in seen]
        ),
        "loss": float(losses.mean()),
        "loss_interval95": mean_interval(losses) if num > 1 else None,
        "calibration_error": _calibration(logits, truth, temperature),
        "classes": figures,
        "confusion": _counts(confusion, classes),
    }


def share_of(is_so: NDArray[np.bool_]) -> dict[str, Any]:
    """Return of how many of (N,) pictures something is so, as `Share` has it."""
    num, num_so = len(is_so), int(is_so.sum())
    return {
        "pictures": num,
        "share": num_so / num if num else None,
        "interval95": wilson(num_so, num) if num else None,
    }


def _calibration(logits: NDArray[np.float32], truth: NDArray[np.int64], temperature: float) -> dict[str, Any]:
    right = logits.argmax(axis=1) == truth
    before = softmax(logits * temperature).max(axis=1) if temperature != 1 else None
    return {
        "before": None if before is None else calibration_error(before, right),
        "after": calibration_error(softmax(logits).max(axis=1), right),
    }


def _counts(confusion: NDArray[np.int64], classes: Sequence[str]) -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = {}
    for truth, label in np.argwhere(confusion).tolist():
        counts.setdefault(classes[truth], {})[classes[label]] = int(confusion[truth, label])
    return counts


def _class_figures(right: int, num: int, num_labelled: int) -> dict[str, Any]:
    """Return a class's figures from how many of its pictures were labelled so, and how many pictures there are."""
    return {
        "pictures": num,
        "accuracy": right / num if num else None,
        "recall": right / num if num else None,
        "interval95": wilson(right, num) if num else None,
        "labelled": num_labelled,
        "precision": right / num_labelled if num_labelled else None,
        "precision_interval95": wilson(right, num_labelled) if num_labelled else None,
        "f1": 2 * right / (num + num_labelled) if num else None,
        "f1_interval95": f1_interval(right, num + num_labelled - 2 * right) if num else None,
    }


def _against_the_rest(shares: NDArray[np.float64], is_of_class: NDArray[np.bool_]) -> dict[str, Any]:
    """Return how well (N,) probabilities set a class apart; None where one side has no picture.

    Pictures of equal probability are one step of the curves, as scikit-learn has it.
    """
    names = ("average_precision", "average_precision_interval95", "roc_auc", "roc_auc_interval95")
    num = int(is_of_class.sum())
    num_others = len(shares) - num
    if not (num and num_others):
        return dict.fromkeys(names)
    order = np.argsort(-shares)
    ends = np.append(np.flatnonzero(np.diff(shares[order])), len(shares) - 1)
    num_of_class = np.cumsum(is_of_class[order])[ends]  # with a probability of each end's or more
    more = np.diff(num_of_class, prepend=0)
    more_others = np.diff(ends + 1 - num_of_class, prepend=0)
    precision = float((more * num_of_class / (ends + 1)).sum() / num)
    area = float((more_others * (num_of_class - more / 2)).sum() / (num * num_others))
    intervals = average_precision_interval(precision, num), roc_auc_interval(area, num, num_others)
    return dict(zip(names, (precision, intervals[0], area, intervals[1]), strict=True))
