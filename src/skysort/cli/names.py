"""skysort recipes, skysort datasets: what there is, by name."""

import sys
from collections.abc import Iterable

from skysort.cli.options import DataDir


def recipes() -> None:
    """List the recipes; one name a line when piped."""
    from skysort.recipe.schema import Recipe, recipe_names

    loaded = (Recipe.load(name) for name in recipe_names())
    show_names("recipe", ((recipe.name, recipe.description) for recipe in loaded))


def datasets(
    data_dir: DataDir = None,
) -> None:
    """List the data sets that have a name; one name a line when piped."""
    from skysort.core.errors import SkysortError
    from skysort.data.builtin.download import is_offline
    from skysort.data.builtin.registry import NAMED, MissingDataError, data_folder

    def here(name: str) -> str:
        data = NAMED[name]
        try:
            data.open(data_folder(data_dir), data.size)
        except MissingDataError:
            if data.published is None or is_offline():
                return f"not in {data_folder(data_dir)}"
            return f"to be downloaded, {data.published.num_bytes / 1e6:,.0f} MB"
        except SkysortError as error:
            return str(error)
        return "ready"

    show_names("data set", ((name, f"{data.description} [{here(name)}]") for name, data in NAMED.items()))


def show_names(what: str, rows: Iterable[tuple[str, str]]) -> None:
    """Print names and what they are; one name a line when piped."""
    if not sys.stdout.isatty():
        print("\n".join(name for name, _ in rows))
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from skysort.core.text import printable

    table = Table(what, "what it is", box=None)
    for name, description in rows:
        table.add_row(name, escape(printable(description)))
    Console().print(table)
