"""Another process draws the same charts, and without it they are drawn here."""

import os
import sys
from collections.abc import Iterator

import pytest

from skysort.report import chart_process
from skysort.report.charts import Curves

CURVES = Curves("loss", [(1, 0.5), (2, 0.3)], [(1, 0.6), (2, 0.4)], [(0.5, 0.7), (1, 0.5)])


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A process that draws charts, as in a command that has not imported matplotlib."""
    with monkeypatch.context() as command:
        command.delitem(sys.modules, "matplotlib", raising=False)
        command.setattr(chart_process, "num_cores", lambda: 2)
        chart_process.start()
    (process,) = chart_process._running
    yield
    process.kill()
    process.communicate()
    chart_process._running.clear()


def test_both_processes_draw_the_same_bytes_and_one_that_was_killed_is_done_without(started: None) -> None:
    there = CURVES.svg()
    assert chart_process.is_running()
    chart_process._running[0].kill()
    assert CURVES.svg() == there
    assert not chart_process.is_running()


def test_a_program_that_has_matplotlib_or_one_core_starts_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", os)
    chart_process.start()
    monkeypatch.delitem(sys.modules, "matplotlib")
    monkeypatch.setattr(chart_process, "num_cores", lambda: 1)
    chart_process.start()
    assert not chart_process.is_running()
