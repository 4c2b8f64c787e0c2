"""Maps of evidence as image files: one per picture, in a folder."""

import io
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

import numpy as np
from PIL import Image

from skysort.classifier.classifier import Classifier
from skysort.classifier.evidence import Evidence, overlay, relative_map
from skysort.classifier.predictions import Prediction
from skysort.core.errors import NotUnderstoodError, SkysortError
from skysort.core.files import write_whole, writing
from skysort.core.locks import locked
from skysort.core.text import counted
from skysort.data.decode import Pixels
from skysort.work.names import free_place, make_folder

SHOWN = 448
"""Side of each of the two pictures in a file, in pixels: smaller ones are enlarged by a whole number."""
QUALITY = 90
"""Of the JPEG."""
MAX_STEM_BYTES = 200
"""Leaves room for a number, the ending, and the temporary name while the file is written."""
MOST_NAMED = 10


class EvidenceMaps:
    """Writes one image file per picture: the picture beside itself in grey, with the map over it.

    Args:
        folder: existing folder for the files.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.num = 0
        self.num_cells = 0
        self.renamed: list[tuple[Path, str]] = []
        """Files that have another name than their picture, each with the picture's path."""

    def write(self, prediction: Prediction, pixels: Pixels, evidence: Evidence) -> None:
        """Write the map of the label, or of the likeliest class if the picture is unknown.

        Args:
            prediction: of a picture that could be read.
            pixels: (C, H, W) uint8.
            evidence: (classes, h, w).

        Raises:
            SkysortError: when the file cannot be written.
        """
        label = int(np.argmax([*prediction.probabilities.values()]))
        picture = np.broadcast_to(pixels, (3, *pixels.shape[1:]))
        both = np.concatenate([picture, overlay(pixels, relative_map(evidence, label))], axis=2)
        image = Image.fromarray(both.transpose(1, 2, 0))
        times = max(1, SHOWN // image.height)
        image = image.resize((image.width * times, image.height * times), Image.Resampling.BICUBIC)
        file = io.BytesIO()
        image.save(file, "JPEG", quality=QUALITY)
        path = self.folder / f"{_stem(prediction.path)}.jpg"
        place = free_place(path)
        write_whole(place, file.getvalue())
        if place != path:
            self.renamed.append((place, prediction.path))
        self.num += 1
        self.num_cells = evidence.shape[-1]

    def remarks(self) -> list[str]:
        """Return lines about the files: how many there are, and how to read them."""
        if not self.num:
            return [f"Skysort wrote no map to {self.folder}: no picture could be read"]
        renamed = [f"{place} is the map of {path}" for place, path in self.renamed[:MOST_NAMED]]
        if (more := len(self.renamed) - MOST_NAMED) > 0:
            renamed.append(f"{counted(more, 'more map has', 'more maps have')} a number, since the name was taken")
        return [
            *renamed,
            f"Skysort wrote {counted(self.num, 'map')} to {self.folder}. Orange is evidence for the label, blue is"
            " evidence against it, both relative to the mean of the other classes. A cell of the"
            f" {self.num_cells}x{self.num_cells} map sees most of the picture: the edges of colours mean nothing.",
        ]


@contextmanager
def maps_into(folder: Path, classifier: Classifier, pictures: Sequence[Path]) -> Iterator[EvidenceMaps]:
    """Make a folder for maps, and keep other processes from writing maps into it.

    Args:
        folder: may exist. Its files stay as they are.
        classifier: labels the pictures.
        pictures: paths of the pictures, their folders and archives.

    Raises:
        NotUnderstoodError: when the classifier has no evidence.
        SkysortError: when something else is at the path, the folder is within a folder of pictures or the
            classifier, or it cannot be made.
    """
    if not classifier.has_evidence:
        raise NotUnderstoodError(
            "options-conflict",
            "--explain needs a classifier by the recipe photos or swift, whose logits are sums over places; found"
            f" the network '{classifier.table.network['name']}' in {classifier.folder}",
        )
    if folder.exists() and not folder.is_dir():
        raise SkysortError("output-taken", f"{folder} is not a folder; choose another folder for --explain")
    real = Path(os.path.realpath(folder))
    around = {real, *real.parents}
    if Path(os.path.realpath(classifier.folder)) in around:
        raise SkysortError(
            "output-taken", f"{folder} is inside the classifier folder; choose another folder for --explain"
        )
    for path in pictures:
        if Path(os.path.realpath(path)) in around:
            raise SkysortError(
                "folders-overlap",
                f"{folder} is inside {path}, so the maps would be among the pictures; choose a folder elsewhere"
                " for --explain",
            )
    with writing(folder):
        make_folder(folder)
    with locked(folder) if os.name == "posix" else nullcontext():
        yield EvidenceMaps(folder)


def _stem(path: str) -> str:
    """Return the name of a picture without its ending, shortened to what file systems accept."""
    stem = Path(path).stem
    while len(os.fsencode(stem)) > MAX_STEM_BYTES:
        stem = stem[:-1]
    return stem
