"""check.html: the findings of `skysort check`, with thumbnails."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from skysort.core.text import counted
from skysort.data.dataset import Dataset
from skysort.data.quality.check import CheckResult
from skysort.data.quality.findings import Finding
from skysort.data.quality.suspect_labels import NAME
from skysort.report.page import write_page
from skysort.report.suspect_cards import suspect_cards
from skysort.report.thumbnails import Thumbnail, thumbnail


@dataclass(frozen=True)
class ExampleLine:
    """A line of an example: a picture, or words beside one."""

    text: str
    label: str
    """Class of the picture; empty for words."""
    thumbnail: Thumbnail | None
    """None for words and for unreadable pictures."""


def write_check_page(path: Path, checked: CheckResult, dataset: Dataset) -> None:
    """Write the page. The same input gives the same bytes.

    Args:
        path: the file to write, whole or not at all.
        checked: findings.
        dataset: the checked pictures.

    Raises:
        SkysortError: when the file cannot be written.
    """
    rows = {name: row for row, name in enumerate(dataset.listing.paths)}
    write_page(
        path,
        "check.html.jinja",
        headline=_headline(checked),
        checked=checked,
        shown={
            finding.name: _example_lines(finding, rows, dataset)
            for finding in checked.findings
            if finding.name != NAME
        },
        suspects=suspect_cards(checked.suspect_labels or (), dataset),
    )


def _headline(checked: CheckResult) -> str:
    if checked.lies:
        return f"Figures from these {checked.pictures:,} pictures would be wrong: {', '.join(checked.lies)}."
    if checked.stops:
        return f"Training on these {checked.pictures:,} pictures would stop with an error."
    num = len(checked.findings)
    others = f"{counted(num, 'finding is', 'findings are')} worth a look" if num else "there are no other findings"
    return f"Nothing in these {checked.pictures:,} pictures would make figures wrong; {others}."


def _example_lines(finding: Finding, rows: dict[str, int], dataset: Dataset) -> list[list[ExampleLine]]:
    """Return the lines of each example."""
    return [[_line(text, rows.get(text), dataset) for text in example] for example in finding.examples]


def _line(text: str, row: int | None, dataset: Dataset) -> ExampleLine:
    if row is None:
        return ExampleLine(text, "", None)
    label = dataset.listing.classes[dataset.listing.labels[row]]
    if dataset.positions[row] < 0:
        return ExampleLine(text, label, None)
    return ExampleLine(text, label, thumbnail(dataset.pixels(np.array([row]))[0]))
