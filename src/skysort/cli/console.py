"""Tables and names as a terminal may show them."""

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
"""Characters per line: a terminal breaks lines that are too long for it, where Rich would drop columns."""


def console_for(file: IO[str]) -> Console:
    """Return a console that drops no column, however narrow the terminal."""
    # Where TERM is dumb, Rich takes no width without a height.
    return Console(file=file, width=UNBROKEN, height=25, highlight=False, emoji=False)


def shown_name(name: str) -> str:
    """Return a name as a table may hold it: nothing in it colours, moves or is taken for Rich's markup."""
    return markup.escape(printable(name))


def show_names(kind: str, rows: Iterable[tuple[str, str]]) -> None:
    """Print names and what they are; only the names, one per line, when piped."""
    if not sys.stdout.isatty():
        print("\n".join(name for name, _ in rows))
        return
    table = Table(kind, "what it is", box=None)
    for name, description in rows:
        table.add_row(name, shown_name(description))
    Console().print(table)


def spread(figure: "Spread") -> str:
    """Return mean and standard deviation of several runs."""
    return f"{figure.mean:.4f}" if figure.std is None else f"{figure.mean:.4f} ± {figure.std:.4f}"
