"""The chart of a learning curve over pictures per class."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from skysort.report.charts import BLUE, FIGURE_INCHES, TEXT, drawn, titled
from skysort.trust.learning_curve import LearningCurve

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class LearningCurveChart:
    """Accuracy against pictures per class, with the range of the folds as a band."""

    curve: LearningCurve

    @property
    def summary(self) -> str:
        """The chart in words."""
        shown = ", ".join(f"{100 * size.mean:.1f} % with {size.per_class}" for size in self.curve.sizes)
        return f"Accuracy by pictures per class, mean of the folds: {shown}."

    def svg(self) -> str:
        """Return an `<svg>` element, as `drawn` does."""
        return drawn("learning_curve", FIGURE_INCHES, self.summary, self._draw)

    def _draw(self, axes: "Axes") -> None:
        from matplotlib.ticker import FixedLocator, NullLocator, PercentFormatter, StrMethodFormatter

        numbers = [size.per_class for size in self.curve.sizes]
        folds = [size.accuracies for size in self.curve.sizes]
        axes.fill_between(
            numbers, list(map(min, folds)), list(map(max, folds)), color=BLUE, alpha=0.2, linewidth=0
        )
        axes.plot(numbers, [size.mean for size in self.curve.sizes], color=BLUE, marker="o", markersize=4)
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_locator(FixedLocator(numbers))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))
        axes.set_xlabel("pictures per class to learn from", color=TEXT)
        titled(axes, "Accuracy")
