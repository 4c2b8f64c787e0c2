import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from skysort.work import moves

SHARED_MEMORY = Path("/dev/shm")


@pytest.fixture
def in_memory(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory, where syncs are quick; otherwise a usual one."""
    if not SHARED_MEMORY.is_dir():
        yield tmp_path
        return
    folder = Path(tempfile.mkdtemp(prefix="skysort-test-", dir=SHARED_MEMORY))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def across(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the inbox look like a file system of its own."""
    plain = moves.rename_new

    def rename(source: Path, target: Path, mark: str) -> None:
        if ("inbox" in source.parts) != ("inbox" in target.parts):
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        plain(source, target, mark)

    monkeypatch.setattr(moves, "rename_new", rename)
