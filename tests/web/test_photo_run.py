"""Pages of a run of the recipe photos: likely wrong labels, nearest training pictures, and folds."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

import skysort
from skysort.data.sources.csv_table import read_rows
from skysort.web.labels import CORRECTIONS
from tests.commands.test_photos import draw
from tests.commands.test_suspect_labels import WRONG
from tests.conftest import command
from tests.web.test_trust import OWN, client_of


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photographs, of which three are in a wrong folder."""
    folder = draw(tmp_path_factory.mktemp("photos") / "photos", per_class=8)
    for number, (path, shows) in enumerate(WRONG.items()):
        shutil.move(folder / shows / f"00{number}.jpg", folder / path)
    return folder


@pytest.fixture(scope="module")
def learned(photos: Path, session_cache: Path) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SKYSORT_CACHE", str(session_cache))
        settings = ("trust.keep_known=0.9",)  # such a classifier keeps features of training pictures
        return skysort.train(photos, "photos", photos.parent / "runs" / "few", settings=settings).path


@pytest.fixture
def client(learned: Path) -> Iterator[TestClient]:
    (learned / CORRECTIONS).unlink(missing_ok=True)
    with client_of(learned.parent) as client:
        yield client


def suspects(client: TestClient) -> dict[str, dict[str, Any]]:
    page = client.get("/trust/few/labels").text
    data = json.loads(page.partition('id="suspects">')[2].partition("</script>")[0])
    assert data["why_not"] == ""
    return {one["path"]: one for one in data["pictures"]}


def answer(client: TestClient, picture: str, label: str, headers: dict[str, str] = OWN) -> Any:
    return client.post("/api/trust/few/labels", json={"picture": picture, "label": label}, headers=headers)


def test_answers_are_corrections_that_train_takes(client: TestClient, learned: Path, photos: Path) -> None:
    assert "may be wrong" in client.get("/trust/few").text
    shown = suspects(client)
    assert set(WRONG) <= shown.keys() and {shown[path]["likelier"] for path in WRONG} == set(WRONG.values())
    for path, shows in WRONG.items():
        assert answer(client, shown[path]["picture"], shows).status_code == 200
    assert suspects(client)["disc/900.jpg"]["answer"] == "stripes"
    rows = {row.path: (row.label, row.split) for row in read_rows(learned / CORRECTIONS)}
    assert rows == {str(photos / path): (shows, "train") for path, shows in WRONG.items()}
    checked = command("check", photos, learned / CORRECTIONS)
    assert "24 pictures of 3 classes" in checked.stdout


def test_an_answer_is_taken_back(client: TestClient, learned: Path) -> None:
    picture = suspects(client)["disc/900.jpg"]["picture"]
    for label in ("stripes", "disc"):
        assert answer(client, picture, label).status_code == 200
    assert suspects(client)["disc/900.jpg"]["answer"] == "disc"
    assert answer(client, picture, "").status_code == 200
    assert suspects(client)["disc/900.jpg"]["answer"] is None and not (learned / CORRECTIONS).exists()


def test_other_pictures_classes_and_pages_change_nothing(client: TestClient, learned: Path) -> None:
    picture = suspects(client)["disc/900.jpg"]["picture"]
    assert answer(client, picture, "strips").json()["error"]["code"] == "unknown-class"
    for other in ("disc/900.jpg", "../../etc/passwd", "", "x" * 65):
        assert answer(client, other, "disc").status_code == 400
    for headers in ({}, {"Origin": "http://evil.example"}):
        assert answer(client, picture, "disc", headers).status_code == 403
    assert not (learned / CORRECTIONS).exists()


def test_a_run_of_folds_makes_no_promise_and_says_why(client: TestClient) -> None:
    page = client.get("/trust/few").text
    assert "learned from every picture" in page and "pictures.protocol=four-way" in page
    cell = client.get("/trust/few/pictures/0/0").text
    assert "<img" in cell


def test_the_nearest_training_pictures_are_shown(client: TestClient, photos: Path) -> None:
    files = [("picture", (path.name, path.read_bytes())) for path in sorted(photos.glob("stripes/*.jpg"))[:2]]
    for one in client.post("/api/try/few", files=files, headers=OWN).json():
        nearest = one["nearest"]
        assert len(nearest) == 5 and nearest[0]["label"] == "stripes"
        shown = client.get(f"/pictures/{nearest[0]['picture']}/small")
        assert shown.status_code == 200 and one["evidence"]


def test_pictures_that_are_gone_leave_their_places_empty(client: TestClient, photos: Path, tmp_path: Path) -> None:
    moved = photos.rename(tmp_path / "moved")
    try:
        files = [("picture", ("1.jpg", next(moved.glob("disc/*.jpg")).read_bytes()))]
        (one,) = client.post("/api/try/few", files=files, headers=OWN).json()
        assert one["nearest"] == [] and one["status"] == "ok"
        page = client.get("/trust/few/labels").text
        assert "No answer can be recorded" in page and "pictures-moved" not in page
    finally:
        moved.rename(photos)


def test_runs_without_a_list_of_labels_say_so(decided: Path) -> None:
    with client_of(decided.parent) as client:
        answer = client.get(f"/trust/{decided.name}/labels")
        assert answer.status_code == 400 and "check PICTURES --labels" in answer.json()["error"]["message"]
