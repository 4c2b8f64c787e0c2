"""The proof: pictures and the logits they must give, checked when a classifier is saved and when it is loaded."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from skysort.errors import SkysortError
from skysort.files import whole_file
from skysort.pictures.decode import Pixels

LARGEST_DIFFERENCE = 1e-3
"""Of a logit. Rounding in another order stays far below; another network or normalisation far above."""

Logits = NDArray[np.float32]


def write_proof(path: Path, pictures: Pixels, logits: Logits) -> None:
    """Write (N, C, H, W) uint8 pictures and the (N, classes) logits they must give."""
    with whole_file(path, "wb") as file:
        np.savez(file, pictures=pictures, logits=logits)


def read_proof(path: Path) -> tuple[Pixels, Logits]:
    """Read the proof's pictures and logits.

    Raises:
        SkysortError: when the file is damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as proof:
            return proof["pictures"], proof["logits"]
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise SkysortError(f"{path} is damaged: {error}") from None


def prove(path: Path, logits_of: Callable[[Pixels], Logits]) -> float:
    """Check that a classifier gives the logits of its proof.

    Args:
        path: of proof.npz.
        logits_of: the classifier: from (N, C, H, W) uint8 pictures to (N, classes) logits.

    Returns:
        The largest difference of any logit.

    Raises:
        SkysortError: when it is above LARGEST_DIFFERENCE, or the shapes differ.
    """
    pictures, expected = read_proof(path)
    found = logits_of(pictures)
    if found.shape != expected.shape:
        raise SkysortError(f"{path} expects logits of shape {expected.shape}, the classifier gives {found.shape}")
    difference = float(np.abs(found - expected).max())
    if not difference <= LARGEST_DIFFERENCE:  # no number counts as different
        raise SkysortError(
            f"the classifier does not give the logits of its proof {path}:"
            f" they differ by {difference:.3g}, at most {LARGEST_DIFFERENCE:g} is allowed"
        )
    return difference
