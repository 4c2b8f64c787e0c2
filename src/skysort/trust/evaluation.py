"""A classifier run over a part's pictures: the logits, the figures, and a row a picture."""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skysort.classifier.classifier import Classifier, labelled, softmax, unreadable
from skysort.classifier.prove import Logits
from skysort.classifier.rows import Prediction, cells, header
from skysort.files import whole_file
from skysort.pictures.collection import Collection
from skysort.progress import Progress
from skysort.trust.metrics import measure

CHUNK_BYTES = 2**24


@dataclass(frozen=True)
class Evaluation:
    """What a classifier says of one part's pictures, beside the truth."""

    part: str
    collection: Collection
    classes: tuple[str, ...]
    """The classifier's."""
    rows: NDArray[np.int64]
    """(N,) of the collection's listing, readable."""
    truth: NDArray[np.int64]
    """(N,) indices into classes."""
    logits: Logits
    """(N, classes)."""
    unreadable: dict[int, str]
    """Reasons by row, for the part's pictures that could not be read."""

    def figures(self) -> dict[str, Any]:
        """Return the part's figures, as metrics.json holds them."""
        return {**measure(self.logits, self.truth, self.classes), "unreadable": len(self.unreadable)}

    def predictions(self) -> list[tuple[str, Prediction]]:
        """Return the true class and the prediction of each picture, in the order of the listing."""
        paths = self.collection.listing.paths
        shares = softmax(self.logits)
        rows = {
            int(row): (self.classes[truth], labelled(paths[row], share, self.classes))
            for row, truth, share in zip(self.rows, self.truth, shares, strict=True)
        }
        listing = self.collection.listing
        for row, reason in self.unreadable.items():
            rows[row] = (listing.classes[listing.labels[row]], unreadable(paths[row], reason))
        return [rows[row] for row in sorted(rows)]

    def write_csv(self, path: Path) -> None:
        """Write a row a picture: `path,truth,label,confidence,status,reason,p:<class>,…`."""
        first, *others = header(self.classes)
        with whole_file(path, newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow([first, "truth", *others])
            for truth, prediction in self.predictions():
                first, *others = cells(prediction, self.classes)
                writer.writerow([first, truth, *others])


def evaluate_part(
    classifier: Classifier, part: str, collection: Collection, rows: NDArray[np.int64], progress: Progress
) -> Evaluation:
    """Run a classifier over a part's pictures.

    Args:
        classifier: its classes must hold all those of the collection.
        part: what to call it; unreadable pictures that the data declares to be of it are reported with it.
        collection: decoded to the classifier's shape.
        rows: (N,) of the collection's listing, readable.
        progress: where to say how far it is.
    """
    listing = collection.listing
    number = np.array([classifier.classes.index(name) for name in listing.classes])
    chunk = max(1, CHUNK_BYTES // (classifier.shape.channels * classifier.shape.size**2))
    logits = []
    with progress.step(f"Measuring on {part}", len(rows)) as tell:
        for start in range(0, len(rows), chunk):
            some = rows[start : start + chunk]
            logits.append(classifier.logits(collection.pixels(some)))
            tell(len(some), "")
    declared = {row: why for row, why in collection.unreadable.items() if listing.parts[row] in (part, "")}
    # Without parts of its own, an unreadable picture of the data belongs to none, unless all of it is measured.
    whole = len(rows) + len(declared) == len(listing)
    missed = {row: why for row, why in declared.items() if listing.parts[row] == part or whole}
    return Evaluation(
        part,
        collection,
        classifier.classes,
        rows,
        number[listing.labels[rows]],
        np.concatenate(logits),
        missed,
    )
