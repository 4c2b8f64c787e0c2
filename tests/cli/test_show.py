import io
import re

import numpy as np
import pytest

from skysort.cli.show import show_metrics
from skysort.trust.metrics import GroupCounts, Metrics, OodFigures, Share, SplitFigures, measure


def metrics_of(test: SplitFigures, ood: OodFigures | None = None) -> Metrics:
    return Metrics(
        splits={"test": test},
        parameters=1,
        temperature=1.0,
        temperature_reason="",
        seconds={},
        protocol="four-way",
        learned={"train": 700},
        classifier="0",
        data={"source": "made-up", "fingerprint": "0"},
        decisions={},
        ood=ood,
    )


def shown(metrics: Metrics) -> str:
    file = io.StringIO()
    show_metrics(metrics, file)
    return file.getvalue()


@pytest.mark.parametrize("terminal_type", ["xterm", "dumb"])
@pytest.mark.parametrize("columns", [20, 80, 200])
def test_no_terminal_is_too_narrow_for_a_figure(
    columns: int, terminal_type: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = tuple(f"species {number}" for number in range(10))
    truth = np.arange(100) % 10
    figures = measure(np.eye(10, dtype=np.float32)[truth], truth, names)
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", terminal_type)
    terminal = io.StringIO()
    terminal.isatty = lambda: True  # type: ignore[method-assign]
    show_metrics(metrics_of(figures), terminal)
    plain = re.sub(r"\x1b\[[\d;]*m", "", terminal.getvalue())
    assert not [line for line in plain.splitlines() if len(line) > 150]
    rows = [line.split() for line in plain.splitlines()]
    assert [
        "split",
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


def test_the_recall_of_a_class_is_told_once_and_what_it_is() -> None:
    truth, labels = np.array([0, 0, 0, 1]), np.array([0, 0, 1, 1])
    figures = measure(np.eye(2, dtype=np.float32)[labels], truth, ("cat", "dog"))
    rows = [re.split(r"\s{2,}", line.strip()) for line in shown(metrics_of(figures)).splitlines()]
    headings = ["class (test)", "pictures", "recall (its pictures labelled right)", "95 % interval", "precision"]
    assert [row[:5] for row in rows if row[0] == "class (test)"] == [headings]
    low, high = figures.classes["cat"].interval95 or (0, 0)
    (cat, _) = (row for row in rows if row[0] == "cat")
    assert cat == ["cat", "3", "0.6667", f"{low:.4f} to {high:.4f}", "1.0000", "0.8000", "0.9167", "0.8333"]


def test_units_and_what_few_or_grouped_or_seen_pictures_tell_are_said() -> None:
    half = Share(pictures=2, share=0.5, interval95=(0.1, 0.9))
    figures = measure(np.eye(2, dtype=np.float32)[[0, 1]], np.array([0, 1]), ("cat", "dog")).model_copy(
        update={
            "unreadable": 1,
            "grouped": GroupCounts(groups=1, widening=2**0.5),
            "without_duplicates": Share(pictures=0, share=None, interval95=None),
            "unknown": half,
            "accepted": Share(pictures=1, share=1.0, interval95=(0.2, 1.0)),
        }
    )
    ood = OodFigures(
        source="far",
        fingerprint="0",
        pictures=2,
        unreadable=0,
        false_accepts=half,
        roc_auc=0.75,
        roc_auc_interval95=(0.5, 0.9),
        test_pictures=2,
    )
    said = shown(metrics_of(figures, ood))
    for line in (
        "1 group; intervals do not allow for that, and would be up to 1.41 times as wide",
        "2 of 2 test pictures leak: ",
        "no figure holds for new pictures",
        "1 picture could not be read and is in no figure",
        "(too few pictures for an interval)",
        "out-of-distribution pictures: far, ROC AUC 0.7500 (0.5000 to 0.9000)",
    ):
        assert line in said
    rows = [" ".join(line.split()) for line in said.splitlines()]
    for what in ("test pictures called unknown 1 2 0.5000", "of the others, labelled right 1 1 1.0000"):
        assert [row for row in rows if row.startswith(what)]
