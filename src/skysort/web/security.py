"""Checks on every request before a route sees it: the Host header, the origin and the token.

Source: Jupyter Server's security notes, https://jupyter-server.readthedocs.io/en/latest/operators/security.html
"""

import hmac
from collections.abc import Collection
from typing import Protocol

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from skysort.web.errors import error_response

HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob: data:; frame-ancestors 'none';"
    " base-uri 'none'; form-action 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""On every response. There are no CORS headers: no other site may read one."""


def local_hosts(port: int) -> frozenset[str]:
    """Return the values of the header Host that mean this computer itself, at a port."""
    names = ("localhost", "127.0.0.1", "[::1]")
    return frozenset(f"{name}:{port}" for name in names) | frozenset(names if port == 80 else ())


class Door(Protocol):
    """Says who may come in."""

    def refusal(self, scope: Scope, headers: Headers) -> ASGIApp | None:
        """Return what answers a request in place of the application; None lets it in."""


class BearerDoor:
    """Lets requests in that carry a token.

    Args:
        token: that `Authorization: Bearer` must have; None lets all in.
        open_paths: paths that need no token.
    """

    def __init__(self, token: str | None, open_paths: Collection[str]) -> None:
        self.token, self.open_paths = token, open_paths

    def refusal(self, scope: Scope, headers: Headers) -> ASGIApp | None:
        """Refuse a request that lacks the token."""
        if self.token is None or scope["path"] in self.open_paths:
            return None
        header = headers.get("authorization", "")
        if hmac.compare_digest(header.encode(), f"Bearer {self.token}".encode()):
            return None
        if header:  # RFC 6750, section 3.1
            message = "the header Authorization does not hold Bearer and the token of --token-file"
            return error_response("no-token", message, 401, {"WWW-Authenticate": 'Bearer error="invalid_token"'})
        message = "expected the header Authorization: Bearer TOKEN, with the token of --token-file"
        return error_response("no-token", message, 401, {"WWW-Authenticate": "Bearer"})


class Guard:
    """Refuses requests of other sites and for other hosts, and those that the door refuses.

    Args:
        app: answers the others.
        hosts: values of the header Host that are allowed; None allows all, where a token is asked for.
        door: says who may come in.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str] | None, door: Door) -> None:
        self.app, self.hosts, self.door = app, hosts, door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(raw=message["headers"])
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                message["headers"] = headers.raw
            await send(message)

        headers = Headers(scope=scope)
        answer = self._refusal(headers) or self.door.refusal(scope, headers) or self.app
        await answer(scope, receive, send_with_headers)

    def _refusal(self, headers: Headers) -> ASGIApp | None:
        host = headers.get("host", "")
        if self.hosts is not None and host.lower() not in self.hosts:
            known = " or ".join(sorted(self.hosts))
            return error_response("foreign-request", f"expected the header Host to be {known}", 403)
        origin = headers.get("origin")
        is_foreign = origin is not None and not is_own(origin, host)
        if is_foreign or headers.get("sec-fetch-site") == "cross-site":
            return error_response("foreign-request", "a page of another site sent this request", 403)
        return None


def is_own(origin: str, host: str) -> bool:
    """Tell whether the header Origin names the host that the header Host names."""
    return origin.lower().partition("://")[2] == host.lower()
