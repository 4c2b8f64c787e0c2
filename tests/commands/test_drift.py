"""skysort drift, on the command line, after a watcher."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.commands.conftest import Ended
from tests.conftest import picture_bytes
from tests.report.test_run_page import Page

Command = Callable[..., Ended]


@pytest.fixture
def aside(tmp_path: Path, finished_run: Path, skysort_command: Command) -> Path:
    """A watcher's folder after 24 pictures of noise and then 30 black ones."""
    inbox, dark = tmp_path / "inbox", picture_bytes(1, size=(1, 1))
    for number, content in enumerate([*map(picture_bytes, range(24)), *[dark] * 30]):
        inbox.mkdir(exist_ok=True)
        (inbox / f"{number}.png").write_bytes(content)
        if number in (23, 53):
            ended = skysort_command(
                "watch", finished_run, inbox, "--aside", tmp_path / "aside", "--keep-to", tmp_path / "blog",
                "--keep", "bird", "--once", "--settle", "0.01",
            )  # fmt: skip
            assert ended.code == 0, ended.err
    return tmp_path / "aside"


def test_from_a_watcher_to_a_page(aside: Path, skysort_command: Command) -> None:
    page = aside.with_name("drift.html")
    ended = skysort_command("drift", aside, "--reference", 24, "--format", "json", "--output", page)
    assert ended.code == 0, ended.err
    found = json.loads(ended.out)
    assert (found["look"], found["pictures"], found["reference"], found["arrivals"]) == (True, 54, 24, 30)
    assert "repeated" in {fault["name"]: fault["pictures"] for fault in found["faults"]}
    shown = Page(page.read_text("utf-8"))
    images = [attributes for tag, attributes in shown.tags if tag == "img"]
    assert len(images) == len(found["loudest"]) > 0
    assert {loud["path"] for loud in found["loudest"]} <= set(shown.texts)
    assert not {"script", "iframe"} & shown.names


def test_the_exit_code_of_check(aside: Path, skysort_command: Command) -> None:
    ended = skysort_command("drift", aside, "--reference", 24, "--check")
    assert ended.code == 1 and "camera: repeated" in ended.out and "broken" not in ended.out
    assert skysort_command("drift", aside, "--reference", 24).code == 0


def test_what_cannot_be_compared_is_refused(aside: Path, tmp_path: Path, skysort_command: Command) -> None:
    skysort_command("drift", tmp_path / "blog").check_refused(2, "no-journal")
    skysort_command("drift", aside, "--reference", 1).check_refused(2, "wrong-value", "--reference")
    skysort_command("drift", aside, "--since", "2100-01-01").check_refused(1, "no-pictures")
    skysort_command("drift", aside, "--since", "soon").check_refused(2, "wrong-value", "--since")
    ended = skysort_command("drift", aside, "--output", tmp_path / "no" / "drift.html")
    assert (ended.code, ended.error) == (1, "system")
