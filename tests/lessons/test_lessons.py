"""The lessons: their numbers, the lines of code they show, and the pages in a browser, from a disk."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page

from skysort.core.progress import SilentProgress
from skysort.lessons.book import LESSONS, write_lessons
from skysort.lessons.convolution import brightness, convolved, layers, output_size
from skysort.lessons.lesson import SOURCE_FOLDER, Code, Lesson
from skysort.lessons.picture_is_numbers import normalised
from skysort.lessons.pictures import LessonPictures, find_pictures, redness
from skysort.networks.inspect.by_name import describe_by_name
from tests.conftest import SharedFolder
from tests.web.test_studio_in_browser import DESK, PHONE, check_fits_and_is_accessible, opened


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> LessonPictures:
    return find_pictures(tmp_path_factory.mktemp("no-data"), SilentProgress())


@pytest.fixture(scope="module")
def lessons(pictures: LessonPictures) -> list[Lesson]:
    return [make(pictures) for make in LESSONS]


@pytest.fixture(scope="session")
def site(shared_folder: SharedFolder) -> Path:
    return shared_folder("lessons", lambda folder: write_lessons(folder, folder / "no-data"))


def test_each_lesson_is_whole(lessons: list[Lesson]) -> None:
    for lesson in lessons:
        assert len(lesson.questions) == 3 and any(figure.hint for figure in lesson.figures)
        names = [figure.name for figure in lesson.figures]
        assert len(set(names)) == len(names) and all(re.fullmatch("[a-z-]+", name) for name in names)
        assert all(figure.caption and figure.component.still() for figure in lesson.figures)
        json.dumps([figure.component.data() for figure in lesson.figures], allow_nan=False)


def test_code_on_a_page_is_the_code_that_runs(lessons: list[Lesson]) -> None:
    shown = [code for lesson in lessons for part in lesson.parts for code in part.code]
    assert shown
    for code in shown:
        file = (SOURCE_FOLDER / code.path).read_text("utf-8")
        assert all(line.strip() in file for line in code.text.splitlines())
        first = file.splitlines()[code.line - 1].strip()
        assert code.text.startswith(first) and '"""' not in code.text


def test_code_without_a_docstring_is_whole() -> None:
    assert Code.of(_plain).text == "def _plain() -> int:\n    return 1"


def _plain() -> int:
    return 1


def test_numbers_of_the_texts(lessons: list[Lesson]) -> None:
    opening = {lesson.name: lesson.opening for lesson in lessons}
    assert "1,024 pixels" in opening["picture-is-numbers"] and "3,072 numbers" in opening["picture-is-numbers"]
    assert "432 weights" in opening["convolution"] and "49,152" in opening["convolution"]
    paragraphs = [text for lesson in lessons for part in lesson.parts for text in part.paragraphs]
    assert any("= 432 weights and 16 biases" in text and "= 3,072 numbers" in text for text in paragraphs)
    assert any("18,090 parameters" in text for text in paragraphs)


def test_the_picture_with_the_most_red(pictures: LessonPictures) -> None:
    plain = np.zeros((3, 3, 2, 2), np.uint8)
    plain[0, 0], plain[1], plain[2, 2] = 100, 255, 255
    assert redness(plain).tolist() == [100, 0, -127.5]
    assert pictures.reddest[0].mean() > pictures.reddest[2].mean()


def test_normalised_is_minus_mean_by_deviation(pictures: LessonPictures) -> None:
    mean, std = pictures.dataset.mean_and_std(pictures.train_rows)
    expected = (pictures.reddest / 255 - np.reshape(mean, (3, 1, 1))) / np.reshape(std, (3, 1, 1))
    np.testing.assert_allclose(normalised(pictures).numpy(), expected, atol=1e-5)


def test_the_layers_see_ever_more() -> None:
    sides = [side for *_, side in layers(describe_by_name("convnet", 32, 3, 2))]
    assert sides == sorted(sides) and sides[0] == 3 and sides[-1] == 32


@pytest.mark.parametrize("name", ["index", "picture-is-numbers", "convolution"])
def test_pages_fit_and_are_accessible(browser: Browser, site: Path, name: str) -> None:
    url = (site / f"{name}.html").as_uri()
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
        page.get_by_label("kernel", exact=True).first.select_option("blurred")
        assert middle(page) == pytest.approx(convolved(picture, np.full((3, 3), 1 / 9, np.float32))[16, 16], abs=1e-5)
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
