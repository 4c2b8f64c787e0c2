"""Reference pages that MkDocs gets from the program itself, so that they cannot be out of date."""

import html
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from itertools import groupby
from typing import Any

import typer.main

import skysort
from skysort.cli import app
from skysort.core import error_codes

COMMANDS = """\
# Commands

`skysort COMMAND --help` prints what this page has. Errors have [codes](errors.md). Exit codes:

- 0: done.
- 1: Skysort understood the command and could not do it, or found a problem that the command reports.
- 2: Skysort did not understand the command, or the command names something that does not exist.

"""
FIELDS = """\
# Fields of a recipe

A recipe is a TOML file. Each heading below is one of its sections. `--set SECTION.FIELD=VALUE` overrides one
field, and `skysort fields SECTION` prints what this page has. Some fields belong to one network, whose name is in
brackets.
"""
ERRORS = """\
# Error codes

A command that fails prints `skysort: MESSAGE [CODE]`. With `--format json` it prints
`{"error": {"code": …, "message": …}}` on standard error. In Python, `SkysortError` has the attributes `code` and
`message`. Programs should go by the code: the wording of a message may change.
"""
PYTHON = """\
# Python

Everything public is in `skysort` itself; the rest is private and may change. Names are loaded when you first use
them, so `import skysort` is fast and needs no PyTorch.
"""


def on_files(files: Any, config: Any) -> Any:
    """Add the generated pages. MkDocs calls this with the files of docs/."""
    from mkdocs.structure.files import File

    for name, page in (("commands", commands()), ("fields", fields()), ("errors", errors()), ("python", python())):
        files.append(File.generated(config, f"reference/{name}.md", content=page))
    return files


def commands() -> str:
    """Return the page of all commands: usage, arguments, options, as their `--help` has them."""
    group: Any = typer.main.get_command(app)
    return COMMANDS + "\n\n".join(_command(name, command) for name, command in group.commands.items())


def _command(name: str, command: Any) -> str:
    context = type(command).context_class(command, info_name=f"skysort {name}")
    usage = " ".join(command.get_usage(context).removeprefix("Usage: ").split())
    parts = [f"## {name}", _plain(inspect.cleandoc(command.help)), f"```text\n{usage}\n```"]
    for kind in ("argument", "option"):
        records = [p.get_help_record(context) for p in command.params if p.param_type_name == kind]
        parts += [f"`{left}`\n:   {_plain(right)}" for left, right in filter(None, records)]
    parts.append(f"```sh\n{command.epilog}```")
    return "\n\n".join(parts)


def fields() -> str:
    """Return the page of all fields of a recipe, as `skysort fields` prints them."""
    printed = subprocess.run(
        [sys.executable, "-m", "skysort", "fields"], capture_output=True, text=True, check=True, encoding="utf-8"
    ).stdout
    entries = re.findall(r"^(\S.*?): (.*)\n((?: {4}.*\n)+)", printed, re.MULTILINE)
    pages = [FIELDS]
    for section, of_section in groupby(entries, lambda entry: entry[0].split(".")[0] if "." in entry[0] else ""):
        pages.append(f"## {section or 'The recipe'}\n")
        pages += [f"`{name}`\n:   *{_plain(kind)}*<br>\n    {_plain(doc)}\n" for name, kind, doc in of_section]
    return "\n".join(pages)


def errors() -> str:
    """Return the page of all error codes, in the sections of their table."""
    pages = [ERRORS]
    for section, codes in _code_sections():
        pages.append(f"## {section}\n\n| code | what it means |\n|---|---|")
        pages += [f"| `{code}` | {_plain(error_codes.CODES[code])} |" for code in codes]
        pages.append("")
    return "\n".join(pages)


def _code_sections() -> Iterator[tuple[str, list[str]]]:
    """Yield each section of the table of codes, which is a comment in it, with its codes."""
    source = inspect.getsource(error_codes).split("CODES", 1)[1]
    for section in source.split("\n    # ")[1:]:
        title, body = section.split("\n", 1)
        codes = re.findall(r'^    "([a-z0-9-]+)":', body, re.MULTILINE)
        if codes:
            yield title, codes


def python() -> str:
    """Return the page of all public names, for mkdocstrings to fill in."""
    names = sorted(skysort.__all__, key=lambda name: (name[0].isupper(), name))
    return "\n".join([PYTHON, *(f"::: skysort.{name}" for name in names)])


def _plain(text: str) -> str:
    """Return text on one line per paragraph, with nothing outside `code` that Markdown would take for markup."""
    paragraphs = (" ".join(paragraph.split()) for paragraph in text.split("\n\n"))
    pieces = re.split("(`[^`]*`)", "\n\n".join(paragraphs))
    return "".join(piece if piece.startswith("`") else _escaped(piece) for piece in pieces)


def _escaped(text: str) -> str:
    return re.sub(r"([*_|\[\]\\])", r"\\\1", html.escape(text, quote=False))
