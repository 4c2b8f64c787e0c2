"""The service for programs: pictures in, prediction rows out."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp

import skysort
from skysort.core.errors import SkysortError
from skysort.core.log import as_text, tell
from skysort.web.answers import Answer, ClassifierFacts, ErrorBody, State, answer_to, facts_of
from skysort.web.batching import Batches
from skysort.web.bodies import FIELD, pictures_of
from skysort.web.bounds import MOST_PICTURES, Room
from skysort.web.docs_page import PATHS, add_docs
from skysort.web.errors import RequestError, error_response
from skysort.web.live import LiveClassifier
from skysort.web.security import BearerDoor, Guard, local_hosts
from skysort.web.service_metrics import ServiceMetrics

OPEN_PATHS = ("/", "/healthz", "/readyz", *PATHS)
"""Paths that need no token: probes, and the documentation."""
PICTURE = {"type": "string", "format": "binary", "minLength": 1}
BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": [FIELD],
                    "additionalProperties": False,
                    "properties": {
                        FIELD: {"type": "array", "items": PICTURE, "minItems": 1, "maxItems": MOST_PICTURES}
                    },
                }
            },
            "image/jpeg": {"schema": PICTURE},
            "application/octet-stream": {"schema": PICTURE},
        },
    }
}


@dataclass(frozen=True)
class Serving:
    """The classifier, the room and the counts that the routes of one service share."""

    live: LiveClassifier
    room: Room
    batches: Batches
    metrics: ServiceMetrics
    tasks: list[asyncio.Task[None]] = field(default_factory=list)
    """They run the network and follow the folder, until the service ends."""

    def check(self) -> None:
        """Make sure that the tasks run.

        Raises:
            RequestError: when one has ended.
        """
        if any(task.done() for task in self.tasks):
            raise RequestError(
                "system", "a part of the service failed; its log has the reason. Start it again", 503
            )


def service(live: LiveClassifier, port: int, token: str | None = None, *, is_local: bool = True) -> ASGIApp:
    """Return the application.

    Args:
        live: the classifier that answers.
        port: at which it is reached.
        token: that requests must have; None for none.
        is_local: whether only this computer reaches it; the header Host must then mean this computer.
    """
    room, batches = Room(), Batches()
    serving = Serving(live, room, batches, ServiceMetrics(room, batches, live))

    @asynccontextmanager
    async def running(_: FastAPI) -> AsyncGenerator[None, None]:
        serving.tasks[:] = [asyncio.create_task(batches.run()), asyncio.create_task(live.follow())]
        for task in serving.tasks:
            task.add_done_callback(_log_error)
        yield
        for task in serving.tasks:
            task.cancel()
        await asyncio.gather(*serving.tasks, return_exceptions=True)

    app = FastAPI(
        title="Skysort", version=skysort.__version__, lifespan=running, docs_url=None, redoc_url=None,
        description="Post pictures and get predictions.",
    )  # fmt: skip
    _add_errors(app, serving)
    _add_routes(app, serving)
    add_docs(app, has_token=token is not None)
    return Guard(app, local_hosts(port) if is_local else None, BearerDoor(token, OPEN_PATHS))


def _log_error(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()):
        tell(logging.ERROR, "a part of the service failed; start it again", error=as_text(error))


def _add_routes(app: FastAPI, serving: Serving) -> None:
    @app.get("/", include_in_schema=False)
    async def first() -> Response:
        return RedirectResponse("/docs", 307)

    errors: dict[int | str, dict[str, Any]] = {
        status: {"model": ErrorBody} for status in (400, 401, 403, 408, 413, 415, 503)
    }

    @app.post("/v1/predict", response_model=Answer, responses=errors, openapi_extra=BODY)
    async def predict(request: Request) -> Response:
        """Label pictures: parts `picture` of a form, or one picture as the body."""
        with serving.metrics.seconds.time(), serving.room.place() as place:
            serving.check()
            classifier = serving.live.now
            pictures = await pictures_of(request, place)
            predictions = await serving.batches.predictions(classifier, pictures)
            serving.metrics.count(predictions)
            return JSONResponse(answer_to(classifier, predictions))

    @app.get("/v1/classifier")
    async def classifier() -> ClassifierFacts:
        """Return classes, decisions and figures of the classifier that answers."""
        return facts_of(serving.live.now)

    @app.get("/healthz")
    async def healthz() -> State:
        """Tell that the process runs."""
        return State(status="ok")

    @app.get("/readyz", responses={503: {"model": ErrorBody}})
    async def readyz() -> State:
        """Tell whether the service takes pictures now."""
        serving.check()
        with serving.room.place() as place:
            place.add_pictures(1)
        return State(status="ok")

    @app.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
    async def metrics() -> Response:
        """Return counts in Prometheus' text format."""
        return Response(serving.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


def _add_errors(app: FastAPI, serving: Serving) -> None:
    def failed(code: str, message: str, status: int, headers: Any = None) -> Response:
        serving.metrics.count_error(code)
        return error_response(code, message, status, headers)

    @app.exception_handler(RequestError)
    async def refused(_: Request, error: RequestError) -> Response:
        return failed(error.code, error.message, error.status, error.headers)

    @app.exception_handler(SkysortError)
    async def broken(_: Request, error: SkysortError) -> Response:
        return failed(error.code, error.message, 500)

    @app.exception_handler(MemoryError)
    async def out_of_memory(_: Request, error: MemoryError) -> Response:
        return failed(
            "out-of-memory", f"the computer has too little free memory: {error}", 503, {"Retry-After": "1"}
        )

    @app.exception_handler(ClientDisconnect)
    async def gone(_: Request, __: ClientDisconnect) -> Response:
        return Response(status_code=400)  # nobody reads it

    @app.exception_handler(HTTPException)
    async def no_route(request: Request, error: HTTPException) -> Response:
        if error.status_code == 404:
            return failed("path-not-found", f"nothing is at {request.url.path}; see /docs", 404)
        return failed(
            "wrong-value", f"{request.url.path} does not take {request.method}", error.status_code, error.headers
        )

    @app.exception_handler(Exception)
    async def bug(_: Request, error: Exception) -> Response:
        return failed("system", "the service failed; its log has the reason", 500)
