"""The studio in a browser: by keyboard and by mouse, on a phone and on a desk, light and dark."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, ViewportSize

from skysort.work.coins import AuditRates
from skysort.work.journal import Journal
from tests.conftest import picture_bytes, start
from tests.runs.test_audit import audit_folder
from tests.web.watched import watched

PHONE: ViewportSize = {"width": 390, "height": 844}
DESK: ViewportSize = {"width": 1280, "height": 900}
NONE_DRAWN = AuditRates(1e-9, 1e-9)
AXE = Path(__file__).parent / "vendor" / "axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@contextmanager
def studio(runs: Path, *options: object) -> Iterator[str]:
    """Yield the address, with its token, of a studio."""
    process = start("studio", "--runs", runs, "--no-browser", "--port", 0, *options)
    try:
        line = process.stderr.readline()
        url = re.search(r"url=(\S+)", line)
        assert url, line + process.communicate()[1]
        yield url[1]
        process.terminate()
        assert (process.wait(20), "Traceback" in process.stderr.read()) == (0, False)
    finally:
        process.kill()
        process.communicate()


@contextmanager
def opened(browser: Browser, url: str, **context: Any) -> Iterator[Page]:
    """Yield a page that must report no error and ask no other computer."""
    page = browser.new_context(**context).new_page()
    told: list[str] = []
    here = url.partition("?")[0].rpartition("/")[0] + "/"

    def on_message(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            told.append(message.text)

    def on_request(request: Request) -> None:
        if not request.url.startswith((here, "data:", "blob:")):
            told.append(request.url)

    page.on("console", on_message)
    page.on("pageerror", lambda error: told.append(str(error)))
    page.on("request", on_request)
    page.goto(url)
    yield page
    page.context.close()
    assert told == []


def check_fits_and_is_accessible(page: Page) -> None:
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.evaluate(AXE.read_text("utf-8"))
    found = page.evaluate(f"axe.run(document, {{runOnly: {RULES}}}).then(result => result.violations)")
    assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in found] == []


def labels(aside: Path) -> dict[str, str]:
    """Return the answer that counts by the name of the picture."""
    with Journal(aside) as journal:
        return {journal.row(row).source.name: one.label for row, one in journal.answers.latest().items()}


def wait_for_answers(page: Page, aside: Path, num: int) -> dict[str, str]:
    for _ in range(300):
        if len(labels(aside)) == num:
            return labels(aside)
        page.wait_for_timeout(50)
    raise AssertionError(f"{len(labels(aside))} answers")


def test_a_hundred_pictures_by_keyboard_alone(browser: Browser, decided: Path, tmp_path: Path) -> None:
    aside = watched(tmp_path, 100)
    with studio(decided.parent, "--aside", aside) as url, opened(browser, url, viewport=DESK) as page:
        heading = page.get_by_role("heading", level=1)
        assert page.locator(".guess").count() == page.get_by_role("button", name="Agree").count() == 0
        for key in ("Enter", "x"):  # these would need a label of the classifier
            page.keyboard.press(key)
        assert heading.inner_text() == "100 pictures wait for you"
        for number in range(100):
            file = page.locator(".side h2").inner_text()
            is_dark = "dark" in file
            page.keyboard.press((("1", "2"), ("a", "b"))[number % 3 % 2][not is_dark])
        assert heading.inner_text() == "Nothing waits for you"
        wait_for_answers(page, aside, 100)
        page.get_by_text("not broken").wait_for()
    assert {label for name, label in labels(aside).items() if "dark" in name} == {"airplane"}
    assert {label for name, label in labels(aside).items() if "light" in name} == {"bird"}
    assert audit_folder(aside).result.due == 0


def test_keys_for_wrong_unclear_and_groups_and_taking_back(
    browser: Browser, decided: Path, tmp_path: Path
) -> None:
    aside = watched(tmp_path, 12, NONE_DRAWN, unsure_below=0.95)
    names = sorted(path.name for path in tmp_path.rglob("*-dark.png"))
    with studio(decided.parent, "--aside", aside) as url, opened(browser, url, viewport=DESK) as page:
        order = [page.locator(".waiting li").nth(at).get_attribute("aria-label").split(",")[0] for at in range(6)]
        assert sorted(order) == names
        for key in ("x", "u", "o"):
            page.keyboard.press(key)
        answers = wait_for_answers(page, aside, 3)
        assert [answers[name] for name in order[:3]] == ["bird", "?", "other"]
        page.keyboard.press("Shift+ArrowRight")
        page.keyboard.press("Shift+ArrowRight")
        assert page.locator('.waiting li[aria-selected="true"]').count() == 3
        page.keyboard.press("x")
        answers = wait_for_answers(page, aside, 6)
        assert [answers[name] for name in order] == ["bird", "?", "other", "bird", "bird", "bird"]
        page.keyboard.press("Control+z")
        wait_for_answers(page, aside, 3)
        assert page.locator(".waiting li").count() == 9
        page.reload()
        for left in (2, 1, 0):  # what was answered before the page was loaded again
            page.keyboard.press("Control+z")
            wait_for_answers(page, aside, left)
        page.locator(".waiting li").nth(11).wait_for()
        page.keyboard.press("End")
        assert page.locator(".waiting li").nth(11).get_attribute("data-here") == ""


def test_by_mouse(browser: Browser, decided: Path, tmp_path: Path) -> None:
    aside = watched(tmp_path, 4, NONE_DRAWN, unsure_below=0.95)
    with studio(decided.parent, "--aside", aside) as url, opened(browser, url, viewport=DESK) as page:
        page.locator(".waiting li").nth(2).click()
        file = page.locator(".side h2").inner_text()
        page.get_by_role("button", name="Cannot tell").click()
        assert wait_for_answers(page, aside, 1) == {file: "?"}
        page.get_by_role("button", name="Take back").click()
        wait_for_answers(page, aside, 0)
        page.get_by_role("button", name="Agree").focus()
        page.keyboard.press("Enter")  # the button's own key, once
        wait_for_answers(page, aside, 1)


def test_an_answer_that_cannot_be_recorded_is_reported(browser: Browser, decided: Path, tmp_path: Path) -> None:
    aside = watched(tmp_path, 4)
    with studio(decided.parent, "--aside", aside) as url:
        context = browser.new_context()
        page = context.new_page()
        page.goto(url)
        (tmp_path / "aside.journal" / "journal.sqlite").unlink()
        page.keyboard.press("1")
        page.get_by_role("alert").wait_for()
        context.close()


@pytest.mark.parametrize("viewport", [PHONE, DESK], ids=["phone", "desk"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_fit_and_are_accessible(
    browser: Browser, decided: Path, tmp_path: Path, viewport: ViewportSize, scheme: str
) -> None:
    aside = watched(tmp_path, 30, prefix="<b>bold")
    picture = tmp_path / "mine.png"
    picture.write_bytes(picture_bytes(1))
    with (
        studio(decided.parent, "--aside", aside) as url,
        opened(browser, url, viewport=viewport, color_scheme=scheme) as page,
    ):
        page.locator(".stage img").wait_for()
        check_fits_and_is_accessible(page)
        page.get_by_role("link", name="Try").click()
        page.locator(".drop").wait_for()
        page.locator("input[type=file]").set_input_files(picture)
        page.get_by_text("mine.png").wait_for()
        assert page.locator(".tried h2").inner_text() in {"airplane", "bird"}
        check_fits_and_is_accessible(page)


def test_pages_can_be_read_without_scripts(browser: Browser, decided: Path, tmp_path: Path) -> None:
    aside = watched(tmp_path, 6)
    with studio(decided.parent, "--aside", aside) as url:
        with opened(browser, url, viewport=PHONE, java_script_enabled=False) as page:
            assert page.locator("h1").inner_text() == "6 pictures wait for you"
            assert page.locator("figure img").count() == 6 and page.get_by_text("turn scripts on").is_visible()
            page.get_by_role("link", name="Try").click()
            assert page.get_by_text("skysort predict").is_visible()
        page = browser.new_context().new_page()
        page.goto(url.partition("?")[0])
        assert "needs the address" in page.locator("h1").inner_text()
        page.context.close()
