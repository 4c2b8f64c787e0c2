"""Two journals with one target, drives that report wrong errors, uploads that go on, and errors of `settle`."""

import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from skysort.work import moves, settle
from skysort.work.journal import Journal
from skysort.work.journal_entries import JournalEntry, replaced
from skysort.work.moves import act, finish_unfinished, moving
from skysort.work.settle import coming_of, going_of, temporary_files_of_others
from skysort.work.undo import UndoRequest, take_back
from tests.work.making import errno_of, files_below, row_for, with_session

TIME = (10**18, 10**18)


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    for name in ("inbox", "aside", "keep"):
        (tmp_path / name).mkdir()
    (tmp_path / "inbox" / "a.jpg").write_bytes(b"picture")
    os.utime(tmp_path / "inbox" / "a.jpg", ns=TIME)
    return tmp_path / "inbox"


@pytest.fixture
def other(tmp_path: Path, inbox: Path) -> Path:
    """A second inbox with an equal file."""
    (tmp_path / "other" / "inbox").mkdir(parents=True)
    (tmp_path / "other" / "inbox" / "a.jpg").write_bytes(b"picture")
    os.utime(tmp_path / "other" / "inbox" / "a.jpg", ns=TIME)
    return tmp_path / "other" / "inbox"


@pytest.fixture
def keep(inbox: Path) -> Path:
    return inbox.with_name("keep")


def test_two_journals_have_different_tokens(tmp_path: Path) -> None:
    marks = set()
    for name in ("one", "two"):
        with Journal(tmp_path / name, make=True) as journal:
            (tmp_path / "a").touch()
            (row,) = journal.plan(with_session(journal, [row_for(tmp_path / "a", tmp_path / "b")]))
            assert journal.unfinished() == [row]
            marks.add(row.mark)
    assert len(marks) == 2


@pytest.mark.parametrize("done_first", ["planned", "copied", "placed"])
def test_a_copy_of_another_journal_is_not_ours(
    done_first: str, tmp_path: Path, inbox: Path, other: Path, keep: Path, across: None
) -> None:
    """Name, bytes and time are equal. A restart must not take it for its own copy and remove the source."""
    with Journal(tmp_path / "two", make=True) as second, second.moving():
        (row,) = second.plan(with_session(second, [row_for(other / "a.jpg", keep / "a.jpg")]))
        if done_first != "planned":
            coming_of(row).write_bytes(b"picture")
            os.utime(coming_of(row), ns=TIME)
        if done_first == "placed":
            second.note_copied([row])
        with Journal(tmp_path / "one", make=True) as first, moving(first):
            (outcome,) = act(first, with_session(first, [row_for(inbox / "a.jpg", keep / "a.jpg")]))
            assert outcome.end == "done"
        assert [outcome.end for outcome in finish_unfinished(second)] == ["not done"]
    assert files_below(keep, inbox, other) == {keep / "a.jpg": b"picture", other / "a.jpg": b"picture"}


def test_a_move_of_another_journal_within_a_file_system_is_not_ours(
    tmp_path: Path, inbox: Path, other: Path, keep: Path
) -> None:
    with Journal(tmp_path / "two", make=True) as second, second.moving():
        second.plan(with_session(second, [row_for(other / "a.jpg", keep / "a.jpg")]))
        (inbox / "a.jpg").rename(keep / "a.jpg")
        assert [outcome.end for outcome in finish_unfinished(second)] == ["not done"]
    assert files_below(keep, other) == {keep / "a.jpg": b"picture", other / "a.jpg": b"picture"}


def test_a_strangers_file_does_not_finish_a_copy(tmp_path: Path, inbox: Path, keep: Path) -> None:
    with Journal(tmp_path / "one", make=True) as journal, journal.moving():
        journal.plan(with_session(journal, [row_for(inbox / "a.jpg", keep / "a.jpg", "copy")]))
        (keep / "a.jpg").write_bytes(b"picture")
        assert [outcome.end for outcome in finish_unfinished(journal)] == ["not done"]
    assert files_below(keep) == {keep / "a.jpg": b"picture"}


def test_temporary_files_of_other_journals_stay(tmp_path: Path, inbox: Path, keep: Path, across: None) -> None:
    strangers = {keep / ".skysort-1.coming": b"1", keep / ".skysort-ffffffffffff-1.coming": b"2"}
    for path, content in strangers.items():
        path.write_bytes(content)
    with Journal(tmp_path / "one", make=True) as journal, moving(journal):
        (outcome,) = act(journal, with_session(journal, [row_for(inbox / "a.jpg", keep / "a.jpg")]))
    assert outcome.end == "done"
    assert files_below(keep, inbox) == {**strangers, keep / "a.jpg": b"picture"}


@pytest.mark.parametrize("answer", [FileExistsError, FileNotFoundError, TimeoutError])
@pytest.mark.parametrize("step", ["within", "into place", "out of sight", "removed"])
def test_a_step_counts_although_the_drive_reports_an_error(
    step: str, answer: type[OSError], tmp_path: Path, inbox: Path, keep: Path, monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:  # fmt: skip
    if step != "within":
        request.getfixturevalue("across")
    wanted = {"within": "a.jpg", "into place": ".coming", "out of sight": "a.jpg", "removed": ".going"}[step]
    module, name = {"out of sight": (Path, "rename"), "removed": (Path, "unlink")}.get(step, (moves, "rename_new"))
    plain: Callable[..., None] = getattr(module, name)

    def done_and_denied(source: Path, *arguments: Any, **options: Any) -> None:
        plain(source, *arguments, **options)
        if source.name.endswith(wanted):
            raise answer(errno.EIO, "denied")

    with Journal(tmp_path / "one", make=True) as journal, moving(journal):
        rows = with_session(journal, [row_for(inbox / "a.jpg", keep / "a.jpg")])
        with monkeypatch.context() as patched:
            patched.setattr(module, name, done_and_denied)
            outcomes = act(journal, rows)
        outcomes += finish_unfinished(journal)
        assert outcomes[-1].end == "done" and journal.unfinished() == []
        assert len(list(journal.rows())) == 1
    assert files_below(keep, inbox) == {keep / "a.jpg": b"picture"}


def test_a_picture_settled_after_its_classification_gets_no_second_row(
    tmp_path: Path, inbox: Path, keep: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(_row: JournalEntry) -> settle.End:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with Journal(tmp_path / "one", make=True) as journal:
        (row,) = with_session(journal, [row_for(inbox / "a.jpg", keep / "a.jpg")])
        with journal.moving():
            journal.plan([row])
            (inbox / "a.jpg").rename(keep / "a.jpg")  # killed here
        with monkeypatch.context() as patched:
            patched.setattr(moves, "settle", failing)
            with moving(journal) as leftovers:
                assert [result.end for result in leftovers.results] == [None]
                for again in (replaced(row, place=keep / "a-2.jpg"), replaced(row, source=row.place)):
                    (outcome,) = act(journal, [again])
                    assert (outcome.end, errno_of(outcome)) == (None, errno.EBUSY)
        with moving(journal):  # settles it; the picture was classified before that
            (outcome,) = act(journal, [replaced(row, place=keep / "a-2.jpg")])
            assert (outcome.end, errno_of(outcome)) == ("not done", errno.ENOENT)
        assert [(found.place.name, found.done is None) for found in journal.rows()] == [("a.jpg", False)]
        assert [back.problem for back in take_back(journal, journal.rows(takeable="moves"), UndoRequest())] == [""]


def test_a_picture_that_somebody_took_away_cannot_be_undone(tmp_path: Path, inbox: Path, keep: Path) -> None:
    with Journal(tmp_path / "one", make=True) as journal, journal.moving():
        journal.plan(with_session(journal, [row_for(inbox / "a.jpg", keep / "a.jpg")]))
        (inbox / "a.jpg").unlink()
        assert [outcome.end for outcome in finish_unfinished(journal)] == ["gone"]
        assert [row.kind for row in journal.rows()] == ["gone"]
        assert list(journal.rows(takeable="moves")) == []


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell")
@pytest.mark.parametrize("file_systems", [1, 2])
def test_a_file_open_for_writing_stays(
    file_systems: int, tmp_path: Path, inbox: Path, keep: Path, request: pytest.FixtureRequest
) -> None:
    if file_systems == 2:
        request.getfixturevalue("across")
    with Journal(tmp_path / "one", make=True) as journal, moving(journal), (inbox / "a.jpg").open("ab"):
        (outcome,) = act(journal, with_session(journal, [row_for(inbox / "a.jpg", keep / "a.jpg")]))
        assert (outcome.end, errno_of(outcome)) == ("not done", errno.EBUSY)
        assert list(journal.rows()) == []
    assert files_below(inbox, keep) == {inbox / "a.jpg": b"picture"}


@pytest.mark.parametrize("goes_on", ["grown", "open"])
@pytest.mark.parametrize("killed", [False, True])
def test_an_upload_that_grows_during_the_copy_stays(
    goes_on: str, killed: bool, tmp_path: Path, inbox: Path, keep: Path, across: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    class KilledError(Exception):
        pass

    plain = moves._source_removed

    def meanwhile(row: JournalEntry, unwritten: OSError | None) -> moves.MoveResult:
        if goes_on == "grown":
            with (inbox / "a.jpg").open("ab") as upload:
                upload.write(b" and its film")
        else:
            monkeypatch.setattr(settle, "is_open_for_writing", lambda _path: True)
        if killed:
            raise KilledError
        return plain(row, unwritten)

    monkeypatch.setattr(moves, "_source_removed", meanwhile)
    with Journal(tmp_path / "one", make=True) as journal, journal.moving():
        rows = with_session(journal, [row_for(inbox / "a.jpg", keep / "a.jpg")])
        if killed:
            with pytest.raises(KilledError):
                act(journal, rows)
            (outcome,) = finish_unfinished(journal)
        else:
            (outcome,) = act(journal, rows)
        assert outcome.end == "not done" and list(journal.rows()) == []
    whole = b"picture and its film" if goes_on == "grown" else b"picture"
    assert files_below(inbox, keep) == {inbox / "a.jpg": whole}


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell")
def test_a_copy_open_for_writing_is_not_removed(tmp_path: Path, inbox: Path, keep: Path) -> None:
    with Journal(tmp_path / "one", make=True) as journal:
        with moving(journal):
            act(journal, with_session(journal, [row_for(inbox / "a.jpg", keep / "a.jpg", "copy")]))
        with (keep / "a.jpg").open("ab"):
            (back,) = take_back(journal, journal.rows(takeable="moves"), UndoRequest())
        assert back.problem
        assert files_below(inbox, keep) == {inbox / "a.jpg": b"picture", keep / "a.jpg": b"picture"}
        assert journal.unfinished() == []
        assert going_of(back.row).name not in {path.name for path in keep.iterdir()}


def test_temporary_files_of_other_journals_are_found(tmp_path: Path, inbox: Path, keep: Path) -> None:
    with Journal(tmp_path / "one", make=True) as journal:
        names = [
            f".skysort-{'f' * 12}-3.coming",
            f".skysort-{'0' * 12}-1.going",
            f".skysort-{journal.token}-1.coming",
        ]
        for name in (*names, ".skysort", "skysort-1.coming", ".skysort-x-1.coming.jpg"):
            (keep / name).touch()
        (inbox / "sub").mkdir()
        (inbox / "sub" / f".skysort-{'0' * 12}-9.guard").touch()
        found = sorted(temporary_files_of_others([inbox, keep], journal.token))
    assert found == [inbox / "sub" / f".skysort-{'0' * 12}-9.guard", *sorted(keep / name for name in names[:2])]
