"""A service over the finished run, asked in this process."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from starlette.testclient import TestClient

from skysort.web.live import LiveClassifier
from skysort.web.service import service
from tests.conftest import SharedFolder

PORT = 8000
HERE = f"http://127.0.0.1:{PORT}"


@pytest.fixture(scope="session")
def decided(shared_folder: SharedFolder, finished_run: Path, forked: Callable[..., CompletedProcess[str]]) -> Path:
    """The finished run with a decision. Not to be changed: copy it first."""

    def decide(folder: Path) -> None:
        shutil.copytree(finished_run, folder / "run")
        promise = ("--keep", "bird", "--lose-at-most", "50%", "--confidence", "50%")
        done = forked("decide", folder / "run", *promise)
        assert done.returncode == 0, done.stderr

    return shared_folder("for-the-service", decide) / "run"


@pytest.fixture
def live(decided: Path) -> LiveClassifier:
    return LiveClassifier(decided)


@pytest.fixture
def client(live: LiveClassifier) -> Iterator[TestClient]:
    with TestClient(service(live, PORT), base_url=HERE, raise_server_exceptions=False) as client:
        yield client
