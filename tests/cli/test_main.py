"""Errors of the system and of libraries end a command with one line."""

import errno
import json
import sys
import threading
from collections.abc import Callable

import pytest

from skysort.cli import main, run


@pytest.mark.parametrize(
    ("error", "code", "fact"),
    [
        (MemoryError(), "out-of-memory", ""),
        (MemoryError("a.jpg: it takes\n2 MB"), "out-of-memory", "a.jpg: it takes 2 MB"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried 9 bytes"), "out-of-memory", ""),
        (ImportError("libtorch.so: failed to map segment from shared object"), "out-of-memory", ""),
        (RuntimeError("can't start new thread"), "out-of-threads", ""),
        (RuntimeError("Symlink loop from '/a/l.jpg'"), "link-loop", "'/a/l.jpg'"),
        (RecursionError("maximum recursion depth exceeded"), "nested-too-deep", ""),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"), "bad-text", "invalid start byte"),
        (OSError(errno.EMFILE, "Too many open files", "a.jpg"), "system", "a.jpg: Too many open files"),
        (OSError(errno.EMFILE, "Too many open files"), "system", "ulimit -n"),
        (OSError(errno.EIO, "Input/output error"), "system", "Input/output error"),
        (PermissionError(errno.EACCES, "Permission denied", "b\x9b"), "system", "b\\x9b: Permission denied"),
    ],
)
def test_one_line_and_exit_code_1(
    error: Exception, code: str, fact: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("skysort.cli.app", raising(error))
    with pytest.raises(SystemExit) as ended:
        main()
    out, err = capsys.readouterr()
    assert (ended.value.code, out, err.count("\n")) == (1, "", 1)
    assert err.startswith("skysort: ") and err.endswith(f" [{code}]\n") and fact in err


def raising(error: BaseException) -> Callable[..., None]:
    def app(*_: object, **__: object) -> None:
        raise error

    return app


def test_an_error_that_nobody_expects_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("skysort.cli.app", raising(KeyError("x")))
    monkeypatch.setattr(sys, "argv", ["skysort"])
    with pytest.raises(KeyError):
        main()


@pytest.mark.parametrize(
    ("words", "code", "facts"),
    [
        (["trian"], "unknown-command", ["'trian'", "'train'"]),
        (["--nope"], "unknown-option", ["--nope"]),
        (["check", "skies", "--ouput", "a"], "unknown-option", ["--ouput", "--output"]),
        (["check"], "missing-argument", ["'data'"]),
        (["decide", "run", "--lose-at-most", "2%"], "missing-argument", ["'--keep'"]),
        (["status", "aside", "beside"], "extra-argument", ["beside"]),
        (["check", "skies", "--format", "jsn"], "wrong-value", ["'--format'", "'jsn'", "'table', 'json'"]),
        (["compare", "skies", "--seeds", "0"], "wrong-value", ["'--seeds'", "at least 1", "'0'"]),
        (["compare", "skies", "--seeds", "many"], "wrong-value", ["'--seeds'", "a whole number", "'many'"]),
        (["serve", "run", "--port", "99999"], "wrong-value", ["'--port'", "at most 65,535", "'99999'"]),
        (["watch", "run", "in", "--aside", "a", "--settle", "soon"], "wrong-value", ["a number", "'soon'"]),
        (["undo", "aside", "--last"], "wrong-value", ["'--last'"]),
        (["undo", "aside", "--keep=3"], "wrong-value", ["'--keep'"]),
    ],
)
def test_what_typer_refuses_ends_like_any_other_error(
    words: list[str],
    code: str,
    facts: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", ["skysort", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    out, err = capsys.readouterr()
    line = err.splitlines()[-1]
    assert (ended.value.code, out) == (2, "")
    assert line.startswith("skysort: ") and line.endswith(f" [{code}]")
    assert all(fact in line for fact in facts)


def test_a_usage_error_shows_the_usage_before_its_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["skysort", "status", "--nope"])
    with pytest.raises(SystemExit):
        main()
    usage, *_, line = capsys.readouterr().err.splitlines()
    assert "skysort status [OPTIONS]" in usage and line.startswith("skysort: ")


def test_a_usage_error_is_one_json_object_where_json_was_wanted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["skysort", "check", "--format", "json"])
    with pytest.raises(SystemExit) as ended:
        main()
    out, err = capsys.readouterr()
    error = json.loads(err)["error"]
    assert (ended.value.code, out, error["code"]) == (2, "", "missing-argument")
    assert "'data'" in error["message"]


def test_no_words_at_all_show_the_help(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["skysort"])
    with pytest.raises(SystemExit) as ended:
        main()
    out, err = capsys.readouterr()
    assert (ended.value.code, out) == (2, "")
    assert "[OPTIONS] COMMAND" in err and "predict" in err


class LeftError(Exception):
    """Stands for the end of the process."""


@pytest.mark.parametrize(("code", "left_with"), [(None, 0), (0, 0), (2, 2)])
def test_a_command_leaves_with_its_exit_code_once_its_exit_handlers_ran(
    code: int | None, left_with: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[object] = []

    def leave(with_code: int) -> None:
        done.append(with_code)
        raise LeftError

    monkeypatch.setattr("skysort.cli.main", raising(SystemExit(code)))
    monkeypatch.setattr("atexit._run_exitfuncs", lambda: done.append("handlers"))
    monkeypatch.setattr("os._exit", leave)
    with pytest.raises(LeftError):
        run()
    assert done == ["handlers", left_with]


def test_python_prints_the_text_of_an_exit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("skysort.cli.main", raising(SystemExit("no room")))
    monkeypatch.setattr("os._exit", raising(LeftError()))
    with pytest.raises(SystemExit, match="no room"):
        run()


def test_a_command_waits_for_its_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("skysort.cli.main", raising(SystemExit(1)))
    monkeypatch.setattr("os._exit", raising(LeftError()))
    goes_on = threading.Event()
    thread = threading.Thread(target=goes_on.wait)
    thread.start()
    try:
        with pytest.raises(SystemExit):  # Python then waits for the thread
            run()
    finally:
        goes_on.set()
        thread.join()
