import string
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skysort.data.listing import is_hidden, is_image_name, natural, numbered_listing
from skysort.data.sources.layout import arrange
from tests.data.sources.test_layout import as_rows


@pytest.mark.parametrize("extension", ["jpg", "jpeg", "png", "webp", "bmp", "gif", "tif", "tiff"])
@pytest.mark.parametrize("written", [str.lower, str.upper, str.title])
def test_picture_extensions_count_in_any_case(extension: str, written: type[str]) -> None:
    assert is_image_name(f"1.{written(extension)}")


@pytest.mark.parametrize("name", ["1.txt", "1.jpg.txt", "jpg", "1", "1.svg", "1.jpg~"])
def test_other_extensions_do_not_count(name: str) -> None:
    assert not is_image_name(name)


def test_some_classes_are_kept_in_the_order_asked_for() -> None:
    listing = arrange(["a/1.jpg", "b/1.jpg", "c/1.jpg", "a/2.jpg"], "here")
    kept, rows = listing.only(("c", "a"))
    assert as_rows(kept) == [("a/1.jpg", "a", ""), ("a/2.jpg", "a", ""), ("c/1.jpg", "c", "")]
    assert kept.classes == ("c", "a")
    assert kept.groups is None
    assert replace(listing, groups=("x", "y", "z", "")).only(("c", "a"))[0].groups == ("x", "y", "")
    assert [listing.paths[row] for row in rows] == list(kept.paths)


def test_numbered_pictures_without_parts_are_named_by_class() -> None:
    assert numbered_listing(np.array([1, 0]), ("x", "y")).paths == ("y/00000", "x/00001")


@pytest.mark.parametrize("name", ["recycler", "recycled", "Recycled", "recycling"])
def test_a_class_of_waste_is_not_hidden(name: str) -> None:
    assert not is_hidden(name)


def test_numbered_pictures_with_parts_are_counted_in_each() -> None:
    listing = numbered_listing(np.array([1, 0, 1]), ("x", "y"), 2)
    assert listing.paths == ("train/y/00000", "train/x/00001", "test/y/00000")
    assert listing.splits == ("train", "train", "test")


@given(st.lists(st.integers(0, 10**20), unique=True), st.text(string.ascii_letters + " -_", max_size=5))
def test_natural_order_is_that_of_the_numbers(numbers: list[int], prefix: str) -> None:
    ordered = sorted((f"{prefix}{number}.jpg" for number in numbers), key=natural)
    assert ordered == [f"{prefix}{number}.jpg" for number in sorted(numbers)]


@given(st.text(), st.text())
def test_natural_order_tells_any_two_names_apart(one: str, other: str) -> None:
    assert (natural(one) == natural(other)) == (one == other)
