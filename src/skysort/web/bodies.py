"""The pictures of a request: parts of a form, or the body itself. Every byte is counted as it arrives."""

import asyncio
from collections.abc import AsyncGenerator

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from skysort.web.bounds import MOST_BODY_BYTES, MOST_PICTURES, SECONDS_TO_SEND, Place
from skysort.web.errors import RequestError

FIELD = "picture"
RAW_TYPES = ("application/octet-stream", "image/")

Upload = tuple[str, bytes]
"""A picture's name and the bytes of its file."""


class _InMemory(MultiPartParser):
    """Keeps parts in memory, which `MOST_BODY_BYTES` bounds, and never in temporary files."""

    spool_max_size = MOST_BODY_BYTES + 1


async def pictures_of(request: Request, place: Place) -> list[Upload]:
    """Return the pictures of a request, and take room for them.

    Raises:
        RequestError: when the body has another format, is too large or too slow, or holds no picture.
        ClientDisconnect: when the client is gone.
    """
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    try:
        async with asyncio.timeout(SECONDS_TO_SEND):
            if kind == "multipart/form-data":
                pictures = await _parts(request, place)
            elif kind.startswith(RAW_TYPES):
                body = b"".join([chunk async for chunk in _counted(request, place)])
                if not body:
                    raise RequestError("no-pictures", "the body is empty; send the bytes of an image file", 400)
                pictures = [("<picture 0>", body)]
            else:
                raise RequestError(
                    "wrong-value",
                    "expected Content-Type multipart/form-data, image/… or application/octet-stream, got"
                    f" '{kind}'; with curl, use -F {FIELD}=@bird.jpg",
                    415,
                )
    except TimeoutError:
        raise RequestError("too-slow", f"the body took more than {SECONDS_TO_SEND:g} seconds", 408) from None
    if not pictures:
        raise RequestError(
            "no-pictures", f"the form holds no picture; send each as a part '{FIELD}' with a file name", 400
        )
    place.add_pictures(len(pictures))
    return pictures


async def _counted(request: Request, place: Place) -> AsyncGenerator[bytes, None]:
    """Yield the pieces of a body. The declared length counts first, so that no byte of a large one is read."""
    declared = request.headers.get("content-length", "0")
    if declared.isdecimal() and int(declared) > MOST_BODY_BYTES:
        place.add_bytes(int(declared))
    async for chunk in request.stream():
        place.add_bytes(len(chunk))
        yield chunk


async def _parts(request: Request, place: Place) -> list[Upload]:
    try:
        parser = _InMemory(
            request.headers, _counted(request, place), max_files=MOST_PICTURES, max_fields=0, max_part_size=0
        )
        form = await parser.parse()
    except MultiPartException as error:
        message = error.message
        if message.startswith("Too many files"):
            raise RequestError("too-large", f"a request has at most {MOST_PICTURES} pictures", 413) from None
        if message.startswith("Too many fields"):
            raise RequestError("wrong-value", f"expected parts '{FIELD}' with a file name only", 400) from None
        raise RequestError("wrong-value", f"the body is no form: {message}", 400) from None
    pictures: list[Upload] = []
    try:
        for number, (field, part) in enumerate(form.multi_items()):
            if field != FIELD or not isinstance(part, UploadFile):
                raise RequestError("wrong-value", f"expected parts '{FIELD}', got '{field}'", 400)
            pictures.append((part.filename or f"<picture {number}>", await part.read()))
    finally:
        await form.close()
    return pictures
