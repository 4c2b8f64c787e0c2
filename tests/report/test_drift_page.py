from pathlib import Path

import numpy as np
import pytest

from skysort.report.drift_page import Evidence, LoudCard, write_drift_page
from skysort.report.thumbnails import thumbnail
from skysort.trust.drift import drift
from tests.report.test_run_page import HOSTILE, Page

NORMAL = np.random.default_rng(0).normal


def written(tmp_path: Path, arrivals: int) -> Page:
    result = drift([NORMAL(size=50)], [NORMAL(size=arrivals) + 2])
    small = thumbnail(np.zeros((3, 8, 8), np.uint8))
    cards = [LoudCard(small, HOSTILE, "2026-11-20", "bird 0.9"), LoudCard(None, "gone.jpg", "2026-11-21", "")]
    path = tmp_path / "drift.html"
    write_drift_page(path, headline="Look.", facts={"Since": "5"}, result=result, faults=[HOSTILE], cards=cards)
    return Page(path.read_text("utf-8"))


@pytest.mark.usefixtures("drawn_charts")
def test_the_page_shows_pictures_faults_and_evidence(tmp_path: Path) -> None:
    page = written(tmp_path, 200)
    assert page.headings[0] == "Look." and {"Since", "5", "gone.jpg", "2026-11-21"} <= set(page.texts)
    assert [tag for tag, _ in page.tags].count("img") == 1
    assert "svg" in page.names and not {"script", "iframe"} & page.names
    assert page.texts.count(HOSTILE) == 2


def test_without_arrivals_there_is_no_chart(tmp_path: Path) -> None:
    assert "svg" not in written(tmp_path, 0).names


def test_the_chart_in_words_names_the_arrival_that_reached_the_line() -> None:
    result = drift([NORMAL(size=50)], [NORMAL(size=200) + 2])
    assert result.alarm_at is not None and f"arrival {result.alarm_at + 1}." in Evidence(result).summary
    assert "never" in Evidence(drift([NORMAL(size=50)], [NORMAL(size=5)])).summary
