"""Large libraries, imported without garbage collection."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def loading() -> Iterator[None]:
    """Collect no garbage while large libraries are imported: it takes a fifth of the time and finds none.

    The objects that they made join the oldest ones, which Python looks through least often.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        if not gc.get_freeze_count():  # a server may have frozen its own objects, and unfreezing takes all
            gc.freeze()
            gc.unfreeze()
        gc.enable()
