"""Checks of a command line that Typer does not make, so that no word of it is ignored."""

from pathlib import Path
from typing import Any

from typer.exceptions import TyperException

from skysort.cli.help import SectionedHelp
from skysort.core.errors import NotUnderstoodError
from skysort.core.text import printable

_CODES = {
    "BadOptionUsage": "wrong-value",
    "BadParameter": "wrong-value",
    "MissingParameter": "missing-argument",
    "NoSuchOption": "unknown-option",
}
"""Codes for Typer's errors, by the names of their classes. The classes are not public."""
_EXPECTED = {
    "int_parsing": "a whole number",
    "float_parsing": "a number",
    "greater_than_equal": "a number of at least {ge:,.0f}",
    "less_than_equal": "a number of at most {le:,.0f}",
}
"""The value that an option expects, by the type of Pydantic's error, with which Typer checks numbers."""


class Verb(SectionedHelp):
    """A command that refuses repeated options and swapped arguments, and suggests settings for unknown options."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the words of a command line.

        Raises:
            NotUnderstoodError: for an option given twice, a field of the recipe given as an option, or a run and
                pictures in the wrong order.
        """
        given = list(args)
        try:
            _, _, in_order = self.make_parser(ctx).parse_args(args=list(args))
        except TyperException as error:
            if option := getattr(error, "option_name", None):
                self._suggest_setting(option, given)
            raise
        _refuse_twice(in_order)
        rest: list[str] = super().parse_args(ctx, args)
        _refuse_swapped(ctx)
        return rest

    def _suggest_setting(self, option: str, words: list[str]) -> None:
        """Raise an error that suggests `--set` if an unknown option is the name of a recipe's field."""
        if not any("--set" in parameter.opts for parameter in self.params):
            return
        from skysort.recipe.fields import fields_called

        fields = fields_called(option.lstrip("-").replace("-", "_"))
        if fields:
            value = _value_after(option, words)
            meant = " or ".join(f"--set {field}={value}" for field in fields)
            raise NotUnderstoodError("unknown-option", f"no option {option}; did you mean {meant}?")


def _value_after(option: str, words: list[str]) -> str:
    """Return the value of an option: the text after an equals sign, or the next word."""
    for word, after in zip(words, [*words[1:], ""], strict=True):
        if word.startswith(f"{option}="):
            return word.removeprefix(f"{option}=")
        if word == option and after and not after.startswith("--"):
            return after
    return "VALUE"


def _refuse_twice(in_order: list[Any]) -> None:
    """Refuse a second value for an option of which only the last would count.

    Args:
        in_order: Typer's parameters, in the order of the words that gave them a value.
    """
    single = [item for item in in_order if item.param_type_name == "option" and not item.multiple]
    options = [option for option in single if option.nargs == 1]
    for option in options:
        if options.count(option) > 1:
            raise NotUnderstoodError("given-twice", f"{max(option.opts, key=len)} is given twice; give it once")


def _refuse_swapped(ctx: Any) -> None:
    """Refuse a run and pictures in the wrong order."""
    first, *others = [item for item in ctx.command.params if item.param_type_name == "argument"] or [None]
    if first is None or first.name != "classifier":
        return
    pictures = ctx.params[first.name]
    for other in others:
        value = ctx.params[other.name]
        for run in value if isinstance(value, list | tuple) else [value]:
            if run and _is_run(Path(run)) and not _is_run(pictures) and pictures.exists():
                raise NotUnderstoodError(
                    "swapped-arguments",
                    f"expected a run and then pictures, got them in the other order; did you mean"
                    f" skysort {ctx.info_name} {printable(str(run))} {printable(str(pictures))}?",
                )


def _is_run(path: Path) -> bool:
    return any((path / name).is_file() for name in ("recipe.toml", "classifier.json"))


def usage_error(error: TyperException) -> tuple[str, str, str]:
    """Return the code, message and usage lines of an error that Typer raised for a command line."""
    context = getattr(error, "ctx", None)
    default = "unknown-command" if hasattr(getattr(context, "command", None), "commands") else "extra-argument"
    code = _CODES.get(type(error).__name__, default)
    message = (_refused_number(error) or error.format_message()).replace("Value error, ", "").removesuffix(".")
    usage = ""
    if context:
        help_with = f"{context.command_path} {context.help_option_names[0]}"
        usage = f"{context.get_usage()}\nTry '{help_with}' for help.\n\n"
    return code, message[:1].lower() + message[1:], usage


def _refused_number(error: TyperException) -> str | None:
    """Return what was wrong with a number; None for other errors."""
    from pydantic import ValidationError  # most commands that fail need it not

    if not isinstance(error.__cause__, ValidationError):
        return None
    first = error.__cause__.errors()[0]
    if (expected := _EXPECTED.get(first["type"])) is None:
        return None
    option = error.format_message().removesuffix(error.message)
    return f"{option}expected {expected.format(**first.get('ctx', {}))}, got '{printable(str(first['input']))}'"
