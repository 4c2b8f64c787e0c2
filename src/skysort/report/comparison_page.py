"""Self-contained pages of a comparison and of a reproduction, to show to a colleague."""

from pathlib import Path

from skysort.report import comparison_charts
from skysort.report.page import write_page
from skysort.report.wording import PROTOCOLS
from skysort.trust.comparison import NUM_RESAMPLES, WIDEST, Comparison, ComparisonRow, Difference, Reproduction

MOST_EPOCHS_IN_TABLE = 30
MINUS = "\N{MINUS SIGN}"


def write_comparison_report(path: Path, comparison: Comparison) -> None:
    """Write the page of a comparison. The same comparison gives the same bytes.

    Args:
        path: the file to write, whole or not at all.
        comparison: comparison with at least one row, to which the others are compared.

    Raises:
        SkysortError: when the file cannot be written.
    """
    with_losses = [row for row in comparison.rows if row.losses]
    longest = max((len(row.losses) for row in with_losses), default=0)
    write_page(
        path,
        "comparison.html.jinja",
        comparison=comparison,
        headline=_headline(comparison),
        first=comparison.rows[0],
        others=comparison.rows[1:],
        described=[row for row in comparison.rows if row.description],
        with_losses=with_losses,
        longest=longest,
        epochs=comparison_charts.evenly(longest, MOST_EPOCHS_IN_TABLE),
        in_training_mode=[row for row in comparison.rows if row.training_mode],
        with_shifted=[row for row in comparison.rows if row.shifted],
        most_shifted=max(len(row.shifted) for row in comparison.rows),
        protocol=PROTOCOLS[comparison.protocol],
        num_resamples=NUM_RESAMPLES,
        charts=comparison_charts,
        share=_share,
        points=_points,
    )


def write_reproduction_report(path: Path, reproduction: Reproduction) -> None:
    """Write the page of a reproduction. The same reproduction gives the same bytes.

    Args:
        path: the file to write, whole or not at all.
        reproduction: published and measured figures.

    Raises:
        SkysortError: when the file cannot be written.
    """
    write_page(
        path,
        "reproduction.html.jinja",
        reproduction=reproduction,
        headline=_verdicts(reproduction),
        compared=[figure for figure in reproduction.figures if figure.published is not None],
        sources={figure.recipe: figure.source for figure in reproduction.figures},
        widest=WIDEST,
        charts=comparison_charts,
        share=_share,
        points=_points,
    )


def _headline(comparison: Comparison) -> str:
    """Return the recipe with the most test pictures labelled right, and whether chance explains its lead."""
    best = max(comparison.rows, key=lambda row: row.test.mean)
    runs = f", on average over {len(comparison.seeds)} seeds" if len(comparison.seeds) > 1 else ""
    pictures = f"{comparison.pictures:,} test picture{'' if comparison.pictures == 1 else 's'}"
    right = f"{_share(best.test.mean)} of {pictures}"
    if len(comparison.rows) == 1:
        return f"{best.name} labels {right} right{runs}."
    equals = [row.name for row in comparison.rows if row.test.mean == best.test.mean]
    if len(equals) > 1:
        return f"{', '.join(equals[:-1])} and {equals[-1]} label the most test pictures right, each {right}{runs}."
    return (
        f"{best.name} labels the most test pictures right: {right}{runs}. {_lead(comparison.rows, best)}".rstrip()
    )


def _lead(rows: tuple[ComparisonRow, ...], best: ComparisonRow) -> str:
    """Return the lead of the best recipe over the first, or over the second best if it is the first itself."""
    if best.difference:
        return _ahead(best.difference, f"{rows[0].name}, the first")
    second = max(rows[1:], key=lambda row: row.test.mean)
    if not second.difference:
        return ""
    low, high = second.difference.interval95
    lead = Difference(mean=-second.difference.mean, interval95=(-high, -low))
    return _ahead(lead, f"{second.name}, the second")


def _ahead(difference: Difference, other: str) -> str:
    low, high = difference.interval95
    more = f"{_points(difference.mean, sign=False)} percentage points more than {other}"
    interval = f"95 % interval {_points(low, sign=False)} to {_points(high, sign=False)}"
    if low <= 0 <= high:
        return f"It has {more} ({interval}): the difference is not significant."
    return f"That is {more} ({interval})."


def _verdicts(reproduction: Reproduction) -> str:
    verdicts = [figure.verdict for figure in reproduction.figures if figure.published is not None]
    if not verdicts:
        return "There is no published figure to compare with."
    met, short, undecided = (verdicts.count(verdict) for verdict in ("meets", "short", "undecided"))
    parts = [f"{met} of {len(verdicts)} published figure{'' if len(verdicts) == 1 else 's'} met"]
    if short:
        parts.append(f"{short} short")
    if undecided:
        parts.append(f"{undecided} undecided")
    return ", ".join(parts)


def _share(share: float) -> str:
    return f"{100 * share:.2f} %"


def _points(share: float, *, sign: bool = True) -> str:
    """Return a difference of shares in percentage points."""
    # Adding 0.0 turns -0.0 into 0.0.
    points = round(100 * share, 2) + 0.0
    return f"{points:+.2f}".replace("-", MINUS) if sign and points else f"{points:.2f}".replace("-", MINUS)
