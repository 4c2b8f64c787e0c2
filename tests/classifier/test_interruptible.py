import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from skysort.classifier.interruptible import interruptible
from tests.classifier.damaging import ENDLESS, LATER
from tests.conftest import picture_bytes


def nothing() -> None:
    pass


def test_results_and_errors_of_the_function_pass() -> None:
    assert interruptible(lambda: 7, nothing) == 7
    with pytest.raises(KeyError, match="lost"):
        interruptible(lambda: {}["lost"], nothing)
    assert interruptible(lambda: 8, nothing) == 8


def test_the_main_thread_uses_one_worker_and_other_threads_none() -> None:
    first, second = (interruptible(threading.current_thread, nothing) for _ in range(2))
    assert first is second is not threading.main_thread()
    found = []
    other = threading.Thread(target=lambda: found.append(interruptible(threading.current_thread, nothing)))
    other.start()
    other.join()
    assert found == [other]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_process_has_a_worker_of_its_own() -> None:
    interruptible(lambda: 7, nothing)
    child = os.fork()
    if not child:
        os._exit(interruptible(lambda: 9, nothing))
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 9


def started(*words: object) -> subprocess.Popen[str]:
    """Start a command that prints a line each time it starts to wait for ONNX Runtime."""
    script = f"""
import sys
from skysort.classifier import interruptible
of = interruptible._Worker.result
def result(self):
    print("at work", flush=True)
    return of(self)
interruptible._Worker.result = result
sys.argv = ["skysort", *{json.dumps([str(word) for word in words])}]
from skysort.cli import main
main()
"""
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    STARTED.append(process)
    return process


STARTED: list[subprocess.Popen[str]] = []


@pytest.fixture(autouse=True)
def none_goes_on() -> Iterator[None]:
    """Kill the process: if a signal does not end it, it would compute forever."""
    yield
    while STARTED:
        STARTED.pop().kill()


def wait_until_at_work(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None and process.stdout.readline() == "at work\n"


posix = pytest.mark.skipif(os.name != "posix", reason="Windows sends no signal to one process")


@posix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_an_endless_proof(number: signal.Signals, finished_run: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(finished_run / "classifier", tmp_path / "copy")
    ENDLESS(folder)
    (tmp_path / "1.png").touch()
    process = started("predict", folder, tmp_path / "1.png")
    wait_until_at_work(process)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said.count("\n")) == (1, 1)
    assert said.startswith("skysort: ") and said.endswith(" [interrupted]\n")


@posix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_watcher_whose_picture_never_ends(
    number: signal.Signals, finished_run: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(finished_run / "classifier", tmp_path / "copy")
    LATER["no end for one picture"](folder)
    (tmp_path / "inbox").mkdir()
    (tmp_path / "inbox" / "1.png").write_bytes(picture_bytes(1))
    where = ("--aside", tmp_path / "aside", "--settle", 0)
    process = started("watch", folder, tmp_path / "inbox", "--keep", "bird", *where)
    wait_until_at_work(process)  # on the proof
    wait_until_at_work(process)  # on the picture
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 0
    assert " ended " in said.splitlines()[-1]
    assert (tmp_path / "inbox" / "1.png").exists()
