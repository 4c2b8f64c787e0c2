"""The door of the studio: a token in the address, once, and from then on a cookie.

Source: Jupyter Server, whose pages also run programs of their user at a local address.
"""

import hmac
import secrets
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Scope

from skysort.web.errors import error_response
from skysort.web.security import is_own

READS = ("GET", "HEAD")
NO_ENTRY = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Skysort studio</title>
<h1>This page needs the address that the studio printed</h1>
<p>Look into the terminal in which <code>skysort studio</code> runs, and open the address from there.</p>
</html>
"""


class CookieDoor:
    """Lets pages in that were opened by the address with the token.

    Args:
        port: of the studio. Cookies of one host are shared by all of its ports, so the port is in their name.
    """

    def __init__(self, port: int) -> None:
        self.token, self._secret = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        self._once = ""
        self._name = f"skysort-{port}"

    def token_for_once(self) -> str:
        """Return a token that lets in one browser: other users may read it among its arguments."""
        self._once = secrets.token_urlsafe(32)
        return self._once

    def refusal(self, scope: Scope, headers: Headers) -> ASGIApp | None:
        """Refuse a request without the cookie, and a change that no page of the studio asked for."""
        is_read = scope["method"] in READS
        token = parse_qs(scope["query_string"].decode("latin-1")).get("token")
        if is_read and scope["path"] == "/" and token:
            return self._with_cookie() if self._takes(token[0]) else HTMLResponse(NO_ENTRY, 401)
        if not _same(self._cookie(headers), self._secret):
            if is_read and "text/html" in headers.get("accept", ""):
                return HTMLResponse(NO_ENTRY, 401)
            return error_response("no-token", "open the address that skysort studio printed", 401)
        if not is_read and not is_own(headers.get("origin", ""), headers.get("host", "")):
            return error_response("foreign-request", "only a page of the studio may change anything", 403)
        return None

    def _takes(self, token: str) -> bool:
        if self._once and _same(token, self._once):
            self._once = ""
            return True
        return _same(token, self.token)

    def _with_cookie(self) -> Response:
        """Return the way to the first page, without the token in its address."""
        response = RedirectResponse("/", 303)
        response.set_cookie(self._name, self._secret, httponly=True, samesite="strict", path="/")
        return response

    def _cookie(self, headers: Headers) -> str:
        try:
            cookies = SimpleCookie(headers.get("cookie", ""))
        except CookieError:
            return ""
        return cookies[self._name].value if self._name in cookies else ""


def _same(given: str, secret: str) -> bool:
    return hmac.compare_digest(given.encode(), secret.encode())
