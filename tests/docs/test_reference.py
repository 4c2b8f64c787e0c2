"""The reference has every command, option, field, error code, recipe and file: those of the program itself."""

import re
from pathlib import Path
from typing import Any

import pytest
import typer.main

from skysort.cli import app
from tests.docs.pages import ROOT, hooks
from tests.warm import WarmCommand

REFERENCE = ROOT / "docs" / "reference"
COMMANDS: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_has_all_its_help(warm: WarmCommand, name: str) -> None:
    section = hooks.commands().split(f"\n## {name}\n")[1].split("\n## ")[0]
    printed = warm(name, "--help", COLUMNS="80").stdout
    options = set(re.findall(r"^\s*(?:-\w, )?(--[\w-]+)", printed, re.MULTILINE)) - {"--help"}
    assert options <= set(re.findall(r"^`.*?(--[\w-]+)", section, re.MULTILINE))
    description = re.split(r"^\S.*:$", printed.split("\n\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]
    words = re.sub(r"[^\w]+", " ", description).split()
    assert words and " ".join(words) in " ".join(re.sub(r"[^\w]+", " ", section).split())


def test_every_field_is_there(warm: WarmCommand) -> None:
    printed = warm("fields").stdout
    names = re.findall(r"^(\S.*?): ", printed, re.MULTILINE)
    assert len(names) > 60 and re.findall(r"^`(.*)`$", hooks.fields(), re.MULTILINE) == names


def test_every_error_code_is_there() -> None:
    from skysort.core.error_codes import CODES

    assert sorted(re.findall(r"^\| `([a-z0-9-]+)` \|", hooks.errors(), re.MULTILINE)) == sorted(CODES)


def test_every_recipe_is_there(warm: WarmCommand) -> None:
    page = (REFERENCE / "recipes.md").read_text("utf-8")
    assert set(warm("recipes").stdout.split()) == {
        *re.findall(r"^## (\w+), for", page, re.MULTILINE),
        *re.findall(r"^\| `([\w-]+)` \|", page, re.MULTILINE),
    }


def test_every_data_set_is_there(warm: WarmCommand) -> None:
    page = (REFERENCE / "pictures.md").read_text("utf-8")
    for name in warm("datasets").stdout.split():
        assert f"`{name}`" in page


def test_every_file_of_a_run_is_there(finished_run: Path) -> None:
    page = (REFERENCE / "run-folder.md").read_text("utf-8").split("## Prediction rows")[0]
    named = set(re.findall(r"^\| `([\w./]+)` \|", page, re.MULTILINE))
    files = {path.name + ("/" if path.is_dir() else "") for path in finished_run.iterdir()}
    of_backbones = {"reference.npz"}
    assert of_backbones <= named
    assert named - of_backbones == files | {path.name for path in (finished_run / "classifier").iterdir()}


def test_prediction_columns_are_there(finished_run: Path) -> None:
    page = (REFERENCE / "run-folder.md").read_text("utf-8")
    header = (finished_run / "predictions.csv").read_text("utf-8").splitlines()[0].split(",")
    for column in header:
        assert f"`{'p:CLASS' if column.startswith('p:') else column}`" in page
