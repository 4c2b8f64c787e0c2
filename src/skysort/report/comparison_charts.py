"""Charts that compare recipes, and measured figures with published ones."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from skysort.report.charts import (
    BLUE,
    FIGURE_INCHES,
    GRID,
    MOST_MARKED_EPOCHS,
    ORANGE,
    QUIET,
    SERIES,
    TEXT,
    drawn,
    in_whole_numbers,
    placeholder,
    titled,
)
from skysort.trust.comparison import ComparisonRow, ReproducedCurve, ReproducedFigure, Spread

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

MARKERS = "osD^vP*X<>"
DASHES: tuple[str | tuple[int, tuple[float, float]], ...] = ("-", "--", "-.", (0, (1, 1.5)))
"""Dashes of lines. Their number does not divide that of the colours, so a repeated colour has other dashes."""
NUM_MARKED = 8
"""Number of points with a marker on a long line."""
MOST_DRAWN = 300
"""Number of epochs to draw. A line of more epochs skips some, which keeps the page small."""

SMALL_INCHES = (4.0, 2.6)
SWATCH_INCHES = (0.6, 0.2)
HEAD_INCHES = 0.75
ROW_INCHES = 0.55
"""Height of a row of a chart with one row per recipe, its name above its marks."""
MARKS_BELOW = 0.19
"""Share of a row's height that its name takes."""
LONGEST_NAME = 44
FACTOR_FOR_POWERS = 10
"""Ratio of the largest to the smallest value from which on an axis is logarithmic."""

Line = tuple[Sequence[float], Sequence[float]]


@dataclass(frozen=True)
class LineStyle:
    """Style of a line, in matplotlib's terms; None for the default."""

    color: str
    marker: str
    linestyle: str | tuple[int, tuple[float, float]] = "-"
    linewidth: float | None = None
    markersize: int = 4
    markerfacecolor: str | None = None
    label: str = ""


def evenly(num: int, most: int) -> list[int]:
    """Return the numbers below `num`, or `most` of them spread evenly from the first to the last.

    >>> evenly(3, 5), evenly(9, 3)
    ([0, 1, 2], [0, 4, 8])
    """
    return [int(number) for number in np.linspace(0, num - 1, min(num, most)).round()]


def swatch(key: str, series: int) -> str:
    """Return a piece of a recipe's line for a key. It is hidden from screen readers, which have the tables."""

    def draw(axes: "Axes") -> None:
        axes.set_axis_off()
        axes.plot([0, 0.5, 1], [0, 0, 0], markevery=[1], **vars(_style_of(series)))

    svg = drawn(f"{key}{series}-", SWATCH_INCHES, "", draw)
    return svg.replace('role="img"><title></title>', 'aria-hidden="true">')


def losses_by_epoch(rows: Sequence[ComparisonRow]) -> str:
    """Return the chart of training losses by epoch."""
    lines: list[Line] = [(range(1, len(row.losses) + 1), row.losses) for row in rows]

    def draw(axes: "Axes") -> None:
        _draw_lines(axes, lines)
        in_whole_numbers(axes.xaxis)
        _in_powers_where_it_helps(axes, "y", [loss for row in rows for loss in row.losses])
        axes.set_xlabel("epoch, a pass over the data", color=TEXT)
        titled(axes, "Training loss by epoch")

    return drawn("by-epoch-", FIGURE_INCHES, "Training loss of each recipe against the epoch", draw)


def losses_by_seconds(rows: Sequence[ComparisonRow]) -> str:
    """Return the chart of training losses by time."""

    def draw(axes: "Axes") -> None:
        _draw_lines(axes, [(row.elapsed, row.losses) for row in rows])
        _in_powers_where_it_helps(axes, "x", [row.elapsed[-1] for row in rows if row.elapsed])
        _in_powers_where_it_helps(axes, "y", [loss for row in rows for loss in row.losses])
        axes.set_xlabel("seconds of training", color=TEXT)
        titled(axes, "Training loss by time")

    return drawn("by-seconds-", FIGURE_INCHES, "Training loss of each recipe against seconds of training", draw)


def shifted_accuracies(rows: Sequence[ComparisonRow]) -> str:
    """Return the chart of test accuracy by the shift of the pictures."""

    def draw(axes: "Axes") -> None:
        _draw_lines(axes, [(range(len(row.shifted)), [spread.mean for spread in row.shifted]) for row in rows])
        in_whole_numbers(axes.xaxis)
        _in_percent(axes.yaxis)
        axes.set_xlabel("pixels shifted", color=TEXT)
        titled(axes, "Test accuracy")

    return drawn("shifted-", FIGURE_INCHES, "Test accuracy of each recipe against the pixels shifted", draw)


def accuracies(rows: Sequence[ComparisonRow]) -> str:
    """Return the chart of the accuracies of all runs, with their means."""

    def draw(axes: "Axes") -> None:
        _draw_runs(axes, [row.test for row in rows], MARKS_BELOW - 0.11, color=BLUE, marker="o", label="test")
        _draw_runs(axes, [row.train for row in rows], MARKS_BELOW + 0.11, color=ORANGE, marker="s", label="train")
        _in_rows(axes, len(rows))
        _in_percent(axes.xaxis)
        titled(axes, "Accuracy")
        _key(axes)

    summary = "Test and training accuracy of each recipe's runs, and their mean"
    return drawn("accuracies-", _inches(len(rows)), summary, draw, _names(row.name for row in rows))


def differences(rows: Sequence[ComparisonRow]) -> str:
    """Return the chart of the differences from the first recipe."""
    others = [(row.name, row.difference) for row in rows if row.difference]

    def draw(axes: "Axes") -> None:
        axes.axvline(0, color=TEXT, linewidth=1)
        for row, (_, difference) in enumerate(others):
            low, high = difference.interval95
            looks = {"color": QUIET, "markerfacecolor": "none"} if low <= 0 <= high else {"color": BLUE}
            _draw_interval(axes, row, difference.mean, (low, high), **looks)
        _in_rows(axes, len(others))
        _in_points(axes.xaxis)
        axes.set_xlabel("percentage points, 95 % interval", color=TEXT)
        titled(axes, "Difference from the first")

    summary = "Difference in test accuracy of each recipe to the first, with its 95 % interval"
    return drawn("differences-", _inches(len(others)), summary, draw, _names(name for name, _ in others))


def missed(figures: Sequence[ReproducedFigure]) -> str:
    """Return the chart of measured accuracies and their intervals, relative to the published ones."""
    compared = [(figure, figure.published) for figure in figures if figure.published is not None]

    def draw(axes: "Axes") -> None:
        axes.axvline(0, color=GRID, linewidth=1.5)
        for row, (figure, published) in enumerate(compared):
            axes.plot(
                [0], [row + MARKS_BELOW], color=ORANGE, marker="D", markersize=7, linestyle="", label="published"
            )
            interval = figure.interval95 and (figure.interval95[0] - published, figure.interval95[1] - published)
            _draw_interval(axes, row, figure.measured.mean - published, interval, color=BLUE, label="measured")
        _in_rows(axes, len(compared))
        _in_points(axes.xaxis)
        axes.set_xlabel("percentage points from the published figure", color=TEXT)
        _key(axes)

    summary = "Each measured accuracy with its prediction interval, beside the published one"
    names = _names(f"{figure.recipe}, {figure.split}, {figure.mode} mode" for figure, _ in compared)
    return drawn("missed-", _inches(len(compared)), summary, draw, names)


def reproduced_losses(number: int, curve: ReproducedCurve) -> str:
    """Return the chart of a published and a measured loss curve."""

    def draw(axes: "Axes") -> None:
        _draw_line(axes, (curve.epochs, curve.measured), LineStyle(BLUE, "o", label="measured"))
        _draw_line(axes, (curve.epochs, curve.published), LineStyle(ORANGE, "s", "--", label="published"))
        in_whole_numbers(axes.xaxis)
        _in_powers_where_it_helps(axes, "y", [*curve.published, *curve.measured])
        axes.set_xlabel("epoch", color=TEXT)
        _key(axes)

    return drawn(f"losses{number}-", SMALL_INCHES, "Published and measured training loss against the epoch", draw)


def _names(names: Iterable[str]) -> list[str]:
    return [name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…" for name in names]


def _inches(num_rows: int) -> tuple[float, float]:
    return FIGURE_INCHES[0], HEAD_INCHES + ROW_INCHES * num_rows


def _style_of(series: int) -> LineStyle:
    """Return the style of a recipe's line: colour, marker and dashes."""
    return LineStyle(
        color=SERIES[series % len(SERIES)],
        marker=MARKERS[series % len(MARKERS)],
        linestyle=DASHES[series % len(DASHES)],
        linewidth=1.4,
        markersize=5,
        markerfacecolor="none" if series >= len(SERIES) else None,
    )


def _draw_lines(axes: "Axes", lines: Sequence[Line]) -> None:
    for series, line in enumerate(lines):
        if line[1]:
            _draw_line(axes, line, _style_of(series), series)


def _draw_line(axes: "Axes", line: Line, style: LineStyle, series: int = 0) -> None:
    indices = evenly(len(line[1]), MOST_DRAWN)
    # Markers of different lines are at different points, so that they do not cover each other.
    step = len(indices) // NUM_MARKED if len(indices) > MOST_MARKED_EPOCHS else 1
    marked = (series * step // 3 % step, step)
    across, up = ([values[index] for index in indices] for values in line)
    axes.plot(across, up, markevery=marked, **vars(style))


def _draw_runs(
    axes: "Axes", spreads: Sequence[Spread], below: float, *, color: str, marker: str, label: str
) -> None:
    """Draw one row per spread: a mark per run and a stroke for the mean."""
    runs = [(value, row + below) for row, spread in enumerate(spreads) for value in spread.values]
    axes.plot(
        *zip(*runs, strict=True),
        color=color,
        marker=marker,
        markersize=5,
        linestyle="",
        markerfacecolor="none",
        label=label,
    )
    means = [spread.mean for spread in spreads]
    rows = [row + below for row in range(len(spreads))]
    axes.plot(means, rows, color=color, marker="|", markersize=13, markeredgewidth=2, linestyle="")


def _draw_interval(
    axes: "Axes", row: int, mean: float, interval: tuple[float, float] | None, label: str = "", **looks: Any
) -> None:
    at = row + MARKS_BELOW
    if interval:
        axes.plot(interval, [at, at], linewidth=2, marker="|", markersize=9, color=looks["color"])
    axes.plot([mean], [at], marker="o", linestyle="", markersize=6, label=label, **looks)


def _in_rows(axes: "Axes", num: int) -> None:
    """Reserve one row per recipe, with its name at the top."""
    axes.set_ylim(num - 0.45, -0.55)
    axes.set_yticks([])
    for row in range(num):
        axes.text(
            0,
            row - 0.14,
            placeholder(row),
            color=TEXT,
            transform=axes.get_yaxis_transform(),
            verticalalignment="center",
        )


def _key(axes: "Axes") -> None:
    """Add a key that explains each mark once."""
    handles, labels = axes.get_legend_handles_labels()
    marks = dict(zip(labels, handles, strict=True))
    axes.legend(
        marks.values(),
        marks.keys(),
        loc="lower right",
        bbox_to_anchor=(1, 1),
        ncols=len(marks),
        frameon=False,
        labelcolor=TEXT,
        borderpad=0,
        columnspacing=1.2,
        handletextpad=0.4,
        handlelength=1.6,
    )


def _in_percent(axis: "Axis") -> None:
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    axis.set_major_locator(MaxNLocator(nbins=6))
    axis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))


def _in_points(axis: "Axis") -> None:
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(nbins=7))
    axis.set_major_formatter(
        lambda share, _: f"{100 * share:+.3g}".replace("-", "\N{MINUS SIGN}") if round(share, 9) else "0"
    )


def _in_powers_where_it_helps(axes: "Axes", which: Literal["x", "y"], values: Sequence[float]) -> None:
    """Make an axis logarithmic if its values differ by orders of magnitude."""
    from matplotlib.ticker import LogLocator, NullLocator

    axis = axes.xaxis if which == "x" else axes.yaxis
    low, high = axis.get_data_interval()
    if low <= 0 or max(values) < FACTOR_FOR_POWERS * min(values):
        return
    axes.set(**{f"{which}scale": "log"})
    powers = np.log10(high / low)
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if powers < 2 else (1, 3) if powers < 4 else (1,)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(lambda value, _: f"{value:g}")
