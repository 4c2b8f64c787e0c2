"""A run that was killed, at whatever moment, and resumed ends with the same bytes as one that was not."""

import os
import re
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.commands.conftest import Ended
from tests.conftest import SharedFolder, picture_bytes, start
from tests.warm import WarmCommand

ARGUMENTS = ("--recipe", "lenet", "--set", "training.epochs=3", "--set", "pictures.size=16", "--threads", 1)
WEIGHTS = Path("classifier") / "model.safetensors"


@pytest.fixture(scope="module")
def untouched(shared_folder: SharedFolder, warm: WarmCommand) -> Path:
    def train(run: Path) -> None:
        done = warm("train", "skies:600", *ARGUMENTS, "--run", run)
        assert done.returncode == 0, done.stderr

    return shared_folder("untouched-lenet", train)


def interrupting(number: signal.Signals, num_renames: int) -> str:
    """Return lines of Python after which a process signals itself before its n-th rename.

    Whatever Skysort leaves behind it renames into place, so that between two renames nothing changes that
    another process could see: to be killed before each is to be killed at every moment.
    """
    return f"""
import os
import signal

# as in a terminal; what a shell runs in the background ignores it
signal.signal(signal.SIGINT, signal.default_int_handler)
num_left = {num_renames}

def before(rename):
    def renamed(*arguments, **options):
        global num_left
        num_left -= 1
        if num_left == 0:
            signal.raise_signal({int(number)})  # in this thread, and at once
        return rename(*arguments, **options)
    return renamed

os.rename, os.replace = before(os.rename), before(os.replace)
"""


def test_killed_again_and_again_and_resumed_gives_the_same_bytes(
    warm: WarmCommand, untouched: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    train, resume = ("train", "skies:600", *ARGUMENTS, "--run", run), ("train", "--resume", run)
    for arguments, num_renames, expected in (
        (train, 4, None),  # recipe and pictures are written, the run folder is not yet in place
        (train, 5, "pictures.csv"),  # before the first checkpoint
        (resume, 2, "checkpoint"),  # between the tensors of a checkpoint and its state
        (resume, 3, "checkpoint/state.json"),  # one epoch is done, the next is not saved
        (resume, 5, "checkpoint/state.json"),  # all epochs are done, no file of the classifier is there
        (resume, 4, "checkpoint/state.json"),  # half of the classifier is there
        (resume, 6, "checkpoint/state.json"),  # all of it is, but not in place
        (resume, 7, "classifier"),  # nothing is measured
        (resume, 2, "calibration.csv"),
        (resume, 5, "report.html"),  # all but metrics.json
    ):
        ended = warm(*arguments, before=interrupting(signal.SIGKILL, num_renames))
        assert ended.returncode == -signal.SIGKILL, ended.stderr
        assert (run / expected).exists() if expected else not run.exists()
        assert not (run / "metrics.json").exists()
        if expected is None:
            assert list(tmp_path.glob(".run.*.partial"))
    done = warm(*resume)
    assert done.returncode == 0, done.stderr
    assert not list(tmp_path.glob(".*"))
    assert (run / WEIGHTS).read_bytes() == (untouched / WEIGHTS).read_bytes()
    for name in ("predictions.csv", "classifier/proof.npz", "classifier/model.onnx"):  # with the temperature
        assert (run / name).read_bytes() == (untouched / name).read_bytes()
    assert not list(run.rglob(".*"))


def test_two_processes_do_not_work_on_one_run(
    skysort_command: Callable[..., Ended], warm: WarmCommand, untouched: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    (tmp_path / "sitecustomize.py").write_text(interrupting(signal.SIGSTOP, 8))
    first = start("train", "skies:600", *ARGUMENTS, "--run", run, PYTHONPATH=str(tmp_path))
    try:
        _, status = os.waitpid(first.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        ended = skysort_command("train", "--resume", run)
        assert (ended.code, ended.out, ended.error) == (1, "", "in-use")
        assert str(run) in ended.err
    finally:
        first.kill()
        first.communicate()
    assert warm("train", "--resume", run).returncode == 0
    assert (run / WEIGHTS).read_bytes() == (untouched / WEIGHTS).read_bytes()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_asked_to_stop_it_says_how_to_go_on(
    number: signal.Signals, warm: WarmCommand, untouched: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    after_one_epoch = interrupting(number, 6)
    ended = warm("train", "skies:600", *ARGUMENTS, "--run", run, before=after_one_epoch)
    assert ended.returncode == 1
    assert ended.stderr.endswith(" [interrupted]\n")
    for fact in ("epoch 2", "step 0", f"skysort resume {run}"):
        assert fact in ended.stderr.splitlines()[-1]
    assert "Traceback" not in ended.stderr
    assert warm("train", "--resume", run).returncode == 0
    assert (run / WEIGHTS).read_bytes() == (untouched / WEIGHTS).read_bytes()


@pytest.mark.parametrize(
    ("number", "num_renames", "has_classifier"), [(signal.SIGINT, 13, False), (signal.SIGTERM, 19, True)]
)
def test_interrupted_after_training_it_says_how_to_go_on(
    number: signal.Signals, num_renames: int, has_classifier: bool, warm: WarmCommand, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    interrupted = interrupting(number, num_renames)
    ended = warm("train", "skies:600", *ARGUMENTS, "--run", run, before=interrupted)
    assert ended.returncode == 1
    assert ended.stderr.endswith(f" skysort resume {run} [interrupted]\n")
    assert (run / "classifier").exists() == has_classifier
    assert not (run / "metrics.json").exists()


@pytest.mark.parametrize("name", ["checkpoint", "classifier", "metrics.json", "checkpoint/tensors-0.safetensors"])
def test_a_run_folder_with_a_link_is_refused_and_what_it_leads_to_stays(
    name: str, skysort_command: Callable[..., Ended], untouched: Path, tmp_path: Path
) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "IMG_1.jpg").write_text("mine")
    run = shutil.copytree(untouched, tmp_path / "run")
    for other in ("classifier", "checkpoint"):
        shutil.rmtree(run / other)
    (run / "metrics.json").unlink()
    (run / name).parent.mkdir(exist_ok=True)
    (run / name).symlink_to(photos / "IMG_1.jpg" if "." in name else photos)
    ended = skysort_command("train", "--resume", run)
    assert (ended.code, ended.out, ended.error) == (1, "", "linked-folder")
    assert str(run / name) in ended.err
    assert {path.name: path.read_text() for path in photos.iterdir()} == {"IMG_1.jpg": "mine"}


def test_resuming_a_finished_run_does_nothing_and_says_what_to_do(
    skysort_command: Callable[..., Ended], untouched: Path, tmp_path: Path
) -> None:
    before = {path: path.stat().st_mtime_ns for path in untouched.rglob("*")}
    ended = skysort_command("train", "--resume", untouched)
    assert ended.code == 0
    assert ended.error is None and str(untouched) in ended.err
    evaluate, predict = re.findall(r"with: skysort (.*?)(?:;|\n)", ended.err)
    assert (evaluate, predict) == (f"evaluate {untouched}", f"predict {untouched} PICTURES")
    (tmp_path / "bird.png").write_bytes(picture_bytes(0))
    assert skysort_command(*predict.replace("PICTURES", str(tmp_path / "bird.png")).split()).code == 0
    assert {path: path.stat().st_mtime_ns for path in untouched.rglob("*")} == before
