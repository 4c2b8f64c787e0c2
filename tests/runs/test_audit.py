"""What the journal's looks say, joined with trust: over pictures whose first pixel decides."""

import json
import sqlite3
import threading
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from skysort.classifier.classifier import Classifier
from skysort.classifier.decision import AsideShare, Decision
from skysort.runs.audit import AuditReport, judge, mixture_of, mixture_seen, report_of
from skysort.runs.audit_text import as_json, as_text
from skysort.trust.audit import Arrivals, Verdict
from skysort.trust.audit_forecast import Mixture
from skysort.work.answered_pictures import answered_pictures
from skysort.work.coins import AuditRates
from skysort.work.journal import Journal
from skysort.work.watch import Stop, watch_inbox
from skysort.work.watch_options import WatchOptions
from tests.conftest import refused
from tests.work.making import FirstPixel
from tests.work.test_coins import RULE
from tests.work.test_watch import picture, put


def audit_folder(aside: Path) -> AuditReport:
    with Journal(aside) as journal:
        return report_of(journal)


def arrive(
    top: Path, birds_aside: int, others_aside: int, kept: int, rates: AuditRates, rule: Decision = RULE
) -> None:
    """Let pictures arrive. Their names say what they show."""
    number = len(list(top.rglob("*.png")))
    for name, num, value in (("bird", birds_aside, 10), ("airplane", others_aside, 20), ("bird", kept, 200)):
        for _ in range(num):
            put(top, {f"inbox/{name}-{number}.png": picture(value)})
            number += 1
    options = WatchOptions(top / "inbox", top / "aside", once=True, settle=0.0, stuck=0.0, audit=rates)
    watch_inbox(cast(Classifier, FirstPixel()), rule, options, Stop())


def answer_all(top: Path) -> AuditReport:
    due = audit_folder(top / "aside").due
    with Journal(top / "aside") as journal:
        journal.answers.add([(look.row.id, look.row.source.name.split("-")[0]) for look in due], "me")
    return audit_folder(top / "aside")


def test_looks_are_counted_and_a_broken_promise_is_seen(tmp_path: Path) -> None:
    arrive(tmp_path, 0, 3, 20, AuditRates(1.0, 1.0))
    before = audit_folder(tmp_path / "aside")
    assert (before.result.drawn, before.result.due, len(before.due)) == (23, 23, 23)
    assert "not tested yet" in as_text(before) and "evidence" not in as_text(before)  # nobody has looked
    good = answer_all(tmp_path)
    assert (good.decision, good.keep, good.lose_at_most) == ("keep-bird", ("bird",), 0.1)
    assert (good.result.protected, good.result.lost, good.result.due) == (20, 0, 0)
    assert good.stale_since is None and good.forecasts and good.num_wrong_coins == 0
    arrive(tmp_path, 20, 0, 2, AuditRates(1.0, 0.5))
    bad = answer_all(tmp_path)
    assert bad.result.is_alarm and bad.result.lost == 20
    assert bad.stale_since and bad.stale_since >= good.looks[-1].row.planned
    assert "BROKEN" in as_text(bad) and "BROKEN" not in as_text(good)


def test_a_loss_above_the_promise_by_few_looks_is_not_called_good(tmp_path: Path) -> None:
    arrive(tmp_path, 1, 0, 0, AuditRates(1.0, 1.0))
    shown = as_text(answer_all(tmp_path))
    assert "100 %" in shown and "not broken yet" in shown and "chance alone" in shown


def test_the_numbers_are_those_of_the_truth(tmp_path: Path) -> None:
    rates = AuditRates(0.6, 0.3)
    arrive(tmp_path, 6, 12, 30, rates)
    found = answer_all(tmp_path)
    with Journal(tmp_path / "aside") as journal:
        rows = sorted(journal.rows(), key=lambda row: row.id)
    is_aside = [row.action == "set-aside" for row in rows]
    drawn = [float(row.coin or 0) < (0.6 if aside else 0.3) for row, aside in zip(rows, is_aside, strict=True)]
    is_bird = np.array([row.source.name.startswith("bird") for row in rows])
    assert found.result.drawn == sum(drawn)
    assert found.result.protected == (is_bird & drawn).sum()
    assert found.result.lost == (is_bird & drawn & is_aside).sum()


def test_a_new_decision_begins_anew_and_new_rates_do_not(tmp_path: Path) -> None:
    arrive(tmp_path, 0, 2, 5, AuditRates(1.0, 1.0))
    arrive(tmp_path, 0, 2, 0, AuditRates(0.5, 0.5))
    assert audit_folder(tmp_path / "aside").result.arrivals == 9
    stricter = RULE.model_copy(update={"lose_at_most": 0.05})
    arrive(tmp_path, 0, 3, 0, AuditRates(1.0, 1.0), stricter)
    found = audit_folder(tmp_path / "aside")
    assert found.lose_at_most == 0.05
    assert {look.row.source.name.split("-")[0] for look in found.looks if look.place.parent.name == "aside"} == {
        "airplane"
    }
    assert found.result.arrivals == 3 + 5  # those that stayed in the inbox were sorted again


def test_coins_that_were_changed_are_seen(tmp_path: Path) -> None:
    arrive(tmp_path, 0, 2, 5, AuditRates(0.5, 0.5))
    with sqlite3.connect(tmp_path / "aside.journal" / "journal.sqlite") as database:
        database.execute("UPDATE rows SET coin = 0.9999 WHERE id = 3")
    database.close()
    found = audit_folder(tmp_path / "aside")
    assert found.num_wrong_coins == 1 and "problem: 1 coin" in as_text(found)
    (tmp_path / "aside.journal" / "audit-seed").unlink()
    assert audit_folder(tmp_path / "aside").num_wrong_coins is None


def test_pictures_that_are_gone_are_said(tmp_path: Path) -> None:
    arrive(tmp_path, 0, 2, 0, AuditRates(1.0, 1.0))
    next((tmp_path / "aside").iterdir()).unlink()
    found = audit_folder(tmp_path / "aside")
    assert "1 drawn picture is not where" in as_text(found)
    assert [look["there"] for look in json.loads(as_json(found))["to_look_at"]].count(False) == 1


def test_nothing_to_audit_is_an_error(tmp_path: Path) -> None:
    with refused("no-journal", exit_code=2):
        audit_folder(tmp_path / "aside")
    with Journal(tmp_path / "aside", make=True):
        pass
    with refused("no-pictures", "--audit"):
        audit_folder(tmp_path / "aside")


def test_the_mixture_is_weighted_by_the_rates() -> None:
    """Of 10 looked-at pictures set aside at 100 %, and 10 kept ones at 10 %."""
    is_aside = np.arange(20) < 10
    answers = np.where(np.arange(20) % 2, Verdict.PROTECTED, Verdict.OTHER)
    arrivals = Arrivals.of(is_aside, np.ones(20), answers, 1.0, 0.1)
    assert mixture_seen(arrivals) == Mixture(pytest.approx(55 / 110), pytest.approx(5 / 55))
    few = replace(arrivals, answers=np.full(20, Verdict.OTHER, np.int8))
    assert mixture_seen(few) is None


def test_the_mixture_of_a_decision_is_that_of_calibration() -> None:
    assert mixture_of(RULE) == Mixture(1.0, 0.0)
    others = AsideShare(pictures=300, share=0.8, interval95=(0.7, 0.9))
    assert mixture_of(RULE.model_copy(update={"set_aside": others})) == Mixture(0.25, 0.8)


def judged(top: Path) -> AuditReport:
    with Journal(top / "aside") as journal:
        return judge(journal)


def test_an_alarm_marks_the_decision_until_its_answers_are_taken_back(tmp_path: Path) -> None:
    arrive(tmp_path, 20, 0, 2, AuditRates(1.0, 1.0))
    assert judged(tmp_path).alarms == ()
    answer_all(tmp_path)
    alarm = judged(tmp_path).alarm
    assert alarm and alarm.lifted is None
    assert judged(tmp_path).alarms == (alarm,)  # marked once
    arrive(tmp_path, 0, 0, 60, AuditRates(1.0, 1.0))
    answer_all(tmp_path)
    assert judged(tmp_path).alarm == alarm  # good pictures that come later do not lift it
    with Journal(tmp_path / "aside") as journal:
        journal.answers.take_back(82)
    found = judged(tmp_path)
    assert found.alarm is None and found.alarms[0].lifted and not found.result.is_alarm
    assert "was lifted" in as_text(found) and json.loads(as_json(found))["alarms"][0]["lifted"]
    answer_all(tmp_path)
    again = judged(tmp_path)
    assert [alarm.lifted is None for alarm in again.alarms] == [False, True]
    assert "skysort improve RUN --from ASIDE" in as_text(again)


def test_a_corrected_answer_lifts_an_alarm_and_a_new_decision_begins_without_one(tmp_path: Path) -> None:
    arrive(tmp_path, 20, 0, 0, AuditRates(1.0, 1.0))
    report = answer_all(tmp_path)
    assert judged(tmp_path).alarm
    with Journal(tmp_path / "aside") as journal:
        journal.answers.add([(look.row.id, "airplane") for look in report.looks], "me")
    assert judged(tmp_path).alarm is None
    with Journal(tmp_path / "aside") as journal:
        journal.answers.take_back(20)
    assert judged(tmp_path).alarm
    arrive(tmp_path, 3, 0, 0, AuditRates(1.0, 1.0), RULE.model_copy(update={"lose_at_most": 0.05}))
    assert judged(tmp_path).alarms == ()


def test_pictures_that_a_stale_decision_would_set_aside_still_count_against_it(tmp_path: Path) -> None:
    arrive(tmp_path, 20, 0, 10, AuditRates(1.0, 1.0))
    answer_all(tmp_path)
    assert judged(tmp_path).alarm
    arrive(tmp_path, 30, 0, 0, AuditRates(1.0, 0.5))
    found = answer_all(tmp_path)
    spared = [look.row for look in found.looks if look.row.is_spared]
    assert len(spared) == 30 and {row.action for row in spared} == {"keep"}
    num_drawn = sum(row.is_drawn for row in spared)
    assert 0 < num_drawn < 30 and found.result.lost == 20 + num_drawn
    lost = 20 + num_drawn / 0.5
    assert found.result.loss and found.result.loss.estimate == pytest.approx(lost / (lost + 10))
    assert "or would have been" in as_text(found)


def test_two_people_who_answer_at_once_raise_one_alarm(tmp_path: Path) -> None:
    arrive(tmp_path, 20, 0, 0, AuditRates(1.0, 1.0))
    answer_all(tmp_path)
    threads = [threading.Thread(target=judged, args=(tmp_path,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(judged(tmp_path).alarms) == 1


def test_who_may_only_read_gets_the_report_without_a_mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arrive(tmp_path, 20, 0, 0, AuditRates(1.0, 1.0))
    answer_all(tmp_path)
    with Journal(tmp_path / "aside") as journal:
        monkeypatch.setattr("skysort.runs.audit.os.access", lambda *_: False)
        found = judge(journal)
    assert found.result.is_alarm and found.alarms == ()


def test_a_drawn_picture_that_is_dragged_is_answered_by_that(tmp_path: Path) -> None:
    (tmp_path / "blog").mkdir()
    put(tmp_path, {f"inbox/bird-{number}.png": picture(10 + number) for number in range(8)})
    folders = (tmp_path / "inbox", tmp_path / "aside", tmp_path / "blog")
    options = WatchOptions(*folders, once=True, settle=0.0, audit=AuditRates(1.0, 1.0))
    watch_inbox(cast(Classifier, FirstPixel()), RULE, options, Stop())
    for number in range(7):
        (tmp_path / "aside" / f"bird-{number}.png").rename(tmp_path / "blog" / f"bird-{number}.png")
    with Journal(tmp_path / "aside") as journal:
        report = judge(journal)
        assert (report.result.done, report.result.lost, report.num_dragged, len(report.due)) == (7, 7, 7, 1)
        assert report.result.is_alarm and len(report.alarms) == 1, "as by answers"
        assert list(report.found.places) == [report.due[0].row.id] and report.found.dragged == {}
        assert "7 drawn pictures were dragged" in as_text(report)
        journal.answers.take_back(6)
        again = judge(journal)
        assert (again.result.done, again.num_dragged, again.alarm) == (1, 0, None)
        used = answered_pictures(journal).pictures
        assert [(one.label, one.place.parent.name, one.is_there) for one in used] == [("bird", "blog", True)]


@pytest.mark.parametrize("promise", ["null", "0", "1", "-0.5", '""'])
def test_a_journal_without_a_promise_is_damaged(tmp_path: Path, promise: str) -> None:
    arrive(tmp_path, 0, 1, 0, AuditRates(1.0, 1.0))
    with sqlite3.connect(tmp_path / "aside.journal" / "journal.sqlite") as database:
        query = "UPDATE sessions SET settings = json_set(settings, '$.lose_at_most', json(?))"
        database.execute(query, (promise,))
    database.close()
    with refused("damaged-journal", tmp_path):
        audit_folder(tmp_path / "aside")
