"""skysort audit --ask, on a pseudo-terminal, with a viewer of our own."""

import os
import pty
import select
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from skysort.cli import asking
from skysort.work.answers import Answer
from skysort.work.coins import AuditRates
from skysort.work.journal import Journal
from tests.commands.conftest import Ended
from tests.conftest import refused
from tests.runs.test_audit import arrive

VIEWERS = {"linux": "xdg-open", "darwin": "open"}
SECONDS = 60.0
pytestmark = pytest.mark.skipif(
    sys.platform not in VIEWERS, reason="there is no program for the viewer to replace"
)


class Terminal:
    """A command on a terminal, and a person at its keys."""

    def __init__(self, process: subprocess.Popen[bytes], ours: int, its: int) -> None:
        self.process, self.ours, self.its = process, ours, its
        self.shown = ""
        self.answered = 0
        """Characters that were shown before the last answer."""

    def press(self, key: str, question: str) -> None:
        """Wait for a question, and until the command reads a single key, and press it."""
        self.wait_for(lambda: question in self.shown[self.answered :])
        self.answered = len(self.shown)
        self.wait_for(lambda: not termios.tcgetattr(self.its)[3] & termios.ICANON)
        os.write(self.ours, key.encode())

    def wait_for(self, is_so: Callable[[], bool]) -> None:
        until = time.monotonic() + SECONDS
        while not is_so():
            assert time.monotonic() < until, self.shown
            self.read()

    def read(self) -> None:
        while select.select([self.ours], [], [], 0.02)[0]:
            self.shown += os.read(self.ours, 4096).decode()

    def end(self) -> int:
        self.wait_for(lambda: self.process.poll() is not None)
        self.read()
        return self.process.returncode


@contextmanager
def terminal(*words: object, path: Path) -> Iterator[Terminal]:
    ours, its = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "skysort", *map(str, words)], stdin=its, stdout=its, stderr=its,
        env={**os.environ, "PATH": f"{path}{os.pathsep}{os.environ['PATH']}", "COLUMNS": "200"},
    )  # fmt: skip
    try:
        yield Terminal(process, ours, its)
    finally:
        process.kill()
        process.wait()
        os.close(ours)
        os.close(its)


@pytest.fixture
def viewer(tmp_path: Path) -> Path:
    """A folder with a viewer that notes the name and the content of each picture that it opens."""
    program = tmp_path / "bin" / VIEWERS[sys.platform]
    program.parent.mkdir()
    (tmp_path / "opened").mkdir()
    program.write_text(f'#!/bin/sh\ncp "$1" "{tmp_path}/opened/"\necho "$1" >> "{tmp_path}/names"\n')
    program.chmod(0o755)
    return program.parent


def answers(top: Path) -> list[Answer]:
    with Journal(top / "aside") as journal:
        return journal.answers.all()


def test_a_person_answers_takes_back_and_quits(tmp_path: Path, viewer: Path) -> None:
    arrive(tmp_path, 2, 1, 1, AuditRates(1.0, 1.0))
    with terminal("audit", tmp_path / "aside", "--ask", path=viewer) as person:
        person.press("b", "1 of 4:")
        person.press("U", "2 of 4:")
        person.press("o", "3 of 4:")
        person.press("z", "4 of 4:")
        person.press("a", "3 of 4:")
        person.press("q", "4 of 4:")
        assert person.end() == 0
    assert "recorded 3 answers; 1 to do" in person.shown and "looks: 3 of 4 done" in person.shown
    given = answers(tmp_path)
    assert [(answer.label, answer.undone is None) for answer in given] == [
        ("bird", True), ("?", True), ("other", False), ("airplane", True),
    ]  # fmt: skip
    assert given[2].row == given[3].row and len({answer.row for answer in given}) == 3
    asked = person.shown[: person.shown.index("recorded")]
    assert "aside" not in asked and "inbox" not in asked and "confidence" not in asked  # nothing leads the answer
    names = [Path(line).name for line in (tmp_path / "names").read_text().splitlines()]
    assert names == ["look-1.png", "look-2.png", "look-3.png", "look-4.png", "look-3.png", "look-4.png"]
    with Journal(tmp_path / "aside") as journal:
        first = journal.row(given[0].row).place
    assert (tmp_path / "opened" / "look-1.png").read_bytes() == first.read_bytes()
    assert not any(Path(line).exists() for line in (tmp_path / "names").read_text().splitlines())


def test_an_interruption_keeps_the_answers(tmp_path: Path, viewer: Path) -> None:
    arrive(tmp_path, 2, 0, 0, AuditRates(1.0, 1.0))
    with terminal("audit", tmp_path / "aside", "--ask", path=viewer) as person:
        person.press("a", "1 of 2:")
        person.press("\x03", "2 of 2:")
        assert person.end() == 1
    assert "[interrupted]" in person.shown
    assert [answer.label for answer in answers(tmp_path)] == ["airplane"]


def test_without_a_viewer_it_says_where_the_picture_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.png").write_bytes(b"picture")
    monkeypatch.setenv("PATH", str(tmp_path))
    asking._open(tmp_path / "a.png", tmp_path / "look-1.png")
    assert str(tmp_path / "look-1.png") in capsys.readouterr().err
    asking._open(tmp_path / "gone.png", tmp_path / "look-2.png")
    assert "cannot read" in capsys.readouterr().err


def test_a_key_that_means_nothing_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = iter(["x", "\r", "", "z", "B"])
    monkeypatch.setattr("typer.getchar", lambda: next(keys))
    assert asking._key("1 of 1", {"b": "bird"}, can_go_back=False) == "b"  # Enter agrees with nobody


def test_classes_without_letters_of_their_own_have_numbers() -> None:
    many = [f"class {number}" for number in range(len(asking.SIGNS))]
    assert list(asking.keys_of(many))[:-2] == list(asking.SIGNS)
    assert asking.keys_of(["owl", "other"]) == {"1": "owl", "o": "other", "u": "?"}
    with refused("options-conflict", "--answers", exit_code=2):
        asking.keys_of([*many, "one more"])


def test_it_needs_a_terminal(tmp_path: Path, skysort_command: Callable[..., Ended]) -> None:
    arrive(tmp_path, 1, 0, 0, AuditRates(1.0, 1.0))
    skysort_command("audit", tmp_path / "aside", "--ask").check_refused(2, "options-conflict", "--answers")
    skysort_command("audit", tmp_path / "aside", "--ask", "--undo", 1).check_refused(
        2, "options-conflict", "--undo"
    )
