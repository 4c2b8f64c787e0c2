from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from skysort.core.progress import Progress, SilentProgress
from skysort.data.cut import cut
from skysort.data.dataset import Data, Dataset, open_dataset
from skysort.data.decode import Shape
from skysort.data.listing import Listing
from skysort.data.sources.several import merge_repeated
from tests.conftest import lacking, picture_bytes, refused
from tests.data.sources.test_archive import write_zip

MakeFolder = Callable[..., Path]


class Said(SilentProgress):
    """Keeps what was said."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)


def opened(*paths: Path, progress: Progress | None = None, label_by: str | None = None) -> Dataset:
    data = Data.find([str(path) for path in paths])
    return open_dataset(data, Shape(16, 3), progress or SilentProgress(), label_by)


def as_rows(listing: Listing) -> dict[str, tuple[str, str]]:
    rows = zip(listing.paths, listing.labels, listing.splits, strict=True)
    return {path: (listing.classes[label], split) for path, label, split in rows}


def write_table(path: Path, *rows: str) -> Path:
    path.write_text("\n".join(["path,label,split", *rows]), encoding="utf-8")
    return path


def test_a_later_source_adds_pictures_and_corrects_those_of_an_earlier_one(
    make_folder: MakeFolder, tmp_path: Path
) -> None:
    folder = make_folder({"cat": 3, "dog": 2}, "holiday")
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    (inbox / "moved.png").write_bytes((folder / "cat/1.png").read_bytes())
    (inbox / "new.png").write_bytes(picture_bytes(99))
    corrections = write_table(
        tmp_path / "corrections.csv",
        f"{inbox}/moved.png,dog,train",
        f"{inbox}/new.png,owl,train",
        "holiday/dog/0.png,dog,train",
    )
    said = Said()
    found = opened(folder, corrections, progress=said)
    assert as_rows(found.listing) == {
        "holiday/cat/0.png": ("cat", ""),
        "holiday/cat/1.png": ("dog", "train"),
        "holiday/cat/2.png": ("cat", ""),
        "holiday/dog/0.png": ("dog", "train"),
        "holiday/dog/1.png": ("dog", ""),
        f"{inbox}/new.png": ("owl", "train"),
    }
    (line,) = said.lines
    assert lacking(line, "2 pictures", "1 picture has a new label") == []
    assert len(found.pixels(np.arange(6))) == 6


def test_the_last_of_several_corrections_counts_and_a_class_may_go_with_it(
    make_folder: MakeFolder, tmp_path: Path
) -> None:
    folder = make_folder({"cat": 2, "dgo": 1}, "holiday")
    first = write_table(tmp_path / "1.csv", "holiday/dgo/0.png,cow,", "holiday/cat/0.png,cow,")
    second = write_table(tmp_path / "2.csv", "holiday/dgo/0.png,dog,")
    assert as_rows(opened(folder, first, second).listing) == {
        "holiday/cat/0.png": ("cow", ""),
        "holiday/cat/1.png": ("cat", ""),
        "holiday/dgo/0.png": ("dog", ""),
    }
    assert opened(folder, first, second).listing.classes == ("cat", "cow", "dog")


def test_a_correction_leaves_a_picture_in_the_split_its_data_declares(
    make_folder: MakeFolder, tmp_path: Path
) -> None:
    folder = make_folder({"train/cat": 1, "train/dog": 1, "test/cat": 1}, "holiday")
    table = write_table(tmp_path / "c.csv", "holiday/test/cat/0.png,dog,train")
    (tmp_path / "more").mkdir()
    more = make_folder({"more/cat": 1}, "more")
    (more / "more/cat/0.png").write_bytes(picture_bytes(77))
    rows = as_rows(opened(folder, table, more).listing)
    assert rows["holiday/test/cat/0.png"] == ("dog", "test")
    assert rows["more/more/cat/0.png"] == ("cat", "train")  # what has no split is not held out


def test_sources_of_all_kinds_are_one_data_set(make_folder: MakeFolder, tmp_path: Path) -> None:
    folder = make_folder({"cat": 2, "dog": 2}, "a")
    archive = write_zip(tmp_path / "b.zip", "cat/1.png", "owl/2.png")
    (tmp_path / "x").mkdir()
    other = make_folder({"cat": 1}, "x/a")
    (other / "cat/0.png").write_text("no picture")
    listing = opened(folder, archive, other).listing
    assert [path for path in listing.paths if path.startswith("b.zip/")] == ["b.zip/cat/1.png", "b.zip/owl/2.png"]
    assert "a (2)/cat/0.png" in listing.paths
    assert len(opened(folder, archive, other).unreadable) == 1
    assert listing.classes == ("cat", "dog", "owl")


def test_what_changes_in_any_source_is_seen(make_folder: MakeFolder, tmp_path: Path) -> None:
    folder = make_folder({"cat": 2, "dog": 2}, "holiday")
    table = write_table(tmp_path / "c.csv", "holiday/cat/0.png,dog,")
    before = opened(folder, table).fingerprint()
    assert opened(folder, table).fingerprint() == before
    write_table(table, "holiday/cat/1.png,dog,")
    assert opened(folder, table).fingerprint() != before
    assert opened(folder).fingerprint() != before


def test_a_pattern_labels_folders_beside_a_table(tmp_path: Path, make_folder: MakeFolder) -> None:
    folder = make_folder({"x": 2}, "flat")
    for number, name in enumerate(("cat_1.png", "dog_1.png")):
        (folder / f"x/{number}.png").rename(folder / name)
    table = write_table(tmp_path / "c.csv", "flat/cat_1.png,owl,")
    assert as_rows(opened(folder, table, label_by="(cat|dog)_").listing) == {
        "flat/cat_1.png": ("owl", ""),
        "flat/dog_1.png": ("dog", ""),
    }


def test_several_sources_are_paths(make_folder: MakeFolder) -> None:
    with refused("unsupported-data", "'skies'", exit_code=2):
        Data.find([str(make_folder({"cat": 1})), "skies"])
    assert Data.find(["skies"]) == Data.find("skies")


def listing_of(labels: list[int], splits: list[str]) -> Listing:
    paths = tuple(map(str, range(len(labels))))
    return Listing(paths, np.array(labels), ("a", "b"), tuple(splits))


def test_pictures_that_are_for_training_stay_there_with_their_groups() -> None:
    listing = listing_of([0, 1] * 22, [""] * 40 + ["train"] * 4)
    groups = np.arange(44)
    groups[0] = 40  # a free picture in the group of one for training
    splits = cut(listing, groups, "four-way", 0)
    assert {0, 40, 41, 42, 43} <= set(splits["train"].tolist())
    assert sorted(np.concatenate(list(splits.values())).tolist()) == list(range(44))
    assert {split: len(rows) > 0 for split, rows in splits.items()} == dict.fromkeys(splits, True)
    assert set(cut(listing, groups, "four-way", 1)["test"].tolist()).isdisjoint(range(40, 44))


def test_a_class_with_pictures_for_training_alone_is_an_error_that_says_what_is_missing() -> None:
    listing = listing_of([0] * 20 + [1] * 20 + [0], [""] * 40 + ["train"])
    only = replace(listing, labels=np.array([0] * 10 + [1] * 30 + [2]), classes=("a", "b", "c"))
    with refused("class-too-small", "'c'"):
        cut(only, np.arange(41), "four-way", 0)


def test_equal_pictures_of_one_source_stay_as_they_are() -> None:
    listing = replace(listing_of([0, 1, 0, 1], [""] * 4), origins=(0, 0, 1, 1))
    kept, rows = merge_repeated(listing, np.array([5, 5, -1, 3]))
    assert rows.tolist() == [0, 1, 2, 3]
    assert kept.labels.tolist() == [0, 1, 0, 1]
