"""The errors Skysort raises on purpose, each with the exit code its command ends with."""

import difflib
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path


class SkysortError(Exception):
    """What was asked for was understood and could not be done (exit code 1)."""

    exit_code = 1


class StoppedError(SkysortError):
    """It was asked to stop, and can go on."""


class HeldError(SkysortError):
    """Another process holds what was to be held."""

    def __init__(self, path: Path) -> None:
        self.path = path
        where = path if path.is_dir() else path.parent
        super().__init__(f"another process is at work on {where}; wait until it has ended")


class NotUnderstoodError(SkysortError):
    """What was asked for cannot be understood or named (exit code 2)."""

    exit_code = 2


class MissingExtraError(SkysortError):
    """A feature needs libraries that are not installed."""

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(f"{feature} needs more libraries; install them with: pip install 'skysort[{extra}]'")


def require(feature: str, extra: str, *libraries: str) -> None:
    """Make sure that libraries are installed, before any time is spent.

    Raises:
        MissingExtraError: when one is not.
    """
    if not all(find_spec(library) for library in libraries):
        raise MissingExtraError(feature, extra)


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return `did you mean 'x'?`, or a list of what there is where nothing is close."""
    names = list(known)
    close = difflib.get_close_matches(name, names, n=1)
    return f"did you mean '{close[0]}'?" if close else f"there are: {', '.join(names)}"


def unknown(kind: str, name: str, known: Iterable[str]) -> NotUnderstoodError:
    """Return the error for a name that is not among the known ones.

    >>> print(unknown("recipe", "convet", ["mlp", "convnet"]))
    no recipe 'convet'; did you mean 'convnet'?
    """
    return NotUnderstoodError(f"no {kind} '{name}'; {suggestion(name, known)}")
