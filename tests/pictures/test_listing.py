import random
import string
from dataclasses import replace
from unicodedata import normalize

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skysort.errors import SkysortError
from skysort.pictures.listing import Listing, arrange, is_hidden, is_image_name, natural, numbered

PARTS = {"train", "validation", "calibration", "test"}

names = st.sampled_from(
    [
        "cat", "dog", "Dog", "2", "10", "02", "train", "val", "validation", "valid", "test",
        ".git", "._1.jpg", ".DS_Store", "Thumbs.db", "__pycache__", ".ipynb_checkpoints",
        "1.jpg", "10.JPG", "x.png", "x.tiff", "notes.txt", "Ä 9.webp", "b\udcff.png",
    ]
) | st.text(st.characters(exclude_characters="/\0"), min_size=1, max_size=6)  # fmt: skip
relative_paths = st.lists(names, min_size=1, max_size=4).map("/".join)


def as_rows(listing: Listing) -> list[tuple[str, str, str]]:
    return [
        (path, listing.classes[label], part)
        for path, label, part in zip(listing.paths, listing.labels, listing.parts, strict=True)
    ]


def test_a_folder_a_class_needs_nothing_else() -> None:
    listing = arrange(["dog/1.jpg", "cat/1.jpg"], "here")
    assert as_rows(listing) == [("cat/1.jpg", "cat", ""), ("dog/1.jpg", "dog", "")]


def test_classes_come_in_natural_order() -> None:
    assert arrange([f"{name}/1.jpg" for name in ("10", "2", "a10", "a9")], "here").classes == (
        "2",
        "10",
        "a9",
        "a10",
    )


def test_pictures_come_in_natural_order() -> None:
    assert arrange(["cat/10.jpg", "cat/9.jpg"], "here").paths == ("cat/9.jpg", "cat/10.jpg")


@pytest.mark.parametrize(
    ("folder", "part"),
    [
        ("train", "train"),
        ("val", "validation"),
        ("validation", "validation"),
        ("valid", "validation"),
        ("calibration", "calibration"),
        ("test", "test"),
    ],
)
def test_a_part_folder_names_its_part(folder: str, part: str) -> None:
    listing = arrange([f"{folder}/cat/1.jpg", f"{folder}/dog/1.jpg"], "here")
    assert as_rows(listing) == [(f"{folder}/cat/1.jpg", "cat", part), (f"{folder}/dog/1.jpg", "dog", part)]


@pytest.mark.parametrize("inside", ["cat/1.jpg", "train/cat/1.jpg"])
@pytest.mark.parametrize("around", ["pictures", "download/pictures", "a/b/c"])
def test_folders_around_it_all_change_nothing(inside: str, around: str) -> None:
    bare = arrange([inside, inside.replace("cat", "dog")], "here")
    wrapped = arrange([f"{around}/{path}" for path in bare.paths], "here")
    assert [row[1:] for row in as_rows(wrapped)] == [row[1:] for row in as_rows(bare)]


def test_pictures_deep_below_a_class_belong_to_it() -> None:
    assert as_rows(arrange(["cat/2024/may/1.jpg", "dog/1.jpg"], "here"))[0][1] == "cat"


def test_a_folder_called_train_with_pictures_in_it_is_a_class() -> None:
    assert arrange(["bus/1.jpg", "car/1.jpg", "train/1.jpg"], "here").classes == ("bus", "car", "train")


def test_parts_beside_classes_are_an_error_that_names_both() -> None:
    with pytest.raises(SkysortError, match=r"^here holds parts \(test\) beside other folders \(cat\); expected"):
        arrange(["test/dog/1.jpg", "cat/1.jpg"], "here")


@pytest.mark.parametrize(
    ("paths", "found"),
    [
        ([], "no picture at all"),
        (["1.jpg"], "1.jpg"),
        (["10.jpg", "9.jpg"], "2 pictures such as 9.jpg"),
        (
            ["cat/1.heic", "dog/2.heic"],
            "no picture at all, but cat/1.heic; pictures end in .bmp, .gif, .jpeg, .jpg, .png, .tif, .tiff, .webp",
        ),
        (["cat/.hidden.jpg"], "no picture at all"),
    ],
)
def test_no_picture_in_a_class_is_an_error_that_says_what_is_expected(paths: list[str], found: str) -> None:
    with pytest.raises(SkysortError) as caught:
        arrange(paths, "here")
    expected = "no pictures in class folders under here: expected <class>/<picture>.jpg, found "
    assert str(caught.value) == expected + found


@pytest.mark.parametrize(
    "junk",
    [
        "cat/.DS_Store", "cat/._1.jpg", "cat/Thumbs.db", "cat/thumbs.db", "cat/.hidden.jpg", ".git/1.jpg",
        "cat/.ipynb_checkpoints/1.jpg", "cat/__pycache__/1.jpg", "__MACOSX/cat/1.jpg",
    ],
)  # fmt: skip
def test_what_systems_leave_behind_is_passed_over(junk: str) -> None:
    listing = arrange(["cat/1.jpg", "dog/1.jpg", junk], "here")
    assert listing.paths == ("cat/1.jpg", "dog/1.jpg")
    assert listing.left_out == ()


@pytest.mark.parametrize("extension", ["jpg", "jpeg", "png", "webp", "bmp", "gif", "tif", "tiff"])
@pytest.mark.parametrize("written", [str.lower, str.upper, str.title])
def test_picture_extensions_count_in_any_case(extension: str, written: type[str]) -> None:
    assert is_image_name(f"1.{written(extension)}")


@pytest.mark.parametrize("name", ["1.txt", "1.jpg.txt", "jpg", "1", "1.svg", "1.jpg~"])
def test_other_extensions_do_not_count(name: str) -> None:
    assert not is_image_name(name)


def test_files_that_do_not_count_are_named() -> None:
    listing = arrange(["cat/1.jpg", "dog/1.jpg", "cat/notes.txt", "loose.jpg"], "here")
    assert set(listing.left_out) == {"cat/notes.txt", "loose.jpg"}


def test_some_classes_are_kept_in_the_order_asked_for() -> None:
    listing = arrange(["a/1.jpg", "b/1.jpg", "c/1.jpg", "a/2.jpg"], "here")
    kept, rows = listing.only(("c", "a"))
    assert as_rows(kept) == [("a/1.jpg", "a", ""), ("a/2.jpg", "a", ""), ("c/1.jpg", "c", "")]
    assert kept.classes == ("c", "a")
    assert kept.groups is None
    assert replace(listing, groups=("x", "y", "z", "")).only(("c", "a"))[0].groups == ("x", "y", "")
    assert [listing.paths[row] for row in rows] == list(kept.paths)


def test_numbered_pictures_without_parts_are_named_by_class() -> None:
    assert numbered(np.array([1, 0]), ("x", "y")).paths == ("y/00000", "x/00001")


def test_numbered_pictures_with_parts_are_counted_in_each() -> None:
    listing = numbered(np.array([1, 0, 1]), ("x", "y"), 2)
    assert listing.paths == ("train/y/00000", "train/x/00001", "test/y/00000")
    assert listing.parts == ("train", "train", "test")


@given(st.lists(st.integers(0, 10**20), unique=True), st.text(string.ascii_letters + " -_", max_size=5))
def test_natural_order_is_that_of_the_numbers(numbers: list[int], prefix: str) -> None:
    ordered = sorted((f"{prefix}{number}.jpg" for number in numbers), key=natural)
    assert ordered == [f"{prefix}{number}.jpg" for number in sorted(numbers)]


@given(st.text(), st.text())
def test_natural_order_tells_any_two_names_apart(one: str, other: str) -> None:
    assert (natural(one) == natural(other)) == (one == other)


@settings(max_examples=300, deadline=None)
@given(st.sets(relative_paths, max_size=12))
def test_any_paths_give_a_consistent_listing_or_an_error(paths: set[str]) -> None:
    try:
        listing = arrange(paths, "here")
    except SkysortError:
        return
    visible = {path for path in paths if not any(map(is_hidden, path.split("/")))}
    assert len(listing) == len(listing.labels) == len(listing.parts) > 0
    assert len(set(listing.paths)) == len(listing)
    assert set(listing.paths) | set(listing.left_out) == visible
    assert not set(listing.paths) & set(listing.left_out)
    assert listing.classes == tuple(sorted(set(listing.classes), key=natural))
    assert set(listing.labels.tolist()) == set(range(len(listing.classes)))
    assert set(listing.parts) == {""} or set(listing.parts) <= PARTS
    assert all(name in normalize("NFC", path).split("/")[:-1] for path, name, _ in as_rows(listing))
    assert all(map(is_image_name, listing.paths))


@settings(max_examples=200, deadline=None)
@given(st.sets(relative_paths, max_size=12), st.randoms(use_true_random=False))
def test_the_order_of_paths_does_not_matter(paths: set[str], dice: random.Random) -> None:
    def outcome(order: list[str]) -> object:
        try:
            listing = arrange(order, "here")
        except SkysortError as error:
            return str(error)
        return as_rows(listing), listing.classes, listing.left_out

    shuffled = list(paths)
    dice.shuffle(shuffled)
    assert outcome(shuffled) == outcome(sorted(paths))
