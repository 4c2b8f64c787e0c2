import sqlite3
import threading
from pathlib import Path

import pytest

from skysort.work.answers import CANNOT_TELL, OTHER
from skysort.work.coins import AuditRates
from skysort.work.journal import Journal
from skysort.work.journal_entries import DamagedJournalError
from skysort.work.journal_export import corrected
from skysort.work.looks import NewAnswers, answer, looks
from skysort.work.undo import UndoRequest, take_back
from tests.conftest import refused
from tests.work.test_coins import watch_once
from tests.work.test_watch import AIRPLANE, BIRD, picture, put


@pytest.fixture
def top(tmp_path: Path) -> Path:
    """Two pictures set aside and two that stay; those in `sub` were not drawn."""
    put(tmp_path, {"inbox/a.png": AIRPLANE, "inbox/b.png": BIRD})
    watch_once(tmp_path, AuditRates(1.0, 1.0))
    put(tmp_path, {"inbox/sub/a2.png": picture(11), "inbox/sub/b2.png": picture(201)})
    watch_once(tmp_path, AuditRates(1e-12, 1e-12))
    return tmp_path


def answered(top: Path, *lines: str) -> NewAnswers:
    file = top / "looks.csv"
    file.write_text("\n".join(["path,label", *lines]) + "\n", "utf-8")
    with Journal(top / "aside") as journal:
        return answer(journal, file, "me")


def labels(top: Path) -> dict[str, str | None]:
    with Journal(top / "aside") as journal:
        return {look.place.name: look.label for look in looks(journal)}


def test_pictures_that_were_drawn_wait_for_an_answer(top: Path) -> None:
    with Journal(top / "aside") as journal:
        found = {look.row.source.name: look for look in looks(journal)}
    assert [name for name, look in found.items() if look.row.is_drawn] == ["a.png", "b.png"]
    assert found["a.png"].place == top / "aside" / "a.png" and found["b.png"].place == top / "inbox" / "b.png"
    assert {look.label for look in found.values()} == {None}


def test_answers_are_found_by_name_and_by_path(top: Path) -> None:
    new = answered(top, f"{top / 'aside' / 'a.png'},bird", "inbox/b.png,?", "a2.png,other", "b2.png,")
    assert (new.drawn, new.corrections, new.unchanged, new.replaced, new.gone) == (2, 1, 0, 0, ())
    assert labels(top) == {"a.png": "bird", "b.png": CANNOT_TELL, "a2.png": OTHER, "b2.png": None}
    with Journal(top / "aside") as journal:
        assert {found.who for found in journal.answers.all()} == {"me"}
        assert all(found.answered > 1e9 and found.undone is None for found in journal.answers.all())


def test_the_later_of_two_answers_counts_and_both_are_kept(top: Path) -> None:
    assert answered(top, "a.png,bird").replaced == 0
    assert answered(top, "a.png,bird").unchanged == 1
    assert answered(top, "a.png,airplane", "a.png,other").replaced == 2
    with Journal(top / "aside") as journal:
        assert [found.label for found in journal.answers.all()] == ["bird", "airplane", "other"]
    assert labels(top)["a.png"] == "other"


def test_an_answer_can_be_taken_back(top: Path) -> None:
    answered(top, "a.png,bird")
    answered(top, "a.png,airplane", "b.png,bird")
    with Journal(top / "aside") as journal:
        assert [found.label for found in journal.answers.take_back(2)] == ["bird", "airplane"]
    assert (labels(top)["a.png"], labels(top)["b.png"]) == ("bird", None)
    with Journal(top / "aside") as journal:
        assert [found.undone is None for found in journal.answers.all()] == [True, False, False]
        assert len(journal.answers.take_back(9)) == 1 and journal.answers.take_back(1) == []


def test_a_picture_that_is_gone_can_be_answered(top: Path) -> None:
    (top / "aside" / "a.png").unlink()
    assert answered(top, "a.png,airplane").gone == (top / "aside" / "a.png",)
    assert labels(top)["a.png"] == "airplane"


def test_a_correction_by_undo_is_an_answer_and_the_place_follows(top: Path) -> None:
    answered(top, "a.png,airplane")
    with Journal(top / "aside") as journal:
        rows = journal.rows(picture="a.png", takeable="moves")
        assert not next(take_back(journal, rows, UndoRequest(is_correction=True))).problem
        (look,) = [look for look in looks(journal) if look.row.source.name == "a.png"]
        assert (look.label, look.place) == ("bird", top / "inbox" / "a.png")
        redone = journal.rows(picture="a.png", takeable="undos")
        assert not next(take_back(journal, redone, UndoRequest("redo"))).problem
    assert labels(top)["a.png"] == "airplane"  # the correction was undone
    assert answered(top, "inbox/a.png,?").drawn == answered(top, "aside/a.png,other").drawn == 1


def test_nothing_learns_from_drawn_pictures(top: Path) -> None:
    answered(top, "a.png,bird", "a2.png,bird", "b2.png,other")
    with Journal(top / "aside") as journal:
        rows = journal.rows(picture="b.png")
        assert [row.is_drawn for row in rows] == [True]
        found = corrected(journal)
    assert found.labels == {top / "aside" / "sub" / "a2.png": "bird"}
    assert (found.num_drawn, found.num_gone) == (1, 0)


@pytest.mark.parametrize(
    ("line", "code", "fact"),
    [
        ("a.png,brid", "unknown-class", "did you mean 'bird'?"),
        ("nothing.png,bird", "path-not-found", "nothing.png"),
        ("a.png,bird,more", "invalid-table", "line 3"),
    ],
)
def test_a_file_with_a_fault_writes_no_answer(line: str, code: str, fact: str, top: Path) -> None:
    with refused(code, fact, exit_code=1 if code == "invalid-table" else 2):
        answered(top, "b.png,bird", line)
    assert set(labels(top).values()) == {None}


def test_a_name_of_several_pictures_is_refused(top: Path) -> None:
    put(top, {"inbox/sub/a.png": picture(12)})
    watch_once(top, AuditRates(1.0, 1.0))
    with refused("ambiguous-picture", "line 2", exit_code=2):
        answered(top, "a.png,bird")
    assert answered(top, "aside/sub/a.png,bird").drawn == 1


def test_a_table_without_its_columns_is_refused(top: Path) -> None:
    (top / "looks.csv").write_text("picture;label\n")
    with Journal(top / "aside") as journal:
        with refused("invalid-table", "path,label"):
            answer(journal, top / "looks.csv", "")
        with refused("path-not-found", exit_code=2):
            answer(journal, top / "nowhere.csv", "")


def test_two_people_answer_at_once(top: Path) -> None:
    def many(label: str) -> None:
        with Journal(top / "aside") as journal:
            for _ in range(20):
                journal.answers.add([(1, label), (2, label)], label)

    threads = [threading.Thread(target=many, args=(label,)) for label in ("bird", "airplane")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with Journal(top / "aside") as journal:
        found = journal.answers.all()
    assert len(found) == 80
    assert all(one.label == two.label for one, two in zip(found[::2], found[1::2], strict=True))


@pytest.mark.parametrize(("column", "cell"), [("label", ""), ("label", b"x"), ("answered", -1.0), ("undone", "x")])
def test_a_damaged_answer_is_a_damaged_journal(column: str, cell: object, top: Path) -> None:
    answered(top, "a.png,bird")
    with sqlite3.connect(top / "aside.journal" / "journal.sqlite") as database:
        database.execute(f"UPDATE answers SET {column} = ?", (cell,))
    database.close()
    with pytest.raises(DamagedJournalError):
        labels(top)
