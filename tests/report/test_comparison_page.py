"""The pages of a comparison and of a reproduction: honest, closed in themselves, harmless whatever names are."""

import re
from pathlib import Path

import numpy as np
import pytest

from skysort.report.comparison_charts import evenly
from skysort.report.comparison_page import write_comparison_report, write_reproduction_report
from skysort.report.wording import PROTOCOLS
from skysort.trust.comparison import (
    Comparison,
    ComparisonRow,
    Difference,
    Mode,
    ReproducedCurve,
    ReproducedFigure,
    Reproduction,
    Spread,
    TrainModeAccuracy,
    Verdict,
)
from tests.report.test_run_page import Page

HOSTILE = "<script>alert('$x_1$')</script>\"&{{ 7*7 }} name-0 鳥"


def row(
    name: str,
    test: tuple[float, ...] = (0.8, 0.82),
    ahead: tuple[float, float, float] | None = None,
    epochs: int = 3,
    *,
    in_training_mode: bool = False,
    shifts: int = 0,
) -> ComparisonRow:
    """A recipe's runs; `ahead` is its difference to the first, and the bounds of that."""
    spread, train = Spread.of(test), Spread.of([0.9] * len(test))
    return ComparisonRow(
        name=name,
        description=f"what {name} is",
        parameters=12345,
        test=spread,
        train=train,
        gap=train.mean - spread.mean,
        difference=Difference(mean=ahead[0], interval95=ahead[1:]) if ahead else None,
        seconds=Spread.of([61.2] * len(test)),
        losses=tuple(0.7 / (1 + epoch) for epoch in range(epochs)),
        elapsed=tuple(2.5 * (1 + epoch) for epoch in range(epochs)),
        training_mode=TrainModeAccuracy(train=Spread.of([0.85]), test=Spread.of([0.7125]))
        if in_training_mode
        else None,
        shifted=tuple(Spread.of([0.8 - 0.1 * pixels]) for pixels in range(shifts)),
    )


def comparison_of(*rows: ComparisonRow) -> Comparison:
    return Comparison(
        title="Depth",
        description="Does depth help?",
        source="made-up",
        fingerprint="0f" * 16,
        protocol="tutorial",
        pictures=2000,
        seeds=tuple(range(len(rows[0].test.values))),
        settings=("training.epochs=5",),
        rows=rows,
        machine="a machine",
        versions={"skysort": "0.1.0", "torch": "2.6.0"},
        date="2025-03-04",
    )


def figure(
    recipe: str,
    verdict: Verdict | None,
    published: float | None = 0.8,
    mode: Mode = "evaluation",
    interval95: tuple[float, float] | None = (0.78, 0.8),
) -> ReproducedFigure:
    return ReproducedFigure(
        recipe=recipe,
        source="a tutorial",
        data="made-up",
        split="test",
        mode=mode,
        pictures=2000,
        published=published,
        measured=Spread.of([0.785, 0.795]),
        interval95=interval95,
        verdict=verdict,
        short_by=0.0123 if verdict == "short" else None,
    )


def reproduction_of(*figures: ReproducedFigure, epochs: tuple[int, ...] = (1, 10, 20)) -> Reproduction:
    names = list(dict.fromkeys(figure.recipe for figure in figures))
    losses = tuple(0.6 / epoch for epoch in epochs)
    return Reproduction(
        figures=figures,
        losses=tuple(
            ReproducedCurve(recipe=name, epochs=epochs, published=losses, measured=losses) for name in names
        ),
        settings=("training.epochs=5",),
        seeds=dict.fromkeys(names, 2),
        seconds=dict.fromkeys(names, 61.25),
        machine="a machine",
        versions={"skysort": "0.1.0"},
        date="2025-03-04",
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "report.html"


def written(path: Path, content: Comparison | Reproduction) -> str:
    if isinstance(content, Comparison):
        write_comparison_report(path, content)
    else:
        write_reproduction_report(path, content)
    return path.read_bytes().decode("utf-8")


def headline(html: str) -> str:
    (found,) = re.findall(r"<h1>(.*?)</h1>", html, re.DOTALL)
    return str(found).replace("\N{NO-BREAK SPACE}", " ")


def words(html: str) -> str:
    return " ".join(" ".join(Page(html).texts).replace("\N{NO-BREAK SPACE}", " ").split())


def resampling(html: str) -> str:
    """Return the sentences about how intervals were computed."""
    (found,) = [split for split in re.findall("<p[ >].*?</p>", html, re.DOTALL) if "bootstrap" in split]
    return " ".join(found.split(".")[0].split())


ALL = comparison_of(
    row("mlp", in_training_mode=True, shifts=3),
    row("convnet", (0.86, 0.88), (0.06, 0.04, 0.08), shifts=3),
    row("deep", (0.81, 0.82), (0.005, -0.01, 0.02), epochs=1),
)
VERDICTS = reproduction_of(
    figure("mlp", "meets"),
    figure("convnet", "short", mode="training"),
    figure("convnet", None, published=None),
    figure("deep", "undecided", interval95=None),
)


@pytest.mark.parametrize(
    ("rows", "names", "figures"),
    [
        (
            (row("mlp"), row("convnet", (0.86, 0.88), (0.06, 0.04, 0.08))),
            ["convnet", "mlp"],
            ["87.00", "2,000", "2", "6.00", "95", "4.00", "8.00"],
        ),
        (
            (row("mlp"), row("deep", (0.81, 0.82), (0.005, -0.01, 0.02))),
            ["deep", "mlp"],
            ["81.50", "2,000", "2", "0.50", "95", "\N{MINUS SIGN}1.00", "2.00"],
        ),
        (
            (
                row("mlp", (0.8,)),
                row("worst", (0.6,), (-0.2, -0.3, -0.1)),
                row("bad", (0.7,), (-0.1, -0.125, -0.05)),
            ),
            ["mlp", "bad"],
            ["80.00", "2,000", "10.00", "95", "5.00", "12.50"],
        ),
        ((row("mlp"), row("twin", ahead=(0.0, -0.01, 0.01))), ["mlp", "twin"], ["81.00", "2,000", "2"]),
        ((row("mlp", (0.8,)),), ["mlp"], ["80.00", "2,000"]),
    ],
)
def test_headline_says_no_more_than_the_interval(
    path: Path, rows: tuple[ComparisonRow, ...], names: list[str], figures: list[str]
) -> None:
    said = headline(written(path, comparison_of(*rows)))
    assert re.findall("mlp|convnet|deep|worst|bad|twin", said) == names
    assert re.findall("\N{MINUS SIGN}?" + r"\d[\d.,]*\d|\d", said) == figures
    assert ("not significant" in said) == ("deep" in names)


def test_table_holds_the_figures(path: Path) -> None:
    page = Page(written(path, ALL))
    first, others = page.row(0, "mlp").split("(2 seeds)", 1)
    assert first == "81.00 % ± 1.41 "
    assert others.endswith(" 90.00 % ± 0.00 (2 seeds) +9.00 61.2 ± 0.0 (2 seeds) 12,345")
    assert page.row(0, "convnet").startswith("87.00 % ± 1.41 (2 seeds) +6.00 +4.00 to +8.00 90.00 %")
    assert page.row(0, "deep").startswith(
        "81.50 % ± 0.71 (2 seeds) +0.50 \N{MINUS SIGN}1.00 to +2.00 no difference"
    )


def test_page_says_what_was_compared_on_what(path: Path) -> None:
    text = words(written(path, ALL))
    for expected in (
        "made-up",
        "0f" * 16,
        PROTOCOLS["tutorial"],
        "2,000",
        "0, 1",
        "a machine",
        "skysort 0.1.0, torch 2.6.0",
        "2025-03-04",
        "what convnet is",
        "4,000",
        "percentile bootstrap",
    ):
        assert expected in text


def test_one_seed_is_said_to_tell_little(path: Path) -> None:
    html = written(path, comparison_of(row("mlp", (0.8,)), row("deep", (0.9,), (0.1, 0.05, 0.15))))
    (notice,) = Page(html).notices
    assert "seed" in notice and "interval" in notice
    (notice,) = Page(written(path, comparison_of(row("mlp", (0.8,))))).notices
    assert "seed" in notice and "interval" not in notice  # there is none
    assert Page(html).row(0, "mlp").startswith("80.00 % 1 seed")
    several = written(path, ALL)
    assert Page(several).notices == []
    assert "runs" in resampling(several) and "runs" not in resampling(html)


@pytest.mark.usefixtures("drawn_charts")
def test_one_row_is_compared_with_nothing(path: Path) -> None:
    html = written(path, comparison_of(row("mlp")))
    assert [len(cells) for cells in Page(html).tables[0]] == [6, 6]
    assert [len(cells) for cells in Page(written(path, ALL)).tables[0]] == [7] * 4
    assert "interval" not in words(html)


def test_both_modes_stand_side_by_side(path: Path) -> None:
    html = written(path, ALL)
    assert Page(html).row(1, "mlp").startswith("81.00 % ± 1.41 (2 seeds) 71.25 % 1 seed")
    assert 'id="modes"' in html
    assert 'id="modes"' not in written(path, comparison_of(row("mlp")))


@pytest.mark.usefixtures("drawn_charts")
def test_shifted_pictures_have_a_chart_where_they_were_asked(path: Path) -> None:
    html = written(path, ALL)
    assert Page(html).row(-1, "2") == "60.00 % 1 seed 60.00 % 1 seed"
    assert 'id="shifts"' in html
    assert 'id="shifts"' not in written(path, comparison_of(row("mlp")))


@pytest.mark.usefixtures("drawn_charts")
def test_a_long_training_keeps_the_page_small(path: Path) -> None:
    rows = [row(f"r{number}", ahead=(0.0, -0.1, 0.1) if number else None, epochs=1000) for number in range(13)]
    html = written(path, comparison_of(*rows))
    assert len(html) < 1_000_000
    assert "30 of 1,000 epochs" in html
    assert "300 epochs" in html
    assert [cells[0].strip() for cells in Page(html).tables[1]][-1] == "1000"


@pytest.mark.usefixtures("drawn_charts")
def test_a_recipe_of_no_epochs_has_no_curve(path: Path) -> None:
    assert 'id="curves"' not in written(path, comparison_of(row("mlp", epochs=0)))
    assert 'id="curves"' in written(path, ALL)


@pytest.mark.parametrize(
    ("figures", "expected"),
    [
        (VERDICTS.figures, ["1", "3", "1 short", "1 undecided"]),
        ((figure("mlp", "meets"), figure("mlp", "meets")), ["2", "2"]),
        ((figure("mlp", "short"),), ["0", "1", "1 short"]),
        ((figure("mlp", None, published=None),), []),
    ],
)
def test_headline_counts_verdicts(path: Path, figures: tuple[ReproducedFigure, ...], expected: list[str]) -> None:
    said = headline(written(path, reproduction_of(*figures)))
    assert re.findall(r"\d+(?: short| undecided)?", said) == expected


def test_verdicts_are_words(path: Path) -> None:
    rows = [" ".join(" ".join(cells).split()) for cells in Page(written(path, VERDICTS)).tables[0][1:]]
    measured, interval = "79.00 % ± 0.71 (2 seeds)", "78.00 % to 80.00 %"
    evaluation, training = (f"made-up test, {mode} mode 2,000 pictures" for mode in ("evaluation", "training"))
    for expected, found in zip(
        (
            rf"mlp {evaluation} 80.00 % {measured} {interval} ✓ \w[^\d]*",
            rf"convnet {training} 80.00 % {measured} {interval} ✗ short [^\d]*1.23",
            rf"convnet {evaluation} [^\d]+ {measured} {interval} [^\d✓✗?]+",
            rf"deep {evaluation} 80.00 % {measured} [^\d]+ \? undecided",
        ),
        rows,
        strict=True,
    ):
        assert re.fullmatch(expected.replace("(2 seeds)", r"\(2 seeds\)"), found), found


def test_reproduction_says_how_and_where(path: Path) -> None:
    text = words(written(path, VERDICTS))
    for expected in ("prediction interval", "2 percentage points", "training mode", "a tutorial"):
        assert expected in text
    assert "deep 2 61.2 a tutorial" in text
    assert re.search(r"poch 20: 0\.03 [^\d]*0\.03 ", text)


@pytest.mark.usefixtures("drawn_charts")
def test_a_reproduction_of_one_epoch_and_no_published_figure(path: Path) -> None:
    html = written(path, reproduction_of(figure("mlp", None, published=None), epochs=(1,)))
    assert html.count("<svg") == 1


HOSTILES = (
    comparison_of(row(HOSTILE, shifts=2), row(HOSTILE * 3, (0.9, 0.9), (0.09, 0.01, 0.2), in_training_mode=True)),
    reproduction_of(figure(HOSTILE, "meets"), figure(HOSTILE * 3, "short")),
)


@pytest.mark.parametrize("content", HOSTILES, ids=("comparison", "reproduction"))
@pytest.mark.usefixtures("drawn_charts")
def test_hostile_names_are_harmless(path: Path, content: Comparison | Reproduction) -> None:
    page = Page(written(path, content))
    assert "script" not in page.names
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    assert sum(HOSTILE in text for text in page.texts) > 3
    assert not any(re.fullmatch(r"name-\d+", text) for text in page.texts)


@pytest.mark.parametrize("content", (ALL, VERDICTS), ids=("comparison", "reproduction"))
@pytest.mark.usefixtures("drawn_charts")
def test_page_is_closed_in_itself(path: Path, content: Comparison | Reproduction) -> None:
    html = written(path, content)
    assert html == written(path, content)
    page = Page(html)
    assert not page.names & {"script", "iframe", "object", "embed", "base", "form", "img"}
    for tag, attributes in page.tags:
        for name in ("src", "href", "xlink:href", "srcset", "action"):
            assert (attributes.get(name) or "#").startswith(("#", "data:")), (tag, attributes)
    assert not re.search(r"url\((?!#)|@import", html)
    assert "default-src 'none'" in html
    named = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(named) == len(set(named))
    svgs = [attributes for tag, attributes in page.tags if tag == "svg"]
    assert all(svg.get("role") == "img" or svg.get("aria-hidden") == "true" for svg in svgs)
    assert not re.search(r"<title></title>", html)


def test_some_of_many_are_taken_evenly() -> None:
    for num in (0, 1, 2, 25, 26, 1000):
        taken = evenly(num, 25)
        assert taken == sorted(set(taken))
        assert len(taken) == min(num, 25)
        assert not num or (taken[0], taken[-1]) == (0, num - 1)
    assert np.ptp(np.diff(evenly(1000, 25))) <= 1


def test_settings_that_are_not_the_recipes_own_are_said(path: Path) -> None:
    for content in (comparison_of(row("first")), reproduction_of(figure("mlp", "meets"))):
        html = written(path, content)
        assert "training.epochs=5" in html
        without = written(path, content.model_copy(update={"settings": ()}))
        assert html.count("</bdi>") == without.count("</bdi>") + 1  # nor is anything said of settings
        assert len(Page(html).texts) > len(Page(without).texts) + 1
