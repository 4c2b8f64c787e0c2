"""The audit of a decision that counts groups: over bursts of pictures whose first pixel decides."""

import io
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from skysort.classifier.decision import BURST_SECONDS, Calibration, Decision, Grouping
from skysort.runs.audit_text import as_json, as_text
from skysort.work.answered_pictures import answered_pictures
from skysort.work.coins import AuditRates
from skysort.work.groups import PATIENCE
from skysort.work.journal import Journal
from skysort.work.journal_export import corrected
from tests.runs.test_audit import answer_all, arrive, audit_folder
from tests.work.test_coins import RULE
from tests.work.test_watch import put

OF_BURSTS = RULE.model_copy(update={"grouping": Grouping(burst_seconds=30.0)})
LATER = PATIENCE + 31


def frame(value: int, second: int, number: int) -> bytes:
    """A JPEG with a capture time: below 128 an airplane by the classifier. No two are equal."""
    exif, file = Image.Exif(), io.BytesIO()
    exif.get_ifd(0x8769)[0x9003] = time.strftime("%Y:%m:%d %H:%M:%S", time.gmtime(second))
    Image.fromarray(np.full((8, 8, 3), value, np.uint8)).save(file, "JPEG", exif=exif)
    return file.getvalue() + b"%d" % number


def bursts(top: Path, rates: AuditRates, *frames: Sequence[tuple[str, int]]) -> None:
    """Let bursts arrive: what each frame shows, and its grey value."""
    for number, of_burst in enumerate(frames):
        for place, (name, value) in enumerate(of_burst):
            content = frame(value, 1000 * number + 20 * place, 100 * number + place)
            put(top, {f"inbox/{name}-{number}-{place}.jpg": content})
    arrive(top, 0, 0, 0, rates, OF_BURSTS)


def later(monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    monkeypatch.setattr("skysort.runs.audit.time.time", lambda: now + LATER)


def test_a_burst_counts_once_and_is_lost_with_one_of_its_birds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    last = ["airplane", *["bird"] * 7]
    bursts(tmp_path, AuditRates(1.0, 1.0), *([*[("bird", 200)] * 3, (name, 10)] for name in last))
    young = answer_all(tmp_path)
    assert (young.result.arrivals, young.result.done, young.result.protected) == (8, 0, 0), "they may still grow"
    assert young.grows_until and young.grows_until > time.time() and "count from" in as_text(young)
    later(monkeypatch)
    report = audit_folder(tmp_path / "aside")
    assert (report.result.arrivals, report.result.done) == (8, 8) and report.grows_until is None
    assert (report.result.protected, report.result.lost) == (8, 7)
    assert "8 groups of 32 pictures" in as_text(report) and "looked-at groups of bird" in as_text(report)
    assert '"unit": "group"' in as_json(report)
    assert report.result.alarm_at is not None
    of_alarm = report.newest_looks[report.result.alarm_at].group
    assert of_alarm and report.stale_since == of_alarm.rows[3].planned, "when the group was whole"


def test_all_pictures_of_a_drawn_group_are_asked_and_one_without_an_answer_counts_for_the_promise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = [10] * 6 + [190] * 3
    bursts(tmp_path, AuditRates(1.0, 1e-9), *([("bird", value), ("bird", 200)] for value in values))
    report = audit_folder(tmp_path / "aside")
    firsts = {look.row.source.name.split("-")[1] for look in report.due}
    assert "0 of 6 done, 6 to do with 12 pictures, drawn from 9 groups of 18 pictures" in as_text(report)
    assert firsts == set("012345") and len(report.due) == 12, "a kept picture beside one that was set aside, too"
    with Journal(tmp_path / "aside") as journal:
        journal.answers.add([(report.due[1].row.id, "airplane")], "me")
    later(monkeypatch)
    assert audit_folder(tmp_path / "aside").result.protected == 0
    assert answer_all(tmp_path).result.lost == 6 - (report.due[1].row.action == "set-aside")


def test_groups_calibrate_or_test_as_a_whole_and_train_nothing(tmp_path: Path) -> None:
    bursts(tmp_path, AuditRates(1.0, 1.0), *[[("bird", 10), ("bird", 200), ("bird", 199)]] * 6)
    drawn = answer_all(tmp_path)
    num_groups = len({look.group.first.id for look in drawn.looks if look.is_drawn and look.group})
    with Journal(tmp_path / "aside") as journal:
        parts: dict[str, set[str]] = {}
        for picture in answered_pictures(journal).pictures:
            parts.setdefault(picture.row.source.name.split("-")[1], set()).add(picture.part)
        assert len(parts) == num_groups and all(len(of_group) == 1 for of_group in parts.values())
        assert corrected(journal).labels == {}
        journal.answers.take_back(1)
        left_out = answered_pictures(journal).left_out
    assert left_out.unanswered == 3, "a group without one of its pictures is no group of the promise"


def test_a_decision_counts_bursts_if_its_calibration_pictures_came_in_groups() -> None:
    assert RULE.grouping_in_use is None and OF_BURSTS.grouping_in_use == Grouping(burst_seconds=30.0)
    grouped = Calibration(pictures=100, lost=0, groups=60, lost_groups=0)
    rule = Decision(**dict(RULE) | {"calibration": grouped})
    assert rule.grouping_in_use == Grouping(burst_seconds=BURST_SECONDS)
