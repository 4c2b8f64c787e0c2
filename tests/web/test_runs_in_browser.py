"""The pages Trust and Try in a browser: by mouse, by keyboard, without scripts, and with a camera."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Request, ViewportSize

from skysort.classifier.format import read_table
from tests.web.test_studio_in_browser import DESK, PHONE, check_fits_and_is_accessible, opened, studio


@pytest.fixture(scope="module")
def runs(decided: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of two runs: tests may change `mine`."""
    folder = tmp_path_factory.mktemp("in-browser") / "runs"
    for name in ("decided", "mine"):
        shutil.copytree(decided, folder / name)
    return folder


@pytest.fixture(scope="module")
def url(runs: Path) -> Iterator[str]:
    """One studio for all tests."""
    with studio(runs) as url:
        yield url


def open_run(page: Page, name: str) -> None:
    page.get_by_role("link", name="Trust", exact=True).click()
    page.get_by_role("link", name=name, exact=True).click()
    page.get_by_role("heading", name="Promise to keep a class").wait_for()


def test_from_the_figures_to_a_decision_by_mouse(browser: Browser, url: str, runs: Path) -> None:
    with opened(browser, url, viewport=DESK) as page:
        open_run(page, "mine")
        page.locator(".confusion td a").first.click()
        page.locator("#cell img").first.wait_for()
        page.get_by_role("checkbox", name="bird").uncheck()
        page.get_by_role("checkbox", name="airplane").check()
        slider = page.get_by_role("slider")
        slider.wait_for()
        box = slider.bounding_box()
        assert box
        page.mouse.click(box["x"] + box["width"] - 3, box["y"] + box["height"] / 2)
        page.get_by_text("You have looked at").wait_for()  # at the first position of each class, and at the last
        command = page.locator("pre code").inner_text()
        page.get_by_role("button", name="Make this decision").click()
        page.get_by_role("heading", name="keep-airplane").wait_for(timeout=90_000)
        page.get_by_text("This replaces the decision keep-airplane").wait_for()
    decision = read_table(runs / "mine" / "classifier").decisions[-1]
    assert (decision.name, decision.confidence) == ("keep-airplane", 0.95)
    assert f"--lose-at-most {100 * decision.lose_at_most:g}%" in command and decision.lose_at_most > 0.25


def test_by_keyboard(browser: Browser, url: str) -> None:
    with opened(browser, url, viewport=DESK) as page:
        open_run(page, "decided")
        page.locator(".confusion td a").first.focus()
        page.keyboard.press("Enter")
        page.locator("#cell img").first.wait_for()
        assert page.evaluate("document.activeElement.id") == "cell-name"
        slider = page.get_by_role("slider")  # the class of its decision is chosen already
        slider.focus()
        before = slider.get_attribute("aria-valuetext")
        page.keyboard.press("ArrowRight")
        assert slider.get_attribute("aria-valuetext") != before
        page.get_by_text("You have looked at 2 results").wait_for()
        page.get_by_role("combobox").select_option(index=1)
        page.get_by_text("Choose the promise before").wait_for()


@pytest.mark.parametrize(("viewport", "scheme"), [(PHONE, "light"), (DESK, "dark")], ids=["phone", "desk"])
def test_pages_fit_and_are_accessible(browser: Browser, url: str, viewport: ViewportSize, scheme: str) -> None:
    with opened(browser, url, viewport=viewport, color_scheme=scheme) as page:
        page.get_by_role("link", name="Trust", exact=True).click()
        check_fits_and_is_accessible(page)
        page.get_by_role("link", name="decided", exact=True).click()
        page.get_by_role("slider").wait_for()
        page.locator(".confusion td a").first.click()
        page.locator("#cell img").first.wait_for()
        page.locator("iframe").scroll_into_view_if_needed()
        page.frame_locator("iframe").locator("h1").wait_for()
        check_fits_and_is_accessible(page)


def test_without_scripts(browser: Browser, url: str) -> None:
    with opened(browser, url, viewport=PHONE, java_script_enabled=False) as page:
        open_run(page, "decided")
        assert page.get_by_text("turn scripts on").is_visible()
        page.locator(".confusion td a").first.click()
        page.locator("#cell img").first.wait_for()


def test_a_camera_is_tried_one_picture_at_a_time(browser: Browser, url: str) -> None:
    under_way: set[Request] = set()
    most: list[int] = []

    def begun(request: Request) -> None:
        if "/api/try/" in request.url:
            under_way.add(request)
            most.append(len(under_way))

    with opened(browser, url, viewport=DESK) as page:
        page.get_by_role("link", name="Try").click()
        page.on("request", begun)
        page.on("requestfinished", lambda request: under_way.discard(request))
        page.get_by_role("button", name="Use the camera").click()
        page.locator("#live h2").wait_for()
        assert page.locator("#live h2").inner_text() in {"airplane", "bird"}
        while len(most) < 4:
            page.wait_for_timeout(100)
        assert max(most) == 1
        check_fits_and_is_accessible(page)
        page.get_by_role("button", name="Stop the camera").click()
        page.wait_for_timeout(300)
        before = len(most)
        page.wait_for_timeout(500)
        assert len(most) == before and page.locator("video").is_hidden()


def test_without_a_camera_the_page_says_why(browser: Browser, url: str) -> None:
    page = browser.new_context().new_page()
    page.add_init_script("delete Object.getPrototypeOf(navigator).mediaDevices")
    page.goto(url)
    page.get_by_role("link", name="Try").click()
    page.get_by_role("button", name="Use the camera").click()
    page.get_by_text("only to pages at localhost").wait_for()
    page.context.close()
