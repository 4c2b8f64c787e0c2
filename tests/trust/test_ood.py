from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skysort.classifier.format import KeptShare, OodThreshold
from skysort.core.progress import SilentProgress
from skysort.data.decode import Shape
from skysort.data.ood import OodPictures
from skysort.trust.ood import measure_ood
from tests.report.test_run_page import collection_of, evaluation_of


def logits_of_scores(*scores: float) -> NDArray[np.float32]:
    """Of two classes, with those negative energies."""
    return np.tile(np.array(scores, np.float32)[:, None] - np.log(np.float32(2)), 2)


def test_ood_figures_by_hand(tmp_path: Path) -> None:
    dataset = collection_of(tmp_path / "ood", ["far"], 4)
    test = evaluation_of(collection_of(tmp_path / "pictures", ["bird", "kite"], 3))
    test = replace(test, logits=logits_of_scores(1, 2, 3, 4, 5, 6))
    unknown = OodThreshold(threshold=2.2, keep=0.7, calibration=KeptShare(pictures=10, kept=7))
    classifier: Any = SimpleNamespace(
        shape=Shape(8, 3),
        table=SimpleNamespace(unknown=unknown),
        logits_and_similarities=lambda pixels: (logits_of_scores(0, 1.5, 2.5, -1)[: len(pixels)], None),
    )
    figures = measure_ood(classifier, OodPictures("far", dataset, np.arange(4)), test, SilentProgress())
    assert figures.roc_auc == (6 + 5 + 4 + 6) / (4 * 6)
    assert (figures.pictures, figures.unreadable, figures.test_pictures) == (4, 0, 6)
    assert (figures.false_accepts.pictures, figures.false_accepts.share) == (4, 1 / 4)
