import io
import sys

import pytest

from skysort.cli.progress import TerminalProgress, progress_on_stderr
from skysort.core.progress import LineProgress, SilentProgress
from tests.conftest import Clock


@pytest.mark.parametrize(
    ("quiet", "terminal", "term", "kind"),
    [
        (True, True, "xterm", SilentProgress),
        (False, True, "xterm", TerminalProgress),
        (False, True, "dumb", LineProgress),
        (False, False, "xterm", LineProgress),
    ],
)
def test_the_progress_fits_standard_error(
    monkeypatch: pytest.MonkeyPatch, quiet: bool, terminal: bool, term: str, kind: type
) -> None:
    stream = io.StringIO()
    stream.isatty = lambda: terminal  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("TERM", term)
    assert type(progress_on_stderr(quiet=quiet)) is kind


def test_a_bar_writes_nothing_to_standard_output(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    progress = TerminalProgress()
    progress.say("hello")
    with progress.step("Decoding", 10) as tell:
        clock.now = 1.0
        tell(5, "half [of] it")
        clock.now = 2.0
        tell(5, "")
    with progress.step("Downloading", 5_000_000, unit="bytes") as tell:
        clock.now = 4.0
        tell(2_500_000, "")
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("hello\n")
