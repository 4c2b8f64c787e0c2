"""The proof that a classifier is as it was made, checked when it is saved and when it is loaded.

It is pictures, the logits they must give, and a digest of what classifier.json says that decides an answer.
"""

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
ORDINARY_LOGIT = 100.0
"""Up to here the largest difference is as it stands; of larger logits it is a share."""

Logits = NDArray[np.float32]


def write_proof(path: Path, pictures: Pixels, logits: Logits, meaning: str) -> None:
    """Write (N, C, H, W) uint8 pictures, the (N, classes) logits they must give, and what the logits mean."""
    with whole_file(path, "wb") as file:
        np.savez(file, pictures=pictures, logits=logits, meaning=np.array(meaning))


def read_proof(path: Path) -> tuple[Pixels, Logits, str]:
    """Read the proof's pictures, logits and meaning.

    Raises:
        SkysortError: when the file is damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as proof:
            return proof["pictures"], proof["logits"], str(proof["meaning"])
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise SkysortError(f"{path} is damaged: {error}") from None


def prove(path: Path, logits_of: Callable[[Pixels], Logits], meaning: str) -> float:
    """Check that a classifier gives the logits of its proof, and that they mean what they meant.

    Args:
        path: of proof.npz.
        logits_of: the classifier: from (N, C, H, W) uint8 pictures to (N, classes) logits.
        meaning: the digest of what its classifier.json says.

    Returns:
        The largest difference of any logit.

    Raises:
        SkysortError: when it is above what rounding explains, or the shapes or the meanings differ.
    """
    pictures, expected, meant = read_proof(path)
    if meaning != meant:
        raise SkysortError(
            f"classifier.json beside {path} has been altered: classes, pictures, network, temperature"
            " or the threshold for unknown pictures are not those that the classifier was made with"
        )
    found = logits_of(pictures)
    if found.shape != expected.shape:
        raise SkysortError(f"{path} expects logits of shape {expected.shape}, the classifier gives {found.shape}")
    difference = float(np.abs(found - expected).max())
    # Logits in the thousands, as of a network whose training ran away, are rounded as coarsely.
    allowed = LARGEST_DIFFERENCE * max(1.0, float(np.abs(expected).max()) / ORDINARY_LOGIT)
    if not difference <= allowed:  # no number counts as different
        raise SkysortError(
            f"the classifier does not give the logits of its proof {path}:"
            f" they differ by {difference:.3g}, at most {allowed:.3g} is allowed"
        )
    return difference
