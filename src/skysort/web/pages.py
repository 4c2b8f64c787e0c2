"""The pages of the studio, from templates, and their files."""

import os
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment
from starlette.responses import FileResponse, HTMLResponse, Response

from skysort.report.page import environment
from skysort.web import states, words

HERE = Path(__file__).parent
STATIC = {
    "studio.css": (HERE / "static", "text/css"),
    "teach.css": (HERE / "static", "text/css"),
    "dom.js": (HERE / "static", "text/javascript"),
    "language.js": (HERE / "static", "text/javascript"),
    "teach.js": (HERE / "static", "text/javascript"),
    "training.js": (HERE / "static", "text/javascript"),
    "review.js": (HERE / "static", "text/javascript"),
    "labels.js": (HERE / "static", "text/javascript"),
    "trust.js": (HERE / "static", "text/javascript"),
    "try.js": (HERE / "static", "text/javascript"),
    "htm-preact.js": (HERE / "vendor", "text/javascript"),
    "uPlot.js": (HERE / "vendor", "text/javascript"),
    "uPlot.css": (HERE / "vendor", "text/css"),
}
"""Every file that a page loads, but the style sheet of reports, with its folder and type. No other is served."""


def page(template: str, **content: Any) -> HTMLResponse:
    """Return a page, in the language of the request.

    Args:
        template: name of the template. It extends studio.html.jinja.
        content: its variables.
    """
    html = fragment(template, **content)
    return HTMLResponse(html.encode("utf-8", "backslashreplace"))  # file names may hold bytes that are not UTF-8


def fragment(template: str, **content: Any) -> str:
    """Return a page, or a part of one, as HTML."""
    return _environment().get_template(template).render(content)


@cache
def _environment() -> Environment:
    pages = environment("skysort.web", "skysort.report")
    pages.globals |= {
        "_": words._, "ngettext": words.ngettext, "number": words.number, "percent": words.percent,
        "duration": words.duration, "state_words": states.of_state, "step_words": states.of_step,
        "html_language": words.html_language, "languages": words.languages,
        "words_of_scripts": words.words_of_scripts,
    }  # fmt: skip
    pages.filters["in_path"] = lambda name: quote(os.fsencode(name), safe="")
    return pages


def static_file(name: str) -> Response | None:
    """Return a file that pages load; None if there is no such file."""
    if name == "report.css":  # one look for reports and studio
        style = files("skysort.report").joinpath("templates/style.css.jinja").read_text("utf-8")
        return Response(style, media_type="text/css")
    if name not in STATIC:
        return None
    folder, media_type = STATIC[name]
    return FileResponse(folder / name, media_type=media_type)
