"""The help of every verb: two example commands that parse, options that stand alone, groups; and completion."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer.main

from skysort.cli import app
from skysort.cli.group import VERBS
from skysort.recipe.load import recipe_names

COMMANDS: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]
PARAMETERS = [(verb, parameter) for verb, command in COMMANDS.items() for parameter in command.params]
NAMES = [f"{verb} {parameter.name}" for verb, parameter in PARAMETERS]


def help_of(verb: str) -> str:
    context = type(COMMANDS[verb]).context_class(COMMANDS[verb], info_name=f"skysort {verb}", terminal_width=80)
    return str(COMMANDS[verb].get_help(context))


@pytest.mark.parametrize("verb", VERBS)
def test_both_examples_of_a_verb_parse(verb: str) -> None:
    examples = COMMANDS[verb].epilog.splitlines()
    assert len(set(examples)) == 2
    for example in examples:
        lexer = shlex.shlex(example, posix=True, punctuation_chars="|<>")
        lexer.whitespace_split = True
        words = list(lexer)
        start = words.index("skysort")
        end = next((at for at in range(start, len(words)) if words[at] in "|<>"), len(words))
        name, *arguments = words[start + 1 : end]
        assert name == verb
        COMMANDS[verb].make_context(verb, arguments)
        for names in re.findall(r"--recipes? (\S+)", example):
            assert set(names.split(",")) <= set(recipe_names())


@pytest.mark.parametrize("verb", VERBS)
def test_the_help_ends_with_the_examples_as_they_are_typed(verb: str) -> None:
    lines = COMMANDS[verb].epilog.splitlines()
    assert help_of(verb).splitlines()[-3:] == ["Examples:", *(f"  {line}" for line in lines)]


@pytest.mark.parametrize(("verb", "parameter"), PARAMETERS, ids=NAMES)
def test_the_help_of_an_option_stands_alone(verb: str, parameter: Any) -> None:
    words = parameter.help.split()
    assert re.match(r"[A-Z][a-z]+\b|NUL", words[0]), "begins with a verb or a noun"
    assert words[0] not in {"As", "In", "Of", "Only", "The", "To", "What", "Where", "Which", "With"}
    assert parameter.help.endswith(".") and " as for " not in parameter.help
    assert "default:" not in parameter.help, "Typer shows it: show_default"


@pytest.mark.parametrize(
    ("verb", "titles"),
    [
        ("train", ["Training", "Pictures", "Run", "Options"]),
        ("watch", ["Folders", "Rules for pictures", "Arriving pictures", "Log and metrics", "Options"]),
    ],
)
def test_options_come_in_groups(verb: str, titles: list[str]) -> None:
    sections = re.split(r"^(\S.*):\n", help_of(verb), flags=re.MULTILINE)[1:]
    assert sections[::2] == ["Arguments", *titles, "Examples"]
    shown = set(re.findall(r"^  .*?(--[a-z-]+)", "".join(sections[3:-1:2]), re.MULTILINE))
    options = {max(parameter.opts, key=len) for parameter in COMMANDS[verb].params}
    assert {name for name in options if name.startswith("--")} | {"--help"} == shown


def completed(words: str, at: int) -> list[str]:
    environment = {**os.environ, "_SKYSORT_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(at)}
    script = Path(sys.executable).with_name("skysort")
    ended = subprocess.run([script], env=environment, capture_output=True, text=True, check=True)
    return ended.stdout.split()


def test_the_shell_completes_commands_options_and_values() -> None:
    assert completed("skysort ", 1) == list(VERBS)
    assert completed("skysort re", 1) == ["resume", "reproduce", "recipes"]
    assert completed("skysort train --re", 2) == ["--recipe", "--resume"]
    assert completed("skysort predict --format ", 3) == ["table", "csv", "json", "megadetector"]


def test_completing_a_command_loads_none() -> None:
    program = (
        "import sys, typer.main; from skysort.cli import app; group = typer.main.get_command(app);"
        "context = group.make_context('skysort', [], resilient_parsing=True); group.shell_complete(context, 't');"
        "sys.exit('skysort.cli.train' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.mark.parametrize("verb", ["predict", "status", "watch"])
def test_the_help_of_a_verb_loads_no_library_for_pictures(verb: str) -> None:
    program = (
        f"import sys; sys.argv = ['skysort', '{verb}', '--help']; from skysort.cli import app;"
        "app(standalone_mode=False); sys.exit(not {'numpy', 'PIL', 'onnxruntime'}.isdisjoint(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, check=False).returncode == 0
