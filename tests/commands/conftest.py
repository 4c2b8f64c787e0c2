import sys
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from skysort.cli import main


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str


@pytest.fixture
def skysort_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """Run a command line in this process, which has loaded the large libraries already."""

    def run(*arguments: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["skysort", *map(str, arguments)])
        code = 0
        try:
            main()
        except SystemExit as ended:
            code = int(ended.code or 0)
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return Ended(code, out, err)

    return run
