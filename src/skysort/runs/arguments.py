"""Arguments as people give them, checked."""

from os import PathLike

from skysort.core.errors import NotUnderstoodError
from skysort.recipe.schema import Recipe


def check_named(**named: object) -> None:
    """Make sure that arguments are texts or paths, and not the empty text, which would name the current folder.

    Raises:
        NotUnderstoodError: when one is neither None, a text, a path nor a Recipe, or is empty.
    """
    for name, value in named.items():
        if value is not None and not (isinstance(value, str | PathLike | Recipe) and str(value)):
            raise NotUnderstoodError("wrong-value", f"expected a name or a path as {name}, found {value!r}")
