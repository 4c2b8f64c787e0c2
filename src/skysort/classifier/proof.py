"""The proof that a classifier works as at export. Saving and loading check it.

It holds pictures, the logits that the model must give for them, and a digest of the deciding fields of
classifier.json.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from skysort.classifier.damage import reading
from skysort.classifier.npz import read_arrays
from skysort.core.errors import SkysortError
from skysort.core.files import whole_file
from skysort.data.decode import Pixels

LARGEST_DIFFERENCE = 1e-3
"""Of a logit. Rounding in another order stays far below this; another network or normalisation is far above."""
ORDINARY_LOGIT = 100.0
"""For larger logits, LARGEST_DIFFERENCE grows in proportion."""
MOST_PICTURES = 1_000
"""More would take too long to check. Skysort writes 32."""

Logits = NDArray[np.float32]


def write_proof(path: Path, pictures: Pixels, logits: Logits, meaning: str) -> None:
    """Write a proof.

    Args:
        path: of proof.npz.
        pictures: (N, C, H, W) uint8.
        logits: (N, classes) float32, which the model must give.
        meaning: digest of the deciding fields of classifier.json.
    """
    with whole_file(path, "wb") as file:
        np.savez(file, pictures=pictures, logits=logits, meaning=np.array(meaning))


def read_proof(path: Path) -> tuple[Pixels, Logits, str]:
    """Read the proof's pictures, logits and meaning.

    Raises:
        SkysortError: when the file is damaged.
    """
    with reading(path):
        pictures, logits, meaning = read_arrays(path, "pictures", "logits", "meaning")
        if pictures.dtype != np.uint8 or pictures.ndim != 4 or logits.dtype != np.float32 or logits.ndim != 2:
            raise ValueError("expected uint8 pictures and float32 logits")
        if not 1 <= len(pictures) == len(logits) <= MOST_PICTURES:
            raise ValueError(f"expected 1 to {MOST_PICTURES:,} pictures, and as many rows of logits")
        if not np.isfinite(logits).all():
            raise ValueError("expected finite logits")
        return pictures, logits, str(meaning)


def prove(path: Path, logits_of: Callable[[Pixels], Logits], meaning: str) -> float:
    """Check a classifier against its proof.

    Args:
        path: of proof.npz.
        logits_of: the classifier: from (N, C, H, W) uint8 pictures to (N, classes) logits.
        meaning: digest of the deciding fields of its classifier.json.

    Returns:
        The largest difference of a logit.

    Raises:
        SkysortError: when the difference is larger than rounding explains, or shapes or digests differ.
    """
    pictures, expected, expected_meaning = read_proof(path)
    if meaning != expected_meaning:
        raise SkysortError(
            "altered-classifier",
            f"classifier.json beside {path} was altered: its classes, pictures, network, temperature or threshold"
            " for unknown pictures are not those of the proof",
        )
    logits = logits_of(pictures)
    if logits.shape != expected.shape:
        raise SkysortError(
            "altered-classifier",
            f"{path} expects logits of shape {expected.shape}, the classifier gives {logits.shape}",
        )
    difference = float(np.abs(logits - expected).max())
    # Logits in the thousands, as of a network whose training diverged, have rounding errors to match.
    allowed = LARGEST_DIFFERENCE * max(1.0, float(np.abs(expected).max()) / ORDINARY_LOGIT)
    if difference > allowed:
        raise SkysortError(
            "altered-classifier",
            f"the classifier does not give the logits of its proof {path}:"
            f" they differ by {difference:.3g}, at most {allowed:.3g} is allowed",
        )
    return difference
