"""The errors that Skysort raises, each with a code and the exit code of the command."""

import difflib
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Collection
from importlib.util import find_spec
from pathlib import Path

MOST_LISTED, MOST_MEANT = 30, 3
FEWEST_LETTERS = 3
LEAST_LIKENESS = 0.75
"""Similarity of two names, by difflib. Names of three letters that differ in one are below it."""


class SkysortError(Exception):
    """Skysort understood the request and could not carry it out (exit code 1).

    Args:
        code: the kind of error, one of `error_codes.CODES`. Programs and tests go by it.
        message: one or two sentences for a person. Its wording may change.
    """

    exit_code = 1

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code, self.message = code, message

    def __str__(self) -> str:
        return self.message


class StoppedError(SkysortError):
    """The command was stopped, and can be resumed."""


class LockedError(SkysortError):
    """Another process holds the lock."""

    def __init__(self, path: Path) -> None:
        self.path = path
        folder = path if path.is_dir() else path.parent
        super().__init__("in-use", f"another process is using {folder}; wait until it has ended")


class NotUnderstoodError(SkysortError):
    """Skysort cannot understand the request, or knows no such name (exit code 2)."""

    exit_code = 2


class MissingExtraError(SkysortError):
    """A feature needs libraries that are not installed."""

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(
            "missing-library", f"{feature} needs more libraries; install them with: {install_command(extra)}"
        )


def install_command(extra: str) -> str:
    """Return the command that adds an extra to this installation.

    It names the source that Skysort was installed from, because package indexes may not have Skysort.
    """
    checkout = Path(__file__).parents[3]
    if (checkout / "pyproject.toml").is_file():
        return _pip("-e", f"{checkout}[{extra}]")
    from importlib.metadata import PackageNotFoundError, distribution  # slow to import

    try:
        origin = json.loads(distribution("skysort").read_text("direct_url.json") or "{}")
    except (PackageNotFoundError, ValueError):
        origin = {}
    url = origin.get("url")
    if not url:
        return _pip(f"skysort[{extra}]")
    if "vcs_info" in origin:
        return _pip(f"skysort[{extra}] @ {origin['vcs_info']['vcs']}+{url}")
    if not url.startswith("file:"):
        return _pip(f"skysort[{extra}] @ {url}")
    from urllib.parse import urlsplit
    from urllib.request import url2pathname

    path = url2pathname(urlsplit(url).path)
    if Path(path).exists():
        return _pip(f"{path}[{extra}]")
    return f"{_pip(f'.[{extra}]')} in Skysort's source folder, which is no longer at {path}"


def _pip(*words: str) -> str:
    """Return the shell command that installs into the Python that runs this."""
    command = [sys.executable or "python", "-m", "pip", "install", *words]
    return subprocess.list2cmdline(command) if os.name == "nt" else shlex.join(command)


def require(feature: str, extra: str, *libraries: str) -> None:
    """Make sure that libraries are installed, before any long step starts.

    Raises:
        MissingExtraError: if one is missing.
    """
    if not all(find_spec(library) for library in libraries):
        raise MissingExtraError(feature, extra)


def suggestion(name: str, known: Collection[str]) -> str:
    """Return `did you mean 'x'?`, or a list of the known names if none is similar.

    >>> suggestion("CONVNET", ["mlp", "convnet"]), suggestion("gpu", ["auto", "cpu", "cuda", "mps"])
    ("did you mean 'convnet'?", 'there are: auto, cpu, cuda, mps')
    """
    longer = [other for other in known if len(name) >= FEWEST_LETTERS and other.startswith(name)]
    if longer:
        meant = " or ".join(f"'{other}'" for other in longer[:MOST_MEANT])
        return f"did you mean {meant}?"
    by_text = {other.casefold(): other for other in reversed(list(known))}
    close = difflib.get_close_matches(name.casefold(), by_text, n=1, cutoff=LEAST_LIKENESS)
    close = close or [other for other in by_text if sorted(other) == sorted(name.casefold())]
    if close:
        return f"did you mean '{by_text[close[0]]}'?"
    names = list(reversed(by_text.values()))
    more = [f"and {len(names) - MOST_LISTED:,} more"] if len(names) > MOST_LISTED else []
    return f"there are: {', '.join([*names[:MOST_LISTED], *more])}"


def unknown(kind: str, name: str, known: Collection[str]) -> NotUnderstoodError:
    """Return the error for an unknown name, with a suggestion.

    >>> print(unknown("recipe", "convet", ["mlp", "convnet"]))
    no recipe 'convet'; did you mean 'convnet'?
    """
    code = f"unknown-{kind.replace(' ', '-')}"
    return NotUnderstoodError(code, f"no {kind} '{name}'; {suggestion(name, known)}")
