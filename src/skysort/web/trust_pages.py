"""The routes of the page Trust."""

import asyncio
from dataclasses import asdict
from typing import Annotated

from fastapi import FastAPI, Request, Response
from fastapi.responses import FileResponse, JSONResponse
from pydantic import Field
from starlette.exceptions import HTTPException

from skysort.classifier.format import read_table
from skysort.core.models import FrozenModel
from skysort.report.run_page import headline, most_confused
from skysort.report.wording import PROTOCOLS, decision_sentences
from skysort.runs.folder import Run
from skysort.trust.advice import advice
from skysort.web.json_bodies import json_of
from skysort.web.labels_pages import add_labels
from skysort.web.pages import page
from skysort.web.trust import Trust, confidences, matrix_of, why_no_decision

MOST_CLASSES_IN_MATRIX = 20
"""A larger matrix is shown as the list of its mistakes."""
REPORT_POLICY = "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'; frame-ancestors 'self'"
"""Of a run's report, a file that anybody may have edited: it runs nothing and asks for nothing."""

Classes = Annotated[list[Annotated[str, Field(max_length=1000)]], Field(min_length=1, max_length=1000)]


class Promised(FrozenModel):
    """The classes to keep, and how sure a promise is to hold."""

    keep: Classes
    confidence: float


class NewDecision(Promised):
    """A decision to make."""

    lose_at_most: float


def add_trust(app: FastAPI, trust: Trust) -> None:
    """Add the routes.

    Args:
        app: to add them to.
        trust: answers them.
    """
    _add_pages(app, trust)
    _add_decisions(app, trust)
    add_labels(app, trust.labels)


def _add_pages(app: FastAPI, trust: Trust) -> None:
    @app.get("/trust")
    async def runs() -> Response:
        summaries = await asyncio.to_thread(trust.summaries)
        return page("trust.html.jinja", at="trust", runs=summaries, folder=str(trust.folder))

    @app.get("/trust/{run}")
    async def run_page(run: str) -> Response:
        folder = await asyncio.to_thread(trust.runs.run, run)
        return page("trust_run.html.jinja", at="trust", **await asyncio.to_thread(_content, folder))

    @app.get("/trust/{run}/pictures/{truth}/{label}")
    async def cell(run: str, truth: str, label: str) -> Response:
        if not (truth.isdecimal() and label.isdecimal()):
            raise HTTPException(404)
        content = await trust.cell(run, int(truth), int(label))
        response = page("trust_cell.html.jinja", at="trust", run=run, cell=content)
        if content.is_opening:
            response.headers["Refresh"] = "2"
        return response

    @app.get("/trust/{run}/report")
    async def report(run: str) -> Response:
        path = (await asyncio.to_thread(trust.runs.run, run)).report
        if not await asyncio.to_thread(path.is_file):
            raise HTTPException(404)
        return FileResponse(path, media_type="text/html", headers={"Content-Security-Policy": REPORT_POLICY})


def _add_decisions(app: FastAPI, trust: Trust) -> None:
    @app.post("/api/trust/{run}/promises")
    async def promises(run: str, request: Request) -> Response:
        body = await json_of(request, Promised)
        steps = await trust.promises(run, body.keep, body.confidence)
        return JSONResponse([asdict(step) for step in steps])

    @app.post("/api/trust/{run}/decision")
    async def decision(run: str, request: Request) -> Response:
        body = await json_of(request, NewDecision)
        made = await trust.decide(run, body.keep, body.lose_at_most, body.confidence)
        sentences = decision_sentences(made.decision, made.run.data.classes)
        return JSONResponse({"name": made.decision.name, "sentences": sentences})


def _content(run: Run) -> dict[str, object]:
    """Return the variables of a run's page, all from its files."""
    run.check_classifier()
    metrics = run.metrics
    classes, decisions = tuple(metrics.held_out.classes), read_table(run.classifier).decisions
    data = {
        "run": run.path.name,
        "classes": classes,
        "decisions": [{"name": one.name, "keep": one.keep, "date": one.date} for one in decisions],
        "confidences": [asdict(one) for one in confidences()],
    }
    return {
        "run": run.path.name,
        "path": str(run.path),
        "headline": headline(metrics, is_own=True),
        "advice": advice(metrics),
        "metrics": metrics,
        "protocol": PROTOCOLS[metrics.protocol],
        "classes": classes,
        "matrix": matrix_of(metrics),
        "pairs": most_confused(metrics.held_out.matrix(), classes),
        "most_in_matrix": MOST_CLASSES_IN_MATRIX,
        "decisions": [(one, decision_sentences(one, classes), metrics.decisions[one.name]) for one in decisions],
        "why_no_decision": why_no_decision(run),
        "num_suspects": len(run.suspect_labels or ()),
        "has_report": run.report.is_file(),
        "data": data,
    }
