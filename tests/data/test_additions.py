"""Answered pictures added to those of a run."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from skysort.core.progress import SilentProgress
from skysort.data.additions import FOLDER, TABLE, Additions
from skysort.data.dataset import Data
from skysort.data.membership import member_rows
from skysort.data.splits import PreparedData, prepare
from skysort.recipe.schema import Recipe
from tests.conftest import picture_bytes

PICTURES = Recipe.load("mlp-small", ("pictures.protocol=four-way", "pictures.size=32")).pictures


@pytest.fixture
def own(make_folder: Callable[..., Path]) -> Path:
    return make_folder({"cat": 30, "dog": 30})


def add(own: Path, folder: Path, **answers: tuple[bytes, str, str]) -> tuple[PreparedData, PreparedData]:
    """Return a folder's pictures without and with answers: name=(content, label, split)."""
    before = prepare(Data.find(str(own)), PICTURES, SilentProgress())
    (folder / FOLDER).mkdir(parents=True)
    for name, (content, _, _) in answers.items():
        (folder / FOLDER / f"{name}.png").write_bytes(content)
    rows = [f"{name}.png,{label},{split}" for name, (_, label, split) in answers.items()]
    (folder / FOLDER / TABLE).write_text("\n".join(["path,label,split", *rows]) + "\n", "utf-8")
    additions = Additions(folder / FOLDER, {row[3]: row[0] for row in list(member_rows(before))[1:]})
    return before, prepare(Data.find(str(own)), PICTURES, SilentProgress(), additions=additions)


def paths(prepared: PreparedData, rows: np.ndarray) -> set[str]:
    return {prepared.dataset.listing.paths[row] for row in rows}


def test_own_pictures_keep_their_splits_and_answers_join_as_they_may(own: Path, tmp_path: Path) -> None:
    before, after = add(
        own, tmp_path / "run",
        a=(picture_bytes(1000), "dog", "train"), b=(picture_bytes(1001), "cat", "calibration"),
        c=(picture_bytes(1002), "cat", "test"), broken=(b"no picture", "cat", "train"),
    )  # fmt: skip
    for split, rows in before.splits.items():
        assert paths(after, after.splits[split]) - paths(before, rows) == (
            {"answers/a.png"} if split == "train" else set()
        )
        assert paths(before, rows) <= paths(after, after.splits[split])
    assert {part: paths(after, rows) for part, rows in after.audited.items()} == {
        "calibration": {"answers/b.png"},
        "test": {"answers/c.png"},
    }
    assert after.unreadable_of("train").size == 0 == before.unreadable_of("train").size
    assert after.dataset.listing.classes == ("cat", "dog")


def test_a_new_class_comes_last_and_its_pictures_train(own: Path, tmp_path: Path) -> None:
    _, after = add(own, tmp_path / "run", a=(picture_bytes(1000), "ape", "train"))
    listing = after.dataset.listing
    assert listing.classes == ("cat", "dog", "ape")
    assert [listing.classes[listing.labels[row]] for row in after.splits["train"]].count("ape") == 1


def test_a_correction_gives_an_own_picture_a_new_label_and_an_audited_one_does_not(
    own: Path, tmp_path: Path
) -> None:
    cat, other = (own / "cat" / "0.png").read_bytes(), (own / "cat" / "1.png").read_bytes()
    _, after = add(own, tmp_path / "run", a=(cat, "dog", "train"), b=(other, "dog", "calibration"))
    listing = after.dataset.listing
    label = dict(zip(listing.paths, (listing.classes[label] for label in listing.labels), strict=True))
    assert "answers/a.png" not in label and label["cat/0.png"] == "dog" and label["cat/1.png"] == "cat"
    assert paths(after, after.audited["calibration"]) == {"answers/b.png"}


def test_leaks_leave_what_measures(own: Path, tmp_path: Path) -> None:
    """A picture like a correction does not calibrate or test, and one like a calibration picture does not test."""
    seen, twice = picture_bytes(1000), picture_bytes(1001)
    _, after = add(
        own, tmp_path / "run", a=(seen, "dog", "train"), b=(seen, "dog", "calibration"), c=(seen, "dog", "test"),
        d=(twice, "dog", "calibration"), e=(twice, "dog", "test"), f=(picture_bytes(1002), "dog", "test"),
    )  # fmt: skip
    assert paths(after, after.audited_to_use("calibration")) == {"answers/d.png"}
    assert paths(after, after.audited_to_use("test")) == {"answers/f.png"}


def test_moving_the_answers_decodes_nothing_again(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, after = add(own, tmp_path / "run", a=(picture_bytes(1000), "dog", "train"))
    (tmp_path / "run").rename(tmp_path / "moved")
    monkeypatch.setattr("skysort.data.store._fill", lambda *_: pytest.fail("decoded again"))
    splits = {row[3]: row[0] for row in list(member_rows(before))[1:]}
    additions = Additions(tmp_path / "moved" / FOLDER, splits)
    again = prepare(Data.find(str(own)), PICTURES, SilentProgress(), additions=additions)
    assert again.described() == after.described()
