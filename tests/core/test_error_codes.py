"""Every error has a code, and one table says what each means."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import skysort
from skysort.core.error_codes import CODES
from skysort.core.errors import unknown

SOURCE = Path(skysort.__file__).parent


def calls() -> Iterator[ast.Call]:
    for path in SOURCE.rglob("*.py"):
        yield from (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call))


def name_of(call: ast.Call) -> str:
    return call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")


def used() -> set[str]:
    """Return every code that the program gives an error."""
    codes = set()
    for call in calls():
        first = call.args[0] if call.args else None
        if isinstance(first, ast.Constant) and isinstance(first.value, str):
            if name_of(call) == "unknown":
                codes.add(unknown(first.value, "x", []).code)
            elif re.fullmatch("[a-z]+(-[a-z]+)*", first.value) and len(call.args) > 1:
                codes |= {first.value} if name_of(call).endswith(("Error", "_fail", "__init__")) else set()
    return codes


def test_the_table_has_every_code_the_program_gives() -> None:
    assert used() - set(CODES) == set()


def test_the_program_gives_every_code_of_the_table() -> None:
    literals = {
        node.value
        for path in SOURCE.rglob("*.py")
        if path.name != "error_codes.py"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert set(CODES) - used() - literals == set()


def test_codes_are_short_names_and_meanings_are_sentences() -> None:
    for code, meaning in CODES.items():
        assert re.fullmatch("[a-z]+(-[a-z]+)*", code) and len(code) <= 30
        assert meaning[0].isupper() and meaning.endswith(".")
