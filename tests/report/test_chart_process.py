"""Another process draws the same charts, and without it they are drawn here."""

import os
import sys
from contextlib import ExitStack

import pytest

from skysort.report import chart_process
from skysort.report.chart_process import charts_drawn_beside, is_running
from skysort.report.charts import Curves

CURVES = Curves("loss", [(1, 0.5), (2, 0.3)], [(1, 0.6), (2, 0.4)], [(0.5, 0.7), (1, 0.5)])


@pytest.mark.usefixtures("drawn_charts")
def test_both_processes_draw_the_same_bytes_and_one_that_was_killed_is_done_without(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here = CURVES.svg()
    monkeypatch.setattr(chart_process, "num_cores", lambda: 2)
    stack = ExitStack()
    with monkeypatch.context() as before_import:
        before_import.delitem(sys.modules, "matplotlib")
        stack.enter_context(charts_drawn_beside())
    with stack:
        assert CURVES.svg() == here
        assert is_running()
        chart_process._running[0].kill()
        assert CURVES.svg() == here
        assert not is_running()


def test_a_program_that_has_matplotlib_or_one_core_starts_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", os)
    with charts_drawn_beside():
        assert not is_running()
    monkeypatch.delitem(sys.modules, "matplotlib")
    monkeypatch.setattr(chart_process, "num_cores", lambda: 1)
    with charts_drawn_beside():
        assert not is_running()
