"""Errors as JSON, in the form that the command line prints with `--format json`."""

from collections.abc import Mapping

from starlette.responses import JSONResponse

from skysort.core.errors import SkysortError


class RequestError(SkysortError):
    """A request cannot be answered.

    Args:
        code: the kind of error, one of `error_codes.CODES`.
        message: one or two sentences for a person.
        status: HTTP status.
        headers: of the response.
    """

    def __init__(self, code: str, message: str, status: int, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(code, message)
        self.status, self.headers = status, headers


def error_response(code: str, message: str, status: int, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """Return the response for an error. It closes the connection, because the body may be read in part only."""
    content = {"error": {"code": code, "message": message}}
    return JSONResponse(content, status, {"Connection": "close", **(headers or {})})
