"""What a lesson is made of: parts with text, figures, the lines of code behind them, and questions."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType
from typing import Any, Protocol

from pydantic import JsonValue

SOURCE_FOLDER = Path(__file__).parents[2]


class Component(Protocol):
    """A figure's content, drawn twice: still, for reading, and alive, by a script of the same data."""

    @property
    def kind(self) -> str:
        """Name of its function in static/components.js."""

    def still(self) -> str:
        """Return HTML that needs no script."""

    def data(self) -> JsonValue:
        """Return the content for the script."""


@dataclass(frozen=True)
class Figure:
    """A figure with its caption."""

    name: str
    """Unique in its lesson, of letters and hyphens."""
    component: Component
    caption: str
    """What to see."""
    hint: str = ""
    """What to try; empty for a figure without controls."""


@dataclass(frozen=True)
class Code:
    """Lines of the project, as they stand in its files."""

    path: str
    """Relative to the folder of the source, with forward slashes."""
    line: int
    """Number of the first line."""
    text: str

    @classmethod
    def of(cls, function: Callable[..., Any]) -> "Code":
        """Return the lines of a function, without its docstring."""
        assert isinstance(function, FunctionType)
        lines, first = inspect.getsourcelines(function)
        text = inspect.cleandoc("\n" + "".join(lines))
        if function.__doc__:
            before, quotes, after = text.partition('"""')
            text = before.rstrip() + after.partition(quotes)[2]
        file = Path(inspect.getfile(function)).relative_to(SOURCE_FOLDER)
        return cls(file.as_posix(), first, text)


@dataclass(frozen=True)
class Part:
    """A heading, paragraphs, and what belongs beside them."""

    heading: str
    paragraphs: tuple[str, ...]
    """In each, `code` stands between backticks."""
    figures: tuple[Figure, ...] = ()
    code: tuple[Code, ...] = ()


@dataclass(frozen=True)
class Question:
    """A question to the reader, and its answer."""

    question: str
    answer: str


@dataclass(frozen=True)
class Lesson:
    """A page."""

    name: str
    """File name without its ending."""
    title: str
    opening: str
    """What is true of the subject in a sentence or two: the first thing on the page."""
    parts: tuple[Part, ...]
    questions: tuple[Question, ...]

    @property
    def figures(self) -> tuple[Figure, ...]:
        """Every figure, in order."""
        return tuple(figure for part in self.parts for figure in part.figures)
