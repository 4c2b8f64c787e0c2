"""drift.html for a drift report: its sentences, and the pictures read from their files."""

from pathlib import Path

from skysort.core.log import short_time
from skysort.data.decode import Shape, decode
from skysort.data.formats.opening import UnreadablePictureError
from skysort.report.drift_page import LoudCard, write_drift_page
from skysort.report.thumbnails import Thumbnail, thumbnail
from skysort.runs.drift import DriftReport, LoudPicture
from skysort.runs.drift_text import drift_sentence, fault_sentence

SIDE = 96
"""Of a thumbnail, in pixels; three fit on a narrow phone."""


def write_page_of(report: DriftReport, path: Path) -> None:
    """Write a drift report as a page.

    Raises:
        SkysortError: when the file cannot be written.
    """
    num = min(report.num_reference, len(report.rows))
    sentence = drift_sentence(report)
    write_drift_page(
        path,
        headline=f"{sentence[0].upper()}{sentence[1:]}.",
        facts={
            "Reference": f"{num:,} pictures",
            "Since": f"{report.result.arrivals:,} pictures",
            "First": short_time(report.rows[0].planned),
            "Newest": short_time(report.rows[-1].planned),
        },
        result=report.result,
        faults=[fault_sentence(fault) for fault in report.faults],
        cards=loud_cards(report.loudest),
    )


def loud_cards(loudest: tuple[LoudPicture, ...]) -> list[LoudCard]:
    """Return pictures as a page shows them."""
    cards = []
    for loud in loudest:
        row = loud.row
        label = "" if row.label is None else f"{row.label} {max(row.probabilities):.3f}"
        cards.append(LoudCard(_thumbnail(loud.path), str(loud.path), short_time(row.planned), label))
    return cards


def _thumbnail(path: Path) -> Thumbnail | None:
    try:
        return thumbnail(decode(path.read_bytes(), Shape(SIDE, 3, "pad")), SIDE)
    except (OSError, UnreadablePictureError):  # somebody took it away just now
        return None
