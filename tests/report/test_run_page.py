"""The report page: true to the figures, closed in itself, harmless whatever files are called."""

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from skysort.classifier.evidence import overlay, relative_map
from skysort.classifier.format import KeptShare, OodThreshold
from skysort.classifier.ood import scores
from skysort.classifier.predictions import softmax
from skysort.core.progress import SilentProgress
from skysort.data.dataset import Data, Dataset, open_dataset
from skysort.data.decode import Shape
from skysort.recipe.schema import Recipe
from skysort.report.charts import Reliability, read_curves
from skysort.report.run_page import decision_sections, write_report
from skysort.report.thumbnails import thumbnail
from skysort.trust.evaluation import Evaluation
from skysort.trust.guarantee import decide
from skysort.trust.metrics import GroupCounts, Metrics
from tests.conftest import numbers

UNSEEN = re.compile("not seen|unseen|never seen")
"""What a page says of test pictures, and of no others."""
HOSTILE = "<script>alert(1)<&'\"`{{ 7*7 }}"
HOSTILE_FILE = "x\"onerror='alert(2)'><img src=http:evil.example>\n\udcff\u202egnp"
ROWS_OF_HISTORY = """\
kind,epoch,step,train_loss,train_accuracy,validation_loss,validation_accuracy,learning_rate,seconds,pictures_per_second
steps,1,2,0.9,0.5,,,0.1,1,10
epoch,1,4,0.8,0.6,0.7,0.65,0.1,2,10
steps,2,2,0.6,0.7,,,0.1,3,10
epoch,2,4,0.5,0.75,0.55,0.7125,0.1,4,10
"""


class Page(HTMLParser):
    """Tags with their attributes, texts, headings, notices, and tables as rows of cells."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.html = text
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.tables: list[list[list[str]]] = []
        self.is_in_cell = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")
            self.is_in_cell = True

    def handle_endtag(self, tag: str) -> None:
        self.is_in_cell = self.is_in_cell and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        self.texts.append(data)
        if self.is_in_cell:
            self.tables[-1][-1][-1] += data.strip() + " "

    def row(self, table: int, name: str) -> str:
        (found,) = [row for row in self.tables[table] if row and row[0].strip() == name]
        return " ".join(" ".join(found[1:]).split())

    @property
    def headings(self) -> list[str]:
        """The texts of h1, h2 and h3."""
        return self._inside(r"h[123]")

    @property
    def notices(self) -> list[str]:
        return self._inside("p", ' class="notice"')

    def _inside(self, tag: str, attributes: str = "") -> list[str]:
        splits = re.findall(rf"<({tag}){attributes}[^>]*>(.*?)</\1>", self.html, re.DOTALL)
        return [" ".join(unescape(re.sub("<[^>]*>", "", split)).split()) for _, split in splits]

    @property
    def names(self) -> set[str]:
        return {tag for tag, _ in self.tags}


def collection_of(folder: Path, classes: list[str], num: int, size: int = 8) -> Dataset:
    random = np.random.default_rng(0)
    for name in classes:
        (folder / name).mkdir(parents=True)
        for number in range(num):
            pixels = random.integers(0, 256, (size, size, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return open_dataset(Data.find(str(folder)), Shape(size, 3), SilentProgress())


def evaluation_of(dataset: Dataset, unreadable: dict[int, str] | None = None) -> Evaluation:
    """Every readable picture, labelled right a little more often than by chance."""
    listing = dataset.listing
    rows = np.flatnonzero(dataset.positions >= 0)
    truth = listing.labels[rows]
    logits = np.random.default_rng(1).normal(size=(len(rows), len(listing.classes))).astype(np.float32)
    logits[np.arange(len(rows)), truth] += 1
    return Evaluation("test", dataset, listing.classes, rows, truth, logits, unreadable or {})


def metrics_of(test: Evaluation, **others: Any) -> Metrics:
    fields = {
        "splits": {"test": test.figures(np.arange(len(test.dataset.listing)))},
        "parameters": 12345,
        "temperature": test.temperature,
        "temperature_reason": "",
        "seconds": {"training": 61.25},
        "protocol": "four-way",
        "learned": {"train": 700},
        "classifier": "0" * 64,
        "data": {"source": "made-up", "fingerprint": "0" * 32},
        "decisions": {},
    }
    return Metrics(**{**fields, **others})


def run_folder(path: Path, unreadable: list[dict[str, str]], left_out: list[str]) -> Path:
    path.mkdir()
    (path / "recipe.toml").write_text(Recipe.load("convnet").to_toml(), encoding="utf-8")
    (path / "history.csv").write_text(ROWS_OF_HISTORY, encoding="utf-8")
    data = {
        **{
            "format": 1,
            "source": "made-up",
            "fingerprint": "0",
            "split_digest": "0",
            "groups_digest": "0",
            "classes": [],
            "counts": {},
        },
        "unreadable": unreadable,
        "left_out": {"files": len(left_out), "first": left_out[:20]},
    }
    (path / "data.json").write_text(json.dumps(data), encoding="utf-8")
    return path


@pytest.fixture
def test_split(tmp_path: Path) -> Evaluation:
    return evaluation_of(collection_of(tmp_path / "pictures", ["bird", "kite", "plane"], 12))


def written(tmp_path: Path, metrics: Metrics, test: Evaluation, run: Path | None) -> str:
    path = tmp_path / "report.html"
    write_report(path, metrics, test, run)
    return path.read_bytes().decode("utf-8")


def percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def percents(bounds: Sequence[float]) -> str:
    return f"{100 * bounds[0]:.1f} to {100 * bounds[1]:.1f} %"


def test_tables_hold_the_figures_of_metrics(tmp_path: Path, test_split: Evaluation) -> None:
    metrics = metrics_of(test_split)
    page = Page(written(tmp_path, metrics, test_split, None))
    test = metrics.splits["test"]
    assert test.loss_interval95
    low, high = test.loss_interval95
    assert page.row(0, "test") == (
        f"36 {percent(test.accuracy)} {percents(test.interval95)}"
        f" {percent(test.balanced_accuracy)} {percents(test.balanced_accuracy_interval95)}"
        f" {test.loss:.3f} {low:.3f} to {high:.3f}"
    )
    for name, counts in zip(test.classes, test.matrix(), strict=True):
        shares = (f"{count} {percent(count / sum(counts))}" for count in counts)
        assert page.row(1, name) == " ".join(shares)
    for name, figures in test.classes.items():
        assert page.row(2, name) == (
            f"12 {percent(figures.recall)} {percents(figures.interval95)}"
            f" {percent(figures.precision)} {percents(figures.precision_interval95)}"
            + "".join(
                f" {percent(getattr(figures, figure))} {percents(getattr(figures, f'{figure}_interval95'))}"
                for figure in ("f1", "average_precision", "roc_auc")
            )
        )
    for point in test.calibration_error.after.points:
        assert page.row(3, percent(point.confidence)) == (
            f"{point.pictures} {percent(point.accuracy)} {percents(point.interval95)}"
        )


def temperature_in(html: str) -> str:
    (said,) = re.findall(r"temperature[^.]*? (\d[\d.]*\d|\d)\b", " ".join(html.split()))
    return str(said)


def test_calibration_is_told_before_and_after_only_where_there_was_one(
    tmp_path: Path, test_split: Evaluation
) -> None:
    metrics = metrics_of(test_split, temperature_reason="9 validation pictures are too few")
    html = written(tmp_path, metrics, test_split, None)
    assert "9 validation pictures are too few" in html
    assert temperature_in(html) == "1"
    calibrated = replace(test_split, logits=test_split.logits / np.float32(3), temperature=3.0)
    metrics = metrics_of(calibrated)
    html = " ".join(written(tmp_path, metrics, calibrated, None).split())
    before, after = (getattr(metrics.splits["test"].calibration_error, name) for name in ("before", "after"))
    assert before.value != after.value
    for error in (before, after):
        low, high = error.interval95
        assert re.search(rf"{percent(error.value)}[^.]* \({percent(low)} to {percent(high)}", html)
    assert temperature_in(html) == "3"
    summary = Reliability(before, after).summary
    assert f"<title>{summary}</title>" in html
    first, *_ = before.points
    assert numbers(summary)[:2] == [f"{100 * getattr(first, figure):.1f}" for figure in ("confidence", "accuracy")]


def test_maps_of_mistakes_are_of_the_label(tmp_path: Path, test_split: Evaluation) -> None:
    def evidence(rows: np.ndarray) -> np.ndarray:
        return np.random.default_rng(rows).normal(size=(len(rows), 3, 2, 2)).astype(np.float32)

    metrics, path = metrics_of(test_split), tmp_path / "report.html"
    write_report(path, metrics, test_split, None, evidence=evidence)
    labels, shares = test_split.logits.argmax(axis=1), softmax(test_split.logits).max(axis=1)
    wrong = [int(row) for row in np.argsort(-shares, kind="stable") if labels[row] != test_split.truth[row]]
    pictures = test_split.dataset.pixels(test_split.rows[wrong])
    expected = [
        thumbnail(overlay(pixels, relative_map(of_classes, labels[row]))).uri
        for pixels, of_classes, row in zip(pictures, evidence(test_split.rows[wrong]), wrong, strict=True)
    ]
    shown = [tag["src"] for name, tag in Page(path.read_text()).tags if name == "img"]
    assert 0 < len(wrong) < 24
    assert shown[1 : 2 * len(wrong) : 2] == expected


def test_headline_says_n_and_interval(tmp_path: Path, test_split: Evaluation) -> None:
    metrics = metrics_of(test_split)
    html = written(tmp_path, metrics, test_split, run_folder(tmp_path / "run", [], []))
    test = metrics.splits["test"]
    low, high = test.interval95
    num_right = np.trace(test.matrix())
    headline = Page(html).headings[0]
    shares = [f"{100 * share:.1f}" for share in (test.accuracy, low, high)]
    assert sorted(numbers(headline)) == sorted(["36", str(num_right), "95", *shares])
    assert UNSEEN.search(headline)
    assert "12,345" in html
    assert "61.2 seconds" in html


@pytest.mark.usefixtures("drawn_charts")
def test_curves_of_one_epoch_count_in_epochs(tmp_path: Path) -> None:
    history = tmp_path / "history.csv"
    history.write_text("".join(ROWS_OF_HISTORY.splitlines(keepends=True)[:3]), encoding="utf-8")
    for curves in read_curves(history):
        assert curves.summary.count("epoch 1") == 2
        ticks = re.findall(r"<text[^>]*>([\d.]+)</text>", curves.svg())
        assert "1" in ticks and "0.945" not in ticks


@pytest.mark.skipif("sys.platform != 'linux'", reason="file systems elsewhere refuse such names")
@pytest.mark.usefixtures("drawn_charts")
def test_hostile_names_are_harmless(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    collection_of(folder, [HOSTILE, "bird"], 6)
    for number in range(4):
        (folder / HOSTILE / f"{number}.png").rename(folder / HOSTILE / f"{number}{HOSTILE_FILE}.png")
    (folder / "bird" / f"{HOSTILE_FILE}.png").write_bytes(b"<script>")
    dataset = open_dataset(Data.find(str(folder)), Shape(8, 3), SilentProgress())
    test = evaluation_of(dataset, dataset.unreadable)
    assert len(test.unreadable) == 1
    metrics = metrics_of(test, data={"source": f"/home/{HOSTILE}/{HOSTILE_FILE}", "fingerprint": "0" * 32})
    unreadable = [{"path": HOSTILE_FILE, "reason": HOSTILE}]
    run = run_folder(tmp_path / "run", unreadable, [HOSTILE, HOSTILE_FILE])
    for of_run in (run, None):
        page = Page(written(tmp_path, metrics, test, of_run))
        assert "script" not in page.names
        assert all(attributes["src"].startswith("data:") for tag, attributes in page.tags if tag == "img")
        assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
        assert any(HOSTILE in text for text in page.texts)
        assert any(r"\udcff" in text for text in page.texts)


@pytest.mark.usefixtures("drawn_charts")
def test_no_request_leaves_the_page(tmp_path: Path, test_split: Evaluation) -> None:
    html = written(tmp_path, metrics_of(test_split), test_split, run_folder(tmp_path / "run", [], []))
    page = Page(html)
    assert not page.names & {"script", "iframe", "object", "embed", "base", "form"}
    for tag, attributes in page.tags:
        for name in ("src", "href", "xlink:href", "srcset", "action"):
            assert (attributes.get(name) or "#").startswith(("#", "data:")), (tag, attributes)
    assert "@import" not in html
    assert not re.search(r"url\((?!#)", html)
    assert "default-src 'none'" in html


def test_every_chart_and_picture_has_words(tmp_path: Path, test_split: Evaluation) -> None:
    html = written(tmp_path, metrics_of(test_split), test_split, run_folder(tmp_path / "run", [], []))
    page = Page(html)
    assert all(attributes["alt"] for tag, attributes in page.tags if tag == "img")
    assert html.count('role="img"><title>') == [tag for tag, _ in page.tags].count("svg") == 3
    (accuracy,) = re.findall(r"[^.:]*alidation accuracy: ([^<]*)\.[^.<]*</title>", html)
    assert numbers(accuracy) == ["65.0", "1", "71.2", "2"]
    named = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(named) == len(set(named))


@pytest.mark.usefixtures("drawn_charts")
def test_same_input_gives_same_bytes(tmp_path: Path, test_split: Evaluation) -> None:
    run = run_folder(tmp_path / "run", [], [])
    metrics = metrics_of(test_split)
    assert written(tmp_path, metrics, test_split, run) == written(tmp_path, metrics, test_split, run)


def test_without_a_run_there_is_nothing_of_one(tmp_path: Path, test_split: Evaluation) -> None:
    html = written(tmp_path, metrics_of(test_split, protocol="other pictures"), test_split, None)
    assert html.count("<svg") == 1  # that of its confidence
    assert "recipe" not in html.lower()
    assert "skysort train" not in html
    assert not UNSEEN.search(html)


def test_curves_place_steps_inside_their_epoch(tmp_path: Path) -> None:
    loss, accuracy = read_curves(run_folder(tmp_path / "run", [], []) / "history.csv")
    assert loss.train == [(1, 0.8), (2, 0.5)]
    assert loss.steps == [(0.5, 0.9), (1.5, 0.6)]
    assert accuracy.validation == [(1, 0.65), (2, 0.7125)]


def test_set_aside_files_are_named_and_counted(tmp_path: Path, test_split: Evaluation) -> None:
    unreadable = [{"path": f"bird/broken{number}.jpg", "reason": "damaged"} for number in range(53)]
    run = run_folder(tmp_path / "run", unreadable, [f"notes{number}.txt" for number in range(25)])
    html = written(tmp_path, metrics_of(test_split), test_split, run)
    assert html.count("bird/broken") == 50
    assert html.count("notes") == 20
    assert " 3 more" in html
    assert " 5 more" in html


def test_commands_quote_their_paths(tmp_path: Path, test_split: Evaluation) -> None:
    run = run_folder(tmp_path / "my run; reboot", [], [])
    texts = Page(written(tmp_path, metrics_of(test_split), test_split, run)).texts
    assert f"skysort train --recipe '{run}/recipe.toml' made-up" in texts
    assert f"skysort predict '{run}' PICTURES" in texts


@pytest.mark.usefixtures("drawn_charts")
def test_many_classes_show_the_most_confused_pairs(tmp_path: Path) -> None:
    test = evaluation_of(collection_of(tmp_path / "pictures", [f"c{number}" for number in range(25)], 3, 4))
    metrics = metrics_of(test)
    html = written(tmp_path, metrics, test, None)
    confusion = metrics.splits["test"].matrix()
    np.fill_diagonal(confusion, 0)
    pairs = Page(html).tables[1][1:]
    assert [int(row[2]) for row in pairs] == sorted(confusion.ravel(), reverse=True)[:20]
    for is_class, labelled, num, _ in pairs:
        assert confusion[int(is_class.strip()[1:]), int(labelled.strip()[1:])] == int(num)
    assert "25 classes" in html


def test_mistakes_come_surest_first(tmp_path: Path, test_split: Evaluation) -> None:
    html = written(tmp_path, metrics_of(test_split), test_split, None)
    wrong = [prediction for truth, prediction in test_split.predictions() if truth != prediction.label]
    expected = sorted((prediction.confidence or 0 for prediction in wrong), reverse=True)
    section = html[html.index('id="mistakes"') : html.index('id="samples"')]
    shown = re.findall(r"<span[^>]*>([\d.]+ %)", section)
    assert shown == [percent(confidence) for confidence in expected[:24]]


@pytest.mark.usefixtures("drawn_charts")
def test_a_class_and_a_part_of_one_picture(tmp_path: Path) -> None:
    whole = evaluation_of(collection_of(tmp_path / "pictures", ["bird", "plane"], 1))
    logits = np.array([[2.0, 0.0]], np.float32)
    test = Evaluation("test", whole.dataset, whole.classes, whole.rows[:1], whole.truth[:1], logits, {})
    page = Page(written(tmp_path, metrics_of(test), test, None))
    assert numbers(page.headings[0])[:3] == ["1", "1", "100.0"]
    assert numbers(page.row(2, "plane")) == ["0"]


@pytest.mark.parametrize(("side", "channels", "shown"), [(8, 1, 96), (32, 3, 96), (28, 1, 84), (224, 3, 72)])
def test_thumbnails_are_small_pngs(side: int, channels: int, shown: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (channels, side, side), dtype=np.uint8)
    made = thumbnail(pixels)
    assert made.side == shown
    assert made.uri.startswith("data:image/png;base64,")
    assert 64 * len(made.uri) < 1_500_000


def test_unknown_pictures_are_counted_beside_the_accuracy_and_marked_among_mistakes(
    tmp_path: Path, test_split: Evaluation
) -> None:
    lowest = np.sort(scores(test_split.logits))
    threshold = OodThreshold(threshold=float(lowest[20]), keep=0.95, calibration=KeptShare(pictures=36, kept=16))
    test = replace(test_split, unknown=threshold)
    wrong = test.logits.argmax(axis=1) != test.truth
    metrics = metrics_of(test)
    html = written(tmp_path, metrics, test, None)
    page = Page(html)
    assert numbers(page.headings[0])[:2] == ["36", str(36 - int(wrong.sum()))]
    assert "likeliest class" in page.headings[0]  # and not by what it labels them in use
    (notice,) = (notice for notice in page.notices if "unknown" in notice)
    assert numbers(notice) == ["20"]
    section = html[html.index('id="mistakes"') : html.index('id="samples"')]
    captions = re.findall(r"<figcaption>.*?</figcaption>", section, re.DOTALL)
    assert len(captions) == wrong.sum()
    called_unknown = ["unknown" in caption for caption in captions]
    num_both = int((wrong & test.is_unknown).sum())
    assert 0 < sum(called_unknown) == num_both < wrong.sum()
    assert called_unknown == ["labelled" not in caption for caption in captions]


def test_groups_widen_intervals_and_that_is_said(tmp_path: Path, test_split: Evaluation) -> None:
    groups = np.arange(36) // 12 * (np.arange(36) >= 12) - np.arange(36) * (np.arange(36) < 12)
    figures = test_split.figures(groups)  # twelve pictures on their own, and twice twelve together
    metrics = metrics_of(test_split, splits={"test": figures})
    assert figures.grouped == GroupCounts(groups=14, widening=(300 / 36) ** 0.5)
    pair = np.maximum(np.arange(36), 1)
    assert test_split.figures(pair).grouped is None
    (notice,) = (one for one in Page(written(tmp_path, metrics, test_split, None)).notices if "group" in one)
    assert numbers(notice) == ["14", "2.9"]


def test_a_test_part_that_was_all_trained_on_says_so(tmp_path: Path, test_split: Evaluation) -> None:
    figures = metrics_of(test_split).splits["test"]
    nothing_new = {"without_duplicates": test_split.without(test_split.rows).share_right()}
    metrics = metrics_of(test_split, splits={"test": figures.model_copy(update=nothing_new)})
    run = run_folder(tmp_path / "run", [], [])
    html = written(tmp_path, metrics, test_split, run)
    assert not UNSEEN.search(html) and "none" not in html[html.index("<h1>") : html.index("<dl>")]
    notices = set(Page(html).notices) - set(
        Page(written(tmp_path, metrics_of(test_split), test_split, run)).notices
    )
    assert [numbers(notice) for notice in notices] == [[]]  # all of them, and no accuracy on others


def test_a_decision_can_be_used_and_made_again_from_the_page(tmp_path: Path, test_split: Evaluation) -> None:
    groups = np.arange(36)
    decision = decide(test_split.scores(["bird"], groups), 0.2, 0.9, "2030-01-01")
    effects = {decision.name: test_split.effect_of(decision, groups)}
    run = run_folder(tmp_path / "run", [], [])
    path = tmp_path / "report.html"
    sections = decision_sections(test_split, groups, [decision], effects, test_split.classes, run)
    write_report(path, metrics_of(test_split), test_split, run, sections)
    texts = Page(path.read_text("utf-8")).texts
    assert f"skysort predict {run} PICTURES --decision keep-bird" in texts
    assert f"skysort decide {run} --keep bird --lose-at-most 20% --confidence 90% --name keep-bird" in texts
