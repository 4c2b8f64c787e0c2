"""drift.html: whether pictures are like earlier ones, with thumbnails of those that differ most."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from skysort.report.charts import BLUE, FIGURE_INCHES, ORANGE, QUIET, TEXT, drawn, titled
from skysort.report.page import write_page
from skysort.report.thumbnails import Thumbnail
from skysort.trust.drift import DELTA, Drift

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_POINTS = 1000
"""Points of a line. A year of pictures would make the page large, and no screen shows more."""


@dataclass(frozen=True)
class LoudCard:
    """A picture on the page."""

    thumbnail: Thumbnail | None
    """None if it cannot be read any more."""
    path: str
    arrived: str
    label: str
    """With the confidence; empty for a picture without a label."""


@dataclass(frozen=True)
class Evidence:
    """The evidence for a drift against the number of arrivals."""

    result: Drift

    @property
    def summary(self) -> str:
        """The chart in words."""
        if not self.result.arrivals:
            return "No evidence yet."
        last = self.result.log_wealth[-1] / math.log(10)
        at = self.result.alarm_at
        reached = "never reached" if at is None else f"first reached by arrival {at + 1:,}"
        return (
            f"The evidence after {self.result.arrivals:,} arrivals is 10 to the power of {last:.1f}; the line at"
            f" {1 / DELTA:.0f}, from which on there is something to look at, was {reached}."
        )

    def svg(self) -> str:
        """Return an `<svg>` element, as `drawn` does."""
        return drawn("evidence", FIGURE_INCHES, self.summary, self._draw)

    def _draw(self, axes: "Axes") -> None:
        num = self.result.arrivals
        rows = sorted({*range(0, num, max(1, num // MOST_POINTS)), num - 1})
        axes.axhline(-math.log10(DELTA), color=QUIET, linewidth=1, linestyle=":")
        axes.plot([row + 1 for row in rows], self.result.log_wealth[rows] / math.log(10), color=BLUE)
        if self.result.alarm_at is not None:
            axes.axvline(self.result.alarm_at + 1, color=ORANGE, linewidth=1, linestyle="--")
        axes.set_xlabel("pictures since the reference (dotted: look)", color=TEXT)
        titled(axes, "Evidence, as a power of 10")


def write_drift_page(
    path: Path,
    *,
    headline: str,
    facts: dict[str, str],
    result: Drift,
    faults: Sequence[str],
    cards: Sequence[LoudCard],
) -> None:
    """Write the page. The same input gives the same bytes.

    Args:
        path: the file to write, whole or not at all.
        headline: whether to look at the pictures, as a sentence.
        facts: figures by their names.
        result: the evidence.
        faults: of the camera, one sentence each.
        cards: of the pictures that differ most.

    Raises:
        SkysortError: when the file cannot be written.
    """
    evidence = Evidence(result) if result.arrivals else None
    write_page(
        path, "drift.html.jinja", headline=headline, facts=facts, evidence=evidence, faults=faults, cards=cards
    )
