"""The JSON of a request, bounded and checked."""

from typing import TypeVar

from pydantic import ValidationError
from starlette.requests import Request

from skysort.core.models import FrozenModel
from skysort.web.errors import RequestError

MOST_JSON_BYTES = 2**20
Model = TypeVar("Model", bound=FrozenModel)


async def json_of(request: Request, model: type[Model]) -> Model:
    """Return the JSON of a body. Only JSON: a form of another site could send any other type unasked.

    Raises:
        RequestError: when it is too large, or no such JSON.
    """
    if request.headers.get("content-type") != "application/json":
        raise RequestError("wrong-value", "expected Content-Type application/json", 415)
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_JSON_BYTES:
            raise RequestError("too-large", f"expected at most {MOST_JSON_BYTES:,} bytes", 413)
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        raise RequestError(
            "wrong-value", f"the body is not as expected: {error.errors()[0]['msg']}", 400
        ) from None
