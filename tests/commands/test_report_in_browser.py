"""report.html in a browser: on a phone and on a desk, nothing asked of a network, every figure as measured."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from skysort.trust.page import percent
from tests.conftest import command

PHONE, DESK = {"width": 390, "height": 844}, {"width": 1280, "height": 900}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Where SKYSORT_BROWSER names one, as `.ci/run` does, it has to be there."""
    asked = os.environ.get("SKYSORT_BROWSER")
    found = shutil.which(asked or "chromium")
    if found is None:
        if asked:
            pytest.fail(f"SKYSORT_BROWSER is {asked}, which is not installed")
        pytest.skip("Chromium is not installed")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        yield started
        started.close()


@pytest.fixture(scope="module")
def decided_run(finished_run: Path, session_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = shutil.copytree(finished_run, tmp_path_factory.mktemp("decided") / "run")
    promise = ("--keep", "bird", "--lose-at-most", "20%", "--confidence", "90%")
    done = command("decide", run, *promise, SKYSORT_CACHE=str(session_cache))
    assert done.returncode == 0, done.stderr
    return run


@pytest.fixture(params=[PHONE, DESK], ids=["phone", "desk"])
def page(request: pytest.FixtureRequest, browser: Browser, decided_run: Path) -> Iterator[Page]:
    """The open page, with what it asked for and what went wrong in `page.told`."""
    page = browser.new_page(viewport=request.param)
    told: list[str] = []
    page.on("console", lambda message: told.append(message.text))
    page.on("pageerror", lambda error: told.append(str(error)))
    page.on("request", lambda asked: told.append(asked.url))
    page.goto((decided_run / "report.html").as_uri())
    yield page
    page.close()
    assert told == [(decided_run / "report.html").as_uri()]  # the page itself, and nothing else


def rows_of(page: Page, section: str) -> list[list[str]]:
    """Return the texts of a section's first table, row by row, without the scales that are drawn."""
    return page.locator(f"section[aria-labelledby={section}] table").first.evaluate(
        """table => [...table.tBodies[0].rows].map(
            row => [...row.cells].filter(cell => !cell.ariaHidden).map(cell => cell.textContent.trim()))"""
    )


def interval(bounds: list[float] | None) -> str:
    return "" if bounds is None else "{:.1f} to {:.1f} %".format(*(100 * bound for bound in bounds))


def test_it_fits_the_screen_in_light_and_dark(page: Page) -> None:
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        wide = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
        assert wide[0] <= wide[1]
    colours = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        colours.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert colours[0] != colours[1]


def test_pictures_and_charts_are_there_with_words_for_them(page: Page) -> None:
    assert page.evaluate("[...document.images].every(image => image.naturalWidth > 0 && image.alt)")
    titles = page.locator("svg > title").all_text_contents()
    assert len(titles) == page.locator("figure > svg").count() >= 3
    assert all(titles)


def test_every_figure_is_that_of_metrics_json(page: Page, decided_run: Path) -> None:
    metrics: dict[str, Any] = json.loads((decided_run / "metrics.json").read_text("utf-8"))
    test = metrics["splits"]["test"]
    headline = page.locator("h1").inner_text().replace("\u00a0", " ")
    for expected in (f"{test['pictures']:,} test pictures", percent(test["accuracy"])):
        assert expected in headline

    parts = rows_of(page, "parts")
    assert [row[0] for row in parts] == list(metrics["splits"])
    for row, figures in zip(parts, metrics["splits"].values(), strict=True):
        assert row[1] == f"{figures['pictures']:,}"
        assert row[2] == percent(figures["accuracy"]) + interval(figures["interval95"])
        assert row[-1].split()[0] == f"{figures['loss']:.3f}"

    classes = rows_of(page, "classes")
    assert [row[0] for row in classes] == list(test["classes"])
    for row, figures in zip(classes, test["classes"].values(), strict=True):
        assert row[1] == f"{figures['pictures']:,}"
        assert row[2] == percent(figures["accuracy"]) + interval(figures["interval95"])
        assert row[3] == percent(figures["precision"]) + interval(figures["precision_interval95"])

    confusion = [[int(cell.split()[0]) for cell in row[1:]] for row in rows_of(page, "confusion")]
    assert confusion == test["confusion"]

    decision = page.locator("section[aria-labelledby=decisions]").inner_text().replace("\u00a0", " ")
    for effect in metrics["decisions"]["keep-bird"].values():
        low, high = map(percent, effect["interval95"])
        assert f"{percent(effect['share'])} are set aside ({low} to {high})" in decision
