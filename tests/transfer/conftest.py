"""What the tests of backbones share: the weights of the installed package, and drawn pictures."""

from pathlib import Path

import numpy as np
import pytest

from skysort.core.progress import SilentProgress
from skysort.data.dataset import Data, Dataset, open_dataset
from skysort.transfer.backbones import Backbone, shipped


@pytest.fixture
def lite0() -> Backbone:
    return shipped()["efficientnet-lite0"]


@pytest.fixture
def pictures(lite0: Backbone) -> np.ndarray:
    """(4, 3, 224, 224) uint8: noise, smoothed to different degrees."""
    rng = np.random.default_rng(0)
    size = lite0.size
    coarse = [rng.integers(0, 256, (3, size // step, size // step)) for step in (1, 4, 16, 56)]
    blown_up = [np.kron(noise, np.ones((1, size // noise.shape[1], size // noise.shape[1]))) for noise in coarse]
    return np.stack(blown_up).astype(np.uint8)


@pytest.fixture
def skies(lite0: Backbone) -> Dataset:
    data = Data.find("skies:24")
    return open_dataset(data, data.shape(lite0.size, 3, "stretch"), SilentProgress())


def weights_file(backbone: Backbone) -> Path:
    from skysort.transfer.backbones import checked_weights

    return checked_weights(backbone)
