"""All lessons as a folder of pages, which work from a disk."""

import json
import re
from collections.abc import Callable
from importlib.resources import files
from os import PathLike
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from skysort.core.files import write_whole
from skysort.core.progress import Progress, SilentProgress
from skysort.lessons.convolution import convolution
from skysort.lessons.lesson import Lesson
from skysort.lessons.picture_is_numbers import picture_is_numbers
from skysort.lessons.pictures import LessonPictures, find_pictures

LESSONS: tuple[Callable[[LessonPictures], Lesson], ...] = (picture_is_numbers, convolution)
STATIC = ("components.js", "lessons.css")


def write_lessons(
    folder: Path, data_dir: str | PathLike[str] | None = None, progress: Progress | None = None
) -> Path:
    """Write the pages of all lessons. Files of the same names are replaced.

    Args:
        folder: for the pages; it is made.
        data_dir: folder of built-in data sets; else $SKYSORT_DATA, else the cache folder.
        progress: receives the progress.

    Returns:
        The page to open first.

    Raises:
        SkysortError: if the pictures cannot be read, or a page cannot be written.
    """
    progress = progress or SilentProgress()
    pictures = find_pictures(data_dir, progress)
    with progress.step("lessons", len(LESSONS), unit="lessons") as tell:
        lessons = []
        for make in LESSONS:
            lessons.append(make(pictures))
            tell(1, lessons[-1].title)
    folder.mkdir(parents=True, exist_ok=True)
    here = files("skysort.lessons").joinpath("static")
    for name in STATIC:
        write_whole(folder / name, here.joinpath(name).read_bytes())
    style = files("skysort.report").joinpath("templates/style.css.jinja").read_bytes()  # one look for all pages
    write_whole(folder / "report.css", style)
    for number, lesson in enumerate(lessons, 1):
        # A script and not a JSON file: from a disk, a browser loads no other data.
        data = {figure.name: figure.component.data() for figure in lesson.figures}
        write_whole(folder / f"{lesson.name}.js", f"const lessonData = {json.dumps(data)};\n".encode())
        _write(folder / f"{lesson.name}.html", "lesson.html.jinja", lesson=lesson, number=number, lessons=lessons)
    first = folder / "index.html"
    _write(first, "index.html.jinja", lessons=lessons, pictures=pictures)
    return first


def _write(path: Path, template: str, **content: object) -> None:
    environment = Environment(
        loader=PackageLoader("skysort.lessons"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["with_code"] = with_code
    write_whole(path, environment.get_template(template).render(content).encode())


def with_code(text: str) -> Markup:
    """Return HTML of a text in which `code` stands between backticks."""
    return Markup(re.sub("`([^`]+)`", r"<code>\1</code>", str(escape(text))))
