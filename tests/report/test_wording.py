from pathlib import Path

import numpy as np
import pytest

from skysort.classifier.decision import ABOVE_ALL
from skysort.report.wording import decision_sentences
from skysort.trust.guarantee import decide, share_set_aside
from tests.conftest import numbers
from tests.trust.test_guarantee import CLASSES, drawn_scores

PAGE = Path(__file__).parents[2] / "docs" / "guarantee.md"


def worded(classes: tuple[str, ...] = ("airplane", "bird"), **changes: object) -> list[str]:
    decision = decide(drawn_scores(), 0.02, 0.95, "2026-11-22")
    return decision_sentences(decision.model_copy(update=changes), classes)


def test_the_words_are_those_of_the_page() -> None:
    assert " ".join(worded()) in " ".join(PAGE.read_text("utf-8").split())


@pytest.mark.parametrize(
    ("lose_at_most", "confidence", "expected"),
    [
        (0.001, 0.95, " 1 in 1,000 "),
        (0.07, 0.999, " 70 in 1,000 "),
        (0.0005, 0.95, " 5 in 10,000 "),
        (1 / 3, 0.95, " 333.3333333 in 1,000 "),
        (0.02, 0.95, " 95 of 100 "),
        (0.02, 0.999, " 9,990 of 10,000 "),
    ],
)
def test_shares_are_said_without_the_noise_of_doubles(
    lose_at_most: float, confidence: float, expected: str
) -> None:
    assert expected in worded(lose_at_most=lose_at_most, confidence=confidence)[1]


@pytest.mark.parametrize(
    ("threshold", "expected"),
    [
        (0.981234, "0.981"),
        (0.75, "0.75"),
        (0.9999999312, "0.999999931"),
        (1 - 2**-53, "0.99999999999999989"),
        (1.0, "1"),
        (0.012345, "0.0123"),
        (5e-324, "4.94e-324"),
    ],
)
def test_a_threshold_is_said_with_the_digits_that_matter(threshold: float, expected: str) -> None:
    rule = worded(threshold=threshold)[0]
    assert numbers(rule) == [expected] and "'bird'" in rule


def test_other_cases_have_their_own_words() -> None:
    calibration = decide(drawn_scores(), 0.02, 0.95, "2026-11-22").calibration
    assert numbers(worded(threshold=ABOVE_ALL)[0]) == []  # no probability sets anything aside
    one = calibration.model_copy(update={"pictures": 1, "lost": 0})
    assert numbers(worded(calibration=one)[1])[-2:] == ["1", "0"]
    grouped = calibration.model_copy(update={"groups": 200, "lost_groups": 1})
    in_groups = worded(calibration=grouped, lose_at_most=0.001, left_out=3)
    assert " 1 in 1,000 " in in_groups[1] and "ear-duplicates" in in_groups[1]
    assert numbers(in_groups[1])[-5:] == ["500", "200", "4", "1", "3"]
    assert "group" in in_groups[3] and "group" not in worded()[3]
    assert numbers(worded(set_aside=None)[2]) == []  # the effect is not known
    assert r"'\x1b[31m'" in worded(("a\nb", "\x1b[31m"), keep=("\x1b[31m",))[0]
    assert "'bird' or 'gull'" in worded(CLASSES, keep=("bird", "gull"))[0]


@pytest.mark.parametrize(("num", "is_useful"), [(0, False), (20, False), (28, False), (29, True)])
def test_a_decision_that_may_do_no_more_than_chance_says_so(num: int, is_useful: bool) -> None:
    found = share_set_aside(np.arange(1_000) / 1_000, np.arange(1_000), 1 - num / 1_000 - 1e-9)
    assert found is not None
    effect = worded(CLASSES, set_aside=found)[2]
    assert numbers(effect)[:3] == ["1,000", str(num), "95"]
    assert ("20 in 1,000" in effect) == (not is_useful)  # as many at random would keep the promise, too
