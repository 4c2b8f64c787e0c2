"""Self-contained HTML pages from templates, with one style sheet, no script and no request."""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skysort.core.files import write_whole
from skysort.core.text import counted, printable_lines

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

NO_BREAK = "\u00a0"
"""No-break space, between a figure and its unit."""


def write_page(path: Path, template: str, **content: Any) -> None:
    """Write a page, whole or not at all. The same content gives the same bytes.

    Args:
        path: the file to write.
        template: name of the template in templates/. It extends page.html.jinja.
        content: variables of the template; `headline`, a sentence, is always one.

    Raises:
        SkysortError: when the file cannot be written.
    """
    html = environment("skysort.report").get_template(template).render(content)
    # File names may contain bytes that are not UTF-8, and the page must still be readable.
    write_whole(path, html.encode("utf-8", "backslashreplace"))


@cache
def environment(*packages: str) -> "Environment":
    """Return what makes pages from the templates of packages. It compiles each of them once per process."""
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

    page = Environment(
        loader=ChoiceLoader([PackageLoader(package) for package in packages]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    page.filters |= {"percent": percent, "counted": counted, "breakable": breakable}
    return page


def _shown(value: object) -> object:
    """Return a text with invisible characters and changes of direction spelled out: names may contain them."""
    if type(value) is not str:  # a number, or HTML
        return value
    return NO_BREAK.join(map(printable_lines, value.split(NO_BREAK)))


def breakable(name: str) -> "Markup":
    """Return the name of a class, which may be broken after each underscore: narrow columns would break words."""
    from markupsafe import Markup, escape

    return Markup("_<wbr>").join(map(escape, printable_lines(name).split("_")))


def percent(share: float | None) -> str:
    """Return a share in percent with one decimal."""
    return "none" if share is None else f"{100 * share:.1f} %"
