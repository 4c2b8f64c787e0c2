"""Thumbnails of pictures whose labels are likely wrong."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from skysort.core.errors import SkysortError
from skysort.data.dataset import Dataset
from skysort.data.quality.suspect_labels import SuspectLabel
from skysort.report.thumbnails import Thumbnail, thumbnail

NUM_SUSPECTS = 40
"""The JSON beside the page has all."""


@dataclass(frozen=True)
class SuspectCard:
    """A picture with a likely wrong label on the page."""

    thumbnail: Thumbnail
    suspect: SuspectLabel


def suspect_cards(suspects: Sequence[SuspectLabel], dataset: Dataset) -> list[SuspectCard]:
    """Return the cards of the most suspicious labels, in their order.

    Raises:
        SkysortError: when a path is not among the pictures, as in a file that somebody edited.
    """
    rows = {path: row for row, path in enumerate(dataset.listing.paths)}
    for suspect in suspects[:NUM_SUSPECTS]:
        if suspect.path not in rows:
            raise SkysortError(
                "damaged-run", f"suspect-labels.json names {suspect.path}, which is not among the run's pictures"
            )
    return [
        SuspectCard(thumbnail(dataset.pixels(np.array([rows[suspect.path]]))[0]), suspect)
        for suspect in suspects[:NUM_SUSPECTS]
    ]
