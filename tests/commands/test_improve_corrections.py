"""What corrections teach in an improve."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

import skysort
from skysort.classifier.format import read_table
from skysort.core.files import sha256
from skysort.data.additions import FOLDER, TABLE
from skysort.data.builtin import skies
from skysort.runs.pictures_to_add import _content
from skysort.work.journal import Journal
from tests.commands.improving import NUM, NUM_CORRECTED, copied, put, rows_of, with_pixel
from tests.conftest import refused


def test_a_new_class_is_learned_and_one_with_too_few_corrections_is_left_out(
    answered: Path, tmp_path: Path
) -> None:
    copied(answered, tmp_path, "aside", "aside.journal", "blog")
    with Journal(tmp_path / "aside") as journal:
        corrected = [row for row in journal.classifications() if not row.is_drawn]
        journal.answers.add([(row.id, "heron") for row in corrected[:3]], "me")
        journal.answers.add([(corrected[3].id, "stork")], "me")
    run = skysort.improve(answered / "run", tmp_path / "aside", tmp_path / "run2")
    assert run.data.classes == ("airplane", "bird", "heron") == read_table(run.classifier).classes
    assert run.data.counts["train"]["heron"] == 3 and run.data.counts["test"]["heron"] == 0
    assert (run.improvement.new_classes, run.improvement.unused_classes) == (("heron",), {"stork": 1})
    (decision,) = read_table(run.classifier).decisions
    assert decision.keep == ("bird",)


def test_three_corrections_of_one_scene_are_too_few_for_a_new_class(answered: Path, tmp_path: Path) -> None:
    scene = Image.fromarray(skies.draw(3_000_000, 32))
    put(answered, {f"heron-{number}.png": with_pixel(scene, number) for number in range(3)})
    with Journal(answered / "aside") as journal:
        rows = list(journal.classifications())[-3:]
        journal.answers.add([(row.id, "heron") for row in rows], "me")
    run = skysort.improve(answered / "run", answered / "aside", tmp_path / "run2")
    assert run.data.classes == ("airplane", "bird")
    assert (run.improvement.new_classes, run.improvement.unused_classes) == ((), {"heron": 3})
    assert run.improvement.corrections == NUM_CORRECTED


def test_two_copies_of_a_corrected_picture_are_one(answered: Path, tmp_path: Path) -> None:
    picture = Image.fromarray(skies.draw(3_000_000, 32))
    put(answered, {"bird-900.png": picture, "bird-901.png": picture})
    with Journal(answered / "aside") as journal:
        rows = list(journal.classifications())[-2:]
        assert rows[0].digest == rows[1].digest
        journal.answers.add([(row.id, "bird") for row in rows], "me")
    run = skysort.improve(answered / "run", answered / "aside", tmp_path / "run2")
    assert run.improvement.corrections == NUM_CORRECTED + 1
    assert len(rows_of(run.path / FOLDER / TABLE)) == NUM + NUM_CORRECTED + 1


def test_a_picture_that_changes_while_it_is_copied_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "bird.png"
    path.write_bytes(b"before")
    digest = sha256(path)
    assert _content(path, digest) == b"before"
    monkeypatch.setattr(Path, "read_bytes", lambda *_: b"after")
    assert _content(path, digest) is None


def test_changed_pictures_of_the_run_are_refused(tmp_path: Path, make_folder: Callable[..., Path]) -> None:
    pictures = make_folder({"airplane": 40, "bird": 40})
    short = ("training.epochs=1", "training.threads=1")
    run = skysort.train(pictures, "mlp-small", tmp_path / "run", settings=short)
    (tmp_path / "inbox").mkdir()
    shutil.copy(pictures / "bird" / "0.png", tmp_path / "inbox" / "a.png")
    skysort.sort(run.path, tmp_path / "inbox", tmp_path / "sorted")
    with Journal(tmp_path / "sorted") as journal:
        journal.answers.add([(1, "airplane")], "me")
    improved = skysort.improve(run.path, tmp_path / "sorted", tmp_path / "run2")
    assert (improved.improvement.decision, improved.improvement.rate) == (None, None)
    (row,) = [row for row in rows_of(improved.pictures) if row["path"] == "bird/0.png"]
    assert row["class"] == "airplane", "a correction of a picture that the run has gives it a new label"
    shutil.move(pictures, tmp_path / "elsewhere")
    with refused("pictures-moved", "--data"):
        skysort.improve(run.path, tmp_path / "sorted", tmp_path / "run3")
    skysort.improve(run.path, tmp_path / "sorted", tmp_path / "run3", moved_to=tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "bird" / "1.png").unlink()
    with refused("pictures-changed"):
        skysort.improve(run.path, tmp_path / "sorted", tmp_path / "run4")
