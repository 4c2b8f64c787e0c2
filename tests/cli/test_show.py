import io
import re
from typing import Any

import numpy as np
import pytest

from skysort.cli.show import show_metrics
from skysort.trust.metrics import measure


@pytest.mark.parametrize("terminal_type", ["xterm", "dumb"])
@pytest.mark.parametrize("columns", [20, 80, 200])
def test_no_terminal_is_too_narrow_for_a_figure(
    columns: int, terminal_type: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = tuple(f"species {number}" for number in range(10))
    truth = np.arange(100) % 10
    figures: dict[str, Any] = measure(np.eye(10, dtype=np.float32)[truth], truth, names)
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", terminal_type)
    terminal = io.StringIO()
    terminal.isatty = lambda: True  # type: ignore[method-assign]
    show_metrics({"splits": {"test": {**figures, "unreadable": 0}}, "protocol": "four-way"}, terminal)
    plain = re.sub(r"\x1b\[[\d;]*m", "", terminal.getvalue())
    assert not [line for line in plain.splitlines() if len(line) > 150]
    rows = [line.split() for line in plain.splitlines()]
    assert [
        "part",
        "pictures",
        "accuracy",
        "95",
        "%",
        "interval",
        "balanced",
        "95",
        "%",
        "interval",
        "loss",
    ] in rows
    for number in range(10):
        counts = ["10" if other == number else "0" for other in range(10)]
        assert ["species", str(number), *counts] in rows
