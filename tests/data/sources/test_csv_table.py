import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from skysort.core.errors import SkysortError
from skysort.data.dataset import path_source
from skysort.data.formats.opening import UnreadablePictureError
from skysort.data.listing import Listing
from skysort.data.sources.csv_table import TableSource, read_rows
from tests.conftest import picture_bytes, refused


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    """Write a CSV file beside two pictures."""
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(picture_bytes(ord(name[0]), (4, 4)))

    def write(content: str, encoding: str = "utf-8") -> Path:
        (tmp_path / "birds.csv").write_bytes(content.encode(encoding))
        return tmp_path / "birds.csv"

    return write


Write = Callable[..., Path]


def listed(path: Path) -> Listing:
    with path_source(path).opened() as (listing, _):
        return listing


def refusal(path: Path) -> str:
    with pytest.raises(SkysortError) as caught:
        read_rows(path)
    assert caught.value.code == "invalid-table" and str(caught.value).startswith(str(path))
    return str(caught.value).removeprefix(str(path))


def test_rows_stay_in_order_and_classes_come_in_natural_order(write: Write) -> None:
    listing = listed(write("path,label\nb.png,10\na.png,9\n"))
    assert listing.paths == ("b.png", "a.png")
    assert listing.classes == ("9", "10")
    assert listing.labels.tolist() == [1, 0]
    assert listing.splits == ("", "")
    assert listing.groups is None


def test_paths_are_relative_to_the_file_or_absolute(write: Write, tmp_path: Path) -> None:
    path = write(f"path,label\na.png,x\n{tmp_path / 'b.png'},y\n")
    with TableSource(path).opened() as (_, read):
        assert [read(0), read(1)] == [picture_bytes(ord("a"), (4, 4)), picture_bytes(ord("b"), (4, 4))]


def test_a_file_that_is_not_there_is_one_unreadable_picture(write: Write) -> None:
    with TableSource(write("path,label\na.png,x\nnone.png,y\n")).opened() as (_, read):
        assert read(0)
        with pytest.raises(UnreadablePictureError, match=r"^cannot be read: No such file or directory$"):
            read(1)


def test_splits_are_named_as_folders_are(write: Write) -> None:
    names = ("train", "Val", "validation", "valid", "calibration", "TEST")
    rows = "".join(f"{number}.png,x,{name}\n" for number, name in enumerate(names))
    splits = ("train", "validation", "validation", "validation", "calibration", "test")
    assert listed(write(f"path,label,split\n{rows}")).splits == splits


def test_groups_are_kept_and_a_picture_may_have_none(write: Write) -> None:
    assert listed(write("path,label,group\na.png,x,7\nb.png,y,\n")).groups == ("7", "")
    assert listed(write("path,label,group\na.png,x,\nb.png,y,\n")).groups is None


@pytest.mark.parametrize(
    "content",
    [
        "path,label\r\na.png,x\r\nb.png,y\r\n",
        "\ufeffpath,label\na.png,x\nb.png,y",
        " path , label \n a.png , x \n\n b.png ,y\n\n",
        '"label","path"\n"x","a.png"\n"y","b.png"\n',
        "path,camera,label\na.png,1,x\nb.png,2,y\n",
    ],
    ids=["windows", "byte order mark", "spaces and empty lines", "quoted, another order", "another column"],
)
def test_what_spreadsheets_write_is_read(write: Write, content: str) -> None:
    listing = listed(write(content))
    assert listing.paths == ("a.png", "b.png")
    assert listing.classes == ("x", "y")


def test_an_accented_label_is_one_however_it_is_spelled(write: Write) -> None:
    assert listed(write("path,label\na.png,\u00e4\nb.png,a\u0308\n")).classes == ("\u00e4",)


@pytest.mark.parametrize(
    ("content", "facts"),
    [
        ("", ["line 1", "path,label", "split,group", "nothing"]),
        ("a.png,x\n", ["line 1", "path,label", "split,group", "a.png,x"]),
        ("path;label\na.png;x\n", ["line 1", "path,label", "split,group", "path;label", "commas"]),
        ("path,label,path\n", ["line 1", "'path'"]),
        ("path,label,spilt\n", ["line 1", "'spilt'", "'split'?"]),
        ("path,label\n", ["no picture"]),
        ("path,label\na.png,x\nb.png\n", ["line 3", "expected 2", "found 1"]),
        ("path,label\na,b.png,x\n", ["line 2", "expected 2", "found 3"]),
        ("path,label\na.png,x\nb.png, \n", ["line 3", "'label'"]),
        ("path,label\n,x\n", ["line 2", "'path'"]),
        ("path,label\na\0.png,x\n", ["line 2", "null character"]),
        ('path,label\na.png,"x\n', ["line 2", "unexpected end of data"]),
        ("path,label,split\na.png,x,trian\n", ["line 2", "'trian'", "'train'?"]),
        ("path,label,split\na.png,x,train\nb.png,y,\n", ["line 3", "line 2", "split"]),
        ("path,label\na.png,x\n./a.png,y\n", ["line 3", "./a.png", "line 2", "'x'", "'y'"]),
        ("path,label\na.png,x\na.png,x\n", ["line 3", "a.png", "line 2"]),
        (
            "path,label,split,group\na.png,x,train,7\nb.png,y,test,7\n",
            ["line 3", "group '7'", "test", "train", "line 2"],
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_line(write: Write, content: str, facts: list[str]) -> None:
    message = refusal(write(content))
    assert [fact for fact in facts if fact not in message] == []
    assert "\n" not in message


def test_the_first_faults_are_told_in_the_order_of_the_lines_with_their_number(write: Write) -> None:
    rows = ["a.png,x,1,test", *(f"{number}.png,,1,test" for number in range(12)), "a.png,x,1,train", "b.png,x,2"]
    told = refusal(write("\n".join(["path,label,group,split", *rows]))).split("\n  ")
    assert "15" in told[0]
    assert [line.split(":")[0] for line in told[1:-1]] == [f"line {line}" for line in range(3, 13)]
    assert "5" in told[-1]


def test_a_group_in_two_splits_is_told_once(write: Write) -> None:
    rows = "".join(f"{number}.png,x,7,{'test' if number % 2 else 'train'}\n" for number in range(6))
    message = refusal(write(f"path,label,group,split\n{rows}"))
    assert message.count("'7'") == 1 and re.findall("line .", message) == ["line 3", "line 2"]


def test_text_in_another_encoding_is_an_error(write: Write) -> None:
    for content, encoding, byte in (("path,label\na.png,\u00e4\n", "latin-1", 17), ("path,label\n", "utf-16", 0)):
        path = write(content, encoding)
        with refused("bad-text", path, "UTF-8", f"at byte {byte}"):
            read_rows(path)


def test_the_stamp_changes_with_the_file_and_with_each_picture(write: Write, tmp_path: Path) -> None:
    source = TableSource(write("path,label\na.png,x\nnone.png,y\n"))
    stamps = [source.stamp(), source.stamp()]
    assert stamps[0] == stamps[1]
    os.utime(tmp_path / "a.png", ns=(1, 1))
    stamps.append(source.stamp())
    (tmp_path / "none.png").write_bytes(b"")
    stamps.append(source.stamp())
    write("path,label\na.png,z\nnone.png,y\n")
    stamps.append(source.stamp())
    assert len(set(stamps)) == 4


@pytest.mark.parametrize(
    ("written", "on_disk"),
    [
        ("day 1\\a.png", "day 1/a.png"),
        (".\\day\\1\\a.png", "day/1/a.png"),
        ("M\xf6we/a.png", "Mo\u0308we/a.png"),
        ("Mo\u0308we/a.png", "M\xf6we/a.png"),
        ("M\xf6we\\a.png", "Mo\u0308we/a.png"),
        ("back\\slash.png", "back\\slash.png"),
    ],
)
def test_paths_are_found_as_other_systems_write_them(
    write: Write, tmp_path: Path, written: str, on_disk: str
) -> None:
    (tmp_path / on_disk).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / on_disk).write_bytes(b"there")
    with path_source(write(f"path,label\n{written},cat\nb.png,dog\n")).opened() as (_, read):
        assert read(0) == b"there"


@pytest.mark.parametrize(
    ("written", "split"), [("Training", "train"), ("test_set", "test"), ("eval", "validation"), ("TRAIN", "train")]
)
def test_splits_have_the_names_of_folders(write: Write, written: str, split: str) -> None:
    assert listed(write(f"path,label,split\na.png,x,{written}\n")).splits == (split,)


def test_a_label_is_one_however_its_letters_are_spelled(write: Write) -> None:
    assert listed(write("path,label\na.png,M\xf6we\nb.png,Mo\u0308we\n")).classes == ("M\xf6we",)


def test_a_table_has_labels_of_its_own(write: Write) -> None:
    path = write("path,label\na.png,x\n")
    with refused("options-conflict", path, "--label-by", exit_code=2):
        path_source(path, "(a|b)")
