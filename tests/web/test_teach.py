"""The routes of Teach: what they take from a page, and that it starts nothing else."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from skysort.web.outlook import forecast, outlook
from skysort.web.studio import add_errors
from skysort.web.teach import Teach, add_teach
from skysort.web.trainings import Trainings
from tests.conftest import refused

WISH = {"recipe": "mlp", "budget": "", "name": "mine"}


class Asked:
    """The routes over a folder of pictures, with a command that only notes its words."""

    def __init__(self, top: Path, pictures: Path | None) -> None:
        note = top / "note.py"
        note.write_text(f"import sys; open({str(top / 'words')!r}, 'w').write('\\n'.join(sys.argv[1:]))")
        self.words = top / "words"
        self.trainings = Trainings(top / "runs", (sys.executable, "-IS", str(note)))
        app = FastAPI()
        add_errors(app)
        add_teach(app, Teach(None if pictures is None else str(pictures), self.trainings))
        self.client = TestClient(app)

    def start(self, **changed: object) -> Any:
        return self.client.post("/api/teach", json=WISH | changed)


@pytest.fixture
def pictures(make_folder: Callable[..., Path]) -> Path:
    return make_folder({"bird": 3, "airplane": 2})


def test_starts_what_the_command_line_would(tmp_path: Path, pictures: Path) -> None:
    asked = Asked(tmp_path, pictures)
    assert asked.start(budget="5m").json() == {"name": "mine"}
    (process,) = asked.trainings._processes.values()
    process.wait()
    words = ["train", str(pictures), "--recipe", "mlp", "--budget", "5m", "--run", str(tmp_path / "runs" / "mine")]
    assert asked.words.read_text().splitlines() == [*words, "--format", "json"]
    page = asked.client.get("/teach/mine")
    assert page.status_code == 200 and "had not begun" in page.text
    assert "stopped" in asked.client.get("/api/teach/mine/events").text  # one event, and the stream has ended


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"recipe": "net.py:Net"}, "unknown-recipe"),
        ({"recipe": "../swift.toml"}, "unknown-recipe"),
        ({"recipe": "--help"}, "unknown-recipe"),
        ({"budget": "soon"}, "wrong-value"),
        ({"budget": "--quiet"}, "wrong-value"),
        ({"name": "../mine"}, "wrong-value"),
        ({"name": "--run"}, "wrong-value"),
        ({"pictures": "/etc"}, "wrong-value"),
    ],
)
def test_nothing_else_is_started(tmp_path: Path, pictures: Path, changed: dict[str, str], code: str) -> None:
    asked = Asked(tmp_path, pictures)
    answer = asked.start(**changed)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)
    assert not asked.words.exists() and not asked.trainings._processes


@pytest.mark.parametrize("path", ["/teach/nothing", "/api/teach/nothing/events", "/teach/..", "/teach/%2e%2e%2fx"])
def test_no_such_training(tmp_path: Path, pictures: Path, path: str) -> None:
    assert Asked(tmp_path, pictures).client.get(path).status_code in (400, 404)


def test_without_pictures_it_says_how(tmp_path: Path) -> None:
    asked = Asked(tmp_path, None)
    assert "skysort studio pictures" in asked.client.get("/teach").text
    assert asked.start().json()["error"]["code"] == "missing-argument"


def test_pictures_that_cannot_teach(tmp_path: Path, pictures: Path) -> None:
    for path in pictures.rglob("*.png"):
        path.unlink()
    assert "one folder per class" in Asked(tmp_path, pictures).client.get("/teach").text


def test_a_forecast(pictures: Path) -> None:
    look = outlook(str(pictures))
    assert (look.classes, look.num_pictures, look.recipe) == ({"airplane": 2, "bird": 3}, 5, "swift")
    assert "32 x 32" in look.why
    assert "15 minutes" in forecast(look, "swift", "15m") and "100 epochs" in forecast(look, "mlp", "")
    with refused("unknown-recipe", exit_code=2):
        forecast(look, "net.py:Net", "")
