"""The page Trust: a run's figures, the pictures behind them, and promises from its calibration pictures."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from skysort.classifier.format import read_table
from skysort.runs.folder import Run
from skysort.web import open_runs
from skysort.web.open_runs import OpenRuns
from skysort.web.studio import studio
from skysort.web.studio_door import CookieDoor
from skysort.web.teach import Teach
from skysort.web.thumbnails import Thumbnails
from skysort.web.trainings import Trainings
from skysort.web.trust import Trust, confidences
from skysort.web.trying import Trying

PORT = 8765
HERE = f"http://127.0.0.1:{PORT}"
OWN = {"Origin": HERE, "Sec-Fetch-Site": "same-origin"}
PROMISE = {"keep": ["bird"], "confidence": 0.95}


def client_of(runs: Path) -> TestClient:
    thumbnails, door = Thumbnails(), CookieDoor(PORT)
    teach, open_runs = Teach(None, Trainings(runs)), OpenRuns(runs, thumbnails)
    app: Any = studio(teach, None, Trying(open_runs), Trust(open_runs), thumbnails, PORT, door)
    client = TestClient(app, base_url=HERE)
    client.get("/", params={"token": door.token})
    return client


@pytest.fixture
def client(decided: Path) -> Iterator[TestClient]:
    with client_of(decided.parent) as client:
        yield client


@pytest.fixture
def own_run(decided: Path, tmp_path: Path) -> Run:
    """A run that a test may change."""
    return Run(shutil.copytree(decided, tmp_path / "runs" / "mine"))


def test_the_list_and_the_page_of_a_run_show_its_figures(client: TestClient, decided: Path) -> None:
    headline = "Of 24 test pictures"
    assert headline in client.get("/trust").text
    page = client.get(f"/trust/{decided.name}").text
    metrics = Run(decided).metrics
    (decision,) = read_table(decided / "classifier").decisions
    assert headline in page and decision.name in page and f"{100 * metrics.held_out.accuracy:.1f}" in page
    for name, figures in metrics.held_out.classes.items():
        assert name in page and "{:.1f} % to {:.1f} %".format(*(100 * end for end in figures.interval95)) in page


def test_cells_show_the_pictures_that_they_count(client: TestClient, decided: Path) -> None:
    page = f"/trust/{decided.name}"
    matrix, names = Run(decided).metrics.held_out.matrix(), []
    for truth, label in ((0, 0), (0, 1), (1, 0), (1, 1)):
        cell = client.get(f"{page}/pictures/{truth}/{label}").text
        shown = re.findall('src="/pictures/([^/]+)/small"', cell)
        assert len(shown) == matrix[truth, label]
        assert (f'"{page}/pictures/{truth}/{label}"' in client.get(page).text) == (matrix[truth, label] > 0)
        names += shown
    assert len(set(names)) == 24 and not any("bird" in name for name in names)
    assert client.get(f"/pictures/{names[0]}/small").content.startswith(b"\xff\xd8")


@pytest.mark.parametrize(
    "path",
    ["/trust/none", "/trust/%2e%2e", "/trust/run/pictures/0/2", "/trust/run/pictures/-1/0",
     "/trust/run/pictures/x/0", "/trust/..%2frun", "/trust/none/report", "/trust/run/pictures/0/99999999999999"],
)  # fmt: skip
def test_nothing_else_is_there(client: TestClient, path: str) -> None:
    answer = client.get(HERE + path)
    assert answer.status_code in (400, 404) and answer.json()["error"]["code"]
    as_page = client.get(HERE + path, headers={"Accept": "text/html"})
    assert as_page.status_code == answer.status_code and "cannot be shown" in as_page.text


def test_the_report_runs_nothing(client: TestClient, own_run: Run) -> None:
    own_run.report.write_text("<script>alert(1)</script>", "utf-8")
    with client_of(own_run.path.parent) as mine:
        answer = mine.get("/trust/mine/report")
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("sandbox;") and "default-src 'none'" in policy and "script" not in policy
        own_run.report.unlink()
        assert mine.get("/trust/mine/report").status_code == 404
        assert "skysort evaluate" in mine.get("/trust/mine").text


def test_promises_and_a_decision_need_the_page_itself(client: TestClient, decided: Path) -> None:
    for path, body in (("promises", PROMISE), ("decision", {**PROMISE, "lose_at_most": 0.5})):
        address = f"/api/trust/{decided.name}/{path}"
        for headers in ({}, {"Origin": "http://evil.example"}, {**OWN, "Sec-Fetch-Site": "cross-site"}):
            assert client.post(address, json=body, headers=headers).status_code == 403
        assert client.get(address).status_code == 405
        wrong = client.post(address, json={"keep": []}, headers=OWN)
        assert (wrong.status_code, wrong.json()["error"]["code"]) == (400, "wrong-value")
        for run in ("none", "%2e%2e"):
            assert client.post(f"/api/trust/{run}/{path}", json=body, headers=OWN).status_code in (400, 404)


def test_promises_have_exact_bounds_and_their_command(client: TestClient, decided: Path) -> None:
    steps = client.post(f"/api/trust/{decided.name}/promises", json=PROMISE, headers=OWN).json()
    assert steps[0]["num_lost"] == 0 and steps[0]["bound"] == pytest.approx(1 - 0.05 ** (1 / steps[0]["num"]))
    assert all(step["bound"] <= step["lose_at_most"] for step in steps)
    assert f"skysort decide {decided} --keep bird --lose-at-most" in steps[0]["command"]
    unknown = client.post(f"/api/trust/{decided.name}/promises", json={**PROMISE, "keep": ["brid"]}, headers=OWN)
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (400, "unknown-class")


def test_the_best_of_several_results_needs_more_confidence() -> None:
    assert [(one.value, one.looks) for one in confidences()] == [(0.95, 1), (0.99, 5), (0.995, 10), (0.999, 50)]


def test_a_run_of_folds_says_what_gives_a_decision(own_run: Run) -> None:
    path = own_run.path / "data.json"
    data = json.loads(path.read_text("utf-8"))
    del data["counts"]["calibration"]
    path.write_text(json.dumps(data), "utf-8")
    with client_of(own_run.path.parent) as mine:
        page = mine.get("/trust/mine").text
        assert "can make no promise" in page and "pictures.protocol=four-way" in page
        answer = mine.post("/api/trust/mine/decision", json={**PROMISE, "lose_at_most": 0.5}, headers=OWN)
        assert (answer.status_code, answer.json()["error"]["code"]) == (500, "missing-split")


def test_pictures_that_changed_are_not_shown(own_run: Run) -> None:
    path = own_run.path / "data.json"
    data = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps({**data, "fingerprint": "0" * 32}), "utf-8")
    with client_of(own_run.path.parent) as mine:
        cell = mine.get("/trust/mine/pictures/0/0").text
        assert "cannot be shown" in cell and "have changed" in cell and "<img" not in cell
        answer = mine.post("/api/trust/mine/promises", json=PROMISE, headers=OWN)
        assert answer.json()["error"]["code"] == "pictures-changed"
        path.write_text(json.dumps(data), "utf-8")  # and once they are back, they are
        assert mine.post("/api/trust/mine/promises", json=PROMISE, headers=OWN).status_code == 200


def test_a_page_does_not_wait_for_pictures_that_are_slow(
    client: TestClient, decided: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_runs, "SECONDS_TO_OPEN", 0.0)
    cell = client.get(f"/trust/{decided.name}/pictures/0/0")
    assert cell.headers["refresh"] and "being read" in cell.text
    busy = client.post(f"/api/trust/{decided.name}/promises", json=PROMISE, headers=OWN)
    assert busy.status_code in (200, 503)


def test_few_runs_stay_open(decided: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_runs, "MOST_OPEN", 1)
    for name in ("a", "b"):
        shutil.copytree(decided, tmp_path / name)
    with client_of(tmp_path) as client:
        names = []
        for run in ("a", "b"):
            page = client.get(f"/trust/{run}/pictures/0/0").text + client.get(f"/trust/{run}/pictures/1/0").text
            names.append(page.partition("/pictures/")[2].partition("/")[0])
        assert [client.get(f"/pictures/{name}/small").status_code for name in names] == [404, 200]


def test_without_a_finished_run(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with client_of(tmp_path) as client:
        assert "skysort train" in client.get("/trust").text
