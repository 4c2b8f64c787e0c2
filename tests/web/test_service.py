"""Answers of the service: those of `skysort predict`, together where requests come together, never half."""

import asyncio
import io
import shutil
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from starlette.testclient import TestClient

from skysort.classifier.classifier import Classifier, Decoded
from skysort.classifier.predictions import Prediction
from skysort.data.decode import Shape, decode
from skysort.data.parallel import SMALL_FILE_BYTES
from skysort.web import batching, bounds
from skysort.web.batching import Batches
from skysort.web.live import LiveClassifier
from skysort.web.service import service
from tests.conftest import picture_bytes
from tests.web.conftest import HERE, PORT

SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
FORM = {"Content-Type": "multipart/form-data; boundary=x"}
BROKEN = {"picture.svg": SVG, "zeros.png": b"PK\x03\x04" + bytes(5000), "empty.png": b""}


def form(files: dict[str, bytes]) -> list[tuple[str, tuple[str, bytes]]]:
    return [("picture", (name, content)) for name, content in files.items()]


def test_answers_are_the_rows_of_predict_with_actions(
    client: TestClient, live: LiveClassifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {f"{size}.png": picture_bytes(size, (size, size)) for size in (8, 32, 64)} | BROKEN
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    monkeypatch.chdir(tmp_path)
    (decision,) = live.now.table.decisions
    expected = [
        asdict(prediction) | {"actions": {"keep-bird": decision.action(prediction)}}
        for prediction in live.now.predict(list(files))
    ]
    answer = client.post("/v1/predict", files=form(files))
    assert answer.status_code == 200
    found = answer.json()
    assert found["model"] == live.now.digest
    for row, want in zip(found["predictions"], expected, strict=True):
        assert row == {**want, "confidence": pytest.approx(want["confidence"], abs=1e-6),
                       "probabilities": pytest.approx(want["probabilities"], abs=1e-6)}  # fmt: skip
    assert [row["status"] for row in found["predictions"]] == ["ok"] * 3 + ["unreadable"] * 3


def test_a_picture_may_be_the_body(client: TestClient, live: LiveClassifier) -> None:
    content = picture_bytes(1)
    for kind in ("image/png", "application/octet-stream"):
        (row,) = client.post("/v1/predict", content=content, headers={"Content-Type": kind}).json()["predictions"]
        assert row["label"] == live.now.predict(content)[0].label


def test_a_name_comes_back_as_text(client: TestClient) -> None:
    name = "<img src=x onerror=alert(1)>.png"
    answer = client.post("/v1/predict", files=form({name: picture_bytes(1)}))
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["predictions"][0]["path"] == name


def test_facts_about_the_classifier_name_no_path(client: TestClient, decided: Path) -> None:
    answer = client.get("/v1/classifier")
    facts = answer.json()
    assert facts["classes"] == ["airplane", "bird"] and facts["decisions"][0]["name"] == "keep-bird"
    assert str(decided.parent) not in answer.text


def test_the_address_alone_leads_to_the_documentation(client: TestClient) -> None:
    answer = client.get("/", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (307, "/docs")


@pytest.mark.parametrize(
    ("asked", "status", "code"),
    [
        ({"files": [("photo", ("1.png", b"x"))]}, 400, "wrong-value"),
        ({"data": {"picture": "1.png"}, "files": form({"1.png": b"x"})}, 400, "wrong-value"),
        ({"content": b"--x--\r\n", "headers": FORM}, 400, "no-pictures"),
        ({"content": b"--y", "headers": FORM}, 400, "wrong-value"),
        ({"content": b"x", "headers": {"Content-Type": "multipart/form-data"}}, 400, "wrong-value"),
        ({"content": b"", "headers": {"Content-Type": "image/png"}}, 400, "no-pictures"),
        ({"data": {"picture": "x"}}, 415, "wrong-value"),
    ],
)  # fmt: skip
def test_what_is_no_picture_is_refused(client: TestClient, asked: Any, status: int, code: str) -> None:
    answer = client.post("/v1/predict", **asked)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


class Gate:
    """Stands for `Classifier.answer`, counts its calls, and lets none through until it is opened."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.open, self.entered = threading.Event(), threading.Event()
        self.calls: list[int] = []
        answer = Classifier.answer

        def wait(classifier: Classifier, decoded: Sequence[Decoded]) -> list[Prediction]:
            self.calls.append(len(decoded))
            self.entered.set()
            assert self.open.wait(20)
            return answer(classifier, decoded)

        monkeypatch.setattr(Classifier, "answer", wait)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    return Gate(monkeypatch)


def waits_for(condition: Callable[[], bool]) -> None:
    for _ in range(2000):
        if condition():
            return
        threading.Event().wait(0.01)
    raise AssertionError("waited in vain")


def waiting(client: TestClient) -> int:
    lines = client.get("/metrics").text.splitlines()
    (number,) = (line.split()[1] for line in lines if line.startswith("skysort_serve_waiting "))
    return int(float(number))


def test_requests_that_come_together_are_answered_by_one_call(client: TestClient, gate: Gate) -> None:
    def post(number: int) -> Any:
        return client.post("/v1/predict", files=form({f"{number}.png": picture_bytes(number)})).json()

    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(post, 0)
        assert gate.entered.wait(20)
        others = [pool.submit(post, number) for number in range(1, 7)]
        waits_for(lambda: waiting(client) == 7)
        gate.open.set()
        answers = [one.result() for one in (first, *others)]
    assert gate.calls[0] == 1 and len(gate.calls) <= 3 and sum(gate.calls) == 7
    assert [answer["predictions"][0]["path"] for answer in answers] == [f"{number}.png" for number in range(7)]
    assert waiting(client) == 0


def test_beyond_the_bound_the_service_says_when_to_try_again(
    client: TestClient, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "MOST_WAITING", 2)
    files = form({"1.png": picture_bytes(1), "2.png": picture_bytes(2)})
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(client.post, "/v1/predict", files=files)
        assert gate.entered.wait(20)
        busy, not_ready = client.post("/v1/predict", files=files[:1]), client.get("/readyz")
        alive = client.get("/healthz")
        gate.open.set()
        assert first.result().status_code == 200
    for answer in (busy, not_ready):
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "busy")
        assert "room for 0 more pictures now; this request needs 1" in answer.json()["error"]["message"]
        assert int(answer.headers["retry-after"]) >= 1
    assert alive.status_code == client.get("/readyz").status_code == 200


def test_the_event_loop_is_free_while_pictures_are_decoded(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered, go_on = threading.Event(), threading.Event()

    def slow(*arguments: Any, **options: Any) -> Any:
        entered.set()
        assert go_on.wait(20)
        return decode(*arguments, **options)

    monkeypatch.setattr(batching, "decode", slow)
    for size in (8, 64):  # a small file, and one for the threads
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(client.post, "/v1/predict", files=form({"1.png": picture_bytes(1, (size, size))}))
            assert entered.wait(20)
            assert client.get("/healthz").status_code == 200
            go_on.set()
            assert answer.result().status_code == 200
        entered.clear()
        go_on.clear()


def test_an_error_of_one_picture_is_of_its_own_request(
    client: TestClient, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, errors = picture_bytes(1), [MemoryError("none left"), RuntimeError("unforeseen")]

    def fail(content: bytes, *arguments: Any, **options: Any) -> Any:
        if content == bad:
            raise errors.pop(0)
        return decode(content, *arguments, **options)

    monkeypatch.setattr(batching, "decode", fail)
    with ThreadPoolExecutor(4) as pool:
        posts = [pool.submit(client.post, "/v1/predict", files=form({"0.png": picture_bytes(0)}))]
        assert gate.entered.wait(20)
        for number in (1, 1, 2):
            files = form({f"{number}.png": picture_bytes(number)})
            posts.append(pool.submit(client.post, "/v1/predict", files=files))
        waits_for(lambda: waiting(client) == 4)
        gate.open.set()
        assert sorted(one.result().status_code for one in posts) == [200, 200, 500, 503]


def test_pictures_that_take_long_do_not_hold_up_other_requests(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, go_on, entered = io.BytesIO(), threading.Event(), threading.Event()
    Image.new("1", (600, 600)).save(file, "PNG")
    slow = file.getvalue()
    assert len(slow) < SMALL_FILE_BYTES

    def wait(content: bytes, shape: Shape, most_pixels: int) -> Any:
        if content == slow and most_pixels == bounds.MOST_PIXELS:
            entered.set()
            assert go_on.wait(20)
        return decode(content, shape, most_pixels)

    monkeypatch.setattr(batching, "decode", wait)
    with ThreadPoolExecutor(2) as pool:
        many = pool.submit(client.post, "/v1/predict", files=form({f"{number}.png": slow for number in range(64)}))
        assert entered.wait(20)
        other = pool.submit(client.post, "/v1/predict", files=form({"2.png": picture_bytes(2)}))
        assert other.result(10).status_code == 200
        go_on.set()
        assert [row["status"] for row in many.result().json()["predictions"]] == ["ok"] * 64


@pytest.mark.parametrize("part", [Batches, LiveClassifier])
def test_a_service_whose_part_has_failed_is_not_ready(
    live: LiveClassifier, part: type, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(_: Any) -> None:
        raise RuntimeError("unforeseen")

    monkeypatch.setattr(part, "run" if part is Batches else "follow", fail)
    with TestClient(service(live, PORT), base_url=HERE) as client:
        waits_for(lambda: bool(caplog.records))
        for answer in (client.get("/readyz"), client.post("/v1/predict", files=form({"1.png": picture_bytes(1)}))):
            assert (answer.status_code, answer.json()["error"]["code"]) == (503, "system")
        assert client.get("/healthz").status_code == 200
    assert "unforeseen" in vars(caplog.records[0])["facts"]["error"]


def test_a_changed_folder_takes_over_and_never_half(finished_run: Path, decided: Path, tmp_path: Path) -> None:
    run = shutil.copytree(finished_run, tmp_path / "run")
    live = LiveClassifier(run)
    before = live.now
    asyncio.run(live.look())
    assert live.now is before
    model = run / "classifier" / "model.onnx"
    whole = model.read_bytes()
    model.write_bytes(whole[:-100])  # as a copy that is not finished
    asyncio.run(live.look())
    assert live.now is before and live.num_failed == 1
    model.write_bytes(whole)
    shutil.copy(decided / "classifier" / "classifier.json", run / "classifier")
    asyncio.run(live.look())
    assert live.now is not before and live.now.decision("keep-bird") and live.num_switched == 1
    shutil.rmtree(run)
    asyncio.run(live.look())
    assert live.now.decision("keep-bird") and live.num_failed == 2


def test_an_unforeseen_error_is_logged_and_too_little_memory_is_tried_again(
    decided: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    live = LiveClassifier(shutil.copytree(decided / "classifier", tmp_path / "classifier"))
    before, errors = live.now, [MemoryError("none left"), RuntimeError("unforeseen")]

    def load(path: Path) -> Classifier:
        raise errors.pop(0)

    monkeypatch.setattr("skysort.web.live.Classifier", load)
    (tmp_path / "classifier" / "classifier.json").touch()
    for _ in range(3):
        asyncio.run(live.look())
    assert (errors, live.num_failed, live.now) == ([], 2, before)
    assert "unforeseen" in vars(caplog.records[-1])["facts"]["error"]


def test_a_request_keeps_the_classifier_that_it_began_with(
    client: TestClient, live: LiveClassifier, gate: Gate, decided: Path
) -> None:
    other = Classifier(decided)
    with ThreadPoolExecutor(2) as pool:
        posts = [pool.submit(client.post, "/v1/predict", files=form({"1.png": picture_bytes(1)}))]
        assert gate.entered.wait(20)
        posts.append(pool.submit(client.post, "/v1/predict", files=form({"2.png": picture_bytes(2)})))
        waits_for(lambda: waiting(client) == 2)
        live.now = other
        gate.open.set()
        assert [one.result().status_code for one in posts] == [200, 200]


def test_an_error_of_the_network_is_an_answer_and_the_service_goes_on(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = form({"1.png": picture_bytes(1)})
    for error, status, code in (
        (MemoryError("none left"), 503, "out-of-memory"),
        (ValueError("bug"), 500, "system"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(Classifier, "answer", lambda *_, error=error: (_ for _ in ()).throw(error))
            answer = client.post("/v1/predict", files=files)
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert client.post("/v1/predict", files=files).status_code == 200
    assert waiting(client) == 0
