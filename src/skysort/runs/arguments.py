"""Checks of arguments that callers pass."""

from os import PathLike

from skysort.core.errors import NotUnderstoodError
from skysort.recipe.schema import Recipe


def check_named(**named: object) -> None:
    """Make sure that arguments are texts or paths and not empty: an empty path is the current folder.

    Raises:
        NotUnderstoodError: when one is empty, or not None, a text, a path or a Recipe.
    """
    for name, value in named.items():
        if value is not None and not (isinstance(value, str | PathLike | Recipe) and str(value)):
            raise NotUnderstoodError("wrong-value", f"expected a name or a path as {name}, got {value!r}")
