import signal
from collections.abc import Iterator

import pytest

from skysort.training.device import computing_threads


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """These networks are too small for two, and the computer may be busy."""
    with computing_threads(1):
        yield


@pytest.fixture(autouse=True)
def interruptible() -> Iterator[None]:
    """As in a terminal; what a shell runs in the background ignores Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
