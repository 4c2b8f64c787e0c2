"""Charts as SVG, inside the page."""

import csv
import io
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skysort.classifier.decision import Decision
from skysort.core.loading import loading
from skysort.core.text import printable
from skysort.report import chart_process
from skysort.trust.calibration import CalibrationError, Point
from skysort.trust.guarantee import Curve

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis


FIGURE_INCHES = (5.0, 3.1)
MOST_MARKED_EPOCHS = 30
MOST_LOST_SHOWN = 4
"""End of the axis, as a multiple of the share that may be lost."""
NUM_SERIES_COLOURS = 10
# Placeholders for the colours of the page's style sheet, which has a light and a dark set.
COLOURS = {
    "#010101": "currentColor",
    "#020202": "var(--line)",
    "#030303": "var(--blue)",
    "#040404": "var(--orange)",
    "#050505": "var(--quiet)",
    **{f"#0606{number:02x}": f"var(--series-{number})" for number in range(NUM_SERIES_COLOURS)},
}
TEXT, GRID, BLUE, ORANGE, QUIET, *SERIES = COLOURS

Points = list[tuple[float, float]]


@dataclass(frozen=True)
class Curves:
    """Loss or accuracy against the epoch."""

    name: str
    """`loss` or `accuracy`."""
    train: Points
    validation: Points
    """Empty without a validation split."""
    steps: Points
    """Training values every few steps, by the fraction of an epoch."""

    @property
    def summary(self) -> str:
        """The curves in words."""
        lines = {"Training": self.train, "Validation": self.validation}
        ends = {line: dict((points[0], points[-1])) for line, points in lines.items() if points}
        return " ".join(
            f"{line} {self.name}: "
            + ", ".join(f"{self.shown(value)} after epoch {epoch:g}" for epoch, value in of_line.items())
            + "."
            for line, of_line in ends.items()
        )

    def shown(self, value: float) -> str:
        """Return a value of the curves in words."""
        return f"{100 * value:.1f} %" if self.name == "accuracy" else f"{value:.3f}"

    def svg(self) -> str:
        """Return an `<svg>` element in the colours of the page. The same curves give the same bytes."""
        return drawn(self.name, FIGURE_INCHES, self.summary, self._draw)

    def _draw(self, axes: "Axes") -> None:
        from matplotlib.ticker import PercentFormatter

        marker = "o" if len(self.train) <= MOST_MARKED_EPOCHS else ""
        if self.steps:
            axes.plot(*zip(*self.steps, strict=True), color=BLUE, linewidth=0.8, alpha=0.6)
        axes.plot(*zip(*self.train, strict=True), color=BLUE, marker=marker, markersize=4, label="train")
        if self.validation:
            axes.plot(
                *zip(*self.validation, strict=True),
                color=ORANGE,
                linestyle="--",
                marker="s" if marker else "",
                markersize=4,
                label="validation",
            )
        in_whole_numbers(axes.xaxis)
        if self.name == "accuracy":
            axes.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))
        axes.set_xlabel("epoch", color=TEXT)
        titled(axes, self.name.capitalize())
        axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, frameon=False, labelcolor=TEXT, borderpad=0)


def read_curves(history: Path) -> list[Curves]:
    """Return the loss and accuracy curves of a history.csv; none if no epoch was completed."""
    if not history.exists():
        return []
    with history.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    epochs = [row for row in rows if row["kind"] == "epoch"]
    if not epochs:
        return []
    steps_per_epoch = int(epochs[0]["step"])
    return [
        Curves(
            name,
            [(int(row["epoch"]), float(row[f"train_{name}"])) for row in epochs],
            [(int(row["epoch"]), float(row[f"validation_{name}"])) for row in epochs if row[f"validation_{name}"]],
            [
                (int(row["epoch"]) - 1 + int(row["step"]) / steps_per_epoch, float(row[f"train_{name}"]))
                for row in rows
                if row["kind"] == "steps"
            ],
        )
        for name in ("loss", "accuracy")
    ]


@dataclass(frozen=True)
class Reliability:
    """A reliability diagram: accuracy against confidence, one point per bin."""

    before: CalibrationError | None
    """None if no temperature was fitted."""
    after: CalibrationError

    @property
    def summary(self) -> str:
        """The diagram in words."""
        lines = {"Before": self.before, "As it answers": self.after}
        return " ".join(
            f"{name}: confidence {100 * error.points[0].confidence:.1f} % with accuracy"
            f" {100 * error.points[0].accuracy:.1f} % in the least sure bin,"
            f" {100 * error.points[-1].confidence:.1f} % with {100 * error.points[-1].accuracy:.1f} %"
            " in the surest."
            for name, error in lines.items()
            if error
        )

    def svg(self) -> str:
        """Return an `<svg>` element, as `drawn` does."""
        return drawn("reliability", FIGURE_INCHES, self.summary, self._draw)

    def _draw(self, axes: "Axes") -> None:
        from matplotlib.ticker import PercentFormatter

        axes.axline((1, 1), slope=1, color=QUIET, linewidth=1, linestyle=":")
        if self.before:
            _draw_points(axes, self.before.points, color=ORANGE, linestyle="--", marker="s", label="before")
        _draw_points(axes, self.after.points, color=BLUE, linestyle="-", marker="o", label="as it answers")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))
        axes.set_xlabel("mean confidence of a bin", color=TEXT)
        titled(axes, "Accuracy")
        axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, frameon=False, labelcolor=TEXT, borderpad=0)


def _draw_points(axes: "Axes", points: Sequence[Point], **looks: Any) -> None:
    accuracies = [point.accuracy for point in points]
    low, high = zip(*(point.interval95 for point in points), strict=True)
    axes.errorbar(
        [point.confidence for point in points],
        accuracies,
        [
            [max(0.0, accuracy - bound) for accuracy, bound in zip(accuracies, low, strict=True)],
            [max(0.0, bound - accuracy) for accuracy, bound in zip(accuracies, high, strict=True)],
        ],
        markersize=4,
        elinewidth=0.8,
        **looks,
    )


@dataclass(frozen=True)
class Tradeoff:
    """Share set aside of the other pictures against share lost of the pictures to keep, for all thresholds."""

    number: int
    """Number of the chart on its page."""
    decision: Decision
    curve: Curve
    """Curve of the calibration split."""

    @property
    def summary(self) -> str:
        """The chart in words."""
        lost, set_aside = self._chosen
        alone = self.curve.set_aside[0]
        return (
            f"On the calibration split the threshold chosen loses {100 * lost:.1f} % of the pictures to keep, with"
            f" an upper bound of at most {100 * self.decision.lose_at_most:g} %, and sets aside"
            f" {100 * set_aside:.1f} % of the others; the highest threshold, which loses none, sets aside"
            f" {100 * alone:.1f} %."
        )

    @property
    def _chosen(self) -> tuple[float, float]:
        """Shares lost and set aside by the threshold of the decision, from when it was made."""
        # Not from the curve: probabilities from another computer may differ in the last digits.
        calibration, set_aside = self.decision.calibration, self.decision.set_aside
        assert set_aside is not None  # the page has no chart without other classes
        if calibration.groups and calibration.lost_groups is not None:
            return calibration.lost_groups / calibration.groups, set_aside.share
        return calibration.lost / calibration.pictures, set_aside.share

    def svg(self) -> str:
        """Return an `<svg>` element, as `drawn` does."""
        return drawn(f"tradeoff-{self.number}", FIGURE_INCHES, self.summary, self._draw)

    def _draw(self, axes: "Axes") -> None:
        from matplotlib.ticker import PercentFormatter

        lose_at_most = self.decision.lose_at_most
        axes.axvline(lose_at_most, color=QUIET, linewidth=1, linestyle=":")
        axes.step(self.curve.lost, self.curve.set_aside, where="post", color=BLUE, label="measured")
        axes.step(
            self.curve.bounds,
            self.curve.set_aside,
            where="post",
            color=ORANGE,
            linestyle="--",
            label="upper bound",
        )
        axes.plot(*self._chosen, color=BLUE, marker="o", markersize=8, clip_on=False)
        axes.set_xlim(0, min(1.0, MOST_LOST_SHOWN * lose_at_most))
        axes.set_ylim(0, 1)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))
        axes.locator_params(axis="x", nbins=4)
        axes.set_xlabel("lost, of the pictures to keep (dotted: promised)", color=TEXT)
        titled(axes, "Set aside")
        axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, frameon=False, labelcolor=TEXT, borderpad=0)


def drawn(
    name: str, inches: tuple[float, float], summary: str, draw: Callable[["Axes"], None], names: Sequence[str] = ()
) -> str:
    """Return a chart as an `<svg>` element in the colours of the page. The same chart gives the same bytes.

    Args:
        name: name of the chart, unique on its page.
        inches: width and height.
        summary: the chart in words.
        draw: draws it, in the colours that stand for the page's own.
        names: texts that others chose; `draw` writes `placeholder(number)` where one shall stand, since matplotlib
            would read mathematics into them and ask its fonts for their letters.
    """
    chart = name, inches, summary, draw, names
    return chart_process.drawn_there(*chart) or drawn_here(*chart)


def load() -> None:
    """Import what charts take, unless another process draws them."""
    if not chart_process.is_running() and "matplotlib.style" not in sys.modules:
        with loading():
            import matplotlib.backends.backend_svg
            import matplotlib.figure
            import matplotlib.style  # noqa: F401


def drawn_here(
    name: str, inches: tuple[float, float], summary: str, draw: Callable[["Axes"], None], names: Sequence[str]
) -> str:
    """Return what `drawn` returns, by this process."""
    load()
    from matplotlib import style
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    # The matplotlib settings of a user must not change a report.
    with style.context({"svg.hashsalt": name, "svg.fonttype": "none", "font.size": 11}, after_reset=True):
        figure = Figure(inches, layout="constrained", facecolor="none")
        axes = figure.add_subplot(facecolor="none")
        axes.tick_params(which="both", color=GRID, labelcolor=TEXT)
        axes.grid(color=GRID, linewidth=0.8)
        axes.set_axisbelow(True)
        axes.spines[:].set_visible(False)
        draw(axes)
        file = io.StringIO()
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        # `savefig` would draw twice, the first time for the layout alone, which drawing makes anyhow.
        FigureCanvasSVG(figure).print_svg(file, metadata=nothing)  # type: ignore[no-untyped-call]
    content = _inline(file.getvalue(), name)
    content = re.sub(
        f">{placeholder('([0-9]+)')}<", lambda match: f">{escape(printable(names[int(match[1])]))}<", content
    )
    width, height = (72 * side for side in inches)  # matplotlib's SVG counts in points
    return f'<svg viewBox="0 0 {width:g} {height:g}" role="img"><title>{escape(summary)}</title>{content}'


def placeholder(number: int | str) -> str:
    """Return a text that others chose, as a chart may show it."""
    return f"name-{number}"


def titled(axes: "Axes", title: str) -> None:
    """Write the title of a chart."""
    axes.set_title(title, loc="left", color=TEXT, fontsize=12, fontweight="bold")


def in_whole_numbers(axis: "Axis") -> None:
    """Mark only whole numbers on an axis, even if there is only one."""
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(integer=True, nbins=8, min_n_ticks=1))


def _inline(svg: str, name: str) -> str:
    """Return the content of an SVG file, changed so that several fit into one page."""
    content = svg[svg.index(">", svg.index("<svg")) + 1 :]
    content = re.sub(r"<style.*?</style>", "", content, flags=re.DOTALL)  # it would apply to the whole page
    content = content.replace("xlink:href", "href")
    content = re.sub(r'( id="| href="#|url\(#)', rf"\g<1>{name}-", content)
    for stands_for, colour in COLOURS.items():
        content = content.replace(stands_for, colour)
    return content
