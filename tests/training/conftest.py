from collections.abc import Iterator

import pytest

from skysort.training.device import computing_threads


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """These networks are too small for two, and the computer may be busy."""
    with computing_threads(1):
        yield
