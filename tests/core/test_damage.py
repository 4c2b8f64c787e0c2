"""What a person reads about a damaged file: the file, what is wrong with it, and what to do."""

from pathlib import Path

import pytest
from pydantic import field_validator

from skysort.core.damage import NEXT_STEPS
from skysort.core.error_codes import CODES
from skysort.core.files import read_json
from skysort.core.models import FrozenModel
from tests.conftest import refused


class Table(FrozenModel):
    format: int = 1
    name: str
    sizes: tuple[int, ...] = ()

    @field_validator("name")
    @classmethod
    def _not_empty(cls, name: str) -> str:
        if not name:
            raise ValueError("a table has a name")
        return name


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not valid JSON at line 1, column 1"),
        (b'{"name":\n "a"', "not valid JSON at line 2, column 5"),
        (b'{"name": "\xff"}', "not text in UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
        (b"[]", "not a JSON object"),
        (b"{}", "the field 'name' is missing"),
        (b'{"name": "a", "nme": 1}', "the field 'nme' is not known"),
        (b'{"name": "a", "sizes": [1, "x"]}', "the field 'sizes.1' has a wrong value"),
        (b'{"name": ""}', "name: a table has a name"),
    ],
)
def test_the_reason_is_in_our_own_words(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "table.json"
    path.write_bytes(content)
    with refused("damaged-run", path, reason, NEXT_STEPS["damaged-run"]):
        read_json(path, Table, code="damaged-run")


def test_a_missing_file_is_missing_and_a_caller_may_know_a_better_step(tmp_path: Path) -> None:
    with refused("damaged-run", f"{tmp_path / 'table.json'} is missing; draw it again"):
        read_json(tmp_path / "table.json", Table, code="damaged-run", next_step="draw it again")


def test_every_code_has_its_meaning() -> None:
    assert set(NEXT_STEPS) <= set(CODES)
