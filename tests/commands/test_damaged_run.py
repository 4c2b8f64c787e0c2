"""Whatever is damaged in a run folder ends in one clear line, and never in a traceback."""

import json
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.commands.conftest import Ended

Command = Callable[..., Ended]
NESTED = "[" * 100_000


def replaced(file: str, content: str | bytes) -> Callable[[Path], None]:
    def damage(run: Path) -> None:
        (run / file).write_bytes(content if isinstance(content, bytes) else content.encode())

    return damage


def with_field(file: str, field: str, value: object) -> Callable[[Path], None]:
    def damage(run: Path) -> None:
        table = json.loads((run / file).read_text("utf-8"))
        (run / file).write_text(json.dumps({**table, field: value}), "utf-8")

    return damage


def with_text(file: str, old: str, new: str) -> Callable[[Path], None]:
    def damage(run: Path) -> None:
        text = (run / file).read_text("utf-8")
        assert old in text
        (run / file).write_text(text.replace(old, new), "utf-8")

    return damage


def a_folder(file: str) -> Callable[[Path], None]:
    def damage(run: Path) -> None:
        (run / file).unlink()
        (run / file).mkdir()

    return damage


OF_DATA = [
    *(replaced("data.json", content) for content in ("", "[]", NESTED, b"\xff\xfe")),
    *(with_field("data.json", "source", value) for value in list[Any]([3, [], "", ["a"], [""]])),
    *(with_field("data.json", "counts", value) for value in list[Any]([[], {"train": {"bird": "x"}}])),
    with_field("data.json", "fingerprint", None),
    with_field("data.json", "format", 9),
    with_field("data.json", "data_dir", 5),
    a_folder("data.json"),
]
OF_RECIPE = [
    *(replaced("recipe.toml", content) for content in ("", "x = [", b"\xff", "x = " + NESTED)),
    with_text("recipe.toml", 'protocol = "four-way"', ""),
    with_text("recipe.toml", "epochs = 2", "epochs = -2"),
    with_text("recipe.toml", 'name = "sgd"', "name = 7"),
]
OF_METRICS = [
    *(replaced("metrics.json", content) for content in ("", "[]", NESTED, "null")),
    *(with_field("metrics.json", "splits", value) for value in list[Any]([{"test": {}}, {}, 3])),
    with_field("metrics.json", "decisions", 3),
    with_field("metrics.json", "classifier", 4),
    with_field("metrics.json", "temperature", "hot"),
]
OF_ROWS = [
    *(replaced("predictions.csv", content) for content in ("", b"\xff\0,", "path,truth,label,status\na,b\n")),
    a_folder("predictions.csv"),
    *(replaced("pictures.csv", content) for content in ("", b"\0")),
    a_folder("pictures.csv"),
]


def check_refused(ended: Ended) -> None:
    assert (ended.code, ended.out) == (1, "")
    assert len(ended.err.splitlines()) <= 3
    assert ended.err.startswith("skysort: ") and ended.error in {"damaged-run", "newer-format"}


@pytest.fixture
def other(finished_run: Path, tmp_path: Path) -> Path:
    """A run to compare with, of the same pictures and the same classifier."""
    return shutil.copytree(finished_run, tmp_path / "other")


@pytest.mark.parametrize("damage", [*OF_DATA, *OF_RECIPE])
def test_a_damaged_table_of_a_run_is_refused_by_each_verb(
    damage: Callable[[Path], None], skysort_command: Command, finished_run: Path, tmp_path: Path
) -> None:
    run = shutil.copytree(finished_run, tmp_path / "run")
    damage(run)
    check_refused(skysort_command("evaluate", run, "--quiet"))
    check_refused(skysort_command("decide", run, "--keep", "bird", "--lose-at-most", "50%", "--quiet"))
    (run / "metrics.json").unlink()
    check_refused(skysort_command("train", "--resume", run, "--quiet"))


@pytest.mark.parametrize("damage", [*OF_METRICS, *OF_ROWS])
def test_damaged_figures_of_a_run_are_refused_where_they_are_read(
    damage: Callable[[Path], None], skysort_command: Command, finished_run: Path, other: Path, tmp_path: Path
) -> None:
    run = shutil.copytree(finished_run, tmp_path / "run")
    damage(run)
    check_refused(skysort_command("compare", run, other))
    if damage in OF_METRICS:
        check_refused(skysort_command("decide", run, "--keep", "bird", "--lose-at-most", "50%", "--quiet"))


def test_a_missing_table_of_pictures_is_named_and_written_again(
    skysort_command: Command, finished_run: Path, tmp_path: Path
) -> None:
    run = shutil.copytree(finished_run, tmp_path / "run")
    (run / "pictures.csv").unlink()
    ended = skysort_command("evaluate", run, "skies:50", "--quiet")
    check_refused(ended)
    assert ended.error == "damaged-run" and str(run / "pictures.csv") in ended.err
    words = ended.err.partition("skysort evaluate ")[2].partition(" [")[0]
    assert words == str(run)
    assert skysort_command("evaluate", *shlex.split(words), "--quiet").code == 0
    assert (run / "pictures.csv").read_bytes() == (finished_run / "pictures.csv").read_bytes()
    assert skysort_command("evaluate", run, "skies:50", "--quiet").code == 0


def test_a_run_that_lost_its_recipe_is_no_classifier_without_a_run(
    skysort_command: Command, finished_run: Path, tmp_path: Path
) -> None:
    run = shutil.copytree(finished_run, tmp_path / "run")
    (run / "recipe.toml").unlink()
    for words in (("evaluate", run), ("decide", run / "classifier", "--keep", "bird", "--lose-at-most", "50%")):
        skysort_command(*words).check_refused(1, "damaged-run", run / "recipe.toml", "is missing")
