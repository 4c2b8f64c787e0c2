"""The proof that a classifier is as it was made, checked when it is saved and when it is loaded.

It is pictures, the logits they must give, and a digest of what classifier.json says that decides an answer.
"""

import io
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skysort.classifier.damage import reading
from skysort.core.errors import SkysortError
from skysort.core.files import whole_file
from skysort.data.decode import Pixels

LARGEST_DIFFERENCE = 1e-3
"""Of a logit. Rounding in another order stays far below; another network or normalisation far above."""
ORDINARY_LOGIT = 100.0
"""Up to here the largest difference is as it stands; of larger logits it is a share."""
MOST_PICTURES = 1_000
"""Proving must not take long; 32 are written."""

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
    with reading(path), warnings.catch_warnings():
        warnings.simplefilter("error")  # numpy warns of some odd headers, and reads on
        with zipfile.ZipFile(path) as proof:
            pictures, logits, meaning = (_array(proof, name) for name in ("pictures", "logits", "meaning"))
        if pictures.dtype != np.uint8 or pictures.ndim != 4 or logits.dtype != np.float32 or logits.ndim != 2:
            raise ValueError("expected uint8 pictures and float32 logits")
        if not 1 <= len(pictures) == len(logits) <= MOST_PICTURES:
            raise ValueError(f"expected 1 to {MOST_PICTURES:,} pictures, and logits for each")
        if not np.isfinite(logits).all():
            raise ValueError("expected finite logits")
        return pictures, logits, str(meaning)


def _array(proof: zipfile.ZipFile, name: str) -> NDArray[Any]:
    """Return an array that `np.savez` wrote, taking no more memory than the file has bytes, whatever it claims."""
    member = proof.getinfo(f"{name}.npy")
    if member.compress_type != zipfile.ZIP_STORED:
        raise ValueError(f"{member.filename} is compressed")
    content = proof.read(member)
    header = io.BytesIO(content)
    if np.lib.format.read_magic(header) != (1, 0):
        raise ValueError(f"{member.filename} is of another format than 1.0")
    shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(header)
    array: NDArray[Any] = np.frombuffer(content, dtype, offset=header.tell())
    if min(shape, default=0) < 0:
        raise ValueError(f"{member.filename} has a negative shape")
    return array.reshape(shape, order="F" if is_fortran else "C")


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
            "altered-classifier",
            f"classifier.json beside {path} has been altered: classes, pictures, network, temperature"
            " or the threshold for unknown pictures are not those that the classifier was made with",
        )
    found = logits_of(pictures)
    if found.shape != expected.shape:
        raise SkysortError(
            "altered-classifier",
            f"{path} expects logits of shape {expected.shape}, the classifier gives {found.shape}",
        )
    difference = float(np.abs(found - expected).max())
    # Logits in the thousands, as of a network whose training ran away, are rounded as coarsely.
    allowed = LARGEST_DIFFERENCE * max(1.0, float(np.abs(expected).max()) / ORDINARY_LOGIT)
    if difference > allowed:
        raise SkysortError(
            "altered-classifier",
            f"the classifier does not give the logits of its proof {path}:"
            f" they differ by {difference:.3g}, at most {allowed:.3g} is allowed",
        )
    return difference
