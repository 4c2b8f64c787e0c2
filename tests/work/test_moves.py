import errno
import hashlib
import os
import stat
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from skysort.work import journal as journal_module
from skysort.work import moves, names, renaming, undo
from skysort.work.journal import Journal
from skysort.work.journal_entries import JournalEntry, replaced
from skysort.work.moves import MoveResult, act, finish_unfinished, moving
from skysort.work.names import ChangedError, free_place, identity, numbered
from skysort.work.renaming import rename_new
from skysort.work.settle import going_of
from skysort.work.undo import UndoRequest, take_back
from tests.work.making import check_that_nothing_is_lost, errno_of, files_below, row_for, with_session

ROOT = Path(__file__).parents[2]


def do(aside: Path, *rows: JournalEntry) -> list[MoveResult]:
    with Journal(aside, make=True) as journal, journal.moving():
        return act(journal, with_session(journal, rows))


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    (tmp_path / "inbox").mkdir()
    (tmp_path / "aside").mkdir()
    (tmp_path / "inbox" / "a.jpg").write_bytes(b"picture")
    return tmp_path / "inbox"


@pytest.fixture
def aside(inbox: Path) -> Path:
    return inbox.with_name("aside")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks to be quick")
@pytest.mark.slow
@pytest.mark.parametrize(
    ("place", "scenarios"),
    [
        ("memory", ["same", "across", "unsupported", "copy across", "without links"]),
        ("memory", ["undo", "undo across", "undo copy", "undo without links"]),
        ("disk", ["real", "undo real"]),
    ],
)
def test_killed_at_any_line_nothing_is_lost(
    place: str, scenarios: list[str], tmp_path: Path, in_memory: Path
) -> None:
    folder = tmp_path if place == "disk" else in_memory
    if place == "disk" and in_memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second file system to write to")
    script = [sys.executable, "-m", "tests.work.kill_at_each_line", folder, in_memory, 15, 0, *scenarios]
    ended = subprocess.run(list(map(str, script)), capture_output=True, text=True, check=False, cwd=ROOT)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count("30 kills") == len(scenarios)


@pytest.mark.parametrize("supported", [True, False])
def test_a_name_that_is_taken_is_refused_and_both_files_stay(
    supported: bool, inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not supported:
        monkeypatch.setattr(renaming, "_exclusive_rename", None)
    (inbox / "b.jpg").write_bytes(b"")
    with pytest.raises(FileExistsError):
        rename_new(inbox / "a.jpg", inbox / "b.jpg", ".skysort-x-1")
    assert files_below(inbox) == {inbox / "a.jpg": b"picture", inbox / "b.jpg": b""}
    rename_new(inbox / "a.jpg", inbox / "c.jpg", ".skysort-x-1")
    assert files_below(inbox) == {inbox / "c.jpg": b"picture", inbox / "b.jpg": b""}
    with pytest.raises(FileNotFoundError):
        rename_new(inbox / "a.jpg", inbox / "d.jpg", ".skysort-x-1")
    assert not (inbox / "d.jpg").exists()


def test_numbered_names_fit_and_are_found_quickly(tmp_path: Path) -> None:
    for number in (1, *range(2, 40)):
        numbered(tmp_path / "x.jpg", number).touch()
    assert free_place(tmp_path / "x.jpg") == tmp_path / "x-40.jpg"
    assert free_place(tmp_path / "x.jpg", {tmp_path / "x-40.jpg"}) == tmp_path / "x-41.jpg"
    for long in ("x" * 251 + ".jpg", "ü" * 125 + ".jpeg", "\udce9" * 251 + ".jpg"):
        (tmp_path / long).touch()
        place = free_place(tmp_path / long)
        assert place.suffix == Path(long).suffix and len(os.fsencode(place.name)) <= 255
        place.touch()


def test_a_name_taken_at_the_last_moment_changes_nothing(inbox: Path, aside: Path, across: None) -> None:
    row = row_for(inbox / "a.jpg", aside / "a.jpg")
    (aside / "a.jpg").write_bytes(b"mine")
    (outcome,) = do(aside, row)
    assert (outcome.end, type(outcome.error)) == ("not done", FileExistsError)
    check_that_nothing_is_lost([b"picture", b"mine"], aside, inbox, aside)
    with Journal(aside) as journal:
        assert list(journal.rows()) == []


def test_a_picture_that_changed_after_it_was_read_stays(inbox: Path, aside: Path) -> None:
    row = row_for(inbox / "a.jpg", aside / "a.jpg")
    (inbox / "a.jpg").write_bytes(b"another")
    os.utime(inbox / "a.jpg", ns=(1, 1))
    (outcome,) = do(aside, row)
    assert (outcome.end, errno_of(outcome)) == ("not done", errno.ENOENT)
    assert files_below(inbox, aside) == {inbox / "a.jpg": b"another"}


@pytest.mark.parametrize("file_systems", [1, 2])
def test_a_picture_replaced_while_it_is_moved_is_given_back(
    file_systems: int, inbox: Path, aside: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    if file_systems == 2:
        request.getfixturevalue("across")
    row = row_for(inbox / "a.jpg", aside / "a.jpg")
    module, name = (moves, "rename_new") if file_systems == 1 else (Path, "rename")
    plain = getattr(module, name)

    def replaced_just_before(source: Path, target: Path, *mark: str) -> None:
        if source == row.source:
            (inbox / "upload").write_bytes(b"new one")
            (inbox / "upload").replace(source)
        plain(source, target, *mark)

    monkeypatch.setattr(module, name, replaced_just_before)
    (outcome,) = do(aside, row)
    expected = {inbox / "a.jpg": b"new one"}
    if file_systems == 2:
        expected[aside / "a.jpg"] = b"picture"
    assert files_below(inbox, aside) == expected
    assert outcome.end == ("not done" if file_systems == 1 else "done")


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EIO])
@pytest.mark.parametrize("failing", ["fsync", "unlink", "utime"])
def test_after_a_failure_each_picture_is_in_one_place(
    code: int, failing: str, inbox: Path, aside: Path, across: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: object, **_options: object) -> None:
        raise OSError(code, os.strerror(code))

    row = row_for(inbox / "a.jpg", aside / "a.jpg")
    with Journal(aside, make=True) as journal:
        (row,) = with_session(journal, [row])
        with journal.moving(), monkeypatch.context() as patched:
            patched.setattr(os, failing, fail)
            outcomes = act(journal, [row])
        with journal.moving():
            outcomes += finish_unfinished(journal)
    assert isinstance(outcomes[0].error, OSError) and outcomes[0].error.errno == code
    check_that_nothing_is_lost([b"picture"], aside, inbox, aside)
    ends = {"fsync": ["not done"], "utime": ["not done"], "unlink": [None, "done"]}
    assert [outcome.end for outcome in outcomes] == ends[failing]


def test_if_the_source_cannot_be_removed_the_copy_is(
    inbox: Path, aside: Path, across: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_only(_source: Path, target: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(target))

    monkeypatch.setattr(Path, "rename", read_only)
    (outcome,) = do(aside, row_for(inbox / "a.jpg", aside / "a.jpg"))
    assert (outcome.end, errno_of(outcome)) == ("not done", errno.EACCES)
    assert files_below(inbox, aside) == {inbox / "a.jpg": b"picture"}


def test_a_copy_that_differs_from_its_source_is_removed(
    inbox: Path, aside: Path, across: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = row_for(inbox / "a.jpg", aside / "a.jpg")
    plain = os.fsync

    def damaging(descriptor: int) -> None:
        for coming in aside.glob(".skysort-*"):
            coming.write_bytes(b"pictura")
        plain(descriptor)

    monkeypatch.setattr(os, "fsync", damaging)
    (outcome,) = do(aside, row)
    assert (outcome.end, errno_of(outcome)) == ("not done", errno.EIO)
    assert files_below(inbox, aside) == {inbox / "a.jpg": b"picture"}


def test_an_unfinished_move_waits_for_a_missing_drive(inbox: Path, aside: Path) -> None:
    with Journal(aside, make=True) as journal, journal.moving():
        (row,) = journal.plan(with_session(journal, [row_for(inbox / "a.jpg", aside / "a.jpg")]))
        row.source.rename(row.place)
        aside.rename(aside.with_name("drive"))
        (outcome,) = finish_unfinished(journal)
        assert (outcome.end, errno_of(outcome)) == (None, errno.ENOENT) and str(aside) in str(outcome.error)
        assert journal.unfinished() == [row]
        aside.with_name("drive").rename(aside)
        (outcome,) = finish_unfinished(journal)
        assert outcome.end == "done" and journal.unfinished() == []


def test_a_picture_that_somebody_took_away_is_gone(inbox: Path, aside: Path) -> None:
    with Journal(aside, make=True) as journal, journal.moving():
        (row,) = journal.plan(with_session(journal, [row_for(inbox / "a.jpg", aside / "a.jpg")]))
        row.source.unlink()
        (outcome,) = finish_unfinished(journal)
        assert outcome.end == "gone"
        (row,) = journal.rows()
        assert row.done and row.kind == "gone" and row.reason


def test_a_copy_is_not_removed_when_its_original_is_gone(inbox: Path, aside: Path) -> None:
    do(aside, row_for(inbox / "a.jpg", aside / "a.jpg", "copy"))
    (inbox / "a.jpg").unlink()
    with Journal(aside) as journal:
        (taken,) = take_back(journal, journal.rows(takeable="moves"), UndoRequest())
        assert taken.problem and (aside / "a.jpg").exists()
        (copied,) = journal.rows()
        back = replace(row_for(aside / "a.jpg", inbox / "a.jpg", "remove"), undoes=copied.id)
        with journal.moving():
            (row,) = journal.plan(with_session(journal, [back]))
            row.source.rename(going_of(row))
            (outcome,) = finish_unfinished(journal)
    assert outcome.end == "not done"
    assert files_below(inbox, aside) == {aside / "a.jpg": b"picture"}


def test_equal_bytes_that_arrive_later_under_the_name_are_another_picture(inbox: Path, aside: Path) -> None:
    with Journal(aside, make=True) as journal, journal.moving():
        (row,) = journal.plan(with_session(journal, [row_for(inbox / "a.jpg", aside / "a.jpg")]))
        row.source.rename(row.place)
        row.source.write_bytes(b"picture")
        (outcome,) = finish_unfinished(journal)
    assert outcome.end == "done"
    assert files_below(inbox, aside) == {inbox / "a.jpg": b"picture", aside / "a.jpg": b"picture"}


def test_an_undo_leaves_an_upload_at_its_target_alone(inbox: Path, aside: Path) -> None:
    do(aside, row_for(inbox / "a.jpg", aside / "a.jpg"))
    with Journal(aside) as journal, journal.moving():
        (moved,) = journal.rows()
        back = replaced(row_for(moved.place, moved.source), by="undo")
        journal.plan(with_session(journal, [back]))
        moved.source.touch()
        (outcome,) = finish_unfinished(journal)
    assert outcome.end == "not done"
    assert files_below(inbox, aside) == {inbox / "a.jpg": b"", aside / "a.jpg": b"picture"}


def test_equal_bytes_that_arrive_after_the_copy_are_another_picture(
    inbox: Path, aside: Path, across: None
) -> None:
    with Journal(aside, make=True) as journal, journal.moving():
        (row,) = journal.plan(with_session(journal, [row_for(inbox / "a.jpg", aside / "a.jpg")]))
        row.place.write_bytes(b"picture")
        journal.note_copied([row])
        row.source.unlink()
        row.source.write_bytes(b"picture")
        os.utime(row.source, ns=(1, 1))
        (outcome,) = finish_unfinished(journal)
    assert outcome.end == "done"
    assert files_below(inbox, aside) == {inbox / "a.jpg": b"picture", aside / "a.jpg": b"picture"}


def test_names_are_on_the_disk_before_a_source_is_removed_and_the_row_is_done(
    inbox: Path, aside: Path, across: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a power cut, only synced names and bytes remain, so the order matters."""
    steps: list[str] = []

    def told(what: str, module: Any, name: str) -> None:
        plain = getattr(module, name)

        def tell(*arguments: Any, **options: Any) -> Any:
            paths = [str(path.relative_to(inbox.parent)) for path in arguments if isinstance(path, Path)]
            steps.append(" ".join([what, *paths]))
            return plain(*arguments, **options)

        monkeypatch.setattr(module, name, tell)

    row = row_for(inbox / "a.jpg", aside / "new" / "deep" / "a.jpg")
    with Journal(aside, make=True) as journal, moving(journal):
        (row,) = with_session(journal, [row])
        told("planned", Journal, "plan")
        told("finished", Journal, "finish")
        told("names", names, "sync_folder")
        told("bytes", os, "fsync")
        told("copied", Journal, "note_copied")
        told("rename", moves, "rename_new")
        told("rename", Path, "rename")
        told("remove", Path, "unlink")
        (outcome,) = act(journal, [row])
    row = outcome.row
    assert outcome.end == "done" and row.mark
    assert [step for step in steps if step != "bytes"] == [
        "names aside", "names aside/new", "planned",
        "rename inbox/a.jpg aside/new/deep/a.jpg",
        "copied", f"rename aside/new/deep/{row.mark}.coming aside/new/deep/a.jpg", "names aside/new/deep",
        f"rename inbox/a.jpg inbox/{row.mark}.going", f"remove inbox/{row.mark}.going", "names inbox", "finished",
    ]  # fmt: skip
    assert steps[steps.index("rename inbox/a.jpg aside/new/deep/a.jpg") + 1] == "bytes"


def test_a_source_stays_until_the_name_of_its_copy_is_on_the_disk(
    inbox: Path, aside: Path, across: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = os.fsync

    def failing(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        plain(descriptor)

    with Journal(aside, make=True) as journal, journal.moving():
        rows = with_session(journal, [row_for(inbox / "a.jpg", aside / "a.jpg")])
        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", failing)
            outcomes = [*act(journal, rows), *finish_unfinished(journal)]
        assert [outcome.end for outcome in outcomes] == [None, None]
        assert (inbox / "a.jpg").exists() and (aside / "a.jpg").exists()
        assert [outcome.end for outcome in finish_unfinished(journal)] == ["done"]
    check_that_nothing_is_lost([b"picture"], aside, inbox, aside)


def test_a_rename_is_not_done_until_both_names_are_on_the_disk(
    inbox: Path, aside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(_descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with Journal(aside, make=True) as journal, journal.moving():
        rows = with_session(journal, [row_for(inbox / "a.jpg", aside / "a.jpg")])
        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", failing)
            outcomes = [*act(journal, rows), *finish_unfinished(journal)]
        assert [outcome.end for outcome in outcomes] == [None, None]
        assert len(journal.unfinished()) == 1
        assert [outcome.end for outcome in finish_unfinished(journal)] == ["done"]
    check_that_nothing_is_lost([b"picture"], aside, inbox, aside)


def test_a_file_that_cannot_be_read_now_does_not_count_as_gone(
    inbox: Path, aside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = Path.lstat

    def failing(path: Path) -> os.stat_result:
        if path.parent == inbox:
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))
        return plain(path)

    with Journal(aside, make=True) as journal, journal.moving():
        (row,) = journal.plan(with_session(journal, [row_for(inbox / "a.jpg", aside / "a.jpg")]))
        with monkeypatch.context() as patched:
            patched.setattr(Path, "lstat", failing)
            (outcome,) = finish_unfinished(journal)
        assert outcome.end is None and journal.unfinished() == [row]
        assert [outcome.end for outcome in finish_unfinished(journal)] == ["not done"]


def test_undo_leaves_other_files_alone(inbox: Path, aside: Path) -> None:
    do(aside, row_for(inbox / "a.jpg", aside / "a.jpg"))
    (aside / "a.jpg").write_bytes(b"another")
    with Journal(aside) as journal:
        (taken,) = take_back(journal, journal.rows(takeable="moves"), UndoRequest())
    assert str(aside / "a.jpg") in taken.problem.split()
    assert files_below(inbox, aside) == {aside / "a.jpg": b"another"}


def test_many_moves_are_undone_while_another_process_writes(
    inbox: Path, aside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "ROWS_AT_A_TIME", 4)
    monkeypatch.setattr(undo, "ROWS_PER_BATCH", 2)
    num = 10
    for number in range(num):
        (inbox / f"{number}.jpg").write_bytes(b"%d" % number)
    do(aside, *(row_for(inbox / f"{number}.jpg", aside / f"{number}.jpg") for number in range(num)))
    with Journal(aside) as journal, Journal(aside) as other:
        for taken in take_back(journal, journal.rows(takeable="moves"), UndoRequest()):
            assert not taken.problem
            if taken.row.id % 2:
                other.plan(with_session(other, [replaced(row_for(inbox / "a.jpg", inbox / "a.jpg"), kind="stay")]))
    assert len(files_below(inbox)) == num + 1 and files_below(aside) == {}


class MovesAndUndos(RuleBasedStateMachine):
    """Moves, undos and redos in any order, while a person renames and deletes files."""

    names = st.sampled_from(["a.jpg", "b.jpg", "sub/a.jpg", "caf\udce9.jpg", "-x\n.jpg"])

    @initialize(copy=st.booleans())
    def begin(self, copy: bool) -> None:
        self.temporary = tempfile.TemporaryDirectory()
        top = Path(self.temporary.name)
        self.inbox, self.aside = top / "inbox", top / "aside"
        self.inbox.mkdir()
        self.aside.mkdir()
        self.copy = copy
        self.arrived: list[bytes] = []
        self.journal = Journal(self.aside, make=True)

    def teardown(self) -> None:
        if hasattr(self, "journal"):
            self.journal.close()
            self.temporary.cleanup()

    @rule(name=names, content=st.binary(max_size=2))
    def arrive(self, name: str, content: bytes) -> None:
        path = self.inbox / name
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)
            self.arrived.append(content)

    @rule(to_the_same=st.booleans())
    def move_all(self, to_the_same: bool) -> None:
        with self.journal.moving():
            rows, taken = [], set[Path]()
            for path in sorted(files_below(self.inbox)):
                name = "a.jpg" if to_the_same else path.relative_to(self.inbox)
                taken.add(place := free_place(self.aside / name, taken))
                if self.copy and self.journal.taken_from(path):
                    continue
                rows.append(row_for(path, place, "copy" if self.copy else "move"))
            outcomes = act(self.journal, with_session(self.journal, rows))
        assert {outcome.end for outcome in outcomes} <= {"done"}

    @rule(redo=st.booleans(), last=st.integers(1, 4))
    def take_back(self, redo: bool, last: int) -> None:
        rows = list(self.journal.rows(takeable="undos" if redo else "moves", last=last))
        before = files_below(self.inbox, self.aside)
        taken = list(take_back(self.journal, iter(rows), UndoRequest("redo" if redo else "undo")))
        assert {back.row.id for back in taken} == {row.id for row in rows}
        after = files_below(self.inbox, self.aside)
        for back in taken:
            if not back.problem:
                assert back.row.source in after
                assert hashlib.sha256(after[back.row.source]).hexdigest() == back.row.digest
            else:
                is_gone = not {back.row.place} <= before.keys() & after.keys()
                assert is_gone or back.row.source in before | after, back.problem
        if any(not back.problem for back in taken):
            assert before != after

    @rule()
    def open_anew(self) -> None:
        self.journal.close()
        self.journal = Journal(self.aside)

    @invariant()
    def nothing_is_lost(self) -> None:
        if not hasattr(self, "journal"):
            return
        found = files_below(self.inbox, self.aside)
        if self.copy:
            originals = sorted(content for path, content in found.items() if path.is_relative_to(self.inbox))
            assert originals == sorted(self.arrived)
        else:
            check_that_nothing_is_lost(self.arrived, self.aside, self.inbox, self.aside)


TestMovesAndUndos = MovesAndUndos.TestCase
TestMovesAndUndos.settings = settings(max_examples=settings.default.max_examples // 5, stateful_step_count=12)


def test_only_regular_files_have_an_identity(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"123")
    (tmp_path / "link").symlink_to(tmp_path / "a")
    assert identity(tmp_path / "a").size == 3
    for path in (tmp_path / "link", tmp_path):
        with pytest.raises(ChangedError):
            identity(path)
