"""The threshold below which a run's classifier calls a picture unknown."""

from skysort.classifier.classifier import Classifier
from skysort.classifier.format import OodThreshold
from skysort.core.progress import Progress
from skysort.data.splits import PreparedData
from skysort.trust.abstention import threshold_for_unknown
from skysort.trust.evaluation import logits_of


def unknown_threshold(
    classifier: Classifier, keep: float, prepared: PreparedData, progress: Progress
) -> OodThreshold:
    """Return the threshold that keeps a share of pictures like those of the calibration split."""
    rows, logits, similarities = logits_of(
        classifier, "calibration", prepared.dataset, prepared.to_calibrate(), progress
    )
    num_leaks = len(prepared.splits["calibration"]) - len(rows)
    return threshold_for_unknown(logits, keep, prepared.groups[rows], num_leaks, similarities)
