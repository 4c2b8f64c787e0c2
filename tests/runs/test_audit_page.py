"""The page of a decision in use, over pictures whose first pixel decides."""

from pathlib import Path

import numpy as np

from skysort.runs.audit import judge
from skysort.runs.audit_page import write_page_of
from skysort.runs.drift import drift_folder
from skysort.trust.audit import Arrivals, Verdict, loss_over_time, loss_so_far
from skysort.work.coins import AuditRates
from skysort.work.journal import Journal
from skysort.work.undo import UndoRequest, take_back
from tests.report.test_run_page import Page
from tests.runs.test_audit import answer_all, arrive


def page_of(top: Path) -> Page:
    with Journal(top / "aside") as journal:
        write_page_of(journal, judge(journal), drift_folder(top / "aside", reference=20), top / "report.html")
    return Page((top / "report.html").read_text("utf-8"))


def test_the_page_has_looks_alarms_drift_and_what_was_undone(tmp_path: Path) -> None:
    arrive(tmp_path, 20, 3, 10, AuditRates(1.0, 1.0))
    early = page_of(tmp_path)
    assert "not tested yet" in early.headings[0]
    assert [early.row(0, name) for name in ("set aside", "kept or to review", "all")] == [
        "23 23 0 23", "10 10 0 10", "33 33 0 33",
    ]  # fmt: skip
    answer_all(tmp_path)
    with Journal(tmp_path / "aside") as journal:
        (first,) = journal.rows(picture="bird-0.png")
        list(take_back(journal, iter([first]), UndoRequest("undo", True, "bird", False)))
        (taken,) = journal.answers.take_back(1)
        taken_from = journal.row(taken.row).place
    page = page_of(tmp_path)
    assert "BROKEN" in page.headings[0] and page.row(0, "all") == "33 33 32 1"
    assert page.html.count("<svg") == 2  # the loss and the evidence
    texts = " ".join(page.texts)
    assert "raised; it holds" in texts and f"answer taken back: bird for {taken_from}" in texts
    assert f"undo: {first.place} -> {first.source}, remembered as bird" in texts
    assert not {"script", "iframe", "link rel=stylesheet"} & page.names
    with Journal(tmp_path / "aside") as journal:
        journal.answers.take_back(40)
    assert "and lifted" in " ".join(page_of(tmp_path).texts)


def test_a_young_decision_has_a_page_too(tmp_path: Path) -> None:
    arrive(tmp_path, 0, 0, 1, AuditRates(1.0, 1.0))
    page = page_of(tmp_path)
    assert "svg" not in page.names and page.row(0, "set aside") == "0 0 0 0"


def test_the_loss_over_time_ends_with_the_loss_so_far() -> None:
    rng = np.random.default_rng(0)
    is_aside, answers = rng.random(500) < 0.1, np.full(500, Verdict.PROTECTED)
    answers[:7] = Verdict.OTHER
    arrivals = Arrivals.of(is_aside, np.ones(500), answers, 1.0, 1.0)
    points = loss_over_time(arrivals, most=50)
    assert len(points) == 49 and points[-1] == (500, loss_so_far(arrivals))  # none after the first picture
    assert points[0][1].high > points[-1][1].high
    assert loss_over_time(arrivals.first(3)) == []
