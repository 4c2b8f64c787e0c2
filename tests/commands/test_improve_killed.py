"""An improve that is interrupted, killed, or not alone."""

import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import skysort
from skysort.classifier.format import read_table
from skysort.data.additions import FOLDER, TABLE
from skysort.runs import finish, improve
from skysort.runs.folder import Run
from tests.commands.conftest import Ended
from tests.commands.improving import NUM
from tests.conftest import refused
from tests.warm import WarmCommand

Command = Callable[..., Ended]


@pytest.mark.parametrize("at", ["copy", "write", "learn", "outcome", "measure"])
def test_an_interrupted_improve_begins_again_or_is_resumed(
    at: str, answered: Path, improved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    points = {
        "copy": (improve, "prepare"), "write": (improve, "write_start"), "learn": (finish, "learner"),
        "outcome": (finish, "finish_improvement"), "measure": (finish, "measure_run"),
    }  # fmt: skip
    folder = tmp_path / "run2"
    with monkeypatch.context() as patch:
        patch.setattr(*points[at], stop)
        with pytest.raises((KeyboardInterrupt, skysort.SkysortError)):
            skysort.improve(answered / "run", answered / "aside", folder)
    if at in ("copy", "write"):
        assert not folder.exists()
        run = skysort.improve(answered / "run", answered / "aside", folder)
    else:
        with refused("output-taken", "skysort resume"):
            skysort.improve(answered / "run", answered / "aside", folder)
        run = skysort.resume(folder)
    expected = Run(improved)
    places = {name: getattr(run.improvement, name) for name in ("run", "aside")}
    assert run.improvement == expected.improvement.model_copy(update=places)
    for name in ("pictures.csv", "answers/answers.csv", "data.json"):
        assert (run.path / name).read_bytes() == (improved / name).read_bytes()
    assert run.metrics.classifier == expected.metrics.classifier
    assert run.metrics.decisions == expected.metrics.decisions
    run.check_classifier()


def killing_before(name: str, num: int = 1) -> str:
    """Return lines of Python after which a process kills itself before the n-th rename to a name."""
    return f"""
import os, signal
num_left = {num}

def before(rename):
    def renamed(source, target, **options):
        global num_left
        num_left -= os.path.basename(target).endswith({name!r})
        if num_left == 0:
            signal.raise_signal(signal.SIGKILL)
        return rename(source, target, **options)
    return renamed

os.rename, os.replace = before(os.rename), before(os.replace)
"""


def test_killed_at_any_step_it_ends_like_one_that_was_not(
    answered: Path, improved: Path, tmp_path: Path, warm: WarmCommand
) -> None:
    folder = tmp_path / "run2"
    begin = ("improve", answered / "run", "--from", answered / "aside", "--run", folder)
    go_on = ("resume", folder)
    for arguments, lines in (
        (begin, killing_before(".png", NUM // 2)),  # half of the copies are there
        (begin, killing_before(TABLE)),  # all of them, without their table
        (begin, killing_before("run2")),  # the folder is whole, and not in place
        (begin, killing_before("classifier")),  # nothing is learned
        (go_on, killing_before("improvement.json")),  # the journal says what tests, and there is no outcome
        (go_on, killing_before("classifier.json")),  # the outcome is there, and the decision is not
        (go_on, killing_before("metrics.json")),
    ):
        ended = warm(*arguments, before=lines)
        assert ended.returncode == -signal.SIGKILL, (lines, ended.stderr)
        assert folder.exists() == (arguments is go_on or "'classifier'" in lines)
        assert not (folder / "metrics.json").exists()
    done = warm(*go_on)
    assert done.returncode == 0, done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["run2"]
    run, expected = Run(folder), Run(improved)
    places = {name: getattr(run.improvement, name) for name in ("run", "aside")}
    assert run.improvement == expected.improvement.model_copy(update=places)
    for name in ("pictures.csv", "answers/answers.csv", "predictions.csv", "classifier/model.onnx"):
        assert (folder / name).read_bytes() == (improved / name).read_bytes()
    assert read_table(run.classifier).decisions == read_table(expected.classifier).decisions
    run.check_classifier()


def test_two_improves_into_one_folder_do_not_mix(
    answered: Path, improved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one ends while this one prepares."""
    folder = tmp_path / "run2"

    def prepare(*arguments: Any) -> object:
        shutil.copytree(improved, folder)
        return prepare_alone(*arguments)

    prepare_alone = improve.prepare
    monkeypatch.setattr(improve, "prepare", prepare)
    with refused("output-taken", folder):
        skysort.improve(answered / "run", answered / "aside", folder)
    assert Run(folder).improvement == Run(improved).improvement
    assert [path.name for path in tmp_path.iterdir()] == ["run2"]


def test_what_a_killed_improve_leaves_beside_the_folder_is_removed(
    answered: Path, tmp_path: Path, skysort_command: Command
) -> None:
    (tmp_path / ".run2.0123abcd.partial" / FOLDER).mkdir(parents=True)
    ended = skysort_command("improve", answered / "run", "--from", answered / "aside", "--run", tmp_path / "run2")
    assert ended.code == 0 and "removed half-written files" in ended.err
    assert [path.name for path in tmp_path.iterdir()] == ["run2"]
