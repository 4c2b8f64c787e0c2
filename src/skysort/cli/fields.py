"""skysort fields: the fields of a recipe."""

import shutil
import sys
import textwrap
from typing import Annotated

import typer

from skysort.recipe.fields import all_fields, fields_under

EXAMPLES = """\
skysort fields training
skysort fields training.epochs
"""


def fields(
    section: Annotated[
        str | None,
        typer.Argument(
            help="Section, e.g. training, or field, e.g. training.epochs, to show.", show_default="all"
        ),
    ] = None,
) -> None:
    """Show the fields of a recipe, which --set overrides: type, default and meaning of each."""
    width = min(100, shutil.get_terminal_size().columns) if sys.stdout.isatty() else 100
    for field in fields_under(section) if section else all_fields():
        of_network = f" ({field.network})" if field.network else ""
        default = f"  [default: {field.default}]" if field.default else ""
        print(f"{field.name}{of_network}: {field.kind}{default}")
        print(textwrap.fill(field.doc, width, initial_indent="    ", subsequent_indent="    "))
