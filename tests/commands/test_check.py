"""skysort check on folders that were broken on purpose."""

import html
import json
import re
import shlex
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from skysort.recipe.schema import Recipe
from skysort.runs.plan import make_plan
from tests.commands.conftest import Ended
from tests.conftest import picture_bytes

Command = Callable[..., Ended]
MakeFolder = Callable[..., Path]
Change = Callable[[Path], object]


@pytest.fixture
def folder(make_folder: MakeFolder) -> Path:
    """Nothing is wrong with it."""
    return make_folder({f"{split}/{name}": num for split, num in (("train", 40), ("test", 10)) for name in "ab"})


def darker(folder: Path, path: str, copy: str) -> None:
    with Image.open(folder / path) as picture:
        picture.point(lambda value: int(value * 0.9)).save(folder / copy)


def copied(folder: Path, path: str, copy: str) -> None:
    shutil.copy(folder / path, folder / copy)


def several(folder: Path, content: bytes, *paths: str) -> None:
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)


def filled(folder: Path, counts: dict[str, int]) -> None:
    """Add so many different pictures to folders."""
    numbers = iter(range(9000, 9999))
    for below, num in counts.items():
        for number in range(num):
            several(folder, picture_bytes(next(numbers)), f"{below}/{number}.png")


def plain(folder: Path, path: str) -> None:
    pixels = np.full((32, 32, 3), (40, 90, 200), np.uint8)
    pixels[:3, :3] += 1
    Image.fromarray(pixels).save(folder / path)


def found(ended: Ended) -> dict[str, Any]:
    """Return the findings by name."""
    return {finding["name"]: finding for finding in json.loads(ended.out)["findings"]}


def problems(ended: Ended, folder: Path) -> str:
    """Return the message about the problems found in a folder, of which nothing else stands on standard error."""
    error = json.loads(ended.err)["error"]
    assert error["code"] == "problems-found" and str(folder) in error["message"]
    return str(error["message"])


def check_refused(ended: Ended, exit_code: int, code: str, *facts: object) -> None:
    assert ended.code == exit_code and ended.err.endswith(f" [{code}]\n"), ended.err
    assert [fact for fact in map(str, facts) if fact not in ended.err] == [], ended.err


@pytest.mark.parametrize(
    ("change", "name", "count", "examples"),
    [
        (
            lambda f: copied(f, "train/a/3.png", "train/b/x.png"),
            "two-classes",
            2,
            ["train/a/3.png", "train/b/x.png"],
        ),
        (lambda f: copied(f, "train/a/3.png", "test/a/x.png"), "leak", 1, ["test/a/x.png", "train/a/3.png"]),
        (lambda f: darker(f, "train/a/3.png", "test/a/x.png"), "leak", 1, ["test/a/x.png", "train/a/3.png"]),
        (
            lambda f: several(f, b"", "train/a/1.png", "train/a/2.png", "test/a/3.png"),
            "unreadable",
            3,
            ["test/a/3.png", "the file is empty"],
        ),
        (lambda f: filled(f, {"train/c": 12}), "missing-classes", 1, ["c: no picture in test"]),
    ],
    ids=["two classes", "equal in two parts", "near in two parts", "many unreadable", "no class in test"],
)
def test_what_makes_figures_lie_exits_with_1(
    change: Change, name: str, count: int, examples: list[str], skysort_command: Command, folder: Path
) -> None:
    change(folder)
    ended = skysort_command("check", folder, "--format", "json", "--quiet")
    assert ended.code == 1
    assert problems(ended, folder).endswith(f" {name}")
    finding = found(ended)[name]
    assert (finding["severity"], finding["count"]) == ("makes figures lie", count)
    assert finding["examples"][0] == examples


@pytest.mark.parametrize(
    ("change", "name", "count", "examples"),
    [
        (lambda f: several(f, b"no", "train/a/1.png"), "unreadable", 1, ["train/a/1.png"]),
        (lambda f: copied(f, "test/a/3.png", "test/a/x.png"), "duplicates", 2, ["test/a/3.png", "test/a/x.png"]),
        (
            lambda f: darker(f, "test/a/3.png", "test/a/x.png"),
            "near-duplicates",
            2,
            ["test/a/3.png", "test/a/x.png"],
        ),
        (
            lambda f: darker(f, "test/a/3.png", "test/b/x.png"),
            "two-classes-nearly",
            2,
            ["test/a/3.png", "test/b/x.png"],
        ),
        (lambda f: plain(f, "train/b/2.png"), "one-colour", 1, ["train/b/2.png"]),
        (
            lambda f: several(f, picture_bytes(9999, (16, 40)), "train/b/2.png"),
            "small",
            1,
            ["train/b/2.png", "16 x 40 pixels"],
        ),
        (
            lambda f: several(f, picture_bytes(9999, (150, 40)), "train/b/2.png"),
            "odd-sizes",
            1,
            ["train/b/2.png", "150 x 40 pixels"],
        ),
        (
            lambda f: several(f, picture_bytes(9999, (130, 130)), "train/b/2.png"),
            "odd-sizes",
            1,
            ["train/b/2.png", "130 x 130 pixels"],
        ),
        (lambda f: several(f, b"", "train/a/notes.txt"), "left-out", 1, ["train/a/notes.txt"]),
        (lambda f: (f / "test" / "kite").mkdir(), "empty-folders", 1, ["test/kite/"]),
        (lambda f: filled(f, {"train/A": 4, "test/A": 1}), "class-names", 2, ["A", "a"]),
        (lambda f: filled(f, {"train/c": 4, "test/c": 1}), "imbalance", 1, ["c: 5 of 105 pictures"]),
        (lambda f: filled(f, {"val/a": 4}), "missing-classes", 1, ["b: no picture in validation"]),
    ],
    ids=[
        "unreadable", "duplicate", "near-duplicate", "near in two classes", "one colour", "small", "long", "large",
        "left out", "empty folder", "capitals", "rare class", "no class in validation",
    ],
)  # fmt: skip
def test_what_is_worth_a_look_exits_with_0(
    change: Change, name: str, count: int, examples: list[str], skysort_command: Command, folder: Path
) -> None:
    change(folder)
    ended = skysort_command("check", folder, "--format", "json", "--quiet")
    assert (ended.code, ended.err) == (0, "")
    finding = found(ended)[name]
    assert (finding["severity"], finding["count"]) == ("worth a look", count)
    assert finding["examples"][0][: len(examples)] == examples
    assert {other["severity"] for other in found(ended).values()} == {"worth a look"}


@pytest.mark.parametrize(
    ("counts", "code", "facts"),
    [
        ({"a": 30}, "too-few-classes", ["only 'a'"]),
        ({"a": 30, "b": 3}, "class-too-small", ["'b' has 3 ", "at least 4"]),
        ({"train/a": 30, "train/b": 30, "test/a": 5, "test/b": 5, "test/c": 5}, "class-too-small", ["class: c"]),
        ({"test/a": 9, "test/b": 9}, "missing-split", ["for test "]),
    ],
)
def test_what_stops_training_is_found_and_exits_with_1(
    counts: dict[str, int],
    code: str,
    facts: list[str],
    skysort_command: Command,
    make_folder: MakeFolder,
    tmp_path: Path,
) -> None:
    folder = make_folder(counts)
    ended = skysort_command("check", folder, "--quiet", "--format", "json", "--output", tmp_path / "found")
    assert ended.code == 1 and problems(ended, folder)
    finding = found(ended)["untrainable"]
    assert (finding["severity"], finding["count"]) == ("stops training", 1)
    assert [fact for fact in facts if fact not in finding["advice"]] == []
    num = sum(counts.values())
    page = (tmp_path / "found" / "check.html").read_text("utf-8")
    assert f" {num} pictures" in page and finding["advice"] in html.unescape(page)
    trained = skysort_command("train", folder, "--run", tmp_path / "run", "--quiet")
    check_refused(trained, 1, code, *facts)


def test_groups_that_stand_in_several_parts_are_found(
    skysort_command: Command, folder: Path, tmp_path: Path
) -> None:
    for number in (3, 5, 7, 9, 11):
        (folder / f"train/a/{number}.png").rename(folder / f"train/a/visit1_{number}.png")
    (folder / "test/b/2.png").rename(folder / "test/b/visit1_2.png")
    (folder / "test/b/4.png").rename(folder / "test/b/visit2_4.png")
    assert skysort_command("check", folder, "--quiet").out == "100 pictures of 2 classes\nno problems found\n"
    ended = skysort_command("check", folder, "--group-by", r"visit\d", "--format", "json")
    assert "pictures.group_by: 100 pictures in 95 groups\n" in ended.err
    error = json.loads(ended.err.splitlines()[-1])["error"]
    assert ended.code == 1 and error["code"] == "problems-found" and error["message"].endswith(" group-leak")
    (finding,) = found(ended).values()
    assert (finding["name"], finding["count"]) == ("group-leak", 1)
    assert finding["examples"] == [["test/b/visit1_2.png", *(f"train/a/visit1_{n}.png" for n in (3, 5, 7))]]
    refused = skysort_command("check", folder, "--group-by", "cam(")
    check_refused(refused, 2, "invalid-recipe", "pictures.group_by", "'cam('")
    check_refused(skysort_command("check", folder, "--group-by", "cam1"), 1, "no-groups", "'cam1'")
    quick = ("--recipe", "mlp", "--set", "training.epochs=1", "--threads", 1)
    trained = skysort_command("train", folder, "--group-by", r"visit\d", "--run", tmp_path / "run", *quick)
    assert trained.code == 0 and "makes figures lie: group-leak (1);" in trained.err
    assert rf"skysort check {folder} --group-by 'visit\d'" in trained.err


def test_what_training_says_to_type_finds_what_training_found(skysort_command: Command, tmp_path: Path) -> None:
    folder = tmp_path / "my pictures"
    rows = ["path,label,split"]
    for number in range(60):
        exif = Image.Exif()
        exif.get_ifd(0x8769)[0x9003] = (
            f"2024:05:01 10:{number:02}:00" if number > 1 else f"2024:05:01 09:00:0{number}"
        )
        pixels = np.random.default_rng(number).integers(0, 256, (40, 40, 3), dtype=np.uint8)
        name = f"visit {min(number, 50)}-{number}.jpg"
        folder.mkdir(exist_ok=True)
        Image.fromarray(pixels).save(folder / name, exif=exif)
        # A burst in both parts; a visit in both parts.
        rows.append(f"{name},{'ab'[number // 2 % 2]},{'test' if number % 6 == 1 else 'train'}")
    (folder / "all.csv").write_text("\n".join(rows), encoding="utf-8")
    settings = (
        "pictures.size=24",
        "pictures.burst_seconds=5",
        "pictures.near_duplicates=apart",
        "training.epochs=1",
    )
    quick = ("--recipe", "mlp", "--threads", 1, *(word for setting in settings for word in ("--set", setting)))
    several_ways = ("--group-by", r"visit (\d+)", "--data-dir", tmp_path / "some where")
    trained = skysort_command("train", folder / "all.csv", "--run", tmp_path / "run", *several_ways, *quick)
    assert trained.code == 0, trained.err
    (counts, hint) = re.findall(r"makes figures lie: (.*?); .*?(skysort check .*)\n", trained.err)[0]
    assert counts == "group-leak (2)"
    typed = shlex.split(hint)[1:]
    assert typed[typed.index("--data-dir") + 1] == str(tmp_path / "some where")
    assert [word for word in typed if word.startswith("pictures.")] == [
        "pictures.size=24", "pictures.near_duplicates=apart", "pictures.burst_seconds=5.0"
    ]  # fmt: skip
    assert found(skysort_command(*typed, "--format", "json", "--quiet"))["group-leak"]["count"] == 2


def test_all_faults_of_a_table_are_told_at_once(skysort_command: Command, tmp_path: Path) -> None:
    rows = ["a.png,x,train", "a.png,y,train", "b.png,,train", "c.png,y,tset"]
    (tmp_path / "all.csv").write_text("\n".join(["path,label,split", *rows]), encoding="utf-8")
    ended = skysort_command("check", tmp_path / "all.csv")
    assert (ended.code, ended.out) == (1, "")
    head, *faults = ended.err.splitlines()
    assert str(tmp_path / "all.csv") in head and "3" in head
    expected = (["line 3", "a.png", "line 2", "'x'", "'y'"], ["line 4", "label"], ["line 5", "'tset'", "'test'?"])
    for fault, facts in zip(faults, expected, strict=True):
        assert [fact for fact in facts if fact not in fault] == []
    assert ended.err.endswith(" [invalid-table]\n")


def test_nothing_is_found_where_nothing_is_wrong(skysort_command: Command, folder: Path) -> None:
    ended = skysort_command("check", folder, "--quiet")
    assert (ended.code, ended.out, ended.err) == (0, "100 pictures of 2 classes\nno problems found\n", "")


def test_archives_tables_and_names_are_checked_alike(
    skysort_command: Command, folder: Path, tmp_path: Path
) -> None:
    darker(folder, "train/a/3.png", "test/a/x.png")
    several(folder, picture_bytes(9999, (16, 16)), "train/b/2.png")
    paths = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.png"))
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for path in paths:
            archive.write(folder / path, path)
    rows = "".join(f"{path},{path.split('/')[1]},{path.split('/')[0]}\n" for path in paths)
    (folder / "all.csv").write_text(f"path,label,split\n{rows}", encoding="utf-8")
    for data in (tmp_path / "all.zip", folder / "all.csv"):
        ended = skysort_command("check", data, "--format", "json", "--quiet")
        assert ended.code == 1
        assert {name: finding["count"] for name, finding in found(ended).items()} == {
            "leak": 1, "near-duplicates": 2, "small": 1,
        }  # fmt: skip
    ended = skysort_command("check", "skies:100", "--quiet")
    assert (ended.code, ended.out) == (0, "100 pictures of 2 classes\nno problems found\n")


def test_weights_that_even_classes_out_are_suggested(skysort_command: Command, make_folder: MakeFolder) -> None:
    ended = skysort_command("check", make_folder({"rare": 5, "common": 45}), "--quiet")
    assert ended.code == 0
    assert "(rare 5, common 0.56)" in ended.out
    settings = re.findall(r"--set (\S+=\w+)", ended.out)
    assert settings == ["loss.class_weights=balanced", "training.sampling=balanced"]
    assert all(Recipe.load("swift", [setting]) for setting in settings)


def test_the_table_the_page_and_the_file_say_the_same(
    skysort_command: Command, folder: Path, tmp_path: Path
) -> None:
    copied(folder, "train/a/3.png", "train/b/x.png")
    several(folder, b"", "train/a/1.png")
    output = tmp_path / "found" / "here"
    ended = skysort_command("check", folder, "--output", output, "--quiet")
    assert ended.code == 1
    assert sorted(path.name for path in output.iterdir()) == ["check.html", "check.json"]
    checked = json.loads((output / "check.json").read_text("utf-8"))
    assert checked == json.loads(skysort_command("check", folder, "--format", "json", "--quiet").out)
    assert checked["classes"] == {"a": 49, "b": 51}
    assert [finding["name"] for finding in checked["findings"]] == ["two-classes", "duplicates", "unreadable"]
    page = (output / "check.html").read_text("utf-8")
    for finding in checked["findings"]:
        assert f"{finding['name']}: {finding['count']}" in page
        for text in (finding["advice"], *(text for example in finding["examples"] for text in example)):
            assert text in page.replace("&#39;", "'")
            assert text in ended.out


def test_training_says_in_a_line_what_was_found(skysort_command: Command, folder: Path, tmp_path: Path) -> None:
    quick = ("--recipe", "mlp", "--set", "training.epochs=1", "--threads", 1)
    ended = skysort_command("train", folder, "--run", tmp_path / "well", *quick)
    assert ended.code == 0 and "skysort check" not in ended.err
    copied(folder, "train/a/3.png", "train/b/x.png")
    darker(folder, "train/a/4.png", "test/a/x.png")
    ended = skysort_command("train", folder, "--run", tmp_path / "run", *quick)
    assert ended.code == 0, ended.err
    (line,) = (line for line in ended.err.splitlines() if "two-classes" in line)
    for fact in (
        "two-classes (2)",
        "leak (1)",
        "duplicates (2)",
        "near-duplicates (2)",
        f"skysort check {folder}",
    ):
        assert fact in line


def test_data_that_is_not_there_exits_with_2(skysort_command: Command) -> None:
    ended = skysort_command("check", "some/folder")
    assert ended.out == ""
    check_refused(ended, 2, "path-not-found", "some/folder")


def test_labels_in_file_names_and_corrections_are_checked_as_they_are_trained_on(
    skysort_command: Command, make_folder: MakeFolder, tmp_path: Path
) -> None:
    folder = make_folder({"x": 24}, "my pictures")
    for number in range(24):
        (folder / f"x/{number}.png").rename(folder / f"{('cat', 'dog')[number % 2]}_{number}.png")
    (folder / "x").rmdir()
    table = tmp_path / "corrections.csv"
    table.write_text("path,label,split\nmy pictures/cat_0.png,dog,train\n", encoding="utf-8")
    by_name = ("--label-by", "(cat|dog)_")
    check_refused(skysort_command("check", folder), 1, "no-labels", folder)
    checked = skysort_command("check", folder, table, *by_name)
    assert checked.out.splitlines()[0] == "24 pictures of 2 classes"
    assert "1 picture is in more than one source and counts once; 1 picture has a new label" in checked.err
    refused = skysort_command("check", folder, "--label-by", "(")
    check_refused(refused, 2, "invalid-recipe", "pictures.label_by", "'('")
    refused = skysort_command("check", table, *by_name)
    check_refused(refused, 2, "options-conflict", table, "--label-by")
    check_refused(skysort_command("check", "skies", *by_name), 2, "options-conflict", "'skies'", "--label-by")
    plan = make_plan(folder, None, tmp_path / "none", settings=("pictures.label_by=(cat|dog)_",))
    assert (plan.recipe.name, plan.recipe.pictures.label_by) == ("swift", "(cat|dog)_")
    quick = ("--recipe", "mlp", "--set", "training.epochs=1", "--threads", 1, "--run", tmp_path / "run")
    trained = skysort_command("train", folder, table, *by_name, *quick)
    assert trained.code == 0, trained.err
    assert "label_by" in (tmp_path / "run/recipe.toml").read_text(encoding="utf-8")
    refused = skysort_command("train", "--resume", tmp_path / "run", *by_name)
    check_refused(refused, 2, "options-conflict", "--resume", "--label-by")
    assert skysort_command("evaluate", tmp_path / "run", folder, *by_name).code == 0
    refused = skysort_command("evaluate", tmp_path / "run", *by_name)
    check_refused(refused, 2, "options-conflict", "--label-by")
