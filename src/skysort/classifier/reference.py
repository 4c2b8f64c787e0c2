"""Features of training pictures, which tell how near a picture is to them.

The similarity of a picture is the mean cosine between its features and those of the five nearest pictures of the
reference, times a weight. Added to the negative energy, it makes the score for out-of-distribution pictures. The
nearest neighbours see pictures of another kind, and the energy sees another class of the same kind: each fails
where the other does not. Park et al. (Nearest Neighbor Guidance for Out-of-Distribution Detection, 2023) multiply
such a pair.

The same sum is first in each column or within 0.05 of it, so nothing is chosen per classifier. Leaving classes
out would only show other classes of the same kind, and it takes three classes.
AUROC for EfficientNet-Lite0, mean over draws:

                                  species   CIFAR-10   and small   two classes
    negative energy                 0.932      0.969       0.723         0.625
    maximum logit                   0.932      0.972       0.720         0.625
    mean cosine of the nearest      0.848      1.000       0.957         0.754
    Mahalanobis, of length 1        0.813      1.000       0.965         0.764
    Mahalanobis                     0.737      1.000       0.899         0.704
    negative energy + similarity    0.937      1.000       0.921         0.751

Species: ten of 20 species of birds are known, the other ten outside (about 196 and 587 pictures; six draws, from
0.910 to 0.974 for the sum). CIFAR-10: 20 species are known, pictures of its nine classes other than bird outside
(392 and 360; three draws). And small: the held-out birds (65 to 70) are as small as CIFAR-10's pictures, so that
sharpness tells nothing. Two classes: CIFAR-10's birds and airplanes are known, its other eight classes outside
(167 and 320). Two thirds of the known pictures are learned from. Mahalanobis distances are to the nearest class
mean, with the covariance of Ledoit and Wolf (2004). We chose the sum among some 30 scores by other draws of the
same pictures, so its figures may be somewhat high; only the outside pictures of the second and third
columns are new.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from skysort.classifier.damage import reading
from skysort.classifier.npz import read_arrays
from skysort.core.files import whole_file

MOST_ROWS = 2_000
"""Pictures in a reference: 5 MB of 1,280 features each."""
ROWS_AT_ONCE = 1_024
NEAREST = 5
SMALLEST_SPREAD = 1e-6
"""Of cosines. A smaller one is rounding."""
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Reference:
    """The features of training pictures."""

    features: Floats
    """(R, D), each row of length 1."""
    weight: float
    """Of the mean cosine beside the negative energy."""

    @classmethod
    def of(cls, features: Floats, energies: NDArray[np.float64], groups: NDArray[np.int64]) -> Self:
        """Return a reference whose similarity varies as much as the negative energy.

        Both standard deviations are those of training pictures. The energies come from heads that have not seen
        the picture, and the cosines leave out the picture and its group.

        Args:
            features: (R, D) of at least NEAREST training pictures.
            energies: (R,) negative energies by logits out of fold.
            groups: (R,) numbers that are equal for pictures that are not independent.
        """
        # Rounded as they are stored, so that a threshold set now holds for the classifier when loaded.
        rows = _of_length_1(features).astype(np.float16).astype(np.float32)
        spread = float(cls(rows, 1.0).similarities(rows, groups, groups).std())
        return cls(rows, float(energies.std()) / spread if spread > SMALLEST_SPREAD else 0.0)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read reference.npz.

        Raises:
            SkysortError: when the file is damaged.
        """
        with reading(path):
            features, weight = read_arrays(path, "features", "weight")
            if features.dtype != np.float16 or features.ndim != 2 or not 1 <= len(features) <= MOST_ROWS:
                raise ValueError(f"expected float16 features of 1 to {MOST_ROWS:,} pictures")
            if weight.dtype != np.float64 or weight.shape or not (np.isfinite(weight) and weight >= 0):
                raise ValueError("expected a weight of 0 or more")
            if not np.isfinite(features).all():
                raise ValueError("expected finite features")
            return cls(features.astype(np.float32), float(weight))

    def write(self, path: Path) -> None:
        """Write reference.npz, whole or not at all."""
        with whole_file(path, "wb") as file:
            np.savez(file, features=self.features.astype(np.float16), weight=np.float64(self.weight))

    def similarities(
        self,
        features: Floats,
        groups: NDArray[np.int64] | None = None,
        own_groups: NDArray[np.int64] | None = None,
    ) -> NDArray[np.float64]:
        """Return the (N,) weighted similarities of pictures with (N, D) features.

        Args:
            features: of the pictures.
            groups: (N,) of training pictures, each of which leaves out the reference's pictures of its own group;
                None for new pictures.
            own_groups: (R,) of the reference's pictures, if groups are given.
        """
        means = []
        for start in range(0, len(features), ROWS_AT_ONCE):
            part = slice(start, start + ROWS_AT_ONCE)
            cosines = _of_length_1(features[part]) @ self.features.T
            if groups is not None and own_groups is not None:
                cosines[groups[part, None] == own_groups] = 0.0  # the least, as no feature is negative
            means.append(_mean_of_nearest(cosines))
        return self.weight * np.concatenate(means)

    def nearest(self, features: Floats, num: int) -> NDArray[np.int64]:
        """Return the (N, num) rows that are most like pictures with (N, D) features, by cosine, nearest first."""
        order: NDArray[np.int64] = np.argsort(-_of_length_1(features) @ self.features.T, axis=1, kind="stable")
        return order[:, :num]


def _of_length_1(features: Floats) -> Floats:
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    rows: Floats = (features / np.maximum(lengths, np.finfo(np.float32).tiny)).astype(np.float32)
    return rows


def _mean_of_nearest(cosines: Floats) -> NDArray[np.float64]:
    num = min(NEAREST, cosines.shape[1])
    nearest = np.partition(cosines, -num, axis=1)[:, -num:]
    means: NDArray[np.float64] = nearest.mean(axis=1, dtype=np.float64)
    return means
