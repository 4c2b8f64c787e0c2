"""The studio for people: pages over the folders that it was started with."""

import asyncio
from dataclasses import asdict
from typing import Annotated

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from pydantic import Field
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp

from skysort.core.errors import NotUnderstoodError, SkysortError
from skysort.core.models import FrozenModel
from skysort.web.bodies import pictures_of
from skysort.web.bounds import Room
from skysort.web.errors import RequestError, error_response
from skysort.web.json_bodies import json_of
from skysort.web.pages import page, static_file
from skysort.web.review import ANSWERS_FOR_ALL, Review, titles
from skysort.web.security import Guard, local_hosts
from skysort.web.studio_door import CookieDoor
from skysort.web.teach import Teach, add_teach
from skysort.web.thumbnails import SIDES, Size, Thumbnails
from skysort.web.trust import Trust
from skysort.web.trust_pages import add_trust
from skysort.web.trying import Trying
from skysort.web.words import COOKIE, LANGUAGES, InLanguage

SECONDS_KEPT = 3600
"""Time for which a browser keeps a picture: its name means these bytes, as long as the studio runs."""


SECONDS_OF_LANGUAGE = 365 * 24 * 3600


class NewLanguage(FrozenModel):
    """The language that a person chooses."""

    language: Annotated[str, Field(max_length=20)]


class NewAnswer(FrozenModel):
    """What a person says about one picture."""

    picture: Annotated[str, Field(max_length=64)]
    label: Annotated[str, Field(max_length=1000)]


class NewAnswers(FrozenModel):
    """Answers, which are written all or none."""

    answers: Annotated[list[NewAnswer], Field(min_length=1, max_length=1000)]


def studio(
    teach: Teach,
    review: Review | None,
    trying: Trying,
    trust: Trust,
    thumbnails: Thumbnails,
    port: int,
    door: CookieDoor,
) -> ASGIApp:
    """Return the application.

    Args:
        teach: the pictures and the trainings.
        review: of a watcher's pictures; None where the studio was started without its folder.
        trying: the classifiers.
        trust: the figures and decisions of runs.
        thumbnails: shows pictures.
        port: at which it is reached.
        door: lets pages in.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    add_errors(app)
    _add_files(app, thumbnails, _first(teach, review))
    _add_language(app)
    add_teach(app, teach)
    _add_review(app, review)
    _add_try(app, trying)
    add_trust(app, trust)
    app.add_middleware(InLanguage)
    return Guard(app, local_hosts(port), door)


def _first(teach: Teach, review: Review | None) -> str:
    """Return the path of the page to begin with."""
    return "/teach" if teach.pictures is not None else "/try" if review is None else "/review"


def _add_language(app: FastAPI) -> None:
    @app.post("/api/language")
    async def switch(request: Request) -> Response:
        chosen = (await json_of(request, NewLanguage)).language
        if chosen not in LANGUAGES:
            raise NotUnderstoodError("wrong-value", f"no language '{chosen}'; there are: {', '.join(LANGUAGES)}")
        response = JSONResponse({"language": chosen})
        response.set_cookie(
            COOKIE, chosen, max_age=SECONDS_OF_LANGUAGE, httponly=True, samesite="strict", path="/"
        )
        return response


def _add_files(app: FastAPI, thumbnails: Thumbnails, first_path: str) -> None:
    @app.get("/")
    async def first() -> Response:
        return RedirectResponse(first_path, 303)

    @app.get("/static/{name}")
    async def static(name: str) -> Response:
        if (file := static_file(name)) is None:
            raise HTTPException(404)
        return file

    @app.get("/pictures/{name}/{size}")
    async def picture(name: str, size: str) -> Response:
        known: Size | None = next((one for one in SIDES if one == size), None)
        jpeg = None if known is None else await asyncio.to_thread(thumbnails.jpeg, name, known)
        if jpeg is None:
            raise HTTPException(404)
        headers = {"Cache-Control": f"private, max-age={SECONDS_KEPT}"}
        return Response(jpeg, media_type="image/jpeg", headers=headers)


def _add_review(app: FastAPI, review: Review | None) -> None:
    def opened() -> Review:
        if review is None:
            raise NotUnderstoodError("missing-argument", "start skysort studio with --aside FOLDER, a watcher's")
        return review

    @app.get("/review")
    async def review_page() -> Response:
        if review is None:
            return page("review.html.jinja", at="review", aside=None)
        waiting = await asyncio.to_thread(review.waiting)
        promise = await asyncio.to_thread(review.promise)
        data = {**asdict(waiting), "promise": promise, "titles": titles(), "for_all": ANSWERS_FOR_ALL}
        return page(
            "review.html.jinja", at="review", aside=str(review.aside), waiting=waiting, promise=promise,
            titles=titles(), data=data,
        )  # fmt: skip

    @app.post("/api/review/answers")
    async def answers(request: Request) -> Response:
        new = await json_of(request, NewAnswers)
        pairs = [(one.picture, one.label) for one in new.answers]
        return JSONResponse({"promise": await asyncio.to_thread(opened().answer, pairs)})

    @app.post("/api/review/take-back")
    async def take_back() -> Response:
        picture, promise = await asyncio.to_thread(opened().take_back)
        return JSONResponse({"picture": picture and asdict(picture), "promise": promise})


def _add_try(app: FastAPI, trying: Trying) -> None:
    room = Room()

    @app.get("/try")
    async def try_page() -> Response:
        return page(
            "try.html.jinja", at="try", runs=await asyncio.to_thread(trying.names), folder=str(trying.runs)
        )

    @app.post("/api/try/{run}")
    async def try_out(run: str, request: Request) -> Response:
        with room.place() as place:
            uploads = await pictures_of(request, place)
            return JSONResponse([asdict(one) for one in await trying.try_out(run, uploads)])


def add_errors(app: FastAPI) -> None:
    """Answer errors in the form that the command line has with `--format json`."""

    @app.exception_handler(RequestError)
    async def refused(_: Request, error: RequestError) -> Response:
        return error_response(error.code, error.message, error.status, error.headers)

    @app.exception_handler(SkysortError)
    async def failed(request: Request, error: SkysortError) -> Response:
        status = 400 if isinstance(error, NotUnderstoodError) else 500
        return _failed(request, error.code, error.message, status)

    @app.exception_handler(ClientDisconnect)
    async def gone(_: Request, __: ClientDisconnect) -> Response:
        return Response(status_code=400)  # nobody reads it

    @app.exception_handler(HTTPException)
    async def no_route(request: Request, error: HTTPException) -> Response:
        return _failed(request, "path-not-found", f"nothing is at {request.url.path}", error.status_code)

    @app.exception_handler(Exception)
    async def bug(_: Request, __: Exception) -> Response:
        return error_response("system", "the studio failed; its log has the reason", 500)


def _failed(request: Request, code: str, message: str, status: int) -> Response:
    """Return an error: a page for a person who opened an address, else JSON."""
    if request.method == "GET" and "text/html" in request.headers.get("accept", ""):
        response = page("failed.html.jinja", at="", message=message)
        response.status_code = status
        return response
    return error_response(code, message, status)
