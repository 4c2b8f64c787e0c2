"""The page Teach: what a training would be, its start, and how it goes until its end."""

import asyncio
import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Annotated

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import Field, JsonValue

from skysort.core.errors import NotUnderstoodError, SkysortError
from skysort.core.models import FrozenModel
from skysort.data.quality.check import CheckResult, summary
from skysort.recipe.load import DEFAULT_RECIPE, RECIPE_FOR_PHOTOGRAPHS, recipe_names
from skysort.runs.budget import seconds_of
from skysort.web.errors import RequestError
from skysort.web.json_bodies import json_of
from skysort.web.outlook import Outlook, check_recipe, forecast, outlook
from skysort.web.pages import fragment, page
from skysort.web.training_log import Epoch, History
from skysort.web.trainings import COMMAND, Training, Trainings

BUDGETS = ("1m", "5m", "15m", "1h")
SECONDS_BETWEEN_EVENTS = 0.5
MOST_EPOCHS_IN_TABLE = 12
MOST_CLASSES = 40


class Wish(FrozenModel):
    """A recipe and its time."""

    recipe: Annotated[str, Field(max_length=100)]
    budget: Annotated[str, Field(max_length=20)]
    """Such as `5m`; empty for as long as the recipe takes."""


class NewTraining(Wish):
    """A training to start."""

    name: Annotated[str, Field(max_length=80)]


class Teach:
    """The pictures of the studio, and the trainings of its runs.

    Args:
        pictures: named as for `skysort train`; None where the studio was started without.
        trainings: those of the folder of runs.
    """

    def __init__(self, pictures: str | None, trainings: Trainings) -> None:
        self.pictures, self.trainings = pictures, trainings
        self.is_ending = False

    def end(self) -> None:
        """End the streams of events, so that the studio can end. Trainings go on."""
        self.is_ending = True

    def look(self) -> Outlook:
        """Look at the pictures.

        Raises:
            NotUnderstoodError: when there are none, or the studio was started without.
            SkysortError: when they have no classes, or cannot be listed.
        """
        if self.pictures is None:
            raise NotUnderstoodError("missing-argument", "start skysort studio with a folder of pictures")
        return outlook(self.pictures)

    def start(self, new: NewTraining) -> None:
        """Start a training.

        Raises:
            NotUnderstoodError: when the recipe, the budget or the name is not understood.
            SkysortError: when another training runs, or the name is taken.
        """
        check_recipe(new.recipe)
        budget = ["--budget", new.budget] if new.budget and seconds_of(new.budget) else []
        source = self.look().source
        self.trainings.start(new.name, [source, "--recipe", new.recipe, *budget])


def add_teach(app: FastAPI, teach: Teach) -> None:
    """Add the routes.

    Args:
        app: to add them to.
        teach: answers them.
    """
    _add_pages(app, teach)
    _add_wishes(app, teach)
    _add_trainings(app, teach)


def _add_pages(app: FastAPI, teach: Teach) -> None:
    @app.get("/teach")
    async def teach_page() -> Response:
        return page("teach.html.jinja", at="teach", **await asyncio.to_thread(_content, teach))

    @app.get("/teach/{name}")
    async def training_page(name: str) -> Response:
        now = await asyncio.to_thread(_Following(teach.trainings, name).now)
        data = {"name": name, "state": now.training.state}
        return page("training.html.jinja", at="teach", data=data, **vars(now))

    @app.get("/api/teach/{name}/events")
    async def events(name: str, request: Request) -> Response:
        await asyncio.to_thread(teach.trainings.check_known, name)
        return StreamingResponse(_events(teach, name, request), media_type="text/event-stream")


def _add_wishes(app: FastAPI, teach: Teach) -> None:
    checking = asyncio.Lock()

    @app.post("/api/teach/forecast")
    async def forecast_(request: Request) -> Response:
        wish = await json_of(request, Wish)

        def answer() -> str:
            return forecast(teach.look(), wish.recipe, wish.budget)

        return JSONResponse({"forecast": await asyncio.to_thread(answer)})

    @app.post("/api/teach/check")
    async def check() -> Response:
        source = (await asyncio.to_thread(teach.look)).source
        async with checking:
            return JSONResponse(await _checked(source))


def _add_trainings(app: FastAPI, teach: Teach) -> None:
    @app.post("/api/teach")
    async def start(request: Request) -> Response:
        new = await json_of(request, NewTraining)
        await asyncio.to_thread(teach.start, new)
        return JSONResponse({"name": new.name})

    @app.post("/api/teach/{name}/go-on")
    async def go_on(name: str) -> Response:
        await asyncio.to_thread(teach.trainings.go_on, name)
        return JSONResponse({"name": name})

    @app.post("/api/teach/{name}/stop")
    async def stop(name: str) -> Response:
        await asyncio.to_thread(teach.trainings.stop, name)
        return JSONResponse({"name": name})


def _content(teach: Teach) -> dict[str, object]:
    """Return the variables of the page Teach."""
    look, problem = None, ""
    if teach.pictures is not None:
        try:
            look = teach.look()
        except SkysortError as error:
            problem = error.message
    names = teach.trainings.names()
    recipes = [RECIPE_FOR_PHOTOGRAPHS, DEFAULT_RECIPE]
    return {
        "pictures": teach.pictures,
        "runs": str(teach.trainings.runs),
        "look": look,
        "problem": problem,
        "most_classes": MOST_CLASSES,
        "name": teach.trainings.free_name(_short(look.source)) if look else "",
        "recipes": recipes,
        "recipes_of_tutorials": [name for name in recipe_names() if name not in recipes],
        "budgets": [(text, seconds_of(text)) for text in BUDGETS],
        "trainings": [teach.trainings.training(name) for name in names],
    }


def _short(source: str) -> str:
    return source.replace("\\", "/").rstrip("/").rpartition("/")[2].partition(".")[0] or "run"


@dataclass(frozen=True)
class _TrainingNow:
    """The variables of the part of a training's page that changes."""

    training: Training
    epochs: list[Epoch]
    """The last ones."""
    num_epochs: int
    how_to_go_on: str


@dataclass
class _Following:
    """A training, looked at again and again."""

    trainings: Trainings
    name: str

    def __post_init__(self) -> None:
        self._history = History(self.trainings.run(self.name).path / "history.csv")
        self.epochs: list[Epoch] = []
        self.is_new = True

    def now(self) -> _TrainingNow:
        """Look at the training."""
        training = self.trainings.training(self.name)
        epochs, self.is_new = self._history.read()
        self.epochs = epochs if self.is_new else [*self.epochs, *epochs]
        how_to_go_on = self.trainings.how_to_go_on(self.name)
        return _TrainingNow(training, self.epochs[-MOST_EPOCHS_IN_TABLE:], len(self.epochs), how_to_go_on)

    def event(self, num_sent: int) -> tuple[Training, dict[str, JsonValue]]:
        """Return how the training is, and the event that tells a page which has so many epochs."""
        now = self.now()
        first = 0 if self.is_new else num_sent
        return now.training, {
            "state": now.training.state,
            "can_stop": now.training.can_stop,
            "now": fragment("training_now.html.jinja", **vars(now)),
            "more": fragment("training_more.html.jinja", **vars(now)),
            "first": first,
            "epochs": [epoch.model_dump() for epoch in self.epochs[first:]],
        }


async def _events(teach: Teach, name: str, request: Request) -> AsyncGenerator[str]:
    """Yield server-sent events while a training runs. The last one tells how it ended."""
    following = _Following(teach.trainings, name)
    sent, num_sent = "", 0
    while not teach.is_ending and not await request.is_disconnected():
        try:
            training, event = await asyncio.to_thread(following.event, num_sent)
        except SkysortError as error:  # the person may have removed the folder
            yield f"event: failed\ndata: {json.dumps(error.message)}\n\n"
            return
        num_sent = len(following.epochs)
        if (text := json.dumps(event)) != sent:
            yield f"data: {text}\n\n"
            sent = text
        if training.state != "running":
            return
        await asyncio.sleep(SECONDS_BETWEEN_EVENTS)


async def _checked(source: str) -> dict[str, JsonValue]:
    """Return what `skysort check` finds, in a process of its own: it decodes every picture."""
    process = await asyncio.create_subprocess_exec(
        *COMMAND, "check", source, "--format", "json", "--quiet", stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    try:
        result = CheckResult.model_validate_json(out)
    except ValueError:
        message = _message(err)
        raise RequestError("system", message, 500) from None
    shown = {"name", "severity", "count", "advice"}
    return {
        "summary": summary(list(result.findings)),
        "findings": [finding.model_dump(include=shown) for finding in result.findings],
        "classes": dict(result.classes),
    }


def _message(err: bytes) -> str:
    """Return the message of an error that the command line printed."""
    last = err.decode("utf-8", "backslashreplace").strip().rpartition("\n")[2]
    try:
        return str(json.loads(last)["error"]["message"])
    except (ValueError, LookupError, TypeError):
        return last or "skysort check failed"
