"""Run the commands on a page of the documentation, in a folder, as somebody would who reads it from top to bottom.

    python -m tests.docs.pages docs/tutorial.md    # run a page, and write its output blocks again

- A fenced block `sh` holds commands, one per line. `<!-- exits with 1 -->` above it states their exit code, and
  `<!-- before: COMMAND -->` what makes the files that a reader has already.
- A block `text` right after it holds what they print: standard output, or standard error where that is empty.
  A last line `…` leaves out the rest.
- A block with a title is a file of that name.
- A block `bash` holds commands that take hours. They are not run.
- `skysort serve` and `skysort studio` run until the end of the page, where they must end with exit code 0. They
  get a port that is free.
"""

import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "docs"))
hooks: Any = import_module("hooks")
FENCE = re.compile(
    r"^(?:<!-- before: (?P<before>[^\n]+) -->\n\n)?(?:<!-- exits with (?P<code>\d) -->\n\n)?"
    r"```(?P<kind>\w+)(?: title=\"(?P<title>[^\"]+)\")?\n(?P<body>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
NOT_RUN = ("sudo ", "pip install ", "/opt/", "python3 -m venv ", ". .venv/", "make ")
"""Commands that install something, or ask for minutes. `test_pages.py` checks what they name."""
QUICK = "--set network.width=16 --set network.stride=2 --set training.epochs=2"
"""What tests take in place of a budget, which is minutes on a page and depends on what else the computer does."""
ENOUGH = QUICK.replace("epochs=2", "epochs=6")
"""The same for the tutorial, which shows what a network does that has learned something."""
QUIET_SECONDS = 3.0
HERE = Path(sys.executable).parent
"""Where the command `skysort` is."""


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Args:
        kind: its language.
        body: its text.
        span: where the body is in the page, in characters.
        title: the file it is, or None.
        code: the exit code of its commands.
        before: a command to run before, which a reader does not see.
    """

    kind: str
    body: str
    span: tuple[int, int]
    title: str | None
    code: int = 0
    before: str | None = None

    @property
    def commands(self) -> list[str]:
        """Its commands, without comments, each on one line."""
        joined = self.body.replace("\\\n", " ")
        return [line.strip() for line in joined.splitlines() if line.strip() and not line.startswith("#")]


def blocks(page: str) -> Iterator[Block]:
    """Yield the fenced blocks of a page."""
    for fence in FENCE.finditer(page):
        code = int(fence["code"] or 0)
        yield Block(fence["kind"], fence["body"], fence.span("body"), fence["title"], code, fence["before"])


def with_output(page: str) -> Iterator[tuple[Block, Block | None]]:
    """Yield each block with the block of output right after it, if there is one."""
    found = list(blocks(page))
    for block, after in zip(found, [*found[1:], None], strict=True):
        follows = after and after.kind == "text" and page[block.span[1] : after.span[0]] == "```\n\n```text\n"
        yield block, after if follows else None


def run_page(
    page: str, folder: Path, budget: str | None = QUICK, bin_folder: Path = HERE
) -> Iterator[tuple[Block, str]]:
    """Run a page in a folder. Yield each block of output with what its commands printed.

    Args:
        page: its text.
        folder: where to run it.
        budget: what to run in place of `--budget TIME`; None for that itself.
        bin_folder: where the command `skysort` is.

    Raises:
        AssertionError: when a command ends with another exit code than the page says.
    """
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    page = page.replace("8000", port)
    with ExitStack() as services:
        for block, output in with_output(page):
            if block.title:
                (folder / block.title).write_text(block.body, encoding="utf-8")
            if block.kind != "sh":
                continue
            if block.before:
                run_command(block.before, folder, bin_folder=bin_folder)
            printed = [
                services.enter_context(service(line if "--port" in line else f"{line} --port 0", folder))
                if line.startswith(("skysort serve", "skysort studio"))
                else run_command(line, folder, block.code, budget, bin_folder)
                for line in block.commands
                if not line.startswith(NOT_RUN)
            ]
            if output:
                yield output, "".join(printed).replace(port, "8000")


@contextmanager
def service(line: str, folder: Path) -> Iterator[str]:
    """Start a service, yield the line that it logs once it answers, and end it."""
    process = subprocess.Popen(
        shlex.split(line), cwd=folder, env=environment(), stderr=subprocess.PIPE, text=True, encoding="utf-8"
    )
    try:
        yield process.stderr.readline()  # type: ignore[union-attr]
    finally:
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 0, f"{line}\nexit code {process.returncode}\n{err}"


def environment(bin_folder: Path = HERE) -> dict[str, str]:
    """Return the environment of the commands."""
    path = os.pathsep.join([str(bin_folder), str(HERE), os.environ["PATH"]])
    return {**os.environ, "PATH": path, "COLUMNS": "80", "BROWSER": "true", "SKYSORT_OFFLINE": "1"}


def run_command(
    line: str, folder: Path, code: int = 0, budget: str | None = QUICK, bin_folder: Path = HERE
) -> str:
    """Run a line in a shell, and return what it printed."""
    if budget:
        line = re.sub(r"--budget \w+", budget, line)
    process = subprocess.Popen(
        ["bash", "-c", f"exec {line}" if line.startswith("skysort watch") else line],
        cwd=folder, env=environment(bin_folder), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        encoding="utf-8",
    )  # fmt: skip
    if line.startswith("skysort watch") and "--once" not in line:
        time.sleep(QUIET_SECONDS)
        while any((folder / "inbox").rglob("*.jpg")) and process.poll() is None:
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=600)
    assert process.returncode == code, f"{line}\nexit code {process.returncode}\n{out}{err}"
    return (out or err).replace(f"{folder}{os.sep}", "")


def prepare(folder: Path, after_tutorial: Path | None = None) -> Path:
    """Make a folder what pages start from: examples, and what the tutorial leaves but for moved pictures."""
    folder.mkdir(exist_ok=True)
    shutil.copytree(ROOT / "examples", folder / "examples")
    if after_tutorial:
        for name in ("pictures", "runs"):
            shutil.copytree(after_tutorial / name, folder / name)
    return folder


def rewritten(page: str, folder: Path, budget: str | None) -> str:
    """Return a page with the output blocks written again."""
    pieces, end = [], 0
    for output, printed in run_page(page, folder, budget):
        lines = [line.rstrip() for line in printed.rstrip().splitlines()]
        if output.body.endswith("…\n"):
            lines = [*lines[: output.body.count("\n") - 1], "…"]
        pieces += [page[end : output.span[0]], "\n".join(lines), "\n"]
        end = output.span[1]
    return "".join([*pieces, page[end:]])


def main(names: list[str]) -> None:
    """Rewrite pages. The tutorial is run first, where the others start; as it stands if it is named."""
    with tempfile.TemporaryDirectory() as made:
        os.environ.setdefault("SKYSORT_CACHE", f"{made}/cache")
        first, tutorial = prepare(Path(made) / "tutorial"), ROOT / "docs" / "tutorial.md"
        pages = [ROOT / name for name in names]
        page = rewritten(tutorial.read_text("utf-8"), first, None if tutorial in pages else ENOUGH)
        if tutorial in pages:
            tutorial.write_text(page, encoding="utf-8")
        for number, path in enumerate(path for path in pages if path != tutorial):
            page = rewritten(path.read_text("utf-8"), prepare(Path(made) / str(number), first), QUICK)
            path.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
