"""report.html in a browser: on a phone and on a desk, nothing asked of a network, every figure as measured."""

import csv
import itertools
import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from skysort.classifier.format import read_table
from skysort.report.page import percent
from skysort.report.wording import decision_sentences
from skysort.trust.metrics import SplitFigures
from tests.conftest import SharedFolder, command, picture_bytes

Command = Callable[..., CompletedProcess[str]]
PHONE, DESK = {"width": 390, "height": 844}, {"width": 1280, "height": 900}


@pytest.fixture(scope="module")
def decided_run(session_cache: Path, shared_folder: SharedFolder, forked: Command) -> Path:
    """A run whose report has everything: a decision, unknown pictures, duplicates, broken files."""
    return shared_folder("decided", lambda folder: decide(folder, session_cache, forked)) / "run"


def decide(folder: Path, cache: Path, forked: Command) -> None:
    """Draw pictures, train with them, and decide in a process whose report has charts."""
    seeds = itertools.count()
    for below, num in {"train/bird": 70, "train/airplane": 70, "test/bird": 20, "test/airplane": 30}.items():
        (folder / "data" / below).mkdir(parents=True)
        for number in range(num):
            (folder / "data" / below / f"{number}.png").write_bytes(picture_bytes(next(seeds)))
    for number in range(3):
        shutil.copy(folder / f"data/train/bird/{number}.png", folder / f"data/test/bird/again-{number}.png")
    (folder / "data/test/bird/broken.png").touch()
    (folder / "ood/noise").mkdir(parents=True)
    for number in range(12):
        (folder / "ood/noise" / f"{number}.png").write_bytes(picture_bytes(next(seeds)))
    of_train = ("--recipe", "mlp-small", "--threads", 1, "--ood", folder / "ood")
    settings = ("--set", "training.epochs=2", "--set", "trust.keep_known=0.7")
    promise = ("--keep", "bird", "--lose-at-most", "40%", "--confidence", "80%")
    trained = forked("train", folder / "data", "--run", folder / "run", *of_train, *settings)
    assert trained.returncode == 0, trained.stderr
    decided = command("decide", folder / "run", *promise, SKYSORT_CACHE=str(cache))
    assert decided.returncode == 0, decided.stderr


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


def text_of(page: Page, place: str) -> str:
    """Return what is written in a place, with one blank where there are several."""
    return " ".join(page.locator(place).inner_text().split())


def rows_of(page: Page, section: str) -> list[str]:
    """Return the rows of a section's first table, as they are written, without the scales that are drawn."""
    rows: list[str] = page.locator(f"section[aria-labelledby={section}] table").first.evaluate(
        """table => [...table.tBodies[0].rows].map(
            row => [...row.cells].filter(cell => !cell.ariaHidden)
                .flatMap(cell => [...cell.childNodes]).map(node => node.textContent).join(" "))"""
    )
    return [" ".join(row.split()) for row in rows]


def percents(low: float, high: float) -> str:
    return f"{100 * low:.1f} to {100 * high:.1f} %"


def with_interval(figures: dict[str, Any], name: str, interval: str | None = None) -> str:
    return f"{percent(figures[name])} {percents(*figures[interval or f'{name}_interval95'])}"


def bounds(interval: list[float]) -> str:
    low, high = map(percent, interval)
    return f"{low} to {high}"


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


@pytest.fixture
def metrics(decided_run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((decided_run / "metrics.json").read_text("utf-8"))
    return found


def test_the_head_of_the_page_is_that_of_metrics_json(page: Page, metrics: dict[str, Any]) -> None:
    test = metrics["splits"]["test"]
    others, num_unknown = test["without_duplicates"], round(test["unknown"]["share"] * 53)
    assert (test["pictures"], others["pictures"], test["unreadable"]) == (53, 50, 1)
    num_right = sum(labels.get(truth, 0) for truth, labels in test["confusion"].items())
    assert text_of(page, "h1") == (
        f"Of 53 test pictures, {num_right} were sorted right by the likeliest class: {percent(test['accuracy'])}"
        f" (95 % interval {bounds(test['interval95'])})."
    )
    enough, unknown, unreadable, duplicates = (
        " ".join(text.split()) for text in page.locator(".notice").all_inner_texts()
    )
    assert enough.startswith("53 test pictures measure the accuracy ")
    assert unknown.startswith(f"The classifier calls {num_unknown} of them unknown")
    assert unreadable.startswith("1 more picture could not be read")
    assert duplicates.startswith("3 of the test pictures leak: ")
    accuracy = f"{percent(others['share'])} (95 % interval {bounds(others['interval95'])})."
    assert duplicates.endswith(f"On the other 50 the accuracy is {accuracy}")
    described = text_of(page, "header dl")
    assert f"Parameters {metrics['parameters']:,}" in described
    assert f"Training {metrics['seconds']['training']:,.1f} seconds" in described


def test_parts_classes_and_confusion_are_those_of_metrics_json(page: Page, metrics: dict[str, Any]) -> None:
    assert rows_of(page, "splits") == [
        f"{name} {split['pictures']:,} {with_interval(split, 'accuracy', 'interval95')}"
        f" {with_interval(split, 'balanced_accuracy')}"
        f" {split['loss']:.3f} {split['loss_interval95'][0]:.3f} to {split['loss_interval95'][1]:.3f}"
        for name, split in metrics["splits"].items()
    ]
    test = metrics["splits"]["test"]
    assert rows_of(page, "classes") == [
        f"{name} {figures['pictures']:,} {with_interval(figures, 'recall', 'interval95')}"
        f" {with_interval(figures, 'precision')} "
        + " ".join(with_interval(figures, figure) for figure in ("f1", "average_precision", "roc_auc"))
        for name, figures in test["classes"].items()
    ]
    assert rows_of(page, "confusion") == [
        f"{name} " + " ".join(f"{count} {percent(count / sum(counts))}" for count in counts)
        for name, counts in zip(test["classes"], SplitFigures.model_validate(test).matrix(), strict=True)
    ]


def test_confidence_is_that_of_metrics_json(page: Page, metrics: dict[str, Any]) -> None:
    error = metrics["splits"]["test"]["calibration_error"]
    after = error["after"]
    said = text_of(page, "section[aria-labelledby=calibration]")
    assert f"is {percent(after['value'])} (" in said
    assert f"({bounds(after['interval95'])}, 95 % interval)" in said
    assert f"chance alone would give {percent(after['by_chance'])}." in said
    assert error["before"] is None
    assert "The temperature is 1: 14 validation pictures are too few to fit it" in said
    assert rows_of(page, "calibration") == [
        f"{percent(point['confidence'])} {point['pictures']} {with_interval(point, 'accuracy', 'interval95')}"
        for point in after["points"]
    ]
    diagram = page.locator("section[aria-labelledby=calibration] svg > title").text_content() or ""
    first, last = (
        f"{percent(after['points'][end]['confidence'])} with{what} {percent(after['points'][end]['accuracy'])}"
        for end, what in ((0, " accuracy"), (-1, ""))
    )
    assert first in diagram and last in diagram


def test_decisions_and_unknown_pictures_are_those_of_metrics_json(
    page: Page, metrics: dict[str, Any], decided_run: Path
) -> None:
    decision = text_of(page, "section[aria-labelledby=decisions]")
    for what, split in (("to keep", "lost"), ("of other classes", "set_aside")):
        effect = metrics["decisions"]["keep-bird"][split]
        assert (
            f"of {effect['pictures']:,} pictures {what} {percent(effect['share'])} are set aside"
            f" ({bounds(effect['interval95'])})" in decision
        )
    (made,) = read_table(decided_run / "classifier").decisions
    for sentence in decision_sentences(made, ("airplane", "bird")):
        assert sentence in decision

    test, ood = metrics["splits"]["test"], metrics["ood"]
    assert rows_of(page, "unknown") == [
        f"{what} {round(of['share'] * of['pictures'])} {of['pictures']} {with_interval(of, 'share', 'interval95')}"
        for what, of in (
            ("Test pictures called unknown", test["unknown"]),
            ("Of the others, labelled right", test["accepted"]),
            ("Out-of-distribution pictures not called unknown", ood["false_accepts"]),
        )
    ]
    said = text_of(page, "section[aria-labelledby=unknown]")
    assert f": {percent(ood['roc_auc'])} ({bounds(ood['roc_auc_interval95'])})." in said


def test_mistakes_and_samples_are_those_of_predictions_csv(page: Page, decided_run: Path) -> None:
    with (decided_run / "predictions.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["status"] != "unreadable"]
    confidences = {
        row["path"]: max(float(row["p:airplane"]), float(row["p:bird"]))
        for row in rows
        if float(row[f"p:{row['truth']}"]) < 0.5
    }
    mistakes = text_of(page, "section[aria-labelledby=mistakes]")
    surest = sorted(confidences.values(), reverse=True)[:24]
    assert re.findall(r"([\d.]+ %) confident", mistakes) == [percent(confidence) for confidence in surest]
    unknown = {row["path"] for row in rows if row["status"] == "unknown"} & confidences.keys()
    shown = {path for path in unknown if path in mistakes}
    assert mistakes.count("called unknown") == len(shown)
    num_right, num_wrong = re.findall(
        r"(\d+) right, (\d+) wrong", text_of(page, "section[aria-labelledby=samples]")
    )[0]
    assert int(num_right) + int(num_wrong) == 40
