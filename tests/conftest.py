"""What all tests share: caches and data folders of their own, and a way to make pictures."""

import fcntl
import io
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from _pytest.doctest import DoctestModule
from hypothesis import HealthCheck, settings
from PIL import Image

from skysort.core.errors import SkysortError
from tests.warm import WarmCommand, warm_command

if TYPE_CHECKING:
    from playwright.sync_api import Browser

HERE = Path(__file__).parent

# A shell without job control lets what it starts in the background ignore Ctrl-C, and that is inherited.
signal.signal(signal.SIGINT, signal.default_int_handler)

# `make test` draws the same examples each time, so that only a change can break it; `make fuzz` draws others, and
# `make check` the first few.
# No deadline: the computer may be slow and busy. The fixtures that many examples share are folders.
profile = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
settings.register_profile("test", profile, derandomize=True, database=None)
settings.register_profile("quick", settings.get_profile("test"), max_examples=15)
settings.register_profile("fuzz", profile, max_examples=3000)
settings.load_profile("test")

SharedFolder = Callable[[str, Callable[[Path], object]], Path]

WHOLE = ("commands", "docs", "experiments", "faults", "runs")
"""Folders of tests that need several packages together: most of them train, or start processes."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--quick",
        action="store_true",
        help="Run only tests of one package that need no trained run and are not marked slow.",
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("quick"):
        settings.load_profile("quick")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    return (config.getoption("quick") and collection_path.parent == HERE and collection_path.name in WHOLE) or None


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(file_path: Path) -> Generator[None, list[pytest.Collector], list[pytest.Collector]]:
    """Look for examples only in modules that have some: to load and search all others takes seconds."""
    collectors = yield
    if not collectors or ">>>" in file_path.read_text("utf-8"):
        return collectors
    return [collector for collector in collectors if not isinstance(collector, DoctestModule)]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("quick"):
        slow = {item for item in items if item.get_closest_marker("slow") or _needs_a_run(item)}
        config.hook.pytest_deselected(items=[*slow])
        items[:] = [item for item in items if item not in slow]


def _needs_a_run(item: pytest.Item) -> bool:
    return isinstance(item, pytest.Function) and "finished_run" in item.fixturenames


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> SharedFolder:
    """Make a folder once for all processes of pytest-xdist. The first that needs it fills it; others wait.

    `shared_folder(name, fill)` calls `fill` with an empty folder. Tests must not change what is in it.
    """
    base = tmp_path_factory.getbasetemp()
    top = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def folder(name: str, fill: Callable[[Path], object]) -> Path:
        path, finished = top / name, top / f"{name}.finished"
        with (top / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not finished.exists():
                shutil.rmtree(path, ignore_errors=True)
                path.mkdir()
                fill(path)
                finished.touch()
        return path

    return folder


@pytest.fixture(scope="session")
def session_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def own_folders(monkeypatch: pytest.MonkeyPatch, session_cache: Path, tmp_path: Path) -> None:
    """No test touches the person's cache or data, or the network."""
    monkeypatch.setenv("SKYSORT_CACHE", str(session_cache))
    monkeypatch.setenv("SKYSORT_DATA", str(tmp_path / "no-data"))
    monkeypatch.setenv("SKYSORT_OFFLINE", "1")


@pytest.fixture(scope="module", autouse=True)
def empty_charts(request: pytest.FixtureRequest) -> Iterator[object]:
    """Leave the charts of reports empty: most of the time of a short run goes into them.

    Tests that look at charts use `drawn_charts`, or run commands in processes of their own.
    """
    if not any(HERE / name in request.path.parents for name in (*WHOLE, "report")):
        yield None
        return
    from matplotlib.figure import Figure

    draw = Figure.draw
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Figure, "draw", lambda _figure, _renderer: None)
        yield draw


@pytest.fixture
def drawn_charts(empty_charts: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw the charts of reports."""
    monkeypatch.setattr("matplotlib.figure.Figure.draw", empty_charts)


@pytest.fixture
def in_float64() -> Iterator[None]:
    """Compute in float64, where processors agree to 1e-9 and a wrong formula does not."""
    import torch

    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@contextmanager
def refused(code: str, *facts: object, exit_code: int = 1) -> Iterator[None]:
    """Expect an error with a code and an exit code, whose message holds facts: names, numbers, paths."""
    with pytest.raises(SkysortError) as error:
        yield
    assert (error.value.code, error.value.exit_code) == (code, exit_code)
    assert lacking(str(error.value), *facts) == [], str(error.value)


def lacking(message: str, *facts: object) -> list[str]:
    """Return the facts that a message lacks."""
    return [fact for fact in map(str, facts) if fact not in message]


def numbers(text: str) -> list[str]:
    """Return the numbers in a text, in order.

    >>> numbers("87.00 % of 2,000, at least 4.9e-324")
    ['87.00', '2,000', '4.9e-324']
    """
    return re.findall(r"\d+(?:,\d{3})*(?:\.\d+)?(?:e-?\d+)?", text)


def picture_bytes(seed: int, size: tuple[int, int] = (32, 32), form: str = "PNG") -> bytes:
    """Return an image file of random pixels; equal seeds give equal pixels."""
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, form)
    return file.getvalue()


@pytest.fixture
def make_folder(tmp_path: Path) -> Callable[..., Path]:
    """Make a folder of pictures: `make_folder({"cat": 8, "train/dog": 8})` has so many different ones in each."""

    def make(counts: dict[str, int], name: str = "pictures") -> Path:
        folder = tmp_path / name
        seed = 0
        for below, num in counts.items():
            (folder / below).mkdir(parents=True, exist_ok=True)
            for number in range(num):
                (folder / below / f"{number}.png").write_bytes(picture_bytes(seed))
                seed += 1
        return folder

    return make


def start(*arguments: object, **environment: str) -> subprocess.Popen[str]:
    """Start a command in a process of its own, as a person does."""
    return subprocess.Popen(
        [sys.executable, "-m", "skysort", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )


def command(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a process of its own, to its end."""
    process = start(*arguments, **environment)
    out, err = process.communicate(timeout=300)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


@pytest.fixture(scope="session")
def warm(tmp_path_factory: pytest.TempPathFactory, session_cache: Path) -> Iterator[WarmCommand]:
    """The command `skysort`, forked from a process with all libraries loaded."""
    if not hasattr(os, "pidfd_open"):
        pytest.skip("only Linux tells by a file descriptor when a fork has ended")
    with warm_command(tmp_path_factory.mktemp("warm"), session_cache) as command:
        yield command


@pytest.fixture(scope="session")
def forked(request: pytest.FixtureRequest, session_cache: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a command to its end: by a fork where the system can, and else in a process of its own."""
    if hasattr(os, "pidfd_open"):
        warm: WarmCommand = request.getfixturevalue("warm")
        return warm
    return partial(command, SKYSORT_CACHE=str(session_cache), SKYSORT_OFFLINE="1")


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    """Where SKYSORT_BROWSER names one, as `.ci/run` does, it has to be there."""
    asked = os.environ.get("SKYSORT_BROWSER")
    found = shutil.which(asked or "chromium")
    if found is None:
        if asked:
            pytest.fail(f"SKYSORT_BROWSER is {asked}, which is not installed")
        pytest.skip("Chromium is not installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        camera = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
        started = playwright.chromium.launch(
            executable_path=found, args=["--no-sandbox", "--disable-gpu", *camera]
        )
        yield started
        started.close()


class Clock:
    """A clock that a test moves on."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock that progress goes by."""
    clock = Clock()
    monkeypatch.setattr("skysort.core.progress.time", clock)
    return clock


@pytest.fixture(scope="session")
def finished_run(shared_folder: SharedFolder, forked: Callable[..., subprocess.CompletedProcess[str]]) -> Path:
    """A small run, from the command line. Not to be changed: copy it first."""

    def train(run: Path) -> None:
        short = ("--set", "training.epochs=2", "--threads", 1)
        done = forked("train", "skies:240", "--recipe", "convnet", "--run", run, *short)
        assert done.returncode == 0, done.stderr

    return shared_folder("finished", train)
