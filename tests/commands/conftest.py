import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from skysort.cli import main

ROOT = Path(__file__).parents[2]


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


def environment_with(extra: str, folder: Path, *options: object) -> Path:
    """Return a Python with Skysort and an extra, from the package registry; skip where that is out of reach.

    Where SKYSORT_REGISTRY is set, as by `.ci/run`, it has to be within reach.

    Args:
        extra: such as `watch`.
        folder: for the environment.
        options: of pip.
    """
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    installed = subprocess.run(
        [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", f"{ROOT}[{extra}]", *options],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if installed.returncode:
        unreachable = "No matching distribution" in installed.stderr or "Connection" in installed.stderr
        if unreachable and not os.environ.get("SKYSORT_REGISTRY"):
            pytest.skip("the package registry is out of reach")
        pytest.fail(installed.stderr)
    return python
