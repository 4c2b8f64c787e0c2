"""The studio lets its own pages in and nobody else, and changes nothing without being asked."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from skysort.web import batching, json_bodies, trying
from skysort.web.live import LiveClassifier
from skysort.web.open_runs import OpenRuns
from skysort.web.pages import page
from skysort.web.review import Review
from skysort.web.service import service
from skysort.web.studio import studio
from skysort.web.studio_door import CookieDoor
from skysort.web.teach import Teach
from skysort.web.thumbnails import Thumbnails
from skysort.web.trainings import Trainings
from skysort.web.trust import Trust
from skysort.web.trying import Trying
from skysort.work.journal import Journal
from tests.conftest import picture_bytes
from tests.web.watched import watched

PORT = 8765
HERE = f"http://127.0.0.1:{PORT}"
OWN = {"Origin": HERE, "Sec-Fetch-Site": "same-origin"}


class Opened:
    """A studio over a watcher's folder, and a client that has its cookie."""

    def __init__(self, aside: Path, runs: Path) -> None:
        self.aside, self.door, thumbnails = aside, CookieDoor(PORT), Thumbnails()
        self.review = Review(aside, thumbnails)
        teach, open_runs = Teach(None, Trainings(runs)), OpenRuns(runs, thumbnails)
        self.app: Any = studio(
            teach, self.review, Trying(open_runs), Trust(open_runs), thumbnails, PORT, self.door
        )
        self.client, self.stranger = (TestClient(self.app, base_url=HERE) for _ in range(2))
        self.client.get("/", params={"token": self.door.token})

    def num_answers(self) -> int:
        with Journal(self.aside) as journal:
            return len(journal.answers.all())

    def answer(self, client: TestClient, headers: dict[str, str]) -> Any:
        one = self.review.waiting().pictures[0]
        body = {"answers": [{"picture": one.picture, "label": "bird"}]}
        return client.post("/api/review/answers", json=body, headers=headers)


@pytest.fixture
def opened(tmp_path: Path, decided: Path) -> Iterator[Opened]:
    yield Opened(watched(tmp_path, 4), decided.parent)


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def test_the_token_becomes_a_cookie_that_scripts_and_other_sites_cannot_use(opened: Opened) -> None:
    answer = opened.stranger.get("/", params={"token": opened.door.token}, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=strict" in cookie and opened.door.token.lower() not in cookie
    assert opened.stranger.get("/review").status_code == 200
    assert CookieDoor(PORT).token != opened.door.token


def test_the_token_among_the_arguments_of_a_browser_lets_in_one(opened: Opened) -> None:
    token = opened.door.token_for_once()
    answers = [
        opened.stranger.get("/", params={"token": token}, follow_redirects=False).status_code for _ in range(2)
    ]
    assert answers == [303, 401]


@pytest.mark.parametrize("cookie", ["", "x", "skysort-8765=guess", f"skysort-{PORT}=", 'skysort-8765="\\"'])
def test_without_the_cookie_nothing_is_shown(opened: Opened, cookie: str) -> None:
    paths = ("/", "/review", "/try", "/static/studio.css", "/pictures/x/small", "/nothing", f"/?token={'x' * 43}")
    for path in paths:
        answer = opened.stranger.get(path, headers={"Cookie": cookie} if cookie else {}, follow_redirects=False)
        assert answer.status_code == 401
    assert "skysort studio" in opened.stranger.get("/review", headers={"Accept": "text/html"}).text
    assert opened.answer(opened.stranger, OWN).status_code == 401 and opened.num_answers() == 0


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:8000"},
        {"Origin": HERE, "Sec-Fetch-Site": "cross-site"},
        {"Origin": "http://evil.example:8765", "Host": "evil.example:8765"},
    ],
)
def test_only_its_own_pages_change_anything(opened: Opened, headers: dict[str, str]) -> None:
    assert code(opened.answer(opened.client, headers)) == (403, "foreign-request")
    answer = opened.client.post("/api/review/take-back", json={}, headers=headers)
    assert code(answer) == (403, "foreign-request")
    assert opened.num_answers() == 0
    assert opened.answer(opened.client, OWN).status_code == 200 and opened.num_answers() == 1


def test_no_get_changes_anything(opened: Opened) -> None:
    paths = [route.path for route in opened.app.app.routes]
    assert {"/api/review/answers", "/api/review/take-back", "/api/try/{run}"} <= set(paths)
    for path in paths:
        opened.client.get(path)
    assert opened.num_answers() == 0
    for path in ("/api/review/answers", "/api/review/take-back", "/api/teach/mine/stop", "/api/language"):
        assert opened.client.get(path).status_code == 405


def test_no_route_takes_anything_from_the_query(opened: Opened, live: LiveClassifier) -> None:
    apps: list[Any] = [opened.app, service(live, PORT)]
    for app in apps:
        routes = [route for route in app.app.routes if hasattr(route, "dependant")]
        assert len(routes) > 5
        assert [
            route.path for route in routes if route.dependant.query_params or route.dependant.body_params
        ] == []


def test_what_is_no_answer_is_refused(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    path = "/api/review/answers"
    for body in ("{", "[]", '{"answers": []}', '{"answers": [{"picture": 1, "label": "bird"}]}'):
        answer = opened.client.post(path, content=body, headers={**OWN, "Content-Type": "application/json"})
        assert code(answer) == (400, "wrong-value")
    as_form = opened.client.post(path, content="{}", headers={**OWN, "Content-Type": "text/plain"})
    assert code(as_form) == (415, "wrong-value")
    monkeypatch.setattr(json_bodies, "MOST_JSON_BYTES", 10)
    assert code(opened.answer(opened.client, OWN)) == (413, "too-large")
    assert opened.num_answers() == 0


@pytest.mark.parametrize(
    "path",
    ["/static/..%2fstudio.py", "/static/..\\studio.py", "/static/%2e%2e%2fstudio.py", "/windows/win.ini",
     "/pictures/..%2f..%2fetc%2fpasswd/small", "/pictures/x/huge", "/static/vendored.toml"],
)  # fmt: skip
def test_no_path_leads_to_a_file(opened: Opened, path: str) -> None:
    assert code(opened.client.get(HERE + path)) == (404, "path-not-found")


def test_pictures_have_opaque_names_and_are_encoded_anew(opened: Opened) -> None:
    one = opened.review.waiting().pictures[0]
    answer = opened.client.get(f"/pictures/{one.picture}/large")
    assert answer.headers["content-type"] == "image/jpeg" and answer.content.startswith(b"\xff\xd8")
    assert one.file[:-4] not in one.picture
    assert "default-src 'self'" in answer.headers["content-security-policy"]


def test_two_tabs_answer_the_same_picture(opened: Opened) -> None:
    one = opened.review.waiting().pictures[0].picture
    for label in ("bird", "airplane"):
        body = {"answers": [{"picture": one, "label": label}]}
        assert opened.client.post("/api/review/answers", json=body, headers=OWN).status_code == 200
    assert opened.review.waiting().num == 3
    assert opened.client.post("/api/review/take-back", json={}, headers=OWN).json()["picture"]["picture"] == one


def test_a_name_with_markup_is_text(tmp_path: Path, decided: Path) -> None:
    name = "<img src=x onerror=alert(1)>"
    page = Opened(watched(tmp_path, 2, prefix=name), decided.parent).client.get("/review").text
    assert "img src=x" in page and name not in page


def test_a_name_that_is_not_utf_8_is_escaped() -> None:
    assert rb"\udcff</option>" in page("try.html.jinja", at="try", runs=["\udcff"], folder="runs").body


def test_the_page_does_not_say_what_the_classifier_says_about_an_audit(opened: Opened) -> None:
    html = opened.client.get("/review").text
    data = json.loads(html.partition('id="waiting">')[2].partition("</script>")[0])
    assert [(one["label"], one["confidence"]) for one in data["pictures"]] == [(None, None)] * 4
    captions = re.findall("<figcaption>(.*?)</figcaption>", html, re.DOTALL)
    assert len(captions) == 4 and "airplane" not in "".join(captions) and "bird" not in "".join(captions)


def test_a_picture_of_too_many_pixels_is_not_tried(
    opened: Opened, decided: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for used in (batching, trying):
        monkeypatch.setattr(used, "MOST_PIXELS", 32 * 32 - 1)
    files = [("picture", ("1.png", picture_bytes(1)))]
    (one,) = opened.client.post(f"/api/try/{decided.name}", files=files, headers=OWN).json()
    assert (one["status"], one["picture"]) == ("unreadable", None)


def test_tries_a_picture_with_a_run(opened: Opened, decided: Path) -> None:
    files = [("picture", ("1.png", picture_bytes(1))), ("picture", ("broken.svg", b"<svg/>"))]
    answer = opened.client.post(f"/api/try/{decided.name}", files=files, headers=OWN)
    good, broken = answer.json()
    assert good["label"] in {"airplane", "bird"} and good["picture"].startswith("data:image/jpeg;base64,")
    assert good["actions"].keys() == {"keep-bird"} and sum(share for _, share in good["shares"]) == pytest.approx(
        1
    )
    assert (broken["status"], broken["picture"], broken["shares"]) == ("unreadable", None, [])
    for run in ("no-such-run", "..", "%2e%2e"):
        assert opened.client.post(f"/api/try/{run}", files=files, headers=OWN).status_code in (400, 404, 405)


def test_without_a_watcher_the_page_says_how(decided: Path) -> None:
    door, thumbnails = CookieDoor(PORT), Thumbnails()
    runs = decided.parent
    teach, open_runs = Teach(None, Trainings(runs)), OpenRuns(runs, thumbnails)
    app = studio(teach, None, Trying(open_runs), Trust(open_runs), thumbnails, PORT, door)
    client = TestClient(app, base_url=HERE)
    assert client.get("/", params={"token": door.token}).url.path == "/try"
    assert "--aside" in client.get("/review").text
