import sqlite3
import threading
from pathlib import Path

import pytest

from skysort.work.answers import CANNOT_TELL, OTHER
from skysort.work.coins import AuditRates
from skysort.work.dragged import dragged
from skysort.work.journal import Journal
from skysort.work.journal_entries import DamagedJournalError
from skysort.work.journal_export import corrected
from skysort.work.looks import BY_DRAGGING, NewAnswers, answer, answer_dragged, find, looks
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
    assert [name for name, look in found.items() if look.is_drawn] == ["a.png", "b.png"]
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


def undone(top: Path, name: str, request: UndoRequest) -> None:
    with Journal(top / "aside") as journal:
        rows = journal.rows(picture=name, takeable="undos" if request.by == "redo" else "moves")
        assert not next(take_back(journal, rows, request)).problem


@pytest.mark.parametrize("name", ["a.png", "a2.png"])
def test_an_answer_after_a_correction_is_new_though_it_was_given_before(name: str, top: Path) -> None:
    answered(top, f"{name},airplane")
    undone(top, name, UndoRequest(is_correction=True))
    assert labels(top)[name] == "bird"
    new = answered(top, f"{name},airplane")
    assert (new.unchanged, new.replaced, labels(top)[name]) == (0, 1, "airplane")


@pytest.mark.parametrize("clock", [0.0, 1e10], ids=["set back", "ahead"])
def test_the_later_of_answer_and_undo_counts_whatever_the_clock(
    clock: float, top: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("skysort.work.answers.time.time", lambda: 1e10 - clock)
        answered(top, "a2.png,airplane")
        undone(top, "a2.png", UndoRequest(is_correction=True))
        assert labels(top)["a2.png"] == "bird"
        patch.setattr("skysort.work.answers.time.time", lambda: clock)
        answered(top, "a2.png,airplane")
    assert labels(top)["a2.png"] == "airplane"


def test_corrections_are_the_labels_that_count(top: Path) -> None:
    """Undo says bird for both; of one, an answer said airplane before, and of the other one says it afterwards."""
    put(top, {"inbox/sub/a3.png": picture(12)})
    watch_once(top, AuditRates(1e-12, 1e-12))
    answered(top, "a2.png,airplane")
    for name in ("a2.png", "a3.png"):
        undone(top, name, UndoRequest(is_correction=True))
    answered(top, "a3.png,airplane")
    back = {name: top / "inbox" / "sub" / name for name in ("a2.png", "a3.png")}
    with Journal(top / "aside") as journal:
        assert corrected(journal).labels == {back["a2.png"]: "bird", back["a3.png"]: "airplane"}
        assert labels(top)["a2.png"] == "bird" and labels(top)["a3.png"] == "airplane"
        answered(top, "a2.png,?", "a3.png,other")
        assert corrected(journal) == ({}, 0, 0)


def test_nothing_learns_from_drawn_pictures(top: Path) -> None:
    answered(top, "a.png,bird", "a2.png,bird", "b2.png,other")
    with Journal(top / "aside") as journal:
        rows = journal.rows(picture="b.png")
        assert [row.is_drawn for row in rows] == [True]
        found = corrected(journal)
    assert found.labels == {top / "aside" / "sub" / "a2.png": "bird"}
    assert (found.num_drawn, found.num_gone) == (1, 0)


@pytest.mark.parametrize("is_redone", [False, True])
def test_a_drawn_picture_that_was_dragged_trains_nothing_and_is_answered_by_that(
    is_redone: bool, top: Path
) -> None:
    (top / "blog").mkdir()
    put(top, {"inbox/c.png": picture(13), "inbox/d.png": picture(202)})
    watch_once(top, AuditRates(1.0, 1.0), keep_to=top / "blog")
    if is_redone:
        undone(top, "c.png", UndoRequest())
        undone(top, "c.png", UndoRequest("redo"))
    (top / "aside" / "c.png").rename(top / "blog" / "c.png")
    with Journal(top / "aside") as journal:
        assert dragged(journal)[top / "blog" / "c.png"][1] == "bird"
        assert corrected(journal) == ({}, 0, 1)
        (look,) = [look for look in looks(journal) if look.row.source.name == "c.png"]
        assert look.label is None
        found = find(journal, [look])
        assert found == ({look.row.id: top / "blog" / "c.png"}, {look.row.id: "bird"})
        assert answer_dragged(journal, found.dragged) == 1
        assert [(one.label, one.who) for one in journal.answers.all()] == [("bird", BY_DRAGGING)]
        journal.answers.take_back(1)
        assert answer_dragged(journal, found.dragged) == 0, "it was taken back"
    assert answered(top, "c.png,airplane").drawn == 1


def test_an_answer_says_what_a_dragged_picture_shows(top: Path) -> None:
    (top / "blog").mkdir()
    put(top, {"inbox/c.png": picture(13)})
    watch_once(top, AuditRates(1e-12, 1e-12), keep_to=top / "blog")
    (top / "aside" / "c.png").rename(top / "blog" / "c.png")
    with Journal(top / "aside") as journal:
        assert corrected(journal) == ({top / "blog" / "c.png": "bird"}, 0, 0)
        answered(top, "c.png,airplane")
        assert corrected(journal) == ({top / "blog" / "c.png": "airplane"}, 0, 0)
        answered(top, "c.png,?")
        assert corrected(journal) == ({}, 0, 0)


def test_a_path_that_was_used_again_is_no_place_of_the_first_picture(top: Path) -> None:
    """Its number still says which one is meant."""
    (top / "aside" / "a.png").unlink()
    put(top, {"inbox/a.png": picture(14)})
    watch_once(top, AuditRates(1.0, 1.0))
    with Journal(top / "aside") as journal:
        first, second = [look for look in looks(journal) if look.row.source.name == "a.png"]
        assert first.place == second.place == top / "aside" / "a.png"
        assert find(journal, [first, second]).places == {second.row.id: second.place}
    file = top / "looks.csv"
    file.write_text(f"number,path,label\n{first.row.id},aside/a.png,bird\n,aside/a.png,airplane\n")
    with Journal(top / "aside") as journal:
        assert answer(journal, file, "me").gone == (first.place,)
        assert [look.label for look in looks(journal) if look.row.source.name == "a.png"] == ["bird", "airplane"]


@pytest.mark.parametrize(
    ("number", "code"),
    [("2", "wrong-value"), ("99", "path-not-found"), ("x", "path-not-found"), ("9" * 30, "path-not-found")],
)
def test_a_number_of_another_picture_is_refused(number: str, code: str, top: Path) -> None:
    (top / "looks.csv").write_text(f"number,path,label\n{number},a.png,bird\n")
    with Journal(top / "aside") as journal, refused(code, "line 2", exit_code=2):
        answer(journal, top / "looks.csv", "me")


def test_as_many_answers_as_there_are_can_be_taken_back(top: Path) -> None:
    answered(top, "a.png,bird")
    with Journal(top / "aside") as journal:
        assert len(journal.answers.take_back(10**20)) == 1


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


def test_a_name_of_several_pictures_is_refused(top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(top, {"inbox/sub/a.png": picture(12)})
    watch_once(top, AuditRates(1.0, 1.0))
    with refused("ambiguous-picture", "line 2", exit_code=2):
        answered(top, "a.png,bird")
    monkeypatch.chdir(top)  # the file is in the current folder
    (top / "looks.csv").write_text("path,label\n./a.png,bird\n")
    with Journal(top / "aside") as journal, refused("path-not-found", "line 2", exit_code=2):
        answer(journal, Path("looks.csv"), "me")
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


def test_a_picture_that_stays_is_one_arrival_whatever_folders_the_watcher_has(top: Path) -> None:
    with Journal(top / "aside") as journal:
        before = [look.row.id for look in looks(journal)]
    watch_once(top, AuditRates(0.5, 0.2), review=top / "review")
    watch_once(top, AuditRates(0.5, 0.2), keep_to=top / "blog")
    with Journal(top / "aside") as journal:
        after = looks(journal)
        assert len(list(journal.arrivals())) > len(before)  # those that stayed were sorted again
    assert [look.row.id for look in after] == before
    assert {look.place.relative_to(top).parts[0] for look in after} == {"aside", "blog"}


def test_a_picture_that_comes_again_after_a_move_is_another_arrival(top: Path) -> None:
    put(top, {"inbox/a.png": (top / "aside" / "a.png").read_bytes()})
    watch_once(top, AuditRates(0.5, 0.2))
    with Journal(top / "aside") as journal:
        assert len({look.row.id for look in looks(journal) if look.row.source.name == "a.png"}) == 2
