"""The service as a process: signals, sockets, and the command line's errors."""

import json
import signal
import socket
import threading
import urllib.request
from collections.abc import Callable
from pathlib import Path

from tests.commands.conftest import Ended
from tests.conftest import picture_bytes
from tests.web.serving import serving


def head_of(port: int, length: str) -> bytes:
    """Return the head of a request with one picture, by its `Content-Length` or `Transfer-Encoding`."""
    lines = ("POST /v1/predict HTTP/1.1", f"Host: 127.0.0.1:{port}", "Content-Type: image/png", length)
    return "".join(f"{line}\r\n" for line in (*lines, "")).encode()


def posted(port: int, content: bytes) -> dict[str, object]:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/v1/predict", content, {"Content-Type": "image/png"}, method="POST"
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        found: dict[str, object] = json.load(answer)
    return found


def test_sigterm_answers_what_it_has_and_ends_with_0(finished_run: Path) -> None:
    content = picture_bytes(1)
    with serving(finished_run) as (process, port):
        assert posted(port, content)["predictions"]
        with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
            connection.sendall(head_of(port, f"Content-Length: {len(content)}") + content[:100])
            connection.settimeout(20)
            threading.Event().wait(0.3)
            process.send_signal(signal.SIGTERM)
            threading.Event().wait(0.3)
            connection.sendall(content[100:])
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
            assert answer.startswith(b"HTTP/1.1 200") and b'"status":"ok"' in answer
        process.wait(20)


def test_an_endless_body_is_cut_off(finished_run: Path) -> None:
    with (
        serving(finished_run) as (_, port),
        socket.create_connection(("127.0.0.1", port), timeout=20) as connection,
    ):
        connection.sendall(head_of(port, "Transfer-Encoding: chunked"))
        chunk = b"100000\r\n" + bytes(2**20) + b"\r\n"
        sent = 0
        try:
            while sent < 2**28:
                connection.sendall(chunk)
                sent += 2**20
        except OSError:
            pass
        assert 2**26 <= sent < 2**27
        assert posted(port, picture_bytes(1))["predictions"]


def test_clients_that_vanish_leave_nothing_behind(finished_run: Path) -> None:
    with serving(finished_run) as (_, port):
        for cut in (20, 200):
            with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
                connection.sendall((head_of(port, "Content-Length: 999") + bytes(100))[:cut])
        assert posted(port, picture_bytes(1))["predictions"]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20) as answer:
            assert "skysort_serve_waiting_bytes 0.0" in answer.read().decode()


def test_a_taken_port(finished_run: Path, skysort_command: Callable[..., Ended]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        skysort_command("serve", finished_run, "--port", port).check_refused(1, "system", port)


def test_another_host_needs_a_token(
    finished_run: Path,
    tmp_path: Path,
    skysort_command: Callable[..., Ended],
) -> None:
    short, gone = tmp_path / "short.txt", tmp_path / "gone.txt"
    short.write_text("secret\n")
    serve = ("serve", finished_run, "--port", 0, "--host", "0.0.0.0")
    skysort_command(*serve).check_refused(2, "missing-argument", "--token-file")
    skysort_command(*serve, "--token-file", gone).check_refused(2, "path-not-found", gone)
    skysort_command(*serve, "--token-file", short).check_refused(2, "wrong-value", short, 16)


def test_what_is_no_classifier(tmp_path: Path, skysort_command: Callable[..., Ended]) -> None:
    skysort_command("serve", tmp_path).check_refused(2, "not-a-classifier", tmp_path)
    skysort_command("serve", tmp_path / "gone").check_refused(2, "path-not-found", tmp_path / "gone")
