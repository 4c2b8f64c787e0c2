import os
from pathlib import Path

import pytest

from skysort.core.progress import LineProgress, SilentProgress
from skysort.data.dataset import Data
from skysort.data.splits import PreparedData, prepare
from skysort.recipe.schema import Recipe
from skysort.recipe.sections import Pictures
from skysort.runs.folder import Run
from skysort.runs.start import check_free, start_run
from tests.conftest import refused

RECIPE = Recipe.load("mlp", ["pictures.size=16", "pictures.channels=3", "pictures.protocol=four-way"])


@pytest.fixture
def prepared() -> PreparedData:
    pictures: Pictures = RECIPE.pictures
    return prepare(Data.find("skies:60"), pictures, SilentProgress())


def test_of_two_trainings_into_one_new_folder_one_is_refused(prepared: PreparedData, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    run = start_run(folder, RECIPE, prepared, SilentProgress())
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with refused("output-taken", folder, "--run"):
        start_run(folder, RECIPE.with_values(training={"seed": 5}), prepared, SilentProgress())
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    assert run.recipe == RECIPE


def test_what_a_killed_training_left_is_removed_and_said(
    prepared: PreparedData, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    killed = tmp_path / ".run.0123abcd.partial"
    killed.mkdir()
    (killed / "recipe.toml").touch()
    (tmp_path / ".run2.0123abcd.partial").mkdir()
    start_run(tmp_path / "run", RECIPE, prepared, LineProgress())
    assert str(tmp_path / "run") in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == [".run2.0123abcd.partial", "run"]


def test_folders_that_cannot_hold_a_run_are_refused_before_anything_is_computed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_free(tmp_path / "new")
    (tmp_path / "taken").mkdir()
    check_free(tmp_path / "taken")  # it is empty
    (tmp_path / "taken" / "mine.txt").touch()
    with refused("output-taken", tmp_path / "taken", "--run"):
        check_free(tmp_path / "taken")
    (tmp_path / "taken" / "recipe.toml").touch()
    with refused("output-taken", tmp_path / "taken", "--run", f"skysort resume {tmp_path / 'taken'}"):
        check_free(tmp_path / "taken")
    for name in (b"caf\xe9", b"\xff/run"):
        with refused("bad-text", tmp_path / os.fsdecode(name), "UTF-8", "--run"):
            check_free(tmp_path / os.fsdecode(name))
    check_free(tmp_path / "café")
    monkeypatch.chdir(tmp_path)
    with refused("output-taken", "--run", exit_code=2):
        check_free(Path())


@pytest.mark.parametrize("field", ["size", "channels", "protocol"])
def test_a_recipe_that_is_not_resolved_is_none_of_a_run(field: str, tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text(RECIPE.with_values(pictures={field: None}).to_toml(), "utf-8")
    with refused("damaged-run", tmp_path / "recipe.toml", f"pictures.{field}"):
        _ = Run(tmp_path).recipe


def test_a_folder_is_opened_if_it_holds_a_run_and_as_finished_if_that_has_its_figures(
    finished_run: Path, tmp_path: Path
) -> None:
    assert Run.open(str(finished_run), finished=True).path == finished_run
    with refused("path-not-found", tmp_path / "none", exit_code=2):
        Run.open(tmp_path / "none")
    with refused("not-a-run", tmp_path, "recipe.toml", exit_code=2):
        Run.open(tmp_path)
    (tmp_path / "data.json").touch()
    with refused("damaged-run", tmp_path / "recipe.toml", "is missing", "backup"):
        Run.open(tmp_path)
    (tmp_path / "recipe.toml").touch()
    assert Run.open(tmp_path).path == tmp_path
    with refused("run-not-finished", f"skysort resume {tmp_path}"):
        Run.open(tmp_path, finished=True)
