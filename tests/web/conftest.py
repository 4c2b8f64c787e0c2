"""A service over the finished run, asked in this process."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright
from starlette.testclient import TestClient

from skysort.web.live import LiveClassifier
from skysort.web.service import service
from tests.conftest import SharedFolder, command

PORT = 8000
HERE = f"http://127.0.0.1:{PORT}"


@pytest.fixture(scope="session")
def decided(shared_folder: SharedFolder, finished_run: Path) -> Path:
    """The finished run with a decision. Not to be changed: copy it first."""

    def decide(folder: Path) -> None:
        shutil.copytree(finished_run, folder / "run")
        promise = ("--keep", "bird", "--lose-at-most", "50%", "--confidence", "50%")
        done = command("decide", folder / "run", *promise)
        assert done.returncode == 0, done.stderr

    return shared_folder("for-the-service", decide) / "run"


@pytest.fixture
def live(decided: Path) -> LiveClassifier:
    return LiveClassifier(decided)


@pytest.fixture
def client(live: LiveClassifier) -> Iterator[TestClient]:
    with TestClient(service(live, PORT), base_url=HERE, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Where SKYSORT_BROWSER names one, as `.ci/run` does, it has to be there."""
    asked = os.environ.get("SKYSORT_BROWSER")
    found = shutil.which(asked or "chromium")
    if found is None:
        if asked:
            pytest.fail(f"SKYSORT_BROWSER is {asked}, which is not installed")
        pytest.skip("Chromium is not installed")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        yield started
        started.close()
