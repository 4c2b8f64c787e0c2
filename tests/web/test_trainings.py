"""Trainings as processes: found by whoever looks, however they began and ended."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from skysort.core.locks import locked
from skysort.web.training_log import MOST_MESSAGES, History, TrainingLog
from skysort.web.trainings import Training, Trainings
from tests.conftest import refused

STAND_IN = """
import json, os, signal, sys, time
from pathlib import Path

def tell(**line):
    print(json.dumps(line), file=sys.stderr, flush=True)

run = Path(sys.argv[-3] if sys.argv[1] == "train" else sys.argv[2])
tell(event="started", pid=os.getpid())
if "fails" in run.name:
    tell(event="message", text="here we go")
    tell(error={"code": "no-pictures", "message": "there are none"})
    sys.exit(2)
if "breaks" in run.name:
    sys.exit("Traceback\\nTypeError: a bug")
if "early" not in run.name:
    run.mkdir(exist_ok=True)
    (run / "recipe.toml").touch()
tell(event="progress", what="Training", done=1, total=8, unit="pictures", note="", rate=2.0, seconds_left=4)

def end(*_):
    tell(error={"code": "interrupted", "message": "stopped in epoch 1"})
    sys.exit(1)

signal.signal(signal.SIGTERM, end)
Path(run.parent / "words").write_text(" ".join(sys.argv[1:]))
time.sleep(60)
"""
HOLD = """
import sys
from pathlib import Path
from skysort.core.locks import locked

with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""
HEAD = (
    "kind,epoch,step,train_loss,train_accuracy,validation_loss,validation_accuracy,learning_rate,seconds,"
    "pictures_per_second\n"
)


@pytest.fixture
def trainings(tmp_path: Path) -> Iterator[Trainings]:
    """Trainings by a stand-in for the command line, which trains for a minute."""
    (tmp_path / "stand_in.py").write_text(STAND_IN)
    trainings = again(tmp_path)
    yield trainings
    for process in trainings._processes.values():
        process.kill()
        process.wait()


def again(folder: Path) -> Trainings:
    return Trainings(folder / "runs", (sys.executable, "-IS", str(folder / "stand_in.py")))


def until(trainings: Trainings, name: str, holds: Callable[[Training], object]) -> Training:
    for _ in range(400):
        now = trainings.training(name)
        if holds(now):
            return now
        time.sleep(0.02)
    raise AssertionError(now)


def begun(trainings: Trainings, name: str = "mine") -> Training:
    trainings.start(name, ["pictures"])
    return until(trainings, name, lambda now: now.step and (now.has_run or "early" in name))


def test_starts_and_stops_and_goes_on(trainings: Trainings) -> None:
    now = begun(trainings)
    assert (now.state, now.can_stop, now.step.what, now.step.seconds_left) == ("running", True, "Training", 4)
    assert trainings.names() == ["mine"]
    words = (trainings.runs / "words").read_text()
    assert words == f"train pictures --run {trainings.runs / 'mine'} --format json"
    with refused("in-use", "mine"):
        trainings.start("other", [])
    with refused("wrong-value", "running"):
        trainings.go_on("mine")
    trainings.stop("mine")
    now = until(trainings, "mine", lambda now: now.state != "running")
    assert (now.state, now.error.message, now.can_stop) == ("stopped", "stopped in epoch 1", False)
    trainings.stop("mine")  # it has ended already
    trainings.go_on("mine")
    assert until(trainings, "mine", lambda now: now.step).state == "running"
    trainings.stop("mine")
    until(trainings, "mine", lambda now: now.state != "running")
    with refused("output-taken", "mine"):
        trainings.start("mine", [])


def test_another_studio_finds_and_stops_it(trainings: Trainings, tmp_path: Path) -> None:
    begun(trainings)
    other = again(tmp_path)
    assert (other.training("mine").state, other.training("mine").can_stop) == ("running", True)
    with refused("in-use"):
        other.start("second", [])
    other.stop("mine")
    assert until(other, "mine", lambda now: now.state != "running").state == "stopped"


def test_a_killed_process_shows_as_stopped(trainings: Trainings, tmp_path: Path) -> None:
    begun(trainings)
    (process,) = trainings._processes.values()
    other = again(tmp_path)
    process.send_signal(signal.SIGKILL)
    process.wait()
    for looks in (trainings, other):
        now = looks.training("mine")
        assert (now.state, now.has_run, now.error) == ("stopped", True, None)
    other.go_on("mine")
    assert until(trainings, "mine", lambda now: now.step).state == "running"
    other.stop("mine")
    until(trainings, "mine", lambda now: now.state == "stopped")
    (process,) = other._processes.values()
    process.wait()


@pytest.mark.parametrize(
    ("name", "code", "message"), [("fails", "no-pictures", "there are none"), ("breaks", "system", "a bug")]
)
def test_an_error_is_shown_with_its_code(trainings: Trainings, name: str, code: str, message: str) -> None:
    trainings.start(name, [])
    now = until(trainings, name, lambda now: now.state != "running")
    assert (now.state, now.error.code, now.has_run) == ("failed", code, False) and message in now.error.message
    with refused("wrong-value", "failed"):
        trainings.go_on(name)


def test_one_that_is_stopped_before_it_has_a_folder(trainings: Trainings) -> None:
    begun(trainings, "early")
    trainings.stop("early")
    now = until(trainings, "early", lambda now: now.state != "running")
    assert (now.state, now.has_run) == ("stopped", False)
    trainings.start("early", [])
    assert trainings.training("early").state == "running"


def test_one_from_a_terminal_is_shown_and_stopped_there(trainings: Trainings) -> None:
    run = trainings.runs / "mine"
    run.mkdir(parents=True)
    (run / "recipe.toml").touch()
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, run / "recipe.toml"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout.readline() == b"held\n"
        now = trainings.training("mine")
        assert (now.state, now.can_stop) == ("running", False)
        with refused("in-use", "Ctrl-C"):
            trainings.stop("mine")
    assert trainings.training("mine").state == "stopped"
    with locked(run / "recipe.toml"):
        pass


@pytest.mark.parametrize("name", ["", "..", "a/b", "a\\b", ".hidden", "ends.", "x" * 81, "a\n", "-rf"])
def test_what_is_no_name(trainings: Trainings, name: str) -> None:
    with refused("wrong-value", exit_code=2):
        trainings.start(name, [])


@pytest.mark.parametrize("name", ["", "..", "nothing", "../runs/mine"])
def test_no_name_from_a_page_is_a_path(trainings: Trainings, name: str) -> None:
    (trainings.runs / "mine").mkdir(parents=True)
    (trainings.runs / "mine" / "recipe.toml").touch()
    for act in (trainings.training, trainings.stop, trainings.go_on, trainings.run):
        with refused("not-a-run", exit_code=2):
            act(name)


def test_free_names(trainings: Trainings) -> None:
    assert trainings.free_name("my pictures!") == "my-pictures"
    (trainings.runs / "my-pictures").mkdir(parents=True)
    assert trainings.free_name("my pictures!") == "my-pictures-2"
    assert trainings.free_name("鸟") == "鸟" and trainings.free_name("...") == "run"


def test_a_log_is_read_as_it_grows(tmp_path: Path) -> None:
    log = TrainingLog(tmp_path / "log")
    log.read()
    lines = [json.dumps({"event": "message", "text": f"\udcff {number}"}) for number in range(MOST_MESSAGES + 5)]
    with log.path.open("w") as file:
        file.write("\n".join(lines)[:-2])
    log.read()
    assert len(log.messages) == MOST_MESSAGES and log.messages[-1] == f"\\udcff {MOST_MESSAGES + 3}"
    with log.path.open("a") as file:
        file.write('"}\n{"event": "progress", "done": "no number"}\n\xff\n[1]\n')
    log.read()
    assert log.messages[-1] == f"\\udcff {MOST_MESSAGES + 4}" and log.last_words == "[1]" and log.step is None
    log.path.write_text('{"error": {"code": "system", "message": "full"}}\n')
    log.read()
    assert (log.messages, log.error.message, log.last_words) == ([], "full", "")
    log.path.unlink()
    log.read()
    assert log.error is None


def test_a_history_is_read_as_it_grows_and_is_cut(tmp_path: Path) -> None:
    history = History(tmp_path / "history.csv")
    assert history.read() == ([], False)
    row = "epoch,{},9,0.5,0.75,,,0.1,1,100\n"
    history_file = tmp_path / "history.csv"
    history_file.write_text(HEAD + row.format(1) + "steps,2,1,0.5,0.7,,,0.1,1,100\n" + row.format(2)[:9])
    epochs, is_new = history.read()
    assert ([one.epoch for one in epochs], epochs[0].validation_loss, is_new) == ([1], None, True)
    history_file.write_text(HEAD + row.format(1) + "steps,2,1,0.5,0.7,,,0.1,1,100\n" + row.format(2) + "epoch,x\n")
    epochs, is_new = history.read()
    assert ([one.epoch for one in epochs], is_new) == ([2], False)
    history_file.write_text(HEAD + row.format(1))
    epochs, is_new = history.read()
    assert ([one.epoch for one in epochs], is_new) == ([1], True)
