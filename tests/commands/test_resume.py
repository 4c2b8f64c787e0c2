"""A run that was killed, at whatever moment, and resumed ends with the same bytes as one that was not."""

import json
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.commands.conftest import Ended
from tests.conftest import command, start

ARGUMENTS = ("--recipe", "lenet", "--set", "training.epochs=3", "--set", "pictures.size=16", "--threads", 1)
WEIGHTS = Path("classifier") / "model.safetensors"


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory, session_cache: Path) -> Path:
    run = tmp_path_factory.mktemp("untouched") / "run"
    done = command("train", "skies:600", *ARGUMENTS, "--run", run, SKYSORT_CACHE=str(session_cache))
    assert done.returncode == 0, done.stderr
    return run


def wait_until(reached: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Look often; a process that ends or hangs before it gets there fails the test."""
    for _ in range(60_000):
        if reached():
            return
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.001)
    raise AssertionError("it never got there")


def moments(run: Path) -> Iterator[Callable[[], bool]]:
    """Moments to be killed at, in the order a run meets them."""
    yield lambda: (run / "data.json").exists()
    yield lambda: (run / "checkpoint" / "state.json").exists()
    yield lambda: json.loads((run / "checkpoint" / "state.json").read_text("utf-8"))["epoch"] == 3
    yield lambda: any(run.glob(".classifier.*.partial"))
    yield lambda: any(run.glob(".classifier.*.partial/model.safetensors"))
    yield lambda: (run / "classifier").exists()


def test_killed_again_and_again_and_resumed_gives_the_same_bytes(untouched: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    how = ("train", "skies:600", *ARGUMENTS, "--run", run)
    for reached in moments(run):
        process = start(*how)
        wait_until(reached, process)
        process.kill()
        process.communicate()
        assert not (run / "metrics.json").exists()
        how = ("train", "--resume", run)
    done = command(*how)
    assert done.returncode == 0, done.stderr
    assert (run / WEIGHTS).read_bytes() == (untouched / WEIGHTS).read_bytes()
    assert (run / "predictions.csv").read_bytes() == (untouched / "predictions.csv").read_bytes()
    assert not list(run.glob(".*"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_asked_to_stop_it_says_how_to_go_on(number: signal.Signals, untouched: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    process = start("train", "skies:600", *ARGUMENTS, "--run", run)
    wait_until(lambda: (run / "history.csv").exists(), process)
    process.send_signal(number)
    _, err = process.communicate()
    assert process.returncode == 1
    assert f"skysort train --resume {run}" in err
    assert "Traceback" not in err
    assert command("train", "--resume", run).returncode == 0
    assert (run / WEIGHTS).read_bytes() == (untouched / WEIGHTS).read_bytes()


def test_resuming_a_finished_run_does_nothing(skysort_command: Callable[..., Ended], untouched: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in untouched.rglob("*")}
    ended = skysort_command("train", "--resume", untouched)
    assert ended.code == 0
    assert "is finished; there is nothing to resume" in ended.err
    assert {path: path.stat().st_mtime_ns for path in untouched.rglob("*")} == before
