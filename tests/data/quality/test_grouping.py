from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from skysort.core.progress import LineProgress, SilentProgress
from skysort.data.dataset import Data, open_dataset
from skysort.data.decode import Shape
from skysort.data.quality.grouping import groups_of, join_groups
from skysort.data.splits import prepare
from skysort.recipe.schema import Recipe
from skysort.recipe.sections import Pictures
from tests.conftest import lacking, picture_bytes, refused

MakeFolder = Callable[..., Path]


def grouped(folder: Path, **asked: object) -> dict[str, int]:
    """Return the group of each path."""
    dataset = open_dataset(Data.find(str(folder)), Shape(16, 3), SilentProgress())
    groups = groups_of(dataset, Pictures.model_validate(asked), LineProgress())
    return dict(zip(dataset.listing.paths, groups.tolist(), strict=True))


def partition(groups: dict[str, int]) -> list[list[str]]:
    """Return the groups of more than one."""
    members: dict[int, list[str]] = {}
    for path, group in groups.items():
        members.setdefault(group, []).append(path)
    return sorted(paths for group, paths in members.items() if group >= 0 and len(paths) > 1)


groupings = st.integers(1, 12).flatmap(
    lambda num: st.lists(st.lists(st.integers(-1, 5), min_size=num, max_size=num), min_size=1, max_size=4)
)


@given(groupings)
def test_joined_groups_are_the_smallest_that_part_none_of_those_given(given: list[list[int]]) -> None:
    alike, *declared = [np.array(groups, np.int64) for groups in given]
    found = join_groups(alike, declared)
    left = (alike < 0).tolist()
    expected = [{row} for row in range(len(alike))]
    for groups in (alike, *declared):
        for one in range(len(alike)):
            for other in range(one):
                if groups[one] == groups[other] >= 0 and not left[one] and not left[other]:
                    both = expected[one] | expected[other]
                    for row in both:
                        expected[row] = both
    assert (found < 0).tolist() == left
    # The numbers of `alike` name equal pictures, so that single ones have numbers of their own.
    for one in range(len(alike)):
        if not left[one]:
            assert set(np.flatnonzero(found == found[one]).tolist()) == expected[one]


def save(folder: Path, name: str, seed: int, taken: str = "", camera: str = "", fraction: str = "") -> None:
    """Save a picture that differs from those of other seeds."""
    exif = Image.Exif()
    if camera:
        exif[0x0110] = camera
    if taken:
        exif.get_ifd(0x8769)[0x9003] = f"2024:05:01 {taken}"
    if fraction:
        exif.get_ifd(0x8769)[0x9291] = fraction
    pixels = np.random.default_rng(seed).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(folder / name, quality=95, exif=exif)


def test_paths_of_the_same_match_are_together(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = [
        "bird/cam1_20240501_a.jpg", "bird/cam1_20240501_b.jpg", "bird/cam2_20240501_a.jpg", "bird/other.jpg",
        "plane/cam1_20240501_c.jpg", "plane/cam1_20240502_a.jpg", "plane/cam2_20240501_b.jpg", "plane/strange.jpg",
    ]  # fmt: skip
    for seed, name in enumerate(names):
        save(tmp_path, name, seed)
    days = [[names[0], names[1], names[4]], [names[2], names[6]]]
    assert partition(grouped(tmp_path, group_by=r"cam(\d+)_(\d{8})")) == days
    *_, in_groups, without = capsys.readouterr().err.splitlines()
    assert in_groups == "pictures.group_by: 8 pictures in 5 groups"
    assert lacking(without, "pictures.group_by", "2 of 8", " bird/other.jpg") == []
    assert partition(grouped(tmp_path, group_by=r"cam\d+")) == [
        [names[0], names[1], names[4], names[5]], [names[2], names[6]],
    ]  # fmt: skip
    assert partition(grouped(tmp_path)) == []


@pytest.mark.parametrize(
    ("pattern", "groups", "has_warning"),
    [(r"\d+", "2 groups", False), (r".*", "4 groups", True), (r"\.png$", "1 group", True)],
)
def test_how_many_groups_a_pattern_gives_is_said(
    pattern: str, groups: str, has_warning: bool, make_folder: MakeFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    grouped(make_folder({"a": 2, "b": 2}), group_by=pattern)
    numbers, _, warning = capsys.readouterr().err.splitlines()[-1].partition("; ")
    assert (numbers, bool(warning)) == (f"pictures.group_by: 4 pictures in {groups}", has_warning)


def test_a_pattern_that_no_path_has_is_an_error(make_folder: MakeFolder) -> None:
    with refused("no-groups", "pictures.group_by", "'cam(x)'", "a/0.png"):
        grouped(make_folder({"a": 1, "b": 1}), group_by="cam(x)")


def test_what_is_no_pattern_is_an_error_that_names_the_field() -> None:
    with refused("invalid-recipe", "pictures.group_by", "'cam('", exit_code=2):
        Recipe.load("mlp", ["pictures.group_by=cam("])


def test_bursts_chain_within_a_folder_and_a_camera(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for seed, (name, taken, camera, fraction) in enumerate([
        ("bird/1.jpg", "10:00:00", "A", ""),
        ("bird/2.jpg", "10:00:01", "A", "5"),  # 1.5 s later
        ("bird/3.jpg", "10:00:03", "A", "40"),  # 1.9 s later
        ("bird/4.jpg", "10:00:05", "A", "4"),  # 2 s later
        ("bird/5.jpg", "10:00:01", "B", ""),
        ("bird/6.jpg", "", "A", ""),
        ("plane/1.jpg", "10:00:01", "A", ""),
        ("plane/2.jpg", "", "A", ""),
    ]):  # fmt: skip
        save(tmp_path, name, seed, taken, camera, fraction)
    for _ in range(2):  # the second time from the cache
        assert partition(grouped(tmp_path, burst_seconds=2)) == [["bird/1.jpg", "bird/2.jpg", "bird/3.jpg"]]
        assert "2 of 8 pictures have no capture time" in capsys.readouterr().err
    save(tmp_path, "bird/6.jpg", 5, "10:00:05", "A", "6")
    assert ["bird/4.jpg", "bird/6.jpg"] in partition(grouped(tmp_path, burst_seconds=2))


@pytest.mark.parametrize("data", ["skies:20", "folder"])
def test_bursts_of_pictures_without_times_are_an_error(data: str, make_folder: MakeFolder) -> None:
    asked = str(make_folder({"a": 2, "b": 2})) if data == "folder" else data
    dataset = open_dataset(Data.find(asked), Shape(16, 3), SilentProgress())
    with refused("no-groups", "pictures.burst_seconds", "DateTimeOriginal"):
        groups_of(dataset, Pictures(burst_seconds=1), SilentProgress())


def copies(make_folder: MakeFolder) -> tuple[Path, list[tuple[str, str]]]:
    """Make a folder with near-duplicates: half of the pictures, brightened."""
    folder = make_folder({"a": 20, "b": 20})
    pairs = [(f"{name}/{number}.png", f"{name}/copy-{number}.png") for name in "ab" for number in range(0, 20, 2)]
    for path, copy in pairs:
        with Image.open(folder / path) as picture:
            picture.point(lambda value: int(value * 0.9)).save(folder / copy)
    return folder, pairs


def test_near_duplicates_never_stand_in_two_parts(make_folder: MakeFolder) -> None:
    folder, pairs = copies(make_folder)
    for seed in range(5):
        prepared = prepare(Data.find(str(folder)), Pictures(protocol="four-way", seed=seed), SilentProgress())
        paths = prepared.dataset.listing.paths
        part_of = {paths[row]: split for split, rows in prepared.splits.items() for row in rows}
        assert all(part_of[path] == part_of[copy] for path, copy in pairs)
        assert len(part_of) == 60


def test_near_duplicates_can_be_parted_on_request(make_folder: MakeFolder) -> None:
    folder, pairs = copies(make_folder)
    (folder / "a/equal.png").write_bytes(picture_bytes(1))
    assert partition(grouped(folder, near_duplicates="apart")) == [["a/1.png", "a/equal.png"]]
    assert partition(grouped(folder)) == sorted([["a/1.png", "a/equal.png"], *map(list, pairs)])


def test_an_unreadable_picture_is_in_no_group(tmp_path: Path) -> None:
    for seed in range(3):
        save(tmp_path, f"a/cam1_{seed}.jpg", seed)
    (tmp_path / "a/cam1_broken.jpg").write_bytes(b"")
    groups: dict[str, int] = grouped(tmp_path, group_by="cam1")
    assert groups.pop("a/cam1_broken.jpg") == -1
    assert len(set(groups.values())) == 1
