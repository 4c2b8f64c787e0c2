"""Which training pictures the reference of a run's classifier has the features of."""

from skysort.classifier.reference import MOST_ROWS
from skysort.data.cut import Indices
from skysort.data.splits import PreparedData, evenly_spaced


def reference_rows(prepared: PreparedData) -> Indices:
    """Return the (R,) rows of the listing, in the order of the reference."""
    return evenly_spaced(prepared.splits["train"], MOST_ROWS)
