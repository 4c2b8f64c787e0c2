import errno
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from skysort.work.dragged import dragged
from skysort.work.journal import Journal
from skysort.work.journal_entries import Settings, replaced
from skysort.work.journal_export import corrected
from skysort.work.moves import act, moving
from skysort.work.undo import UndoRequest, take_back
from tests.work.making import row_for

CLASSES = ("cat", "dog", "fox")


def put(top: Path, settings: Settings, journal_of: str, places: dict[str, str]) -> None:
    (top / "in").mkdir(exist_ok=True)
    with Journal(top / journal_of, make=True) as journal, moving(journal):
        session = journal.session(settings)
        rows = []
        for name, place in places.items():
            (top / "in" / name).write_bytes(name.encode())
            rows.append(replaced(row_for(top / "in" / name, top / place), session=session, label="cat", by="sort"))
        assert {outcome.end for outcome in act(journal, rows)} == {"done"}


@pytest.fixture
def sorted_to(tmp_path: Path) -> Path:
    settings = Settings("sort", "0" * 64, CLASSES, folders={"to": str(tmp_path / "sorted")})
    places = {"a.jpg": "sorted/cat/sub/a.jpg", "b.jpg": "sorted/cat/b.jpg", "c.jpg": "sorted/unsure/c.jpg"}
    put(tmp_path, settings, "sorted", places)
    return tmp_path / "sorted"


def words(folder: Path) -> dict[str, str]:
    with Journal(folder) as journal:
        return {str(path.relative_to(folder.parent)): label for path, (_, label) in dragged(journal).items()}


def test_nothing_that_stays_is_dragged(sorted_to: Path) -> None:
    assert words(sorted_to) == {}


@pytest.mark.parametrize("to", ["dog/a.jpg", "dog/sub/a.jpg"])
def test_a_picture_in_the_folder_of_another_class_is_a_correction(to: str, sorted_to: Path) -> None:
    (sorted_to / to).parent.mkdir(parents=True)
    (sorted_to / "cat" / "sub" / "a.jpg").rename(sorted_to / to)
    assert words(sorted_to) == {f"sorted/{to}": "dog"}
    with Journal(sorted_to) as journal:
        assert corrected(journal) == ({sorted_to / to: "dog"}, 0, 0)


def test_a_review_that_confirms_the_label_counts(sorted_to: Path) -> None:
    (sorted_to / "unsure" / "c.jpg").rename(sorted_to / "cat" / "c.jpg")
    assert words(sorted_to) == {"sorted/cat/c.jpg": "cat"}


def test_a_move_within_a_class_is_no_correction(sorted_to: Path) -> None:
    (sorted_to / "cat" / "sub" / "a.jpg").rename(sorted_to / "cat" / "a.jpg")
    assert words(sorted_to) == {}


def test_other_bytes_and_other_folders_are_no_correction(sorted_to: Path) -> None:
    (sorted_to / "dog").mkdir()
    (sorted_to / "dog" / "b.jpg").write_bytes(b"x.jpg")
    (sorted_to / "cat" / "b.jpg").unlink()
    (sorted_to / "cat" / "sub" / "a.jpg").rename(sorted_to / "a.jpg")
    assert words(sorted_to) == {}


def test_an_undone_picture_does_not_count_as_dragged(sorted_to: Path) -> None:
    with Journal(sorted_to) as journal:
        assert all(
            not taken.problem for taken in take_back(journal, journal.rows(takeable="moves"), UndoRequest())
        )
    (sorted_to / "dog").mkdir()
    (sorted_to / "dog" / "b.jpg").write_bytes(b"b.jpg")
    assert words(sorted_to) == {}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
def test_a_pipe_in_place_of_a_picture_is_not_read(sorted_to: Path) -> None:
    """Reading it would block."""
    (sorted_to / "dog").mkdir()
    (sorted_to / "cat" / "b.jpg").unlink()
    os.mkfifo(sorted_to / "dog" / "b.jpg")
    with Journal(sorted_to) as journal:
        rows = [row for row in journal.rows(takeable="moves") if row.source.name != "b.jpg"]
        assert all(not taken.problem for taken in take_back(journal, rows, UndoRequest(label="dog")))
        for name in ("a.jpg", "c.jpg"):
            (sorted_to.parent / "in" / name).unlink()
            os.mkfifo(sorted_to.parent / "in" / name)
        with within(10):
            assert corrected(journal) == ({}, 2, 0)


def test_a_drive_that_fails_makes_no_correction(sorted_to: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not known then whether the picture still is where Skysort put it."""
    (sorted_to / "dog").mkdir()
    (sorted_to / "dog" / "b.jpg").write_bytes(b"b.jpg")
    plain = os.lstat

    def lstat(path: Any, **more: Any) -> os.stat_result:
        if Path(path) == sorted_to / "cat" / "b.jpg":
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))
        return plain(path, **more)

    with monkeypatch.context() as patched:
        patched.setattr(os, "lstat", lstat)
        patched.setattr(Path, "lstat", lstat)
        assert words(sorted_to) == {}


@contextmanager
def within(seconds: int) -> Iterator[None]:
    def ended(*_: object) -> None:
        raise AssertionError("it blocks")  # no OSError, which would be ignored

    before = signal.signal(signal.SIGALRM, ended)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize(
    ("classes", "expected"),
    [(("cat", "dog"), {"aside/b.jpg": "dog", "keep/a.jpg": "cat", "keep/sub/c.jpg": "cat"}),
     (CLASSES, {"keep/a.jpg": "cat", "keep/sub/c.jpg": "cat"})],
)  # fmt: skip
def test_a_watchers_folder_stands_for_a_class_if_only_one_goes_there(
    classes: tuple[str, ...], expected: dict[str, str], tmp_path: Path
) -> None:
    folders = {
        "aside": str(tmp_path / "aside"),
        "keep-to": str(tmp_path / "keep"),
        "review": str(tmp_path / "review"),
    }
    settings = Settings("watch", "0" * 64, classes, keep=("cat",), folders=folders)
    put(tmp_path, settings, "aside", {"a.jpg": "aside/a.jpg", "b.jpg": "keep/b.jpg", "c.jpg": "review/sub/c.jpg"})
    (tmp_path / "keep" / "sub").mkdir()
    moves = {"aside/a.jpg": "keep/a.jpg", "keep/b.jpg": "aside/b.jpg", "review/sub/c.jpg": "keep/sub/c.jpg"}
    for source, target in moves.items():
        (tmp_path / source).rename(tmp_path / target)
    assert words(tmp_path / "aside") == expected


@pytest.fixture
def sorted_twice(tmp_path: Path) -> Path:
    """A picture that one classifier calls a cat, and another one a dog; both copies stand in one target."""
    source = tmp_path / "in" / "a.jpg"
    source.parent.mkdir()
    source.write_bytes(b"a")
    with Journal(tmp_path / "sorted", make=True) as journal, moving(journal):
        for number, label in enumerate(("cat", "dog")):
            settings = Settings("sort", str(number) * 64, CLASSES, folders={"to": str(tmp_path / "sorted")})
            row = row_for(source, tmp_path / "sorted" / label / "a.jpg", "copy")
            act(journal, [replaced(row, session=journal.session(settings), label=label, by="sort")])
    return tmp_path / "sorted"


@pytest.mark.parametrize("deleted", ["cat", "dog"])
def test_a_copy_by_another_classifier_is_no_correction(deleted: str, sorted_twice: Path) -> None:
    (sorted_twice / deleted / "a.jpg").unlink()
    assert words(sorted_twice) == {}


def test_a_picture_dragged_after_an_undo_is_a_correction(sorted_twice: Path) -> None:
    with Journal(sorted_twice) as journal:
        rows = [row for row in journal.rows(takeable="moves") if row.label == "dog"]
        assert [taken.problem for taken in take_back(journal, rows, UndoRequest())] == [""]
    (sorted_twice / "cat" / "a.jpg").rename(sorted_twice / "dog" / "a.jpg")
    assert words(sorted_twice) == {"sorted/dog/a.jpg": "dog"}
