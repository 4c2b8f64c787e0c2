import re
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

    @property
    def error(self) -> str | None:
        """The error's code at the end of standard error; None where there is no error."""
        found = re.search(r"^skysort: .*\[([a-z-]+)\]\n\Z", self.err, flags=re.MULTILINE | re.DOTALL)
        return found and found[1]

    def check_refused(self, code: int, error: str, *facts: object) -> None:
        """Assert that it ended with an error whose message holds facts, and gave no answer."""
        assert (self.code, self.error, self.out) == (code, error, ""), self.err
        assert [fact for fact in map(str, facts) if fact not in self.err] == [], self.err


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
