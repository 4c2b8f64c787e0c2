import math

import numpy as np

from skysort.classifier.format import KeptShare, OodThreshold
from skysort.classifier.ood import scores, why_unknown


def test_the_score_is_the_logarithm_of_the_sum_of_the_exponentials() -> None:
    found = scores(np.array([[0, 0], [math.log(3), math.log(5)], [1000, 0], [-1000, -1000]], np.float32))
    np.testing.assert_allclose(found, [math.log(2), math.log(8), 1000, math.log(2) - 1000], rtol=1e-6)


def test_a_picture_is_unknown_when_its_score_is_below_the_threshold() -> None:
    unknown = OodThreshold(threshold=12.5, keep=0.5, calibration=KeptShare(pictures=2, kept=2))
    assert why_unknown(unknown, np.array([[12.5], [12.4]], np.float32)) == [
        "",
        "like none of the classes: its score 12.4 is below 12.5",
    ]


def test_without_a_threshold_nothing_is_unknown() -> None:
    assert why_unknown(None, np.array([[-1e9], [1e9]], np.float32)) == ["", ""]
