"""Every command on every page and in the README runs, and prints what the page says it prints."""

import re
import tomllib
from pathlib import Path

import pytest

from tests.conftest import SharedFolder
from tests.docs.pages import ENOUGH, NOT_RUN, QUICK, ROOT, blocks, prepare, run_page
from tests.warm import WarmCommand

PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
WITH_COMMANDS = [path for path in PAGES if any(block.kind == "sh" for block in blocks(path.read_text("utf-8")))]
TUTORIAL = ROOT / "docs" / "tutorial.md"


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def masked(line: str) -> str:
    """A line of output without what differs from run to run: numbers, widths of columns, and answers."""
    line = re.sub(r"\b(bird|airplane)\b", "CLASS", line)
    line = re.sub(
        r"\b(keep|set-aside|set aside|review)\b", "ACTION", re.sub(r"\b(blog|aside|review)/", "PLACE/", line)
    )
    line = re.sub(r"\b(second)s?\b", r"\1", line)
    line = re.sub(r"[+-]?\d[\d.,:e-]*", "#", line)
    return " ".join(line.split())


def check(page: Path, folder: Path, warm: WarmCommand, budget: str = QUICK) -> None:
    for output, printed in run_page(page.read_text("utf-8"), folder, budget, warm.path.parent):
        expected = [masked(line) for line in output.body.splitlines()]
        found = [masked(line) for line in printed.rstrip().splitlines()]
        if expected[-1] == "…":
            found = [*found[: len(expected) - 1], "…"]
        assert found == expected, f"{page}: run `python -m tests.docs.pages PAGE` and look at what it changes"


@pytest.fixture(scope="module")
def after_tutorial(shared_folder: SharedFolder, session_cache: Path, warm: WarmCommand) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SKYSORT_CACHE", str(session_cache))
        return shared_folder("tutorial", lambda folder: check(TUTORIAL, prepare(folder), warm, ENOUGH))


def test_the_tutorial(after_tutorial: Path) -> None:
    assert list((after_tutorial / "blog").iterdir()) and (after_tutorial / "runs/cam/report.html").is_file()


@pytest.mark.parametrize("page", [path for path in WITH_COMMANDS if path != TUTORIAL], ids=name_of)
def test_commands_on_a_page(page: Path, after_tutorial: Path, warm: WarmCommand, tmp_path: Path) -> None:
    check(page, prepare(tmp_path / "page", after_tutorial), warm)


def test_commands_that_are_not_run_name_what_there_is() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    targets = re.findall(r"^(\w[\w-]*):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    num = 0
    for path in WITH_COMMANDS:
        lines = [
            line for block in blocks(path.read_text("utf-8")) if block.kind == "sh" for line in block.commands
        ]
        for line in (line for line in lines if line.startswith(NOT_RUN)):
            num += 1
            for extra in re.findall(r"\[([\w,]+)\]", line):
                assert set(extra.split(",")) <= set(project["optional-dependencies"]), line
            for file in re.findall(r"\bexamples/\S+", line):
                assert (ROOT / file).is_file(), line
            if line.startswith("make "):
                assert line.split("#")[0].split()[1] in targets, line
    assert num >= 10


def test_a_changed_output_is_noticed(warm: WarmCommand, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```sh\nskysort recipes\n```\n\n```text\nconvnet\n…\n```\n")
    check(page, tmp_path, warm)
    page.write_text("```sh\nskysort recipes\n```\n\n```text\nmlp\n…\n```\n")
    with pytest.raises(AssertionError):
        check(page, tmp_path, warm)
    page.write_text("```sh\nskysort recipies\n```\n")
    with pytest.raises(AssertionError, match="exit code 2"):
        check(page, tmp_path, warm)
