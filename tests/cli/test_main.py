"""Errors of the system and of libraries end a command with one line."""

import errno
import sys
from collections.abc import Callable

import pytest

from skysort.cli import main


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (MemoryError(), "this computer has too little free memory for it"),
        (MemoryError("a.jpg: it takes\n2 MB"), "too little free memory for it: a.jpg: it takes 2 MB"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried 9 bytes"), "too little free memory"),
        (ImportError("libtorch.so: failed to map segment from shared object"), "too little free memory"),
        (RuntimeError("can't start new thread"), "the system starts no more threads"),
        (RuntimeError("Symlink loop from '/a/l.jpg'"), "a link leads back to itself: '/a/l.jpg'"),
        (RecursionError("maximum recursion depth exceeded"), "something in it is nested too deep"),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"), "cannot be read or written"),
        (
            OSError(errno.EMFILE, "Too many open files", "a.jpg"),
            "a.jpg: Too many open files; raise the limit: ulimit",
        ),
        (OSError(errno.EIO, "Input/output error"), "the system: Input/output error"),
        (PermissionError(errno.EACCES, "Permission denied", "b\x9b"), "b\\x9b: Permission denied"),
    ],
)
def test_one_line_and_exit_code_1(
    error: Exception, line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("skysort.cli.app", raising(error))
    with pytest.raises(SystemExit) as ended:
        main()
    out, err = capsys.readouterr()
    assert (ended.value.code, out, err.count("\n")) == (1, "", 1)
    assert err.startswith("skysort: ") and line in err


def raising(error: Exception) -> Callable[[], None]:
    def app() -> None:
        raise error

    return app


def test_an_error_that_nobody_expects_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("skysort.cli.app", raising(KeyError("x")))
    monkeypatch.setattr(sys, "argv", ["skysort"])
    with pytest.raises(KeyError):
        main()
