"""What skysort improve says about its outcome, and how it compares pictures that are not independent."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from skysort.runs import improvement_outcome
from skysort.runs.improvement import Improvement, Outcome, RemadeDecision
from skysort.runs.improvement_text import LEFT_OUT, improvement_text
from skysort.trust.comparison import PairedComparison
from skysort.trust.guarantee import Scores
from skysort.trust.improvement import Advice

GROUPS = np.array([0, 0, 0, 1, 2])


def text(advice: Advice = "cannot-tell", left_out: int = 0, needed: int | None = None, **of_outcome: Any) -> str:
    promise = RemadeDecision(
        name="keep-bird", keep=("bird",), lose_at_most=0.1, confidence=0.9, num=22, needed=needed
    )
    result: dict[str, Any] = {
        "decisions": (promise,), "used": {"calibration": 22, "test": 30}, "labels": None, "set_aside": None,
        "lost": None, "leaks": 8, "advice": advice,
    }  # fmt: skip
    improvement = Improvement(
        run="runs/cam", classifier="0", aside="aside", journal="0", date="2026-01-01", decision="keep-bird",
        is_stale=True, folders={"aside": "aside", "keep-to": "my blog"}, rate=0.05, corrections=5,
        new_corrections=5, audited={"calibration": 25, "test": 35}, gone=(), new_classes=(), unused_classes={},
        left_out={**dict.fromkeys(LEFT_OUT, 0), "unanswered": left_out}, outcome=Outcome(**result | of_outcome),
    )  # fmt: skip
    return improvement_text(improvement, Path("runs/cam2"))


def test_it_counts_audited_pictures_without_leaks() -> None:
    lines = text().splitlines()
    (line,) = [line for line in lines if line.startswith("audited")]
    assert all(num in line for num in ("52", "22", "30")) and "60" not in line
    assert any("8 like one" in line for line in lines)


@pytest.mark.parametrize("advice", ["switch", "do-not-switch", "cannot-tell"])
def test_it_says_how_to_switch_only_if_that_is_the_advice(advice: Advice) -> None:
    lines = [line for line in text(advice).splitlines() if "skysort watch" in line]
    assert len(lines) == (advice == "switch")
    for line in lines:
        assert "runs/cam2 " in line and "--decision keep-bird" in line and "--keep-to 'my blog'" in line


def test_it_warns_where_more_looks_lack_an_answer_than_the_promise_may_lose() -> None:
    assert "warning" not in text(left_out=6)  # of 66: less than the promised 10 %
    assert "warning: 7 of 67" in text(left_out=7)
    assert "warning" not in text(left_out=7, needed=30), "there is no promise"


def test_without_a_test_a_broken_promise_is_no_reason_to_switch() -> None:
    assert "no test pictures" in text() and "keep-bird was not made anew" in text(needed=30)
    assert "keep-bird was not made anew" in text(decisions=())


def test_pictures_of_a_group_give_one_result() -> None:
    right = ([True, True, False, False, True], [True, True, True, False, True])
    judges = [
        SimpleNamespace(calibration=None, test=SimpleNamespace(is_right=np.array(of_one), rows=np.arange(5)))
        for of_one in right
    ]
    prepared = SimpleNamespace(groups=GROUPS, audited={})
    improvement = SimpleNamespace(decision="keep-bird", is_stale=True)
    found = improvement_outcome._outcome([], *cast(Any, (*judges, prepared, improvement)))
    assert found.labels == PairedComparison.of(
        ("old", "new"), *np.array([[False, False, True], [True, False, True]])
    )
    assert found.advice == "cannot-tell", "the new classifier lacks the decision in use"


def test_a_group_is_set_aside_as_a_whole_and_lost_by_one_picture() -> None:
    scores = np.array([0.9, 0.9, 0.1, 0.9, 0.1])
    of_both = (
        (Scores(("bird",), scores, GROUPS, scores, GROUPS), 0.5),
        (Scores(("bird",), scores, GROUPS, scores, GROUPS), 1.5),
    )
    set_aside, lost = improvement_outcome._set_aside(*of_both), improvement_outcome._lost(*of_both)
    assert set_aside is not None and (set_aside.only_first, set_aside.neither) == (1, 2)
    assert lost is not None and (lost.only_first, lost.neither) == (2, 1)
