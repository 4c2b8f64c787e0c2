"""Figures of out-of-distribution pictures, which are of none of the classes."""

import numpy as np

from skysort.classifier.classifier import Classifier
from skysort.classifier.ood import is_unknown, scores
from skysort.core.progress import Progress
from skysort.data.ood import OodPictures
from skysort.trust.evaluation import Evaluation, logits_of
from skysort.trust.intervals import roc_auc_interval
from skysort.trust.metrics import OodFigures, share_of


def measure_ood(classifier: Classifier, ood: OodPictures, test: Evaluation, progress: Progress) -> OodFigures:
    """Run a classifier over out-of-distribution pictures and return their figures.

    Args:
        classifier: has a threshold for unknown.
        ood: decoded to the classifier's shape.
        test: evaluation of the test split, to compare with.
        progress: reports each chunk.

    Raises:
        SkysortError: when none of the pictures could be read.
    """
    from sklearn.metrics import roc_auc_score

    readable, logits, similarities = logits_of(
        classifier, "out-of-distribution pictures", ood.dataset, ood.rows, progress
    )
    num, num_test = len(logits), len(test.logits)
    is_of_classes = np.repeat([True, False], [num_test, num])
    area = float(roc_auc_score(is_of_classes, np.concatenate([test.ood_scores, scores(logits, similarities)])))
    return OodFigures(
        source=ood.source,
        fingerprint=ood.dataset.fingerprint(),
        pictures=num,
        unreadable=len(ood.rows) - len(readable),
        false_accepts=share_of(~is_unknown(classifier.table.unknown, logits, similarities)),
        roc_auc=area,
        roc_auc_interval95=roc_auc_interval(area, num_test, num),
        test_pictures=num_test,
    )
