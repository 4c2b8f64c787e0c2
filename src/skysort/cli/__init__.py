"""The command line. One file per verb parses the options, calls a function and prints the result."""

import atexit
import errno
import io
import json
import os
import re
import sys
import threading
from contextlib import suppress
from itertools import pairwise
from typing import Annotated, NoReturn

import typer
from typer.exceptions import TyperException

import skysort
from skysort.cli.group import VerbGroup, new_app
from skysort.cli.parsing import usage_error
from skysort.core.deadline import count_from_process_start
from skysort.core.environment import configure_process
from skysort.core.errors import NotUnderstoodError, SkysortError
from skysort.core.text import printable_lines

app = new_app(cls=VerbGroup, no_args_is_help=True)


def _show_version(is_wanted: bool) -> None:
    if is_wanted:
        print(f"skysort {skysort.__version__}")
        raise typer.Exit


@app.callback()
def _program(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_show_version, help="Show the version and exit.")
    ] = False,
) -> None:
    """Teach a small network to sort pictures, learn how far to trust it, and put it to work."""


def _prepare_streams() -> None:
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # the parent process closed it; the next open file must not take its number
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8"))
        elif isinstance(stream, io.TextIOWrapper):  # a name that cannot be encoded must not fail a training
            stream.reconfigure(errors="backslashreplace")


def _refuse_empty(words: list[str]) -> None:
    """Refuse empty words: they come from unset shell variables, and as a path would mean the current folder."""
    for before, word in pairwise(words):
        if word == "" or re.fullmatch("--[a-z-]+=", word):
            raise NotUnderstoodError(
                "empty-argument", f"expected a name or a path after '{word or before}', got an empty text"
            )


def _explained(error: BaseException) -> tuple[str, str] | None:
    """Return code and message of an error that the computer's limits explain; None for all others."""
    text = f"{error} {error.__cause__ or ''}"
    if isinstance(error, MemoryError) or re.search(
        "OutOfMemory|allocate memory|failed to map", f"{error!r} {text}"
    ):
        detail = f": {' '.join(str(error).split())}" if isinstance(error, MemoryError) and str(error) else ""
        return "out-of-memory", f"this computer has too little free memory{detail}"
    if "Symlink loop" in text:  # Python's Path.resolve raises a RuntimeError for that
        return "link-loop", f"a link points back to itself: {text.split(' from ')[-1].strip()}"
    if isinstance(error, RecursionError):
        return "nested-too-deep", "a file or an option is nested too deeply"
    if isinstance(error, UnicodeError):
        return "bad-text", f"a text or a name cannot be decoded or encoded: {error}"
    if "start new thread" in text:
        return "out-of-threads", "the system cannot start more threads"
    return None


def _wants_json(words: list[str]) -> bool:
    return "--format=json" in words or ("--format", "json") in pairwise(words)


def _fail(code: str, message: str, exit_code: int = 1, usage: str = "") -> NoReturn:
    """Print an error as one line on standard error, in JSON with `--format json`, and exit."""
    if _wants_json(sys.argv):
        print(json.dumps({"error": {"code": code, "message": message}}), file=sys.stderr)
    else:
        print(f"{usage}skysort: {printable_lines(message)} [{code}]", file=sys.stderr)
    sys.exit(exit_code)


def _fail_usage(error: TyperException) -> NoReturn:
    """Print an error of Typer's own, such as an unknown option, in the same way, and exit."""
    if type(error).__name__ == "NoArgsIsHelpError":  # the message is the help
        print(error.format_message(), file=sys.stderr)
        sys.exit(error.exit_code)
    code, message, usage = usage_error(error)
    _fail(code, message, error.exit_code, usage)


def main() -> None:
    """Run a command. An error becomes one line on standard error and an exit code."""
    _prepare_streams()
    configure_process()
    try:
        _refuse_empty(sys.argv)
        try:
            exit_code = app(standalone_mode=False)
        finally:
            sys.stdout.flush()
        sys.exit(exit_code)
    except SkysortError as error:
        _fail(error.code, error.message, error.exit_code)
    except TyperException as error:
        _fail_usage(error)
    except BrokenPipeError:  # the reader has closed the pipe; discard what is still to be flushed
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        raise_it = "; raise the limit: ulimit -n 4096" if error.errno == errno.EMFILE else ""
        _fail("system", f"{error.filename or 'the system'}: {error.strerror or error}{raise_it}")
    except Exception as error:
        if explained := _explained(error):
            _fail(*explained)
        raise


def run() -> None:
    """Run a command as this process, and end it.

    The libraries are not taken apart first: that takes tenths of a second, and the system frees all memory anyway.
    """
    count_from_process_start()
    try:
        main()
    except SystemExit as end:
        is_waiting = any(not one.daemon for one in threading.enumerate() if one is not threading.main_thread())
        if is_waiting or isinstance(end.code, str):
            raise  # Python waits for threads, and prints a text
        atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError):  # nobody reads it any more
                stream.flush()
        os._exit(end.code if isinstance(end.code, int) else 0)
