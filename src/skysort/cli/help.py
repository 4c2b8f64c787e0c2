"""How the help of a command is laid out: arguments, options in groups, and examples."""

from typing import Any

from typer.core import TyperCommand

PICTURES, TRAINING, RUN, RULES = "Pictures", "Training", "Run", "Rules for pictures"
"""Groups of options that several commands have."""


class SectionedHelp(TyperCommand):
    """A command whose help shows its options by their `rich_help_panel`, and its epilog as example commands."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write a section of arguments, then one per group of options in the order of their first option."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record:
                is_argument = parameter.param_type_name == "argument"
                title = "Arguments" if is_argument else getattr(parameter, "rich_help_panel", None) or "Options"
                sections.setdefault(title, []).append(record)
        for title, records in sections.items():
            with formatter.section(title):
                formatter.write_dl(records)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write the examples, one command per line."""
        with formatter.section("Examples"):
            for command in (self.epilog or "").splitlines():
                formatter.write(f"{'':>{formatter.current_indent}}{command}\n")
