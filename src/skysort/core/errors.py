"""The errors Skysort raises on purpose, each with the exit code its command ends with."""

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
"""Of two names, as difflib has it: with one other letter of three, it is another name."""


class SkysortError(Exception):
    """What was asked for was understood and could not be done (exit code 1).

    Args:
        code: a short kebab-case name of what went wrong, one of `error_codes.CODES`. Programs and tests go by it.
        message: one or two sentences for a person. Its wording may change.
    """

    exit_code = 1

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code, self.message = code, message

    def __str__(self) -> str:
        return self.message


class StoppedError(SkysortError):
    """It was asked to stop, and can go on."""


class LockedError(SkysortError):
    """Another process holds what was to be held."""

    def __init__(self, path: Path) -> None:
        self.path = path
        where = path if path.is_dir() else path.parent
        super().__init__("in-use", f"another process is at work on {where}; wait until it has ended")


class NotUnderstoodError(SkysortError):
    """What was asked for cannot be understood or named (exit code 2)."""

    exit_code = 2


class MissingExtraError(SkysortError):
    """A feature needs libraries that are not installed."""

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(
            "missing-library", f"{feature} needs more libraries; install them with: {install_command(extra)}"
        )


def install_command(extra: str) -> str:
    """Return the command that adds an extra to this installation, from where it came: no index may have it."""
    checkout = Path(__file__).parents[3]
    if (checkout / "pyproject.toml").is_file():
        return _pip("-e", f"{checkout}[{extra}]")
    from importlib.metadata import PackageNotFoundError, distribution  # take long to import

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
    return f"{_pip(f'.[{extra}]')} in Skysort's source folder, which is no longer {path}"


def _pip(*words: str) -> str:
    """Return a command for a shell that installs into the Python that runs this."""
    command = [sys.executable or "python", "-m", "pip", "install", *words]
    return subprocess.list2cmdline(command) if os.name == "nt" else shlex.join(command)


def require(feature: str, extra: str, *libraries: str) -> None:
    """Make sure that libraries are installed, before any time is spent.

    Raises:
        MissingExtraError: when one is not.
    """
    if not all(find_spec(library) for library in libraries):
        raise MissingExtraError(feature, extra)


def suggestion(name: str, known: Collection[str]) -> str:
    """Return `did you mean 'x'?`, or a list of what there is where nothing is close.

    >>> suggestion("CONVNET", ["mlp", "convnet"]), suggestion("gpu", ["auto", "cpu", "cuda", "mps"])
    ("did you mean 'convnet'?", 'there are: auto, cpu, cuda, mps')
    """
    longer = [one for one in known if len(name) >= FEWEST_LETTERS and one.startswith(name)]
    if longer:
        meant = " or ".join(f"'{one}'" for one in longer[:MOST_MEANT])
        return f"did you mean {meant}?"
    by_text = {one.casefold(): one for one in reversed(list(known))}
    close = difflib.get_close_matches(name.casefold(), by_text, n=1, cutoff=LEAST_LIKENESS)
    close = close or [one for one in by_text if sorted(one) == sorted(name.casefold())]
    if close:
        return f"did you mean '{by_text[close[0]]}'?"
    names = list(reversed(by_text.values()))
    more = [f"and {len(names) - MOST_LISTED:,} more"] if len(names) > MOST_LISTED else []
    return f"there are: {', '.join([*names[:MOST_LISTED], *more])}"


def unknown(kind: str, name: str, known: Collection[str]) -> NotUnderstoodError:
    """Return the error for a name that is not among the known ones.

    >>> print(unknown("recipe", "convet", ["mlp", "convnet"]))
    no recipe 'convet'; did you mean 'convnet'?
    """
    code = f"unknown-{kind.replace(' ', '-')}"
    return NotUnderstoodError(code, f"no {kind} '{name}'; {suggestion(name, known)}")
