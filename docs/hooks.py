"""Reference pages that MkDocs gets from the program itself, so that they cannot be out of date."""

import html
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from itertools import groupby
from typing import Any

import griffe
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

Everything public is in `skysort` itself, and this page describes it. The rest is private and may change. Names are
loaded when you first use them, so `import skysort` is fast and needs no PyTorch. [Results in
Python](python-results.md) has the types that functions return.
"""
RESULTS = """\
# Results in Python

Types that the functions of [Python](python.md) return, with their attributes. Most of them are also the content of
a JSON file. You cannot import them from `skysort`, and you need not make them yourself.
"""
MEMBERS = {
    "Classifier": ("digest", "batch_size", "decision", "logits", "has_evidence", "evidence", "predict", "stream"),
    "Recipe": ("load", "with_values", "to_toml"),
    "Run": (
        "open",
        "recipe",
        "data",
        "pictures",
        "epochs",
        "metrics",
        "improvement",
        "suspect_labels",
        "classifier",
        "report",
        "is_finished",
    ),
}
"""Members that a public class shows to its users."""

PLACEHOLDERS = {
    "path": "PATH",
    "str": "TEXT",
    "list[str]": "TEXT",
    "list[Path]": "PATH",
}
"""What stands for the value of an option, by its Python type in the terminal's help."""


def on_files(files: Any, config: Any) -> Any:
    """Add the generated pages. MkDocs calls this with the files of docs/."""
    from mkdocs.structure.files import File

    pages = {
        "commands": commands(),
        "fields": fields(),
        "errors": errors(),
        "python": python(),
        "python-results": python_results(),
    }
    for name, page in pages.items():
        files.append(File.generated(config, f"reference/{name}.md", content=page))
    return files


def on_page_content(content: str, **_: Any) -> str:
    """Let sentences in blocks of output wrap, but no option and no row of a table. MkDocs calls this."""
    content = re.sub(r"<code>(--?[\w-]+)</code>", r'<code class="option">\1</code>', content)
    return re.sub(
        r'(?s)(?<=<div class="language-text highlight"><pre><span></span><code>).*?(?=</code>)',
        lambda block: re.sub(r"(?m)^ ?\S+(?: \S+)*$", r'<span class="sentence">\g<0></span>', block[0]),
        content,
    )


def commands() -> str:
    """Return the page of all commands: usage, arguments, options, as their `--help` has them."""
    group: Any = typer.main.get_command(app)
    return COMMANDS + "\n\n".join(_command(name, command) for name, command in group.commands.items())


def _command(name: str, command: Any) -> str:
    context = type(command).context_class(command, info_name=f"skysort {name}")
    usage = " ".join(command.get_usage(context).removeprefix("Usage: ").split())
    parts = [f"## {name}", _plain(inspect.cleandoc(command.help)), f"```text\n{usage}\n```"]
    groups: dict[str, list[str]] = {"Arguments": []}
    for parameter in sorted(command.params, key=lambda parameter: _group(parameter) == "Options"):
        if record := parameter.get_help_record(context):
            default = re.sub(r"\[default: \((.*?)\)", r"[default: \1", record[1])
            groups.setdefault(_group(parameter), []).append(f"`{_named(record[0])}`\n:   {_plain(default)}")
    for title, entries in groups.items():
        parts += [f"**{title}**"] * (len(groups) > 2) + entries
    parts.append(f"```sh\n{command.epilog}```")
    return "\n\n".join(parts)


def _named(parameter: str) -> str:
    """Return an argument by its name, or an option with what stands for its value."""
    for kind, placeholder in PLACEHOLDERS.items():
        parameter = parameter.replace(f" <{kind}>", f" {placeholder}" if parameter.startswith("-") else "")
    return parameter


def _group(parameter: Any) -> str:
    return parameter.rich_help_panel or f"{parameter.param_type_name.capitalize()}s"


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
    functions = sorted(name for name in skysort.__all__ if name[0].islower())
    classes = sorted(set(skysort.__all__) - set(functions))
    entries = [f"::: skysort.{name}" for name in functions]
    entries += [f"::: skysort.{name}\n    options:\n      members: {[*MEMBERS.get(name, ())]}" for name in classes]
    return "\n\n".join([PYTHON, *entries])


def python_results() -> str:
    """Return the page of all types that public functions return, and of the types of their attributes."""
    package = griffe.load("skysort", search_paths=["src"])
    public: list[Any] = [package[name] for name in skysort.__all__]
    ways = [obj for obj in public if obj.is_function]
    ways += [obj[name] for obj in public for name in MEMBERS.get(obj.name, ())]
    results: dict[str, Any] = {}
    for way in ways:
        _add_types(way.annotation, package, {obj.canonical_path for obj in public}, results)
    return "\n\n".join([RESULTS, *map(_result, results.values())])


def _add_types(annotation: Any, package: Any, public: set[str], results: dict[str, Any]) -> None:
    """Add the classes that an annotation names, each followed by those that its own attributes name."""
    for part in [] if annotation is None or isinstance(annotation, str) else annotation.iterate():
        path = getattr(part, "canonical_path", "")
        if not path.startswith("skysort.") or path in public or path in results:
            continue
        found = package[path.removeprefix("skysort.")]
        if found.is_class:
            results[path] = found
            for attribute in found.attributes.values():
                _add_types(attribute.annotation, package, public, results)


def _result(result: Any) -> str:
    """Return the section of one type: what it is, and its attributes."""
    attributes = []
    for name, attribute in result.attributes.items():
        if name not in ("model_config", "format") and not name.startswith("_"):
            kind = re.sub(r"^Annotated\[(.*?), \w+\(.*\)\]$", r"\1", str(attribute.annotation))
            doc = f": {_plain(attribute.docstring.value)}" if attribute.docstring else ""
            attributes.append(f"- `{name}` (*{_escaped(kind)}*){doc}")
    head = f"## {result.name} {{#{result.canonical_path}}}\n\n{_plain(result.docstring.value)}"
    return "\n\n".join([head, "\n".join(attributes)])


def _plain(text: str) -> str:
    """Return text on one line per paragraph, with options as `code` and no other markup outside of that."""
    paragraphs = "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))
    pieces = re.split("(`[^`]*`)", re.sub(r"(?<![\w`-])--[a-z][\w-]*(?![^`]*`)", r"`\g<0>`", paragraphs))
    return "".join(piece if piece.startswith("`") else _escaped(piece) for piece in pieces)


def _escaped(text: str) -> str:
    return re.sub(r"([*_|\[\]\\])", r"\\\1", html.escape(text, quote=False))
