import ast
from importlib import import_module
from pathlib import Path

import pytest

import skysort


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
