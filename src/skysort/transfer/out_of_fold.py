"""Answers to training pictures by heads that have not seen them, and where the evidence for these answers lies."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from skysort.classifier.evidence import Evidence
from skysort.classifier.proof import Logits
from skysort.classifier.runtime import EVIDENCE, OnnxModel
from skysort.data.decode import Pixels
from skysort.transfer.network import LinearHead, whole_model


@dataclass(frozen=True)
class OutOfFold:
    """The answers to N training pictures."""

    logits: Logits
    """(N, classes), by the head of each picture."""
    heads: tuple[LinearHead, ...]
    """One per fold, which learned from the other folds."""
    head_of: NDArray[np.int64]
    """(N,) number of the head that has not seen the picture."""

    def evidence(
        self, pictures: Pixels, numbers: NDArray[np.int64], backbone: Path, classes: Sequence[str], *, flip: bool
    ) -> Evidence:
        """Return the (M, classes, h, w) evidence for the answers to some of the pictures.

        Args:
            pictures: (M, 3, size, size) uint8.
            numbers: (M,) of these pictures among the N, at least one.
            backbone: its ONNX file.
            classes: in the order of the logits.
            flip: as for `whole_model`.
        """
        parts, places = [], []
        for number in np.unique(self.head_of[numbers]):
            of_head = np.flatnonzero(self.head_of[numbers] == number)
            with TemporaryDirectory() as folder:
                model = Path(folder) / "model.onnx"
                model.write_bytes(whole_model(backbone, self.heads[number], classes, flip=flip))
                (evidence,) = OnnxModel(model).compute(pictures[of_head], EVIDENCE)
            parts.append(evidence)
            places.append(of_head)
        in_order: Evidence = np.concatenate(parts)[np.argsort(np.concatenate(places))]
        return in_order
