"""The pages of the lessons in a browser: from a disk, by keyboard and by mouse, against Python's numbers."""

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page

from skysort.lessons.convolution import brightness, convolved, output_size
from skysort.lessons.lesson import Lesson
from skysort.lessons.pictures import LessonPictures
from tests.web.test_studio_in_browser import DESK, PHONE, check_fits_and_is_accessible, opened

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def web_server(site: Path) -> Iterator[str]:
    """Any web server can serve the pages."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=site)) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_arguments: object) -> None:
        pass


@pytest.mark.parametrize("name", ["index", "picture-is-numbers", "convolution"])
def test_pages_fit_and_are_accessible(browser: Browser, web_server: str, name: str) -> None:
    url = f"{web_server}/{name}.html"
    with opened(browser, url, viewport=PHONE, color_scheme="dark") as page:
        check_fits_and_is_accessible(page)
    with opened(browser, url, viewport=DESK) as page:
        check_fits_and_is_accessible(page)


def test_pages_are_whole_without_script(browser: Browser, site: Path, lessons: list[Lesson]) -> None:
    for lesson in lessons:
        with opened(browser, (site / f"{lesson.name}.html").as_uri(), java_script_enabled=False) as page:
            for figure in lesson.figures:
                assert page.locator(f"#{figure.name} :is(img, table)").count() > 0
                assert page.locator(f"#{figure.name} .hint:visible").count() == 0


def chosen_again(page: Page) -> None:
    """Open the address anew, as someone does who was sent it."""
    page.goto("about:blank")
    page.go_back()


def test_a_pixel_by_keyboard_and_by_mouse(browser: Browser, site: Path, pictures: LessonPictures) -> None:
    def reading(row: int, column: int) -> str:
        red, green, blue = pictures.bird[:, row, column]
        return f"Row {row}, column {column}: red {red}, green {green}, blue {blue}."

    with opened(browser, (site / "picture-is-numbers.html").as_uri(), viewport=DESK) as page:
        text, board = page.locator("#pixels .reading"), page.locator("#pixels .board")
        assert text.inner_text() == reading(16, 16)
        board.focus()
        for key in ("ArrowUp", "ArrowUp", "ArrowRight", *["ArrowLeft"] * 40):
            page.keyboard.press(key)
        assert text.inner_text() == reading(14, 0)
        box = board.bounding_box()
        assert box is not None
        board.click(position={"x": box["width"] * 20.5 / 32, "y": box["height"] * 5.5 / 32})
        assert text.inner_text() == reading(5, 20)
        chosen_again(page)
        assert text.inner_text() == reading(5, 20)
        page.locator("#normalised input").focus()
        page.keyboard.press("End")
        assert page.locator("#normalised output").inner_text() == "100 %"


def test_a_kernel_gives_what_pytorch_gives(browser: Browser, site: Path, pictures: LessonPictures) -> None:
    picture = brightness(pictures)

    def middle(page: Page) -> float:
        return float(page.locator("#kernel canvas").last.get_attribute("data-middle") or "nan")

    with opened(browser, (site / "convolution.html").as_uri(), viewport=DESK) as page:
        page.locator("#kernel select").select_option("blurred")
        assert middle(page) == pytest.approx(
            convolved(picture, np.full((3, 3), 1 / 9, np.float32))[16, 16], abs=1e-5
        )
        own = np.arange(9, dtype=np.float32).reshape(3, 3) / 4 - 1
        for row, column in np.ndindex(3, 3):
            page.get_by_label(f"row {row + 1}, column {column + 1}").fill(str(own[row, column]))
        assert middle(page) == pytest.approx(convolved(picture, own)[16, 16], abs=1e-5)
        chosen_again(page)
        assert middle(page) == pytest.approx(convolved(picture, own)[16, 16], abs=1e-5)


def test_sizes_and_reach(browser: Browser, site: Path) -> None:
    with opened(browser, (site / "convolution.html").as_uri(), viewport=DESK) as page:
        answer = page.locator("#size .answer")
        for setting in ((32, 3, 1, 1), (224, 7, 3, 2), (28, 5, 0, 3)):
            for name, value in zip(("size", "kernel", "padding", "stride"), setting, strict=True):
                page.locator(f"#size input[name={name}]").fill(str(value))
            assert answer.inner_text().endswith(f": {output_size(*setting)}")
        page.locator("#size input[name=kernel]").fill("99")
        assert "larger than the padded picture, 28" in answer.inner_text()
        page.locator("#size input[name=stride]").fill("0.5")
        assert "Whole numbers" in answer.inner_text()
        buttons = page.locator("#reach button")
        buttons.nth(3).click()
        page.keyboard.press("ArrowDown")
        assert buttons.nth(4).get_attribute("aria-pressed") == "true"
        label = page.locator("#reach .board").get_attribute("aria-label")
        assert label == "MaxPool2d: an output in the middle sees 10 x 10 pixels"
