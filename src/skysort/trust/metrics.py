"""The figures of a split: accuracy, loss, calibration, per class, each with n and a 95 % interval."""

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator

from skysort.classifier.decision import AsideShare, Decision
from skysort.classifier.format import Headline
from skysort.classifier.predictions import cross_entropies, softmax
from skysort.core.models import FrozenModel
from skysort.trust.calibration import CalibrationError, calibration_error
from skysort.trust.intervals import (
    Interval,
    average_precision_interval,
    f1_interval,
    mean_interval,
    mean_share_interval,
    roc_auc_interval,
    wilson,
)

LEAST_WIDENING = 1.05
"""Factor from which on figures report that groups widen intervals; a reader would not notice a smaller one."""


class CalibrationErrors(FrozenModel):
    """Calibration errors of a split, without and with the temperature."""

    before: CalibrationError | None
    """Without the temperature; None if none was fitted."""
    after: CalibrationError
    """With the temperature, as the classifier answers."""


class ClassFigures(FrozenModel):
    """The figures of a class. A share of no pictures is None."""

    pictures: int
    recall: float | None
    """Share of the pictures of the class that got its label."""
    interval95: Interval | None
    """Of the recall."""
    labelled: int
    """Pictures of any class that got the label of this one."""
    precision: float | None
    precision_interval95: Interval | None
    f1: float | None
    f1_interval95: Interval | None
    average_precision: float | None
    """Of this class against the rest, like the ROC AUC."""
    average_precision_interval95: Interval | None
    roc_auc: float | None
    roc_auc_interval95: Interval | None


class Share(FrozenModel):
    """The share of pictures for which something holds. The share of no pictures is None."""

    pictures: int
    """Pictures that the share is of."""
    share: float | None
    interval95: Interval | None


class GroupCounts(FrozenModel):
    """How the pictures of a split fall into groups: declared groups, bursts and near-duplicates."""

    groups: int
    widening: float
    """Factor by which intervals would widen if the pictures of a group were all equal. No interval here does."""


class SplitFigures(FrozenModel):
    """The figures of a split."""

    pictures: int
    accuracy: float
    interval95: Interval
    balanced_accuracy: float
    """Mean recall of the classes that have pictures."""
    balanced_accuracy_interval95: Interval
    loss: float
    """Mean cross entropy, in nats."""
    loss_interval95: Interval | None
    calibration_error: CalibrationErrors
    classes: dict[str, ClassFigures]
    confusion: dict[str, dict[str, int]]
    """Number of pictures by true class and label; pairs with no picture are left out."""
    unreadable: int = 0
    grouped: GroupCounts | None = None
    """None if groups would hardly widen an interval."""
    unknown: Share | None = None
    """Share of pictures called unknown; None if the classifier has no threshold for that."""
    accepted: Share | None = None
    """Share labelled right of the pictures not called unknown; None if the classifier has no threshold."""
    without_duplicates: Share | None = None
    """Share labelled right of the test pictures that do not leak: no equal picture, no near-duplicate and no
    picture of their group is in an earlier split. None if no test picture leaks."""

    @property
    def headline(self) -> Headline:
        """The figures that classifier.json shows."""
        return Headline(pictures=self.pictures, accuracy=self.accuracy, interval95=self.interval95)

    def matrix(self) -> NDArray[np.int64]:
        """Return (classes, classes) counts: one row per true class, one column per label."""
        number = {name: label for label, name in enumerate(self.classes)}
        counts = np.zeros((len(number), len(number)), np.int64)
        for truth, labels in self.confusion.items():
            for label, num in labels.items():
                counts[number[truth], number[label]] = num
        return counts


class Effect(FrozenModel):
    """The effect of a decision on the test pictures that do not leak."""

    lost: AsideShare | None
    """Pictures of the classes to keep that are set aside; None if there are no such pictures."""
    set_aside: AsideShare | None
    """Pictures of the other classes that are set aside; None if there are no such pictures."""
    keep: tuple[str, ...]
    """Classes that the decision keeps. They and the threshold tell it from a later decision of the same name."""
    threshold: float

    def is_of(self, decision: Decision) -> bool:
        """Return whether this is the effect of this decision, and not of an earlier one of the same name."""
        return (self.keep, self.threshold) == (decision.keep, decision.threshold)


class OodFigures(FrozenModel):
    """Figures of out-of-distribution pictures."""

    source: str
    """A name of built-in data, or an absolute path."""
    fingerprint: str
    pictures: int
    """Readable ones."""
    unreadable: int
    false_accepts: Share
    """Not called unknown."""
    roc_auc: float
    """Probability that one of them has a lower score than a picture of the test split."""
    roc_auc_interval95: Interval
    test_pictures: int
    """Pictures of the test split that the ROC AUC compares them with."""


def _has_held_out(splits: dict[str, SplitFigures]) -> dict[str, SplitFigures]:
    if not splits.keys() & {"test", "folds"}:
        raise ValueError("expected figures of the test split, or of folds")
    return splits


class Metrics(FrozenModel):
    """metrics.json."""

    splits: Annotated[dict[str, SplitFigures], AfterValidator(_has_held_out)]
    """By name of the split; `test` is always there or, under protocol `folds`, `folds` in its place."""
    parameters: int
    """Number of trained parameters."""
    temperature: float
    """The logits are divided by it; 1 if none was fitted to validation pictures."""
    temperature_reason: str
    """The pictures that it was fitted to, or why it is 1."""
    seconds: dict[str, float]
    """Duration of each step, such as `training`."""
    protocol: str
    learned: dict[str, int]
    """Number of pictures that the classifier learned from, by split; empty for figures of other pictures than its
    run's. Validation pictures that it learned from have no figures."""
    classifier: str
    """SHA-256 of the model.onnx that was measured."""
    data: dict[str, str]
    """Source and fingerprint of the pictures."""
    decisions: dict[str, Effect]
    """Effect of each decision on the test split, by its name."""
    ood: OodFigures | None = None
    """None if no out-of-distribution pictures were given."""

    @property
    def held_out_split(self) -> str:
        """The split whose pictures were not learned from: `test` or, under protocol `folds`, `folds`."""
        return "test" if "test" in self.splits else "folds"

    @property
    def held_out_pictures(self) -> str:
        """The pictures of that split, in words."""
        return "test pictures" if self.held_out_split == "test" else "pictures of all folds"

    @property
    def held_out(self) -> SplitFigures:
        """The figures of that split. With folds they are of all pictures, each judged in its turn."""
        return self.splits[self.held_out_split]


def measure(
    logits: NDArray[np.float32], truth: NDArray[np.int64], classes: Sequence[str], temperature: float = 1.0
) -> SplitFigures:
    """Return the figures of a split that follow from logits and true classes.

    Args:
        logits: (N, classes), N at least 1.
        truth: (N,) class indices.
        classes: their names.
        temperature: that the logits have been divided by; 1 when none was fitted.
    """
    losses = cross_entropies(logits, truth)
    confusion = np.zeros((len(classes), len(classes)), np.int64)
    np.add.at(confusion, (truth, logits.argmax(axis=1)), 1)
    num, num_right = len(truth), int(confusion.trace())
    shares = softmax(logits)
    nums_labelled = confusion.sum(axis=0).tolist()
    figures = {
        name: _class_figures(int(confusion[label, label]), nums_labelled[label], shares[:, label], truth == label)
        for label, name in enumerate(classes)
    }
    measured = [(of.recall, of.interval95) for of in figures.values() if of.recall is not None and of.interval95]
    recalls, intervals = zip(*measured, strict=True)
    return SplitFigures(
        pictures=num,
        accuracy=num_right / num,
        interval95=wilson(num_right, num),
        balanced_accuracy=float(np.mean(recalls)),
        balanced_accuracy_interval95=mean_share_interval(recalls, intervals),
        loss=float(losses.mean()),
        loss_interval95=mean_interval(losses) if num > 1 else None,
        calibration_error=_calibration_errors(logits, truth, temperature),
        classes=figures,
        confusion=_counts(confusion, classes),
    )


def share_of(holds: NDArray[np.bool_]) -> Share:
    """Return the share of (N,) pictures that something holds for."""
    num, num_so = len(holds), int(holds.sum())
    return Share(
        pictures=num, share=num_so / num if num else None, interval95=wilson(num_so, num) if num else None
    )


def _calibration_errors(
    logits: NDArray[np.float32], truth: NDArray[np.int64], temperature: float
) -> CalibrationErrors:
    right = logits.argmax(axis=1) == truth
    before = softmax(logits * temperature).max(axis=1) if temperature != 1 else None
    return CalibrationErrors(
        before=None if before is None else calibration_error(before, right),
        after=calibration_error(softmax(logits).max(axis=1), right),
    )


def _counts(confusion: NDArray[np.int64], classes: Sequence[str]) -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = {}
    for truth, label in np.argwhere(confusion).tolist():
        counts.setdefault(classes[truth], {})[classes[label]] = int(confusion[truth, label])
    return counts


def _class_figures(
    num_right: int, num_labelled: int, shares: NDArray[np.float64], is_of_class: NDArray[np.bool_]
) -> ClassFigures:
    """Return a class's figures.

    Args:
        num_right: pictures of the class that were labelled as it.
        num_labelled: pictures that were labelled as it.
        shares: (N,) its probability, by picture.
        is_of_class: (N,) whether a picture is of the class.
    """
    num = int(is_of_class.sum())
    precision, area = _against_the_rest(shares, is_of_class)
    return ClassFigures(
        pictures=num,
        recall=num_right / num if num else None,
        interval95=wilson(num_right, num) if num else None,
        labelled=num_labelled,
        precision=num_right / num_labelled if num_labelled else None,
        precision_interval95=wilson(num_right, num_labelled) if num_labelled else None,
        f1=2 * num_right / (num + num_labelled) if num else None,
        f1_interval95=f1_interval(num_right, num + num_labelled - 2 * num_right) if num else None,
        average_precision=precision,
        average_precision_interval95=None if precision is None else average_precision_interval(precision, num),
        roc_auc=area,
        roc_auc_interval95=None if area is None else roc_auc_interval(area, num, len(shares) - num),
    )


def _against_the_rest(
    shares: NDArray[np.float64], is_of_class: NDArray[np.bool_]
) -> tuple[float, float] | tuple[None, None]:
    """Return average precision and ROC AUC of (N,) probabilities; None where one side has no picture.

    Pictures of equal probability are one step of the curves, as scikit-learn has it.
    """
    num = int(is_of_class.sum())
    num_others = len(shares) - num
    if not (num and num_others):
        return None, None
    order = np.argsort(-shares)
    ends = np.append(np.flatnonzero(np.diff(shares[order])), len(shares) - 1)
    num_of_class = np.cumsum(is_of_class[order])[ends]  # with a probability of each end's or more
    more = np.diff(num_of_class, prepend=0)
    more_others = np.diff(ends + 1 - num_of_class, prepend=0)
    precision = float((more * num_of_class / (ends + 1)).sum() / num)
    area = float((more_others * (num_of_class - more / 2)).sum() / (num * num_others))
    return precision, area
