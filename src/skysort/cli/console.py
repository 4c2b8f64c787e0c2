"""Tables and names for a terminal."""

import sys
from collections.abc import Iterable
from typing import IO, TYPE_CHECKING

from rich import markup
from rich.console import Console
from rich.table import Table

from skysort.core.text import printable

if TYPE_CHECKING:
    from skysort.trust.comparison import Spread

UNBROKEN = 10_000
"""Characters per line. A terminal wraps longer lines; Rich would drop columns."""


def console_for(file: IO[str]) -> Console:
    """Return a console that drops no column, however narrow the terminal."""
    # On a dumb terminal, Rich ignores the width unless there is a height.
    return Console(file=file, width=UNBROKEN, height=25, highlight=False, emoji=False)


def shown_name(name: str) -> str:
    """Return a name without control characters, and with Rich's markup escaped."""
    return markup.escape(printable(name))


def show_names(kind: str, rows: Iterable[tuple[str, str]]) -> None:
    """Print names with their descriptions. In a pipe, print only the names, one per line."""
    if not sys.stdout.isatty():
        print("\n".join(name for name, _ in rows))
        return
    table = Table(kind, "description", box=None)
    for name, description in rows:
        table.add_row(name, shown_name(description))
    Console().print(table)


def spread(figure: "Spread") -> str:
    """Return the mean and standard deviation over several runs."""
    return f"{figure.mean:.4f}" if figure.std is None else f"{figure.mean:.4f} ± {figure.std:.4f}"
