from pathlib import Path

import pytest

from skysort.work import mounts
from skysort.work.journal import Journal
from skysort.work.journal_entries import JournalEntry, Settings, replaced
from skysort.work.moves import act, moving
from skysort.work.undo import UndoRequest, UndoResult, corrected_label, take_back
from tests.work.making import CLASSES, files_below, row_for


@pytest.fixture
def top(tmp_path: Path) -> Path:
    (tmp_path / "inbox" / "sub").mkdir(parents=True)
    (tmp_path / "aside").mkdir()
    return tmp_path


def do(top: Path, *names: str, kind: str = "move", action: str = "set-aside", **folders: str) -> None:
    settings = Settings("watch", "0" * 64, CLASSES, keep=("bird",), folders=folders)
    with Journal(top / "aside", make=True) as journal, moving(journal):
        journal.note_mounts({folder: Path(folder.anchor) for folder in (top / "inbox", top / "aside")})
        session = journal.session(settings)
        rows: list[JournalEntry] = []
        for name in names:
            path = top / "inbox" / name
            path.write_bytes(name.encode())
            row = row_for(path, top / "aside" / name, kind)  # type: ignore[arg-type]
            rows.append(replaced(row, session=session, action=action))
        assert {outcome.end for outcome in act(journal, rows)} == {"done"}


def undo(top: Path, request: UndoRequest | None = None) -> list[UndoResult]:
    request = request or UndoRequest()
    with Journal(top / "aside") as journal:
        rows = journal.rows(takeable="undos" if request.by == "redo" else "moves")
        return list(take_back(journal, rows, request))


def corrections(top: Path) -> list[str | None]:
    with Journal(top / "aside") as journal:
        return [row.correction for row in journal.corrections()]


def test_a_picture_that_has_grown_returns_whole(top: Path) -> None:
    do(top, "sub/a.gif")
    with (top / "aside" / "sub" / "a.gif").open("ab") as upload:
        upload.write(b" and the rest")
    (taken,) = undo(top)
    assert (taken.problem, taken.num_bytes_more) == ("", 13)
    assert files_below(top / "inbox", top / "aside") == {
        top / "inbox" / "sub" / "a.gif": b"sub/a.gif and the rest"
    }
    (taken,) = undo(top, UndoRequest("redo"))
    assert not taken.problem and (top / "aside" / "sub" / "a.gif").read_bytes() == b"sub/a.gif and the rest"


@pytest.mark.parametrize("content", [b"sub/a.giF and the rest", b"sub/a.gi", b"", b"another__"])
def test_a_file_with_another_beginning_is_another_file(content: bytes, top: Path) -> None:
    do(top, "sub/a.gif")
    (top / "aside" / "sub" / "a.gif").write_bytes(content)
    (taken,) = undo(top)
    assert str(top / "aside" / "sub" / "a.gif") in taken.problem.split()
    assert files_below(top / "aside") == {top / "aside" / "sub" / "a.gif": content}


def test_a_copy_that_has_grown_is_not_removed(top: Path) -> None:
    do(top, "a.gif", kind="copy")
    with (top / "aside" / "a.gif").open("ab") as upload:
        upload.write(b" and the rest")
    (taken,) = undo(top)
    assert str(top / "aside" / "a.gif") in taken.problem.split() and (top / "aside" / "a.gif").exists()


def test_only_a_persons_choice_is_a_correction(top: Path) -> None:
    do(top, "a.jpg", "b.jpg")
    assert [taken.correction for taken in undo(top)] == [None, None]
    assert corrections(top) == []
    undo(top, UndoRequest("redo"))
    assert [taken.correction for taken in undo(top, UndoRequest(is_correction=True))] == ["bird", "bird"]
    undo(top, UndoRequest("redo"))
    assert corrections(top) == []
    assert [taken.correction for taken in undo(top, UndoRequest(label="airplane"))] == ["airplane", "airplane"]
    assert corrections(top) == ["airplane", "airplane"]


@pytest.mark.parametrize("action", ["review", "keep", "set-aside"])
def test_a_review_that_confirms_the_label_is_recorded(action: str, top: Path) -> None:
    do(top, "a.jpg", action=action)
    (taken,) = undo(top, UndoRequest(is_correction=True, label="airplane"))
    assert taken.row.label == taken.correction == "airplane" and corrections(top) == ["airplane"]


def test_undoing_a_review_is_no_correction() -> None:
    settings = Settings("watch", classes=CLASSES, keep=("bird",))
    row = JournalEntry("move", Path("/a"), Path("/b"), "", None, "review", "bird")  # type: ignore[arg-type]
    assert corrected_label(row, settings) is None


@pytest.mark.parametrize("kind", ["move", "copy"])
def test_pictures_to_keep_can_be_sent_on(kind: str, top: Path) -> None:
    (top / "blog").mkdir()
    (top / "blog" / "a.jpg").write_bytes(b"mine")
    do(top, "a.jpg", "sub/b.jpg", kind=kind, aside=str(top / "aside"), **{"keep-to": str(top / "blog")})
    before = files_below(top / "inbox")
    places = [taken.place for taken in undo(top, UndoRequest(is_correction=True, keep=True))]
    assert places == [top / "blog" / "sub" / "b.jpg", top / "blog" / "a-2.jpg"]
    assert files_below(top / "aside") == {} and files_below(top / "inbox") == before
    assert corrections(top) == ["bird", "bird"]
    assert [taken.problem for taken in undo(top, UndoRequest("redo"))] == ["", ""]
    assert len(files_below(top / "aside")) == 2 and files_below(top / "blog") == {top / "blog" / "a.jpg": b"mine"}


@pytest.mark.parametrize(
    ("action", "folders", "fact"),
    [("set-aside", {}, "--keep-to"), ("keep", {"keep-to": "/blog"}, "aside/a.jpg")],
)
def test_a_picture_that_cannot_be_sent_on_has_a_reason(
    action: str, folders: dict[str, str], fact: str, top: Path
) -> None:
    do(top, "a.jpg", action=action, aside=str(top / "aside"), **folders)
    (taken,) = undo(top, UndoRequest(keep=True))
    assert fact in taken.problem and (top / "aside" / "a.jpg").exists()


@pytest.mark.parametrize("where", ["inbox", "aside"])
def test_a_renamed_folder_is_not_created_again(where: str, top: Path) -> None:
    do(top, "a.jpg", "sub/b.jpg")
    (top / where).rename(top / "renamed")
    for taken in undo(top):
        assert str(top / where) in taken.problem.split()
    assert not (top / where).exists()
    (top / "renamed").rename(top / where)
    assert [taken.problem for taken in undo(top)] == ["", ""]


def test_folders_below_an_inbox_are_created_again(top: Path) -> None:
    do(top, "sub/b.jpg")
    (top / "inbox" / "sub").rmdir()
    assert [taken.problem for taken in undo(top)] == [""]
    assert (top / "inbox" / "sub" / "b.jpg").exists()


def test_nothing_is_put_on_the_mount_point_of_a_drive_below_the_inbox(
    top: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A camera's card may be mounted below the inbox. Without the card, the mount point is an empty folder."""
    drives = {Path(top.anchor), top / "inbox" / "sub"}
    monkeypatch.setattr(mounts, "is_mount_point", lambda path: path in drives)
    do(top, "sub/b.jpg")
    drives.remove(top / "inbox" / "sub")
    (taken,) = undo(top)
    assert str(top / "inbox" / "sub") in taken.problem.split()
    drives.add(top / "inbox" / "sub")
    assert [taken.problem for taken in undo(top)] == [""]
