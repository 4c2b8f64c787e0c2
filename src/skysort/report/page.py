"""The self-contained HTML pages: one environment, one style sheet, no script and no request."""

from pathlib import Path
from typing import Any

from skysort.core.files import write_whole
from skysort.core.text import counted, printable_lines

NO_BREAK = "\u00a0"
"""A space that breaks no line: between a figure and its unit."""


def write_page(path: Path, template: str, **content: Any) -> None:
    """Write a page, whole or not at all. The same content gives the same bytes.

    Args:
        path: the file to write.
        template: its name in templates/; extends page.html.jinja.
        content: what the template names; `headline`, a sentence, always.

    Raises:
        SkysortError: when the file cannot be written.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    page = Environment(
        loader=PackageLoader("skysort.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    page.filters |= {"percent": percent, "counted": counted}
    html = page.get_template(template).render(content)
    # File names may hold bytes that are no UTF-8; the page must be read all the same.
    write_whole(path, html.encode("utf-8", "backslashreplace"))


def _shown(value: object) -> object:
    """Return a text as a page may show it: turned directions and invisible characters in names are spelled out."""
    if type(value) is not str:  # a number, or what is HTML already
        return value
    return NO_BREAK.join(map(printable_lines, value.split(NO_BREAK)))


def percent(share: float | None) -> str:
    """Return a share as text, to a tenth of a percent."""
    return "none" if share is None else f"{100 * share:.1f} %"
