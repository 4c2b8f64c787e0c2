import errno
import io
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pytest
from PIL import Image

from skysort.classifier.classifier import Classifier, Decoded
from skysort.classifier.predictions import Prediction
from skysort.data.formats.signature import unfinished
from skysort.work import batch, moves
from skysort.work import classify as classify_module
from skysort.work import sort as module
from skysort.work.attempts import Attempts
from skysort.work.journal import Journal
from skysort.work.journal_entries import JournalEntry
from skysort.work.moves import MoveResult
from skysort.work.settle import End
from skysort.work.sort import UnsortedFiles, sort_pictures
from skysort.work.undo import UndoRequest, take_back
from tests.conftest import numbers, refused
from tests.work.making import CLASSES, FirstPixel, files_below, row_for, with_session
from tests.work.test_watch import AIRPLANE, BIRD, picture, put


def test_a_move_that_another_process_left_unfinished_meanwhile_is_not_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, to = tmp_path / "holiday", tmp_path / "sorted"
    folder.mkdir()
    (folder / "a.png").write_bytes(AIRPLANE)
    (folder / "b.png").write_bytes(BIRD)
    plain = module.classify

    def settle(row: JournalEntry) -> End:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    def classify(classifier: Classifier, paths: Sequence[Path], attempts: Attempts) -> Any:
        with Journal(to) as other, other.moving():
            other.plan(with_session(other, [row_for(folder / "a.png", to / "airplane" / "a.png")]))
        monkeypatch.setattr(moves, "settle", settle)
        return plain(classifier, paths, attempts)

    monkeypatch.setattr(module, "classify", classify)
    ends = [
        (outcome.row.source.name, outcome.end) for outcome in sort_pictures(cast(Any, FirstPixel()), folder, to)
    ]
    assert sorted(ends) == [("a.png", None), ("b.png", "done")]
    assert files_below(to) == {to / "bird" / "b.png": BIRD}


def sort(folder: Path, to: Path, classifier: Any = None, **how: Any) -> tuple[list[MoveResult], UnsortedFiles]:
    passed = UnsortedFiles()
    outcomes = sort_pictures(cast(Any, classifier or FirstPixel()), folder, to, passed=passed, **how)
    return list(outcomes), passed


def with_links(top: Path) -> Path:
    put(top, {"holiday/a.png": AIRPLANE, "holiday/notes.txt": b"hello", "holiday/b.jfif": BIRD, "holiday/c": BIRD})
    put(top, {"holiday/@eaDir/a.png/thumb.png": BIRD, "elsewhere/d.png": AIRPLANE, "elsewhere/e.png": BIRD})
    (top / "holiday" / "folder").symlink_to(top / "elsewhere", target_is_directory=True)
    (top / "elsewhere" / "around").symlink_to(top / "holiday", target_is_directory=True)
    (top / "holiday" / "link.png").symlink_to(top / "elsewhere" / "e.png")
    return top / "holiday"


def test_copying_follows_links_and_counts_other_files(tmp_path: Path) -> None:
    with_links(tmp_path)
    before = files_below(tmp_path)
    outcomes, passed = sort(tmp_path / "holiday", tmp_path / "to")
    assert {outcome.end for outcome in outcomes} == {"done"}
    assert {str(path.relative_to(tmp_path / "to")) for path in files_below(tmp_path / "to")} == {
        "airplane/a.png", "airplane/folder/d.png", "bird/b.jfif", "bird/c", "bird/folder/e.png",
    }  # fmt: skip
    assert before.items() <= files_below(tmp_path).items()
    hidden, others, same = passed.remarks()
    assert "@eaDir" in hidden and numbers(others)[0] == "1" and "notes.txt" in others
    assert numbers(same)[0] == "1" and "link.png" in same


@pytest.mark.parametrize("link", ["0.png", "z.png", "sub/0.png", "0/a.png"])
def test_a_link_beside_its_own_target_is_the_same_picture(link: str, tmp_path: Path) -> None:
    """It is sorted under its real name, whichever name comes first."""
    put(tmp_path, {"holiday/sub/a.png": AIRPLANE, "holiday/b.png": AIRPLANE})
    for name in (link, "9/second.png"):
        (tmp_path / "holiday" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "holiday" / name).symlink_to(tmp_path / "holiday" / "sub" / "a.png")
    _, passed = sort(tmp_path / "holiday", tmp_path / "to")
    airplanes = tmp_path / "to" / "airplane"
    assert set(files_below(tmp_path / "to")) == {airplanes / "sub" / "a.png", airplanes / "b.png"}
    assert {str(path.relative_to(tmp_path / "holiday")) for path in passed.same} == {link, "9/second.png"}


@pytest.mark.parametrize("real", [".cache/a.png", "@eaDir/a.png", "../elsewhere/a.png"])
def test_a_link_to_a_file_that_is_not_sorted_itself_keeps_its_own_name(real: str, tmp_path: Path) -> None:
    put(tmp_path, {"holiday/b.png": AIRPLANE, "elsewhere/c.png": AIRPLANE})
    target = (tmp_path / "holiday" / real).resolve()
    put(tmp_path, {str(target): AIRPLANE})
    (tmp_path / "holiday" / "link.png").symlink_to(target)
    sort(tmp_path / "holiday", tmp_path / "to")
    assert set(files_below(tmp_path / "to")) == {
        tmp_path / "to" / "airplane" / name for name in ("link.png", "b.png")
    }


def test_nothing_is_moved_out_of_another_folder(tmp_path: Path) -> None:
    with_links(tmp_path)
    _, passed = sort(tmp_path / "holiday", tmp_path / "to", move=True)
    assert {str(path.relative_to(tmp_path / "to")) for path in files_below(tmp_path / "to")} == {
        "airplane/a.png", "bird/b.jfif", "bird/c",
    }  # fmt: skip
    assert {path.name for path in files_below(tmp_path / "elsewhere")} == {"d.png", "e.png"}
    assert len(passed.links) == 3 and numbers(passed.remarks()[-1])[0] == "3"


def test_unsure_pictures_have_a_folder_of_their_own(tmp_path: Path) -> None:
    put(tmp_path, {"holiday/a.png": AIRPLANE, "holiday/b.png": BIRD})
    sort(tmp_path / "holiday", tmp_path / "none", unsure_below=0.9)
    assert {path.parent.name for path in files_below(tmp_path / "none")} == {"airplane", "bird"}
    outcomes, _ = sort(tmp_path / "holiday", tmp_path / "all", unsure_below=0.91)
    assert set(files_below(tmp_path / "all")) == {tmp_path / "all" / "unsure" / f"{name}.png" for name in "ab"}
    assert {outcome.row.label for outcome in outcomes} == set(CLASSES)
    assert numbers(outcomes[0].row.reason) == ["0.900", "0.91"]
    with Journal(tmp_path / "all") as journal:
        taken = list(take_back(journal, journal.rows(takeable="moves"), UndoRequest()))
        assert [(row.problem, row.correction) for row in taken] == [("", None)] * 2, "nobody said what they are"


def test_a_class_called_unsure_keeps_its_folder(tmp_path: Path) -> None:
    class Another(FirstPixel):
        classes = ("Unsure", "bird")

    put(tmp_path, {"holiday/a.png": AIRPLANE})
    with refused("options-conflict", "Unsure", "--unsure-below", exit_code=2):
        sort(tmp_path / "holiday", tmp_path / "to", Another(), unsure_below=0.5)
    assert not (tmp_path / "to").exists()


def test_a_picture_that_memory_is_too_short_for_is_tried_again_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, {f"holiday/{number}.png": picture(number) for number in range(5)})
    plain = classify_module.decode
    tried: list[int] = []

    def decode(content: bytes, shape: Any) -> Any:
        tried.append(int(plain(content, shape)[0, 0, 0]))
        if tried[-1] == 2:
            raise MemoryError
        return plain(content, shape)

    monkeypatch.setattr(classify_module, "decode", decode)
    outcomes, _ = sort(tmp_path / "holiday", tmp_path / "to")
    assert sorted(tried) == [0, 1, 2, 2, 3, 4] and tried[-1] == 2
    failed = [outcome for outcome in outcomes if outcome.end != "done"]
    assert [(outcome.row.source.name, type(outcome.error)) for outcome in failed] == [("2.png", MemoryError)]


@pytest.mark.parametrize("error", [RuntimeError("odd"), OverflowError("odd"), KeyError("odd")])
def test_an_unforeseen_error_of_one_picture_stops_no_other_sort(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, {f"holiday/{number}.png": picture(number) for number in range(5)})
    plain = batch.act

    def odd(journal: Journal, rows: Sequence[JournalEntry]) -> Any:
        if any(row.source.name == "3.png" for row in rows):
            raise error
        return plain(journal, rows)

    monkeypatch.setattr(batch, "act", odd)
    outcomes, _ = sort(tmp_path / "holiday", tmp_path / "to")
    assert {outcome.row.source.name: outcome.error for outcome in outcomes if outcome.error} == {"3.png": error}
    assert len(files_below(tmp_path / "to")) == 4


def test_a_folder_with_a_journal_is_not_sorted(tmp_path: Path) -> None:
    put(tmp_path, {"holiday/a.png": AIRPLANE})
    sort(tmp_path / "holiday", tmp_path / "to")
    for folder, to in (
        (tmp_path / "to.journal", tmp_path / "x"),
        (tmp_path / "holiday", tmp_path / "to.journal" / "x"),
    ):
        with refused("folders-overlap", tmp_path / "to.journal", exit_code=2):
            sort(folder, to)


def test_a_file_that_lacks_only_its_end_is_sorted_by_its_picture(tmp_path: Path) -> None:
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "GIF")
    put(tmp_path, {"holiday/a.gif": file.getvalue().rstrip(b";")})
    assert unfinished((tmp_path / "holiday" / "a.gif").read_bytes()) is not None
    sort(tmp_path / "holiday", tmp_path / "to")
    assert set(files_below(tmp_path / "to")) == {tmp_path / "to" / "airplane" / "a.gif"}


def test_two_sorts_into_one_folder_keep_separate_records(tmp_path: Path) -> None:
    class Meanwhile(FirstPixel):
        """Sorts another folder during the classification of the first, and reads the records then."""

        def answer(self, decoded: Sequence[Decoded]) -> list[Prediction]:
            sort(tmp_path / "other", tmp_path / "to")
            for path in (tmp_path / "to.journal").glob("attempts*.json"):
                for name, *_, num_deaths, is_judged in json.loads(path.read_text("utf-8")):
                    noted.append((Path(name).name, num_deaths, is_judged))
            return super().answer(decoded)

    noted: list[tuple[str, int, bool]] = []
    put(tmp_path, {"holiday/a.png": AIRPLANE, "holiday/b.png": BIRD, "other/c.png": AIRPLANE})
    sort(tmp_path / "holiday", tmp_path / "to", Meanwhile())
    assert sorted(noted) == [("a.png", 0, True), ("b.png", 0, True)]
    assert not list((tmp_path / "to.journal").glob("attempts*"))
    assert {path.name for path in files_below(tmp_path / "to")} == {"a.png", "b.png", "c.png"}
