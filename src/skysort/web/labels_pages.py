"""The routes of the page of likely wrong labels."""

from dataclasses import asdict
from typing import Annotated

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from pydantic import Field

from skysort.core.models import FrozenModel
from skysort.web.json_bodies import json_of
from skysort.web.labels import Labels
from skysort.web.pages import page


class LabelAnswer(FrozenModel):
    """What a picture shows."""

    picture: Annotated[str, Field(max_length=64)]
    label: Annotated[str, Field(max_length=1000)]
    """A class; empty to take an answer back."""


def add_labels(app: FastAPI, labels: Labels) -> None:
    """Add the routes.

    Args:
        app: to add them to.
        labels: answers them.
    """

    @app.get("/trust/{run}/labels")
    async def labels_page(run: str) -> Response:
        suspects = await labels.suspects(run)
        data = {"run": run, **asdict(suspects)}
        response = page("labels.html.jinja", at="trust", run=run, suspects=suspects, data=data)
        if suspects.is_opening:
            response.headers["Refresh"] = "2"
        return response

    @app.post("/api/trust/{run}/labels")
    async def answer(run: str, request: Request) -> Response:
        new = await json_of(request, LabelAnswer)
        await labels.answer(run, new.picture, new.label)
        return JSONResponse({})
