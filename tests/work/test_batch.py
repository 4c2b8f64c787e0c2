import errno
import os
from pathlib import Path

import pytest

from skysort.classifier.predictions import Prediction
from skysort.work import moves
from skysort.work.batch import plan_and_move
from skysort.work.classify import ClassifiedFile
from skysort.work.journal import Journal
from skysort.work.journal_entries import JournalEntry
from skysort.work.names import free_place
from skysort.work.settle import End
from tests.work.making import SETTINGS, files_below, row_for, with_session


def classified(path: Path, content: bytes) -> ClassifiedFile:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    row = row_for(path, path)
    prediction = Prediction(str(path), "airplane", 0.9, "ok", "", {"airplane": 0.9, "bird": 0.1})
    return ClassifiedFile(path, row.file, row.digest, prediction)


def test_two_files_that_want_one_place_get_two(tmp_path: Path) -> None:
    files = [classified(tmp_path / "inbox" / name / "a.jpg", name.encode()) for name in ("one", "two")]
    with Journal(tmp_path / "aside", make=True) as journal:
        session = journal.session(SETTINGS)

        def plan(file: ClassifiedFile, taken: set[Path]) -> JournalEntry:
            return file.entry("move", free_place(tmp_path / "aside" / "a.jpg", taken), session, "watch")

        results, begun = plan_and_move(journal, {tmp_path: Path("/")}, files, plan)
        assert journal.mounts()[tmp_path] == Path("/")
    assert [result.end for result in results] == ["done", "done"] and begun == {}
    assert files_below(tmp_path / "aside") == {
        tmp_path / "aside" / "a.jpg": b"one",
        tmp_path / "aside" / "a-2.jpg": b"two",
    }


@pytest.mark.parametrize("settles", [True, False])
def test_a_file_with_an_earlier_move_is_not_planned(
    settles: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [classified(tmp_path / "inbox" / f"{name}.jpg", name.encode()) for name in ("a", "b", "c")]
    plain = moves.settle

    def settle(row: JournalEntry) -> End:
        if settles:
            return plain(row)
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    def plan(file: ClassifiedFile, _taken: set[Path]) -> JournalEntry | None:
        planned.append(file.path)
        return None

    planned: list[Path] = []
    with Journal(tmp_path / "aside", make=True) as journal:
        by_source, by_place = (file.path for file in files[:2])
        rows = [row_for(by_source, tmp_path / "aside" / "a.jpg"), row_for(files[2].path, by_place, "copy")]
        with journal.moving():
            journal.plan(with_session(journal, rows))
        monkeypatch.setattr(moves, "settle", settle)
        results, begun = plan_and_move(journal, {}, files[:2], plan)
    assert planned == [] and results == []
    assert {path: result.end for path, result in begun.items()} == dict.fromkeys(
        (by_source, by_place), "not done" if settles else None
    )
