"""The page Teach in a browser: from a folder of pictures to a classifier, whatever ends on the way."""

import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from skysort.runs.folder import Run
from skysort.web.training_log import TrainingLog
from skysort.web.trainings import SUFFIX
from tests.conftest import start
from tests.web.test_studio_in_browser import DESK, PHONE, check_fits_and_is_accessible, opened

MINUTE = 60_000


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Two classes of small pictures, one of them dark, in a folder whose name has markup."""
    folder = tmp_path / "my <b>pictures"
    for value, name in ((60, "airplane"), (160, "bird")):
        (folder / name).mkdir(parents=True)
        for number in range(20):
            pixels = np.random.default_rng(number + value).integers(0, 80, (16, 16, 3), dtype=np.uint8) + value
            Image.fromarray(pixels.astype(np.uint8)).save(folder / name / f"{number}.png")
    return folder


@contextmanager
def studio(pictures: Path, runs: Path) -> Iterator[tuple[Popen[str], str]]:
    """Yield a studio over pictures, and its address."""
    process = start("studio", pictures, "--runs", runs, "--no-browser", "--port", 0, OMP_NUM_THREADS="1")
    try:
        url = re.search(r"url=(\S+)", process.stderr.readline())
        yield process, url[1]
        if process.poll() is None:
            process.terminate()  # with a stream of events open
            assert (process.wait(20), "Traceback" in process.stderr.read()) == (0, False)
    finally:
        process.kill()
        process.communicate()


def teach(page: Page, name: str) -> None:
    page.get_by_label("Recipe").select_option("mlp")
    page.get_by_label("Time").select_option("")
    page.get_by_text("100 epochs").wait_for()
    page.get_by_label("Name of the run").fill(name)
    page.get_by_role("button", name="Teach").click()
    page.wait_for_url("**/teach/*")


@pytest.mark.slow
def test_from_pictures_to_a_classifier_through_kills(browser: Browser, pictures: Path, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    with studio(pictures, runs) as (process, url):
        with opened(browser, url, viewport=DESK) as page:
            assert page.get_by_role("heading", level=1).inner_text() == "Teach a classifier from 40 pictures"
            check_fits_and_is_accessible(page)
            teach(page, "鸟 1")
            page.get_by_text("pictures per second").wait_for(timeout=MINUTE)
            page.reload()  # in the middle of the training
            page.locator("#losses canvas").wait_for(timeout=MINUTE)
            check_fits_and_is_accessible(page)
            assert page.get_by_role("button", name="Stop").is_visible()
            path = page.url.partition("/teach")[2]
        process.kill()
        process.wait()
    log = TrainingLog(runs / f"鸟 1{SUFFIX}")
    with studio(pictures, runs) as (process, url), opened(browser, url, viewport=PHONE) as page:
        expect(page.locator(".state")).to_have_text("learning")
        page.get_by_role("link", name="鸟 1").click()
        page.get_by_role("heading", name="It is learning").wait_for()
        log.read()
        os.kill(log.pid, signal.SIGKILL)
        page.get_by_role("heading", name="The training stopped").wait_for()
        assert not Run(runs / "鸟 1").is_finished and page.get_by_text("ended from outside").is_visible()
        check_fits_and_is_accessible(page)
        page.get_by_role("button", name="Go on").click()
        page.get_by_role("heading", name="It is learning").wait_for()
        page.get_by_role("heading", name="were sorted right").wait_for(timeout=2 * MINUTE)
        assert Run(runs / "鸟 1").is_finished and page.url.endswith(path)
        assert not page.get_by_role("button", name="Go on").is_visible()
        assert page.get_by_role("link", name="Try it").is_visible()
        check_fits_and_is_accessible(page)
        page.get_by_role("link", name="Teach").first.click()
        expect(page.locator(".state")).to_have_text("finished")


def test_an_error_and_what_is_found_and_the_language(browser: Browser, pictures: Path, tmp_path: Path) -> None:
    with studio(pictures, tmp_path / "runs") as (_, url), browser.new_context(viewport=PHONE) as context:
        page = context.new_page()  # whose console reports the error that is expected
        page.goto(url)
        page.get_by_role("button", name="Check the pictures").click()
        page.get_by_text("small (40)").wait_for(timeout=MINUTE)
        check_fits_and_is_accessible(page)
        page.get_by_label("Recipe").select_option("mlp-regression")
        page.get_by_label("Time").select_option("1m")
        page.get_by_label("Name of the run").fill("a/b")
        page.get_by_role("button", name="Teach").click()
        expect(page.get_by_role("alert")).to_contain_text("a/b")
        for path in (pictures / "bird").iterdir():
            path.write_bytes(b"no picture")
        page.get_by_label("Name of the run").fill("mine")
        page.get_by_role("button", name="Teach").click()
        page.get_by_role("heading", name="The training failed").wait_for(timeout=MINUTE)
        assert (
            page.locator(".failed code").inner_text() and page.get_by_role("link", name="Start again").is_visible()
        )
        page.get_by_role("button", name="简体中文").click()
        expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
        check_fits_and_is_accessible(page)
        page.get_by_role("link", name="训练").first.click()
        page.get_by_role("button", name="检查图片").wait_for()
        check_fits_and_is_accessible(page)


def test_without_scripts_the_page_can_be_read(browser: Browser, pictures: Path, tmp_path: Path) -> None:
    with (
        studio(pictures, tmp_path / "runs") as (_, url),
        opened(browser, url, viewport=PHONE, java_script_enabled=False) as page,
    ):
        assert page.get_by_text("skysort train").is_visible()
        assert page.get_by_role("row").count() == 3
        for path in pictures.rglob("*.png"):
            path.unlink()
        page.reload()
        assert page.get_by_text("one folder per class").is_visible()
