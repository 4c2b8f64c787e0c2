"""The group of all commands. It loads the module of a command when the command is called, so `--help` is fast."""

import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial, wraps
from importlib import import_module
from typing import Any

import typer
import typer.main
from typer.core import CompletionItem, TyperGroup

from skysort.cli.parsing import Verb
from skysort.core.errors import SkysortError
from skysort.core.loading import loading

VERBS = {
    "check": "Find problems in pictures before training.",
    "train": "Train a classifier and measure it.",
    "resume": "Continue an interrupted run.",
    "evaluate": "Measure a classifier.",
    "decide": "Limit the share of a class that is lost.",
    "predict": "Label pictures.",
    "watch": "Sort pictures as they arrive in a folder.",
    "status": "Show whether a watcher is running.",
    "audit": "Show whether a promise still holds.",
    "drift": "Show whether pictures are like earlier ones.",
    "improve": "Learn from corrections, and compare old and new.",
    "sort": "Sort pictures into one subfolder per class.",
    "journal": "Show the moves and copies of pictures.",
    "undo": "Put pictures back where they were.",
    "serve": "Classify pictures that other programs send.",
    "studio": "Review pictures and try classifiers in a browser.",
    "compare": "Compare recipes, or two runs.",
    "reproduce": "Compare recipes with their published figures.",
    "lessons": "Learn how all this works, on pages to play with.",
    "describe": "Show the layers of a network and their cost.",
    "recipes": "List the recipes.",
    "fields": "List the fields that --set overrides.",
    "datasets": "List the built-in data sets.",
    "backbones": "List the backbones, or add one.",
}
"""Every command and its line in `skysort --help`.

A command is the function of its name in the module of its name, which has the commands of its help in `EXAMPLES`.
"""
new_app = partial(
    typer.Typer,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)
"""Makes a command line with the settings that all commands share."""


class _Commands(Mapping[str, Any]):
    """Typer's commands by name. Each is made when it is first looked up."""

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
    with loading():
        module = import_module(f"skysort.cli.{name}")
    app = new_app(add_completion=False)
    app.command(name, cls=Verb, epilog=module.EXAMPLES)(_interruptible(getattr(module, name)))
    return typer.main.get_command(app)


class VerbGroup(TyperGroup):
    """The group of all commands."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = _Commands()  # type: ignore[assignment]  # nothing adds to it

    def shell_complete(self, ctx: Any, incomplete: str) -> list[CompletionItem]:
        """Return the commands and options that begin with a text, without loading the commands."""
        names = [CompletionItem(name, help=line) for name, line in VERBS.items() if name.startswith(incomplete)]
        return [*names, *super(TyperGroup, self).shell_complete(ctx, incomplete)]

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the list of commands without loading them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))


def _interruptible(verb: Callable[..., None]) -> Callable[..., None]:
    """Report Ctrl-C and SIGTERM as an error; otherwise the command would end without a message."""

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
