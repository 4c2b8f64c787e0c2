"""audit.html: a decision in use. Its loss so far, looks, alarms, drift, and moves that were undone."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from skysort.core.text import counted
from skysort.report.charts import BLUE, FIGURE_INCHES, ORANGE, QUIET, TEXT, drawn, titled
from skysort.report.drift_page import Evidence, LoudCard
from skysort.report.page import write_page
from skysort.trust.audit import Loss
from skysort.trust.drift import Drift

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_TIMES_PROMISE = 5
"""End of the axis, at least, as a multiple of the share that may be lost."""


class LookCounts(NamedTuple):
    """Looks at pictures of one kind."""

    name: str
    """`set aside`, for instance."""
    arrivals: int
    drawn: int
    done: int
    due: int


class Event(NamedTuple):
    """Something that a person did, or that happened."""

    time: str
    text: str


@dataclass(frozen=True)
class LossChart:
    """The loss so far with its confidence sequence, against the number of pictures."""

    lose_at_most: float
    points: Sequence[tuple[int, Loss]]
    """At least one, each with the number of pictures."""
    alarm_at: int | None
    """Number of the picture, from 0, whose answer raised the alarm."""
    unit: str = "picture"
    """Or `group`, where the decision counts groups. Then the numbers above are of groups."""

    @property
    def summary(self) -> str:
        """The chart in words."""
        number, loss = self.points[-1]
        return (
            f"After {counted(number, self.unit)}, the loss is {100 * loss.estimate:.1f} %, 95 % interval"
            f" {100 * loss.low:.1f} % to {100 * loss.high:.1f} %; at most {100 * self.lose_at_most:g} % is"
            " promised."
        )

    def svg(self) -> str:
        """Return an `<svg>` element, as `drawn` does."""
        return drawn("loss", FIGURE_INCHES, self.summary, self._draw)

    def _draw(self, axes: "Axes") -> None:
        from matplotlib.ticker import PercentFormatter

        numbers = [number for number, _ in self.points]
        low, estimate, high = zip(*((loss.low, loss.estimate, loss.high) for _, loss in self.points), strict=True)
        axes.axhline(self.lose_at_most, color=QUIET, linewidth=1, linestyle=":")
        axes.fill_between(numbers, low, high, color=BLUE, alpha=0.2, linewidth=0)
        axes.plot(numbers, estimate, color=BLUE, marker="o" if len(numbers) == 1 else "")
        if self.alarm_at is not None:
            axes.axvline(self.alarm_at + 1, color=ORANGE, linewidth=1, linestyle="--")
        axes.set_ylim(0, min(1.0, max(MOST_TIMES_PROMISE * self.lose_at_most, 1.2 * high[-1])))
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))
        axes.set_xlabel(f"{self.unit}s under the decision (dotted: promised)", color=TEXT)
        titled(axes, "Loss so far")


@dataclass(frozen=True)
class AuditPage:
    """The content of the page, in its order."""

    decision: str
    headline: str
    facts: dict[str, str]
    loss: str
    """A sentence."""
    loss_chart: LossChart | None
    """None before a look at a picture of the protected class."""
    looks: Sequence[LookCounts]
    alarms: Sequence[Event]
    drift: str
    """A sentence."""
    faults: Sequence[str]
    cards: Sequence[LoudCard]
    drift_result: Drift
    undone: Sequence[Event]
    """Newest first."""
    more_undone: int
    """Older ones, which are not shown."""


def write_audit_page(path: Path, page: AuditPage) -> None:
    """Write the page. The same input gives the same bytes.

    Args:
        path: the file to write, whole or not at all.
        page: its content.

    Raises:
        SkysortError: when the file cannot be written.
    """
    evidence = Evidence(page.drift_result) if page.drift_result.arrivals else None
    write_page(path, "audit.html.jinja", headline=page.headline, page=page, evidence=evidence)
