"""What a hostile page, client or picture may try on the service."""

import asyncio
from typing import Any

import pytest
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.testclient import TestClient
from starlette.types import Message

from skysort.web import batching, bodies, bounds
from skysort.web.live import LiveClassifier
from skysort.web.service import service
from tests.conftest import picture_bytes, refused
from tests.web.conftest import HERE, PORT

PICTURE = {"content": picture_bytes(1), "headers": {"Content-Type": "image/png"}}
TOKEN = "0123456789abcdef-secret"


def post(client: TestClient, **headers: str) -> Any:
    return client.post("/v1/predict", content=PICTURE["content"], headers={"Content-Type": "image/png", **headers})


def test_programs_and_own_pages_are_answered(client: TestClient) -> None:
    assert post(client).status_code == 200
    assert post(client, **{"Origin": HERE, "Sec-Fetch-Site": "same-origin"}).status_code == 200
    assert post(client, Host=f"localhost:{PORT}", Origin=f"http://localhost:{PORT}").status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": f"evil.example:{PORT}"},
        {"Host": "127.0.0.1:8001"},
        {"Host": f"127.0.0.1.evil.example:{PORT}"},
        {"Host": ""},
        {"Origin": "http://evil.example"},
        {"Origin": "http://127.0.0.1:8001"},
        {"Origin": f"http://localhost:{PORT}"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
    ],
)
def test_other_sites_and_hosts_are_refused(client: TestClient, headers: dict[str, str]) -> None:
    for answer in (post(client, **headers), client.get("/v1/classifier", headers=headers)):
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "foreign-request")


@pytest.mark.parametrize("path", ["/docs", "/nothing", "/v1/classifier", "/metrics", "/docs/swagger-ui.css"])
def test_every_response_has_the_headers(client: TestClient, path: str) -> None:
    headers = client.get(path, headers={"Origin": HERE}).headers
    assert "default-src 'self'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert not [name for name in headers if name.startswith("access-control-")]


@pytest.mark.parametrize(
    "path",
    ["/..%2f..%2fetc%2fpasswd", "/docs/..%2fvendored.toml", "/docs/..\\server.py", "/docs/%2e%2e/server.py",
     "/windows/win.ini", "/docs/vendored.toml", "//etc/passwd"],
)  # fmt: skip
def test_no_path_leads_to_a_file(client: TestClient, path: str) -> None:
    answer = client.get(HERE + path)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "path-not-found")


def test_too_many_parts(client: TestClient) -> None:
    for num, status in ((bounds.MOST_PICTURES, 200), (bounds.MOST_PICTURES + 1, 413), (1001, 413)):
        files = [("picture", (f"{number}.png", b"x")) for number in range(num)]
        assert client.post("/v1/predict", files=files).status_code == status
    fields = {"data": {f"field{number}": "x" for number in range(1001)}, "files": [("picture", ("1.png", b"x"))]}
    assert client.post("/v1/predict", **fields).status_code == 400


def test_a_picture_of_too_many_pixels_is_unreadable(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    for bound in ("MOST_PIXELS", "FEW_PIXELS"):
        monkeypatch.setattr(batching, bound, 32 * 32 - 1)
    (row,) = post(client).json()["predictions"]
    assert row["status"] == "unreadable" and "32 x 32" in row["reason"]


def test_bytes_are_bounded_per_request_and_together(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "MOST_BODY_BYTES", 1000)
    declared = client.post("/v1/predict", content=bytes(1001), headers={"Content-Type": "image/png"})
    endless = client.post("/v1/predict", content=iter([bytes(600)] * 2), headers={"Content-Type": "image/png"})
    for answer in (declared, endless):
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too-large")
    monkeypatch.setattr(bounds, "MOST_BYTES_HELD", 500)
    held = client.post("/v1/predict", content=bytes(501), headers={"Content-Type": "image/png"})
    assert (held.status_code, held.json()["error"]["code"]) == (503, "busy")


@pytest.fixture
def guarded(live: LiveClassifier) -> Any:
    with TestClient(service(live, PORT, TOKEN, is_local=False), base_url="http://camera.example") as client:
        yield client


@pytest.mark.parametrize("given", ["", TOKEN, "Bearer", f"Bearer {TOKEN[:-1]}", f"Bearer {TOKEN}x", "Bearer ä"])
def test_a_guessed_token_is_refused(guarded: TestClient, given: str) -> None:
    headers = {"Authorization": given.encode()} if given else {}
    for path in ("/v1/classifier", "/metrics"):
        answer = guarded.get(path, headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "no-token")
        assert answer.headers["www-authenticate"] == ('Bearer error="invalid_token"' if given else "Bearer")
        assert ("does not hold" in answer.json()["error"]["message"]) == bool(given)


def test_with_its_token_a_program_is_answered_under_any_name(guarded: TestClient) -> None:
    assert post(guarded, Authorization=f"Bearer {TOKEN}").status_code == 200
    assert post(guarded, Authorization=f"Bearer {TOKEN}", Origin="http://evil.example").status_code == 403
    for path in ("/", "/healthz", "/readyz", "/docs", "/openapi.json"):
        assert guarded.get(path).status_code == 200
    assert guarded.get("/openapi.json").json()["security"] == [{"token": []}]


def test_a_slow_body_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "SECONDS_TO_SEND", 0.05)

    async def nothing() -> Message:
        await asyncio.sleep(20)
        raise AssertionError("it waited")

    scope = {"type": "http", "method": "POST", "headers": [(b"content-type", b"image/png")]}
    room = bounds.Room()
    with room.place() as place, refused("too-slow"):
        asyncio.run(bodies.pictures_of(Request(scope, nothing), place))
    assert room.bytes == room.pictures == 0


def test_no_parameter_of_an_address_changes_a_route(client: TestClient) -> None:
    """FastAPI takes each parameter of a route's function that has a default value from the address."""
    routes = [route for route in client.app.app.routes if isinstance(route, APIRoute)]  # type: ignore[attr-defined]
    assert len(routes) > 8
    assert {route.path: route.dependant.query_params for route in routes if route.dependant.query_params} == {}
    for query in ("?path=/etc/passwd&media_type=text/plain", "?self=1"):
        for name in ("docs.js", "swagger-ui.css"):
            plain, asked = client.get(f"/docs/{name}"), client.get(f"/docs/{name}{query}")
            assert (asked.content, asked.headers["content-type"]) == (plain.content, plain.headers["content-type"])
