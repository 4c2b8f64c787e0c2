import json
import math
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from skysort.classifier.decision import ABOVE_ALL, AsideShare, Calibration, Decision, probability_not_kept
from skysort.classifier.predictions import labelled, softmax, unreadable
from skysort.core.files import read_json
from tests.conftest import refused

CLASSES = ("airplane", "bird", "gull")


def made(threshold: float, keep: tuple[str, ...] = ("bird",)) -> Decision:
    return Decision(
        name="keep-bird",
        keep=keep,
        threshold=threshold,
        lose_at_most=0.02,
        confidence=0.95,
        calibration=Calibration(pictures=500, lost=4),
        set_aside=AsideShare(pictures=300, share=0.76, interval95=(0.71, 0.8)),
        date="2026-11-22",
    )


def test_a_picture_is_set_aside_when_the_other_classes_together_reach_the_threshold() -> None:
    prediction = labelled("1.jpg", np.array([0.5, 0.25, 0.25]), CLASSES)
    assert made(0.75).action(prediction) == "set-aside"
    assert made(math.nextafter(0.75, 1)).action(prediction) == "keep"
    assert made(0.75, keep=("bird", "gull")).action(prediction) == "keep"
    assert made(0.5, keep=("bird", "gull")).action(prediction) == "set-aside"


def test_a_picture_without_a_label_goes_to_review() -> None:
    assert made(1e-9).action(unreadable("1.jpg", "no image")) == "review"


def test_a_threshold_above_all_sets_nothing_aside_and_is_read_back_to_the_bit(tmp_path: Path) -> None:
    certain = labelled("1.jpg", softmax(np.array([[0, -1e4, 0]], np.float32))[0], CLASSES)
    assert made(1.0).action(certain) == "set-aside"
    assert made(ABOVE_ALL).action(certain) == "keep"
    path = tmp_path / "decision.json"
    for threshold in (ABOVE_ALL, 1.0, math.nextafter(1, 0), 0.1 + 0.2, 5e-324):
        path.write_text(json.dumps(made(threshold).model_dump(mode="json")), encoding="utf-8")
        assert read_json(path, Decision, code="damaged-classifier") == made(threshold)


def test_the_probability_of_a_picture_does_not_depend_on_its_batch_and_is_at_most_1() -> None:
    logits = np.random.default_rng(0).normal(0, 8, (1_000, 40)).astype(np.float32)
    logits[:500, 0] = -60  # so that the other classes sum to 1, up to rounding
    classes = [str(number) for number in range(40)]
    together = probability_not_kept(softmax(logits), classes, ["0"])
    alone = [probability_not_kept(softmax(logits[[row]]), classes, ["0"])[0] for row in range(1_000)]
    assert together.tolist() == alone
    assert together.max() == 1
    np.testing.assert_allclose(together, 1 - softmax(logits)[:, 0], atol=1e-12)


@pytest.mark.parametrize(
    ("keep", "code", "facts"),
    [
        (("brid",), "unknown-class", ("'brid'", "did you mean 'bird'?")),
        ((), "wrong-value", ("0 ", "of 3")),
        (CLASSES, "wrong-value", ("3 ", "of 3")),
    ],
)
def test_classes_to_keep_must_be_some_and_not_all(
    keep: tuple[str, ...], code: str, facts: tuple[str, ...]
) -> None:
    with refused(code, *facts, exit_code=2):
        probability_not_kept(np.ones((1, 3)) / 3, CLASSES, keep)


@pytest.mark.parametrize("threshold", [0.0, math.nan, math.inf, 1.1])
def test_an_impossible_threshold_is_refused(threshold: float) -> None:
    with pytest.raises(ValidationError, match="threshold"):
        made(threshold)


def test_a_decision_with_unknown_fields_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "decision.json"
    path.write_text(json.dumps({**made(0.9).model_dump(mode="json"), "unless": "rain"}), encoding="utf-8")
    with refused("damaged-classifier", path, "the field 'unless' is not known"):
        read_json(path, Decision, code="damaged-classifier")
