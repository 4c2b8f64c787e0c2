import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skysort.core.errors import SkysortError
from skysort.data.listing import Listing, class_name, is_hidden, is_image_name, natural
from skysort.data.sources.layout import arrange
from skysort.data.sources.split_names import split_named
from tests.conftest import lacking, refused

BY_NAME = "--label-by '(cat|dog)_'"
PARTS = {"train", "validation", "calibration", "test"}

names = st.sampled_from(
    [
        "cat", "dog", "Dog", "2", "10", "02", "train", "val", "validation", "valid", "test", "Training",
        "seg_train", "images", "seg_pred", ".git", "._1.jpg", ".DS_Store", "Thumbs.db", "__pycache__", "@eaDir",
        ".ipynb_checkpoints", "1.jpg", "10.JPG", "x.png", "x.tiff", "notes.txt", "Ä 9.webp", "b\udcff.png",
    ]
) | st.text(st.characters(exclude_characters="/\0"), min_size=1, max_size=6)  # fmt: skip
relative_paths = st.lists(names, min_size=1, max_size=4).map("/".join)


def as_rows(listing: Listing) -> list[tuple[str, str, str]]:
    return [
        (path, listing.classes[label], split)
        for path, label, split in zip(listing.paths, listing.labels, listing.splits, strict=True)
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
    ("folder", "split"),
    [
        ("train", "train"),
        ("val", "validation"),
        ("validation", "validation"),
        ("valid", "validation"),
        ("calibration", "calibration"),
        ("test", "test"),
    ],
)
def test_a_part_folder_names_its_part(folder: str, split: str) -> None:
    listing = arrange([f"{folder}/cat/1.jpg", f"{folder}/dog/1.jpg"], "here")
    assert as_rows(listing) == [(f"{folder}/cat/1.jpg", "cat", split), (f"{folder}/dog/1.jpg", "dog", split)]


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
    with refused("ambiguous-folders", "here", "(test)", "(cat)"):
        arrange(["test/dog/1.jpg", "cat/1.jpg"], "here")


@pytest.mark.parametrize(
    ("paths", "found"),
    [
        ([], ["no picture"]),
        (["1.jpg"], ["1.jpg", BY_NAME]),
        (["10.jpg", "9.jpg"], ["2 pictures", "9.jpg", BY_NAME]),
        (["cat/1.txt", "dog/2.txt"], ["no picture", "cat/1.txt"]),
        (["cat/.hidden.jpg"], ["no picture"]),
    ],
)
def test_no_picture_in_a_class_is_an_error_that_says_what_is_expected(paths: list[str], found: list[str]) -> None:
    with refused("no-labels", "here", "<class>/<picture>.jpg", *found):
        arrange(paths, "here")


@pytest.mark.parametrize(
    "junk",
    [
        "cat/.DS_Store", "cat/._1.jpg", "cat/Thumbs.db", "cat/thumbs.db", "cat/.hidden.jpg", ".git/1.jpg",
        "cat/.ipynb_checkpoints/1.jpg", "cat/__pycache__/1.jpg", "__MACOSX/cat/1.jpg", "cat/@eaDir/1.jpg/S.jpg",
        "#recycle/1.jpg", "#snapshot/x/cat/1.jpg", "$RECYCLE.BIN/S-1/1.jpg", "System Volume Information/x.jpg",
        "RECYCLER/1.jpg", "RECYCLED/1.jpg", "lost+found/1.jpg", "LOST.DIR/1.jpg", ".thumbnails/1.jpg",
        "cat/.trashed-1-2.jpg",
        "@Recycle/1.jpg", "@Recently-Snapshot/1.jpg", ".@__thumb/1.jpg", ".Trash-1000/files/1.jpg",
        ".Spotlight-V100/1.jpg", ".AppleDouble/1.jpg", "Network Trash Folder/1.jpg", "FOUND.000/1.jpg",
        "cat/ehthumbs.db", "cat/desktop.ini", "~snapshot/1.jpg", "cat/Icon\r",
    ],
)  # fmt: skip
def test_what_systems_leave_behind_is_passed_over(junk: str) -> None:
    listing = arrange(["cat/1.jpg", "dog/1.jpg", junk], "here")
    assert listing.paths == ("cat/1.jpg", "dog/1.jpg")
    assert listing.left_out == ()


def test_files_that_do_not_count_are_named() -> None:
    listing = arrange(["cat/1.jpg", "dog/1.jpg", "cat/notes.txt", "loose.jpg"], "here")
    assert set(listing.left_out) == {"cat/notes.txt", "loose.jpg"}


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("Training", "train"), ("Testing", "test"), ("seg_train", "train"), ("seg_test", "test"),
        ("eval", "validation"),
        ("training_set", "train"), ("test_set", "test"), ("Train Images", "train"), ("images_test", "test"),
        ("TrainSet", "train"), ("testset", "test"), ("val2017", "validation"), ("test1", "test"),
        ("trainval", "train"),
        ("Validation Set", "validation"), ("Evaluation", "validation"), ("test-data", "test"), ("TRAIN", "train"),
        ("bird", ""), ("images", ""), ("train_val", ""), ("trains", ""), ("contest", ""), ("toy train", ""),
        ("", ""), ("Prüfung", ""),
    ],
)  # fmt: skip
def test_a_name_means_a_split_when_it_says_nothing_else(name: str, split: str) -> None:
    assert split_named(name) == split


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("Training", "Testing"),
        ("seg_train/seg_train", "seg_test/seg_test"),
        ("train/images", "test/images"),
        ("Train Images", "Test Images"),
        ("around/train_set/Training", "around/test_set"),
        ("x_train", "x_test"),
        ("asl_alphabet_train/asl_alphabet_train", "asl_alphabet_test/asl_alphabet_test"),
    ],
)
def test_splits_are_found_under_the_names_that_people_give_them(train: str, test: str) -> None:
    paths = [f"{top}/{name}/1.jpg" for top in (train, test) for name in ("apple", "berry")]
    listing = arrange(paths, "here")
    assert sorted(row[1:] for row in as_rows(listing)) == [
        ("apple", "test"),
        ("apple", "train"),
        ("berry", "test"),
        ("berry", "train"),
    ]


def test_a_class_may_be_called_images_beside_another() -> None:
    paths = [
        f"{split}/{name}/x/1.jpg" for split, name in (("train", "images"), ("train", "maps"), ("test", "images"))
    ]
    assert [row[1:] for row in as_rows(arrange(paths, "here"))] == [
        ("images", "test"), ("images", "train"), ("maps", "train"),
    ]  # fmt: skip


def test_two_folders_that_mean_one_split_are_an_error_that_names_both() -> None:
    with refused("ambiguous-folders", "here", "Training", "'train'"):
        arrange(["train/a/1.jpg", "train/b/1.jpg", "Training/a/1.jpg", "test/a/1.jpg"], "here")


@pytest.mark.parametrize("flat", ["test/1.jpg", "test/test/1.jpg", "test/images/1.jpg", "seg_pred/seg_pred/1.jpg"])
def test_a_split_without_class_folders_has_no_labels_and_says_so(flat: str) -> None:
    listing = arrange(["train/cat/1.jpg", "train/dog/1.jpg", flat], "here")
    assert [row[1:] for row in as_rows(listing)] == [("cat", "train"), ("dog", "train")]
    assert listing.left_out == (flat,)
    top = flat.partition("/")[0]
    (remark,) = listing.remarks
    assert lacking(remark, "1 picture", f"({top}/)", f" {flat}") == []


def test_splits_of_unlabelled_pictures_need_a_split_beside_them() -> None:
    assert arrange(["predictions/1.jpg", "cat/1.jpg"], "here").classes == ("cat", "predictions")


def test_classes_with_the_same_folders_in_them_may_be_splits_and_are_an_error_that_says_what_to_do() -> None:
    paths = [f"around/{top}/{name}/1.jpg" for top in ("Alt", "Neu") for name in ("apple", "berry")]
    facts = ("here", "Alt and Neu", "(apple, berry)", "--label-by '^(?:[^/]+/){1}([^/]+)/'")
    with refused("ambiguous-folders", *facts):
        arrange(paths, "here")
    assert arrange(paths, "here", label_by="^(?:[^/]+/){1}([^/]+)/").classes == ("Alt", "Neu")


def test_the_same_folders_are_seen_below_folders_that_hold_nothing_else() -> None:
    paths = [f"{top}/{top}/{name}/1.jpg" for top in ("rps", "rps-test-set") for name in ("paper", "rock")]
    with refused("ambiguous-folders", "here", "rps and rps-test-set", "(paper, rock)"):
        arrange(paths, "here")


def test_a_copy_of_the_classes_among_them_is_an_error() -> None:
    paths = [f"{name}/1.jpg" for name in ("a", "b", "all/a", "all/b")]
    with refused("ambiguous-folders", "here", "a, b", "all"):
        arrange(paths, "here")


@pytest.mark.parametrize(
    "paths",
    [
        ["train/cat.0.jpg", "train/dog.0.jpg", "test1/1.jpg"],
        ["train2017/1.jpg", "val2017/1.jpg"],
        ["train/images/1.jpg", "valid/images/1.jpg"],
    ],
)
def test_splits_without_class_folders_are_no_classes(paths: list[str]) -> None:
    with refused("no-labels", "here", "train/<class>/<picture>.jpg", BY_NAME):
        arrange(paths, "here")


@pytest.mark.parametrize(
    "paths",
    [
        ["n01/images/1.jpg", "n02/images/1.jpg"],
        ["a/day/1.jpg", "a/night/1.jpg", "b/day/1.jpg"],
        ["a/day/1.jpg", "a/night/1.jpg", "b/day/1.jpg", "b/night/1.jpg", "b/1.jpg", "a/1.jpg"],
        [f"train/{name}/{time}/1.jpg" for name in "ab" for time in ("day", "night")],
    ],
)
def test_other_folders_below_classes_are_no_splits(paths: list[str]) -> None:
    assert len(arrange(paths, "here").classes) == 2


def test_what_is_passed_over_is_named_where_it_holds_pictures() -> None:
    hidden = [
        "cat/@eaDir/1.jpg/S.jpg",
        "dog/@eaDir/1.jpg/S.jpg",
        "#recycle/1.jpg",
        ".trashed-1.jpg",
        "cat/._1.jpg",
    ]
    quiet = [".git/config", "cat/Thumbs.db", "__MACOSX/cat/._1.jpg", "cat/._1.jpg"]
    (remark,) = arrange(["cat/1.jpg", "dog/1.jpg", *hidden, *quiet], "here").remarks
    assert lacking(remark, "3 folders", "(@eaDir, #recycle)", "1 hidden picture (.trashed-1.jpg)") == []
    assert arrange(["cat/1.jpg", "dog/1.jpg", *quiet], "here").remarks == ()


def test_a_class_is_one_however_its_letters_are_spelled() -> None:
    paths = ["M\xf6we/1.jpg", "Mo\u0308we/2.jpg", "M\udcf6we/3.jpg", "M\udc81we/4.jpg"]
    assert arrange(paths, "here").classes == ("M\x81we", "M\xf6we")


def test_labels_are_found_in_paths_by_a_pattern() -> None:
    paths = ["train/cat.0.jpg", "train/dog.0.jpg", "test/1.jpg", "test/cat.9.jpg"]
    listing = arrange(paths, "here", label_by="(cat|dog)[.]")
    assert as_rows(listing) == [
        ("test/cat.9.jpg", "cat", "test"),
        ("train/cat.0.jpg", "cat", "train"),
        ("train/dog.0.jpg", "dog", "train"),
    ]  # fmt: skip
    assert listing.left_out == ("test/1.jpg",)
    (remark,) = listing.remarks
    assert lacking(remark, "pictures.label_by", "1 picture", " test/1.jpg") == []


@pytest.mark.parametrize(
    ("label_by", "classes"),
    [
        ("cat|dog", ("cat", "dog")),
        ("(?P<label>cat|dog)_", ("cat", "dog")),
        ("(cat)_|(dog)_", ("cat", "dog")),
        ("(?:x/)?(ca|do)", ("ca", "do")),
        ("_(\\d)", ("1", "2")),
    ],
)
def test_the_label_is_the_first_bracket_that_matches_or_the_match(label_by: str, classes: tuple[str, ...]) -> None:
    assert arrange(["x/cat_1.jpg", "x/dog_2.jpg", "x/cat_2.jpg"], "here", label_by=label_by).classes == classes


def test_a_pattern_that_is_found_nowhere_is_an_error() -> None:
    with refused("no-labels", "pictures.label_by", "'bird'", "here", "cat_1.jpg"):
        arrange(["cat_1.jpg", "dog_1.jpg"], "here", label_by="bird")


@given(st.sets(relative_paths, max_size=12))
def test_any_paths_give_a_consistent_listing_or_an_error(paths: set[str]) -> None:
    try:
        listing = arrange(paths, "here")
    except SkysortError:
        return
    visible = {path for path in paths if not any(map(is_hidden, path.split("/")))}
    assert len(listing) == len(listing.labels) == len(listing.splits) > 0
    assert len(set(listing.paths)) == len(listing)
    assert set(listing.paths) | set(listing.left_out) == visible
    assert not set(listing.paths) & set(listing.left_out)
    assert listing.classes == tuple(sorted(set(listing.classes), key=natural))
    assert set(listing.labels.tolist()) == set(range(len(listing.classes)))
    assert set(listing.splits) == {""} or set(listing.splits) <= PARTS
    assert all(name in map(class_name, path.split("/")[:-1]) for path, name, _ in as_rows(listing))
    assert all(map(is_image_name, listing.paths))


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
