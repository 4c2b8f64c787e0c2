import ast
import inspect
from importlib import import_module
from pathlib import Path

import pytest

import skysort
from skysort.cli.group import VERBS


def test_what_is_public_is_what_type_checkers_are_told() -> None:
    tree = ast.parse(Path(skysort.__file__).read_text("utf-8"))
    (told,) = (node.body for node in tree.body if isinstance(node, ast.If))
    homes = {name.name: node.module for node in told if isinstance(node, ast.ImportFrom) for name in node.names}
    assert sorted(homes) == sorted(skysort.__all__)
    assert set(homes) <= set(dir(skysort))
    for name, home in homes.items():
        assert home and getattr(skysort, name) is getattr(import_module(home), name)


def test_what_is_not_public_is_not_there() -> None:
    with pytest.raises(AttributeError, match="'trian'"):
        skysort.trian  # noqa: B018


OF_THE_TERMINAL = {
    "watch": {"log_format"}, "check": {"form"}, "compare": {"what", "studies"},
    "train": {"group_by", "label_by", "resume", "moved_to", "device", "threads", "form"}, "resume": {"form"},
}  # fmt: skip
"""Options that say how a command prints, that stand for settings, or that are another function."""


@pytest.mark.parametrize("name", sorted({*VERBS} & {*skysort.__all__} - {"predict"}))
def test_a_function_takes_what_its_command_takes(name: str) -> None:
    command = inspect.signature(getattr(import_module(f"skysort.cli.{name}"), name)).parameters
    function = inspect.signature(getattr(skysort, name)).parameters
    assert {*command} - OF_THE_TERMINAL.get(name, set()) - {"quiet"} <= {*function}
    assert getattr(skysort, name).__doc__


def test_functions_that_are_public_are_commands() -> None:
    assert {name for name in skysort.__all__ if name.islower()} - {"load"} <= {*VERBS}
