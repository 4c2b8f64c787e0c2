"""Connections: how many there are, and how long each may take to ask."""

import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest
import uvicorn
from starlette.responses import PlainTextResponse

from skysort.web import server
from tests.conftest import refused

Connect = Callable[[bytes], socket.socket]
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Iterator[Connect]:
    """A server that waits one second for a request, and has place for two connections at a time."""
    monkeypatch.setattr(server, "SECONDS_BETWEEN_REQUESTS", 1)
    monkeypatch.setattr(server, "MOST_CONNECTIONS", 3)
    connections: list[socket.socket] = []
    with server.listen("127.0.0.1", 0) as listening:
        running = uvicorn.Server(server.config_of(PlainTextResponse("here")))
        thread = threading.Thread(target=running.run, args=([listening],))
        thread.start()

        def connected(content: bytes) -> socket.socket:
            connections.append(socket.create_connection(listening.getsockname(), timeout=10))
            connections[-1].sendall(content)
            return connections[-1]

        yield connected
        running.should_exit = True
        for connection in connections:
            connection.close()
        thread.join(20)
        assert not thread.is_alive()


def test_where_it_cannot_listen_the_error_says_why_and_what_to_do() -> None:
    with server.listen("127.0.0.1", 0) as listening:
        port = listening.getsockname()[1]
        with refused("system", f"another program listens at port {port}", "--port"):
            server.listen("127.0.0.1", port)
    for host in ("192.0.2.1", "no.such.host.invalid"):  # no computer has it: RFC 5737, RFC 6761
        with refused("system", f"{host} is no address of this computer"):
            server.listen(host, 0)


@pytest.mark.parametrize("before", [b"", GET])
def test_a_head_that_does_not_come_to_an_end_closes_the_connection(connect: Connect, before: bytes) -> None:
    connection = connect(before)
    if before:
        while b"here" not in connection.recv(1000):
            pass
    connection.sendall(GET[:-2])
    began = time.monotonic()
    assert connection.recv(1000) == b""
    assert time.monotonic() - began < 5


def test_beyond_the_bound_on_connections_requests_are_refused(connect: Connect) -> None:
    first = connect(GET)
    while b"here" not in first.recv(1000):
        pass
    connect(b""), connect(b"")
    refused = connect(GET).recv(1000)
    assert b" 503 " in refused and b"retry-after: 1" in refused.lower() and b"nosniff" in refused.lower()
    first.sendall(GET)
    assert b" 200 " in first.recv(1000)
