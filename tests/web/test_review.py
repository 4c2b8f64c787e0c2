"""The pictures that wait for a person, and the answers: those of `skysort audit`."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from skysort.classifier.classifier import Decoded
from skysort.classifier.predictions import Prediction
from skysort.web import review as module
from skysort.web.review import Review
from skysort.web.thumbnails import Thumbnails
from skysort.work.coins import AuditRates
from skysort.work.journal import Journal
from tests.conftest import refused
from tests.runs.test_audit import audit_folder
from tests.web.watched import watched
from tests.work.making import FirstPixel


@pytest.fixture
def thumbnails() -> Thumbnails:
    return Thumbnails()


def test_answers_are_those_of_an_audit(tmp_path: Path, thumbnails: Thumbnails) -> None:
    aside = watched(tmp_path, 10)
    review = Review(aside, thumbnails)
    waiting = review.waiting()
    assert (waiting.num, waiting.num_gone, {one.why for one in waiting.pictures}) == (10, 0, {"drawn"})
    assert [one.file for one in waiting.pictures] == [look.row.source.name for look in audit_folder(aside).looks]
    assert "not tested yet" in review.promise()
    sentence = review.answer(
        [(one.picture, "bird" if "light" in one.file else "airplane") for one in waiting.pictures[:7]]
    )
    assert "7 of 10 looks done" in sentence and "not broken" in sentence
    report = audit_folder(aside)
    assert (report.result.done, report.result.due, report.result.lost) == (7, 3, 0)
    assert review.waiting().num == 3


def test_nothing_leads_the_answer_to_a_drawn_picture(tmp_path: Path, thumbnails: Thumbnails) -> None:
    review = Review(watched(tmp_path / "drawn", 4), thumbnails)
    assert {(one.label, one.confidence) for one in review.waiting().pictures} == {(None, None)}
    review.answer([(review.waiting().pictures[0].picture, "bird")])
    picture, _ = review.take_back()
    assert picture and (picture.why, picture.label, picture.confidence) == ("drawn", None, None)
    unsure = Review(watched(tmp_path / "unsure", 4, AuditRates(1e-9, 1e-9), unsure_below=0.95), thumbnails)
    assert [one.label for one in unsure.waiting().pictures] == ["airplane", "airplane", "bird", "bird"]
    assert [one.confidence for one in unsure.waiting().pictures] == pytest.approx([0.9] * 4)


def test_the_odd_one_of_a_class_comes_first(
    tmp_path: Path, thumbnails: Thumbnails, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = FirstPixel.answer
    likenesses = {"000": 0.8, "001": 0.7, "002": 0.3, "003": 0.9, "004": 0.5, "005": 0.2}

    def with_likeness(self: FirstPixel, decoded: Sequence[Decoded]) -> list[Prediction]:
        return [replace(one, similarity=likenesses[Path(one.path).name[:3]]) for one in judge(self, decoded)]

    monkeypatch.setattr(FirstPixel, "answer", with_likeness)
    aside = watched(tmp_path, 6, AuditRates(1e-9, 1e-9), unsure_below=0.95)
    files = [one.file.partition("-")[0] for one in Review(aside, thumbnails).waiting().pictures]
    assert files == ["002", "004", "000", "005", "001", "003"]


def test_to_look_at_the_promise_changes_no_journal(tmp_path: Path, thumbnails: Thumbnails) -> None:
    aside = watched(tmp_path, 60)
    review = Review(aside, thumbnails)
    with Journal(aside) as journal:
        journal.answers.add([(look.row.id, "bird") for look in audit_folder(aside).looks], "somebody")
    assert "BROKEN" in review.promise() and audit_folder(aside).alarm is None


def test_one_file_that_arrived_twice_has_two_names(thumbnails: Thumbnails) -> None:
    first, again, second = (thumbnails.name(Path("a.png"), "digest", number) for number in (1, 1, 2))
    assert first == again != second


def test_a_name_that_is_not_utf_8_is_shown(tmp_path: Path, thumbnails: Thumbnails) -> None:
    (one, _) = Review(watched(tmp_path, 2, prefix="\udcff"), thumbnails).waiting().pictures
    assert one.file.startswith("\\udcff")


def test_answers_that_break_the_promise_mark_the_decision(tmp_path: Path, thumbnails: Thumbnails) -> None:
    aside = watched(tmp_path, 60)
    review = Review(aside, thumbnails)
    waiting = review.waiting()
    assert "BROKEN" in review.answer([(one.picture, "bird") for one in waiting.pictures])
    assert audit_folder(aside).alarm
    while audit_folder(aside).result.is_alarm:
        picture, sentence = review.take_back()
        assert picture and picture.picture in {one.picture for one in waiting.pictures}
    assert "not broken" in sentence and audit_folder(aside).alarm is None


def test_pictures_that_were_not_drawn_are_corrections(tmp_path: Path, thumbnails: Thumbnails) -> None:
    aside = watched(tmp_path, 6, AuditRates(1e-9, 1e-9), unsure_below=0.95)
    review = Review(aside, thumbnails)
    waiting = review.waiting()
    assert [one.why for one in waiting.pictures] == ["unsure"] * 6
    review.answer([(waiting.pictures[0].picture, "other"), (waiting.pictures[1].picture, "?")])
    assert (review.waiting().num, audit_folder(aside).result.done) == (4, 0)
    with Journal(aside) as journal:
        assert [answer.label for answer in journal.answers.all()] == ["other", "?"]


def test_all_or_none(tmp_path: Path, thumbnails: Thumbnails) -> None:
    aside = watched(tmp_path, 4)
    review = Review(aside, thumbnails)
    first = review.waiting().pictures[0].picture
    with refused("path-not-found", exit_code=2):
        review.answer([(first, "bird"), ("no-such-name", "bird")])
    with refused("unknown-class", exit_code=2):
        review.answer([(first, "bird"), (first, "brid")])
    assert review.waiting().num == 4
    with refused("nothing-to-undo", exit_code=2):
        review.take_back()


def test_a_picture_that_is_gone_is_not_shown(
    tmp_path: Path, thumbnails: Thumbnails, monkeypatch: pytest.MonkeyPatch
) -> None:
    aside = watched(tmp_path, 4)
    next(aside.iterdir()).unlink()
    waiting = Review(aside, thumbnails).waiting()
    assert (len(waiting.pictures), waiting.num, waiting.num_gone) == (3, 4, 1)
    monkeypatch.setattr(module, "MOST_SHOWN", 2)
    assert len(Review(aside, thumbnails).waiting().pictures) <= 2


def test_a_thumbnail_is_of_the_bytes_that_were_named(tmp_path: Path, thumbnails: Thumbnails) -> None:
    aside = watched(tmp_path, 2)
    (one, *_) = Review(aside, thumbnails).waiting().pictures
    (file,) = [path for path in tmp_path.rglob("*.png") if path.name == one.file]
    jpeg = thumbnails.jpeg(one.picture, "small")
    assert jpeg and jpeg.startswith(b"\xff\xd8") and file.read_bytes() not in jpeg
    file.write_bytes(file.read_bytes() + b"changed")
    assert thumbnails.jpeg(one.picture, "large") is None
    assert thumbnails.jpeg("no-such-name", "small") is None


def test_a_folder_without_a_journal(tmp_path: Path, thumbnails: Thumbnails) -> None:
    with refused("no-journal", exit_code=2):
        Review(tmp_path, thumbnails)


def test_an_answer_from_elsewhere_is_not_taken_back(tmp_path: Path, thumbnails: Thumbnails) -> None:
    aside = watched(tmp_path, 4)
    review = Review(aside, thumbnails)
    one, two, *_ = review.waiting().pictures
    review.answer([(one.picture, "bird")])
    other = Review(aside, thumbnails)
    assert two.picture in {picture.picture for picture in other.waiting().pictures}
    other.answer([(two.picture, "bird")])
    picture, _ = review.take_back()
    assert picture and picture.picture == one.picture
    with refused("nothing-to-undo", exit_code=2):
        review.take_back()
    with Journal(aside) as journal:
        assert [answer.undone is None for answer in journal.answers.all()] == [False, True]
