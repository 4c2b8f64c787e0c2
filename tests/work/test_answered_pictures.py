"""Which answered pictures of a journal train, calibrate and test."""

import sqlite3
from collections import Counter
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from skysort.classifier.classifier import Classifier
from skysort.classifier.decision import Decision
from skysort.work.answered_pictures import AnsweredPictures, answered_pictures
from skysort.work.coins import AuditRates, coin_of, second_coin_of, seed_file
from skysort.work.journal import Journal
from skysort.work.undo import UndoRequest, take_back
from skysort.work.watch import Stop, watch_inbox
from skysort.work.watch_options import WatchOptions
from tests.conftest import refused
from tests.work.making import FirstPixel
from tests.work.test_coins import RULE
from tests.work.test_watch import picture, put


def arrive(
    top: Path, names: str, rates: AuditRates | None, rule: Decision = RULE, value: int = 0, **more: object
) -> None:
    """Let pictures arrive, by their first letters: a is set aside, k is kept. No two have the same bytes."""
    for number, name in enumerate(names, value):
        content = picture((10 if name == "a" else 200), 8 + number)
        put(top, {f"inbox/{name}{number}.png": content})
    options = WatchOptions(top / "inbox", top / "aside", once=True, settle=0.0, stuck=0.0, audit=rates, **more)
    watch_inbox(cast(Classifier, FirstPixel()), rule, options, Stop())


def answer_drawn(top: Path, label: str = "bird") -> None:
    with Journal(top / "aside") as journal:
        journal.answers.add([(row.id, label) for row in journal.arrivals() if row.is_drawn], "me")


def answered_in(top: Path) -> AnsweredPictures:
    with Journal(top / "aside") as journal:
        return answered_pictures(journal)


def test_audited_pictures_calibrate_or_test_and_corrections_train(tmp_path: Path) -> None:
    arrive(tmp_path, "ak" * 20, AuditRates(0.5, 0.5))
    answer_drawn(tmp_path)
    with Journal(tmp_path / "aside") as journal:
        rows = list(journal.arrivals())
        others = [row for row in rows if not row.is_drawn][:2]
        journal.answers.add(zip((row.id for row in others), ("bird", "heron"), strict=True), "me")
    answered = answered_in(tmp_path)
    trained = {one.row.id: one.label for one in answered.pictures if one.part == "train"}
    assert trained == {others[0].id: "bird", others[1].id: "heron"}
    seed = bytes.fromhex(seed_file(tmp_path / "aside.journal").read_text())
    audited = [one for one in answered.pictures if one.part != "train"]
    assert {one.row.id for one in audited} == {row.id for row in rows if row.is_drawn}
    assert all(one.is_there for one in audited) and len({one.part for one in audited}) == 2
    for one in audited:
        assert one.part == ("test" if second_coin_of(seed, one.row.digest) < 0.5 else "calibration")
    assert answered.rate == 0.5


def test_the_second_coin_is_uniform_and_independent_of_the_first() -> None:
    digests = [f"{number:064x}" for number in range(4000)]
    first = np.array([coin_of(b"seed", number, digest) for number, digest in enumerate(digests)])
    second = np.array([second_coin_of(b"seed", digest) for digest in digests])
    for below in (0.05, 0.5):
        is_drawn = first < below
        num = np.count_nonzero(second[is_drawn] < 0.5)
        assert abs(num - is_drawn.sum() / 2) < 4 * (is_drawn.sum() / 4) ** 0.5
    assert not np.isin(first, second).any()


def test_where_rates_differ_only_a_uniform_sample_is_used(tmp_path: Path) -> None:
    arrive(tmp_path, "aaak" * 10, AuditRates(0.9, 0.4))
    answer_drawn(tmp_path)
    answered = answered_in(tmp_path)
    with Journal(tmp_path / "aside") as journal:
        rows = list(journal.arrivals())
    expected = {row.source.name for row in rows if float(row.coin or 0) < 0.4}
    assert {picture.row.source.name for picture in answered.pictures} == expected
    assert answered.left_out.not_uniform == sum(row.is_drawn for row in rows) - len(expected) > 0


def test_what_says_no_class_is_counted_and_not_used(tmp_path: Path) -> None:
    arrive(tmp_path, "aaaa", AuditRates(1.0, 1.0))
    with Journal(tmp_path / "aside") as journal:
        numbers = [row.id for row in journal.arrivals()]
        journal.answers.add(zip(numbers, ("?", "other", "bird"), strict=False), "me")
    with sqlite3.connect(tmp_path / "aside.journal" / "journal.sqlite") as database:
        database.execute("UPDATE rows SET coin = 0.25 WHERE id = ?", (numbers[2],))
    database.close()
    answered = answered_in(tmp_path)
    left_out = answered.left_out
    assert answered.pictures == []
    assert (left_out.cannot_tell, left_out.other, left_out.wrong_coin, left_out.unanswered) == (1, 1, 1, 1)


def test_after_an_alarm_only_later_arrivals_measure(tmp_path: Path) -> None:
    arrive(tmp_path, "aaaa", AuditRates(1.0, 1.0))
    with Journal(tmp_path / "aside") as journal:
        third = list(journal.arrivals())[2]
        journal.alarms.raise_for(third.session, third.id)
    arrive(tmp_path, "aa", AuditRates(1.0, 1.0), value=50, when_stale="go-on")
    answer_drawn(tmp_path)
    answered = answered_in(tmp_path)
    assert len(answered.pictures) == 3 and min(picture.row.id for picture in answered.pictures) > third.id
    assert answered.left_out.before_alarm == 3
    with Journal(tmp_path / "aside") as journal:
        (alarm,) = journal.alarms.about(journal.settings(third.session))
        journal.alarms.lift(alarm)
    assert len(answered_in(tmp_path).pictures) == 6


@pytest.mark.parametrize("rates_before", [AuditRates(1e-12, 1e-12), None])
def test_a_picture_that_stays_counts_at_its_first_arrival(rates_before: AuditRates | None, tmp_path: Path) -> None:
    """Also where nothing was audited when it came: the pictures set aside then cannot be drawn any more."""
    arrive(tmp_path, "akk", rates_before)
    arrive(tmp_path, "", AuditRates(1.0, 1.0), RULE.model_copy(update={"threshold": 0.6}))
    answer_drawn(tmp_path)
    with Journal(tmp_path / "aside") as journal:
        num_before = 3 if rates_before else 0
        assert Counter(row.is_drawn for row in journal.arrivals()) == Counter({False: num_before, True: 2})
    assert answered_in(tmp_path).pictures == []


def test_after_a_change_of_rates_the_lowest_decides(tmp_path: Path) -> None:
    arrive(tmp_path, "ak" * 20, AuditRates(1.0, 1.0))
    arrive(tmp_path, "ak" * 20, AuditRates(0.4, 0.4), value=50)
    answer_drawn(tmp_path)
    used = {picture.row.id for picture in answered_in(tmp_path).pictures}
    with Journal(tmp_path / "aside") as journal:
        coins = {row.id: row.coin for row in journal.arrivals()}
    assert used == {number for number, coin in coins.items() if coin is not None and coin < 0.4}
    assert min(used) <= 40 < max(used)


def test_copies_of_a_corrected_picture_are_one(tmp_path: Path) -> None:
    arrive(tmp_path, "a", None)
    content = next((tmp_path / "aside").rglob("*.png")).read_bytes()
    put(tmp_path, {"inbox/again.png": content})
    arrive(tmp_path, "", None)
    with Journal(tmp_path / "aside") as journal:
        assert len(list(take_back(journal, journal.rows(takeable="moves"), UndoRequest(label="bird")))) == 2
    (tmp_path / "inbox" / "again.png").unlink()
    (picture,) = answered_in(tmp_path).pictures
    assert picture.is_there and picture.place.name == "a0.png"


def test_without_the_seed_nothing_is_measured(tmp_path: Path) -> None:
    arrive(tmp_path, "ak", AuditRates(1.0, 1.0))
    seed_file(tmp_path / "aside.journal").unlink()
    with refused("damaged-journal", "audit-seed"):
        answered_in(tmp_path)


def test_a_new_class_is_named_on_purpose(tmp_path: Path) -> None:
    arrive(tmp_path, "aa", None)
    with Journal(tmp_path / "aside") as journal:
        rows = list(journal.rows(takeable="moves"))
        with refused("unknown-class", "--new-class", exit_code=2):
            list(take_back(journal, rows[:1], UndoRequest(label="heron")))
        (taken,) = take_back(journal, rows[:1], UndoRequest(label="heron", is_new_class=True))
        assert taken.correction == "heron"
        assert [(one.label, one.part) for one in answered_pictures(journal).pictures] == [("heron", "train")]


@pytest.mark.parametrize("is_named", [True, False])
def test_an_answer_may_name_a_new_class(tmp_path: Path, is_named: bool) -> None:
    from skysort.work.looks import answer

    arrive(tmp_path, "a", AuditRates(1.0, 1.0))
    (tmp_path / "looks.csv").write_text("path,label\na0.png,heron\n", "utf-8")
    with Journal(tmp_path / "aside") as journal:
        if is_named:
            assert answer(journal, tmp_path / "looks.csv", "me", ["heron"]).drawn == 1
        else:
            with refused("unknown-class", "--new-class", exit_code=2):
                answer(journal, tmp_path / "looks.csv", "me", ["hero"])
