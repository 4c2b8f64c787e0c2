"""One process that serves an application until SIGTERM or Ctrl-C. It then answers its requests, and ends."""

import asyncio
import errno
import logging
import signal
import socket
from collections.abc import Callable, Generator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from skysort.core.errors import SkysortError
from skysort.core.log import tell
from skysort.web.bounds import SECONDS_TO_RETRY
from skysort.web.errors import error_response
from skysort.web.security import HEADERS

BACKLOG = 2048
"""Connections that wait to be accepted."""
SECONDS_TO_END = 60
"""Time for the requests under way once the service is to end."""
SECONDS_BETWEEN_REQUESTS = 30
"""Time for which a connection stays open with no request, and for a client to send the head of one."""
MOST_CONNECTIONS = 512
"""Beyond it, new ones get 503. Each connection is an open file, and most systems allow a process 1,024 of them.
More would gain nothing: at most 256 pictures wait."""


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens, at a free port where the port is 0.

    Raises:
        SkysortError: when the port is taken, or the host is no address of this computer.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise SkysortError("system", _why_not(error, host, port)) from None
    # Without it, each answer would wait 40 ms for the client's acknowledgement. Connections inherit it.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def _why_not(error: OSError, host: str, port: int) -> str:
    """Return why a socket cannot listen, and what to do."""
    if error.errno == errno.EADDRINUSE:
        return f"another program listens at port {port}; choose another one, e.g. --port {port % 65535 + 1}"
    if isinstance(error, PermissionError):
        return f"this user may not listen at port {port}; choose one above 1023, e.g. --port {8000 + port}"
    if error.errno in (errno.EADDRNOTAVAIL, socket.EAI_NONAME):
        return f"{host} is no address of this computer; leave out --host, or give an address of its own"
    return f"cannot listen at {host}, port {port}: {(error.strerror or str(error)).partition(' (while')[0]}"


def serve(
    app: ASGIApp,
    listening: socket.socket,
    started: Callable[[], None],
    ending: Callable[[], None] = lambda: None,
) -> None:
    """Serve an application at a socket until a signal ends it.

    Args:
        app: the application.
        listening: from `listen`.
        started: called once requests are answered.
        ending: called by the signal, to end answers that would not end by themselves.
    """
    _Server(config_of(app), started, ending).run([listening])


def config_of(app: ASGIApp) -> uvicorn.Config:
    """Return how an application is served."""
    return uvicorn.Config(
        app, http=_Protocol, ws="none", log_config=None, access_log=False, server_header=False,
        timeout_keep_alive=SECONDS_BETWEEN_REQUESTS,
        timeout_graceful_shutdown=SECONDS_TO_END,
    )  # fmt: skip


class _Protocol(H11Protocol):
    """Closes connections on which no whole head comes in time, and refuses those beyond `MOST_CONNECTIONS`.

    uvicorn waits for ever once a byte of a head has come. Its own `limit_concurrency` would refuse requests of
    earlier connections too, and without our headers.
    """

    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a head."""
        super().connection_made(transport)
        if len(self.connections) >= MOST_CONNECTIONS:
            self.app = _full
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        if self._timer:
            self._timer.cancel()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        """Wait for the next head."""
        self._wait_for_head()
        super().on_response_complete()

    def _wait_for_head(self) -> None:
        if self._timer:
            self._timer.cancel()
        self._timer = self.loop.call_later(self.timeout_keep_alive, self._close_without_head, self.cycle)

    def _close_without_head(self, last: object) -> None:
        if self.cycle is last:  # no request has begun since
            self.transport.close()


async def _full(scope: Scope, receive: Receive, send: Send) -> None:
    headers = {**HEADERS, "Retry-After": str(SECONDS_TO_RETRY)}
    message = f"{MOST_CONNECTIONS} connections are open; try again in a moment, over fewer connections"
    await error_response("busy", message, 503, headers)(scope, receive, send)


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, started: Callable[[], None], ending: Callable[[], None]) -> None:
        super().__init__(config)
        self._tell_started, self._tell_ending = started, ending

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and tell."""
        await super().startup(sockets)
        if self.started:
            self._tell_started()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Log how many requests are under way, and end once they are answered."""
        num = len(self.server_state.tasks)
        tell(logging.INFO, "ending", requests_to_answer=num, most_seconds=SECONDS_TO_END)
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """End with exit code 0 at the first signal. A second one ends the process at once."""
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

        def end(*_: object) -> None:
            for number in before:
                signal.signal(number, signal.SIG_DFL)
            self.should_exit = True
            self._tell_ending()

        for number in before:
            signal.signal(number, end)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
