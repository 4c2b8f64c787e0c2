"""How the words of a command line are read, beyond what Typer does: nothing given is passed over."""

from pathlib import Path
from typing import Any

from typer.core import TyperCommand
from typer.exceptions import TyperException

from skysort.core.errors import NotUnderstoodError
from skysort.core.text import printable

_CODES = {
    "BadOptionUsage": "wrong-value",
    "BadParameter": "wrong-value",
    "MissingParameter": "missing-argument",
    "NoSuchOption": "unknown-option",
}
"""Codes for Typer's errors by the names of their classes, which are not public themselves."""


class Verb(TyperCommand):
    """A command that takes each option once unless it repeats, and says what unknown options and paths meant."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the words.

        Raises:
            NotUnderstoodError: for an option given twice, a field of the recipe given as an option, or a run and
                pictures in the wrong order.
        """
        given = list(args)
        try:
            _, _, in_order = self.make_parser(ctx).parse_args(args=list(args))
        except TyperException as error:
            if option := getattr(error, "option_name", None):
                self._say_which_setting(option, given)
            raise
        _refuse_twice(in_order)
        left: list[str] = super().parse_args(ctx, args)
        _refuse_swapped(ctx)
        return left

    def _say_which_setting(self, option: str, words: list[str]) -> None:
        """Raise an error where an unknown option is the name of a recipe's field."""
        if not any("--set" in parameter.opts for parameter in self.params):
            return
        from skysort.recipe.fields import fields_called

        fields = fields_called(option.lstrip("-").replace("-", "_"))
        if fields:
            value = _value_after(option, words)
            meant = " or ".join(f"--set {field}={value}" for field in fields)
            raise NotUnderstoodError("unknown-option", f"no option {option}; did you mean {meant}?")


def _value_after(option: str, words: list[str]) -> str:
    """Return the value that a person gave to an option: behind an equals sign, or the next word."""
    for word, after in zip(words, [*words[1:], ""], strict=True):
        if word.startswith(f"{option}="):
            return word.removeprefix(f"{option}=")
        if word == option and after and not after.startswith("--"):
            return after
    return "VALUE"


def _refuse_twice(in_order: list[Any]) -> None:
    """Refuse a second value where only the last would count.

    Args:
        in_order: Typer's parameters, once per word of the command line that is theirs.
    """
    options = [one for one in in_order if one.param_type_name == "option" and not one.multiple and one.nargs == 1]
    for option in options:
        if options.count(option) > 1:
            raise NotUnderstoodError("given-twice", f"{max(option.opts, key=len)} is given twice; give it once")


def _refuse_swapped(ctx: Any) -> None:
    """Refuse pictures where a run is expected, when the run stands in their place."""
    first, *others = [one for one in ctx.command.params if one.param_type_name == "argument"] or [None]
    if first is None or first.name != "classifier":
        return
    pictures = ctx.params[first.name]
    for other in others:
        value = ctx.params[other.name]
        for run in value if isinstance(value, list | tuple) else [value]:
            if run and _is_run(Path(run)) and not _is_run(pictures) and pictures.exists():
                raise NotUnderstoodError(
                    "swapped-arguments",
                    f"{run} is a run, and {pictures} is none: did you mean"
                    f" skysort {ctx.info_name} {printable(str(run))} {printable(str(pictures))}?",
                )


def _is_run(path: Path) -> bool:
    return any((path / name).is_file() for name in ("recipe.toml", "classifier.json"))


def usage_error(error: TyperException) -> tuple[str, str, str]:
    """Return the code, the message and the usage lines for an error that Typer found in a command line."""
    context = getattr(error, "ctx", None)
    otherwise = "unknown-command" if hasattr(getattr(context, "command", None), "commands") else "extra-argument"
    code = _CODES.get(type(error).__name__, otherwise)
    message = error.format_message().replace("Value error, ", "").removesuffix(".")
    usage = ""
    if context:
        help_with = f"{context.command_path} {context.help_option_names[0]}"
        usage = f"{context.get_usage()}\nTry '{help_with}' for help.\n\n"
    return code, message[:1].lower() + message[1:], usage
