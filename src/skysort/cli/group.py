"""The group of all commands. It loads a command's module when the command is called, so that `--help` is quick."""

import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from functools import cache, wraps
from importlib import import_module
from typing import Any

import typer
import typer.main
from typer.core import TyperGroup

from skysort.cli.parsing import Verb
from skysort.core.errors import SkysortError

VERBS = {
    "check": "Find problems in pictures before training.",
    "train": "Train a classifier and measure it.",
    "resume": "Continue an interrupted run.",
    "evaluate": "Measure a classifier.",
    "decide": "Limit the share of a class that is lost.",
    "predict": "Label pictures.",
    "watch": "Sort pictures as they arrive in a folder.",
    "status": "Show whether a watcher is running.",
    "sort": "Sort pictures into one subfolder per class.",
    "journal": "Show what was done with pictures.",
    "undo": "Put pictures back where they were.",
    "compare": "Compare recipes, or two runs.",
    "reproduce": "Compare recipes with their published figures.",
    "describe": "Show the layers of a network and their cost.",
    "recipes": "List the recipes.",
    "fields": "List the fields that --set overrides.",
    "datasets": "List the built-in data sets.",
}
"""Every command and its line in `skysort --help`. Each is the function of its name in the module of its name."""
SETTINGS: dict[str, Any] = {
    "rich_markup_mode": None,
    "context_settings": {"help_option_names": ["-h", "--help"]},
    "pretty_exceptions_enable": False,
    "add_completion": False,
}


class _Commands(Mapping[str, Any]):
    """Typer's commands by name, each made when it is first asked for."""

    def __getitem__(self, name: str) -> Any:
        if name not in VERBS:
            raise KeyError(name)
        return _command(name)

    def __iter__(self) -> Iterator[str]:
        return iter(VERBS)

    def __len__(self) -> int:
        return len(VERBS)


@cache
def _command(name: str) -> Any:
    function = getattr(import_module(f"skysort.cli.{name}"), name)
    app = typer.Typer(**SETTINGS)
    app.command(name, cls=Verb)(_interruptible(function))
    return typer.main.get_command(app)


class VerbGroup(TyperGroup):
    """The group of all commands."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = _Commands()  # type: ignore[assignment]  # nothing adds to it

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the list of commands without loading them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))


def _interruptible(verb: Callable[..., None]) -> Callable[..., None]:
    """Turn Ctrl-C and SIGTERM into an error like others; Typer, and the system, would end without a word."""

    @wraps(verb)
    def run(*arguments: object, **options: object) -> None:
        handles_sigterm = threading.current_thread() is threading.main_thread() and (
            signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        )
        if handles_sigterm:
            signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            verb(*arguments, **options)
        except KeyboardInterrupt:
            raise SkysortError("interrupted", "interrupted") from None
        finally:
            if handles_sigterm:
                signal.signal(signal.SIGTERM, signal.SIG_DFL)

    return run
