"""Paths that predict reads from standard input or a file."""

import csv
import io
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.commands.conftest import Ended
from tests.conftest import picture_bytes

Command = Callable[..., Ended]
NAMES = ["b 1.png", "a.png", "ü.png"]


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[bytes | None], None]:
    """Make pictures, work beside them, and return what fills standard input."""
    monkeypatch.chdir(tmp_path)
    for name in (*NAMES, "\udce9.png"):
        Path(name).write_bytes(picture_bytes(1))

    def fill(content: bytes | None) -> None:
        monkeypatch.setattr(sys, "stdin", None if content is None else io.TextIOWrapper(io.BytesIO(content)))

    return fill


def paths_in(ended: Ended) -> list[str]:
    assert ended.code == 0, ended.err
    return [line.split("  ")[-1] for line in ended.out.splitlines()]


LISTS = {
    "lines": "\n".join(NAMES).encode(),
    "ended lines": "".join(f"{name}\n" for name in NAMES).encode(),
    "lines of Windows": "\r\n".join(NAMES).encode(),
    "blank lines": ("\n\n" + "\n\n".join(NAMES) + "\n\n").encode(),
    "marked UTF-8": b"\xef\xbb\xbf" + "\n".join(NAMES).encode(),
}


@pytest.mark.parametrize("form", LISTS)
def test_paths_come_from_standard_input_or_a_file_in_their_order(
    form: str, given: Callable[[bytes | None], None], skysort_command: Command, finished_run: Path
) -> None:
    given(LISTS[form])
    assert paths_in(skysort_command("predict", finished_run, "-")) == NAMES
    Path("list.txt").write_bytes(LISTS[form])
    assert paths_in(skysort_command("predict", finished_run, "--paths-from", "list.txt")) == NAMES


def test_nul_separated_paths_and_paths_beside_a_list(
    given: Callable[[bytes | None], None], skysort_command: Command, finished_run: Path
) -> None:
    Path("line\nend.png").write_bytes(picture_bytes(2))
    given(b"line\nend.png\0a.png\0")
    assert paths_in(skysort_command("predict", finished_run, "-0", "b 1.png", "-", "a.png")) == [
        "b 1.png", r"line\nend.png", "a.png", "a.png",
    ]  # fmt: skip


def test_a_list_as_powershell_writes_it(
    given: Callable[[bytes | None], None], skysort_command: Command, finished_run: Path
) -> None:
    given("\r\n".join(NAMES).encode("utf-16"))
    assert paths_in(skysort_command("predict", finished_run, "-")) == NAMES


@pytest.mark.parametrize(
    ("words", "stdin", "exit_code", "code", "fact"),
    [
        (["list.txt"], b"", 2, "bad-list", "--paths-from list.txt"),
        (["@list.txt"], b"", 2, "bad-list", "--paths-from list.txt"),
        ([], b"", 2, "missing-argument", "--paths-from"),
        (["-"], b"", 1, "bad-list", "standard input"),
        (["-"], b"\n\r\n", 1, "bad-list", "standard input"),
        (["-"], None, 1, "bad-list", "standard input"),
        (["-", "-"], b"a.png", 2, "given-twice", "standard input"),
        (["-", "--paths-from", "-"], b"a.png", 2, "given-twice", "standard input"),
        (["a.png", "-0"], b"", 2, "options-conflict", "-0"),
        (["-"], b"a.png\0b.png", 2, "bad-list", "-0"),
        (["a.png", "none.png"], b"", 2, "path-not-found", "none.png"),
        (["--paths-from", "none.txt"], b"", 2, "path-not-found", "none.txt: no such file"),
        (["--paths-from", "."], b"", 2, "system", ".: Is a directory"),
        (["--paths-from", "a.png"], b"", 2, "bad-list", "a.png"),
    ],
)
def test_what_is_no_list_is_refused(
    words: list[str], stdin: bytes | None, exit_code: int, code: str, fact: str,
    given: Callable[[bytes | None], None], skysort_command: Command, finished_run: Path,
) -> None:  # fmt: skip
    given(stdin)
    Path("list.txt").write_text("a.png\nb 1.png\n")
    ended = skysort_command("predict", finished_run, *words)
    assert (ended.code, ended.out, ended.error) == (exit_code, "", code) and fact in ended.err


def test_a_text_that_lists_nothing_is_a_picture_that_cannot_be_read(
    given: Callable[[bytes | None], None], skysort_command: Command, finished_run: Path
) -> None:
    given(b"")
    Path("notes.txt").write_text("seen at noon\n")
    ended = skysort_command("predict", finished_run, "notes.txt")
    assert ended.code == 1 and "unreadable" in ended.out


@pytest.mark.skipif(os.name != "posix", reason="names that hold an end of line")
def test_more_paths_than_are_named_in_an_error(
    given: Callable[[bytes | None], None], skysort_command: Command, finished_run: Path
) -> None:
    given("\n".join(f"empty{number}" for number in range(30)).encode())
    for number in range(30):
        Path(f"empty{number}").mkdir()
    ended = skysort_command("predict", finished_run, "-")
    assert (ended.code, ended.error) == (1, "no-pictures")
    assert "empty9" in ended.err and "empty10" not in ended.err and "20" in ended.err


def test_names_that_are_not_utf_8_come_through(
    given: Callable[[bytes | None], None], skysort_command: Command, finished_run: Path
) -> None:
    given(b"\xe9.png\n")
    assert skysort_command("predict", finished_run, "-", "--output", "a.csv").code == 0
    assert b"\n\xe9.png," in Path("a.csv").read_bytes()


def test_a_listed_path_that_is_not_there_is_a_picture_that_cannot_be_read(
    given: Callable[[bytes | None], None], skysort_command: Command, finished_run: Path
) -> None:
    names = ["a.png", "none.png", "none.zip", "x" * 300, "no/folder", "b 1.png"]
    given("\n".join(names).encode())
    Path("list.txt").write_text("\n".join(names))
    for words in (["-"], ["--paths-from", "list.txt"]):
        ended = skysort_command("predict", finished_run, *words, "--format", "csv", "--raw")
        rows = list(csv.DictReader(io.StringIO(ended.out)))
        assert [row["path"] for row in rows] == names
        assert [row["status"] for row in rows] == ["ok", *["unreadable"] * 4, "ok"]
        assert "No such file" in rows[1]["reason"] and "No such file" in rows[2]["reason"]
        assert ended.code == 1 and "4 of 6 pictures" in ended.err


@pytest.mark.skipif(not Path("/dev/fd").exists(), reason="needs a folder of open files")
def test_a_list_comes_from_a_pipe_of_the_shell_and_from_no_other(
    given: Callable[[bytes | None], None], skysort_command: Command, finished_run: Path
) -> None:
    given(b"")
    reading, writing = os.pipe()
    os.write(writing, "\n".join(NAMES).encode())
    os.close(writing)
    try:
        assert paths_in(skysort_command("predict", finished_run, "--paths-from", f"/dev/fd/{reading}")) == NAMES
    finally:
        os.close(reading)
    os.mkfifo("pipe")
    ended = skysort_command("predict", finished_run, "--paths-from", "pipe", "--format", "csv")
    assert (ended.code, ended.out, ended.error) == (2, "", "not-a-regular-file")
    assert "pipe" in ended.err
