"""Promises that a run could make are the decisions that `skysort decide` makes."""

import json
import shutil
from pathlib import Path

import pytest

from skysort.core.progress import SilentProgress
from skysort.runs.decide import decide
from skysort.runs.folder import Run
from skysort.runs.promises import CalibrationPictures
from skysort.runs.reopen import prepared_again
from tests.conftest import refused


@pytest.fixture(scope="module")
def pictures(finished_run: Path) -> CalibrationPictures:
    run = Run(finished_run)
    return CalibrationPictures.of(run, prepared_again(run, SilentProgress()))


def test_each_promise_is_the_decision_of_the_command(
    finished_run: Path, pictures: CalibrationPictures, tmp_path: Path
) -> None:
    run = shutil.copytree(finished_run, tmp_path / "run")
    promises = pictures.promises(["bird"], 0.9)
    one = promises[len(promises) // 2]
    made = decide(run, "bird", one.decision.lose_at_most, 0.9).decision
    assert made.threshold == pytest.approx(one.decision.threshold, rel=1e-6)
    assert made.calibration == one.decision.calibration and made.set_aside == one.decision.set_aside


def test_promises_go_from_the_strictest_on_and_hold(pictures: CalibrationPictures) -> None:
    promises = pictures.promises(["bird"], 0.9)
    shares = [one.decision.lose_at_most for one in promises]
    thresholds = [one.decision.threshold for one in promises]
    gains = [one.decision.set_aside.share for one in promises if one.decision.set_aside]
    assert gains == sorted(set(gains)) and len(gains) == len(promises)
    assert shares == sorted(set(shares)) and thresholds == sorted(set(thresholds), reverse=True)
    assert len(promises) > 1 and all(one.bound <= one.decision.lose_at_most for one in promises)
    assert promises[0].decision.calibration.lost == 0
    for one in promises:
        aside = one.decision.set_aside
        assert aside and one.num == one.decision.calibration.pictures + aside.pictures
        assert one.num - one.num_left == one.decision.calibration.lost + round(aside.share * aside.pictures)


def test_too_few_pictures_and_wrong_classes(pictures: CalibrationPictures) -> None:
    with refused("too-few-pictures", 12):
        pictures.promises(["bird"], 0.99999)
    with refused("unknown-class", "brid", exit_code=2):
        pictures.promises(["brid"], 0.95)
    with refused("wrong-value", exit_code=2):
        pictures.promises(["bird", "airplane"], 0.95)
    with refused("wrong-value", exit_code=2):
        pictures.promises(["bird"], 1.5)


def test_rows_of_other_pictures_are_refused(finished_run: Path, tmp_path: Path) -> None:
    run = Run(shutil.copytree(finished_run, tmp_path / "run"))
    prepared = prepared_again(run, SilentProgress())
    path = run.path / "calibration.csv"
    rows = path.read_text("utf-8")
    path.write_text(rows.replace("bird/0", "bird/9"), "utf-8")
    with refused("damaged-run", path):
        CalibrationPictures.of(run, prepared)
    path.write_text(rows.replace(",bird,", ",gull,"), "utf-8")
    with refused("damaged-run", path):
        CalibrationPictures.of(run, prepared)
    data = json.loads((run.path / "data.json").read_text("utf-8"))
    del data["counts"]["calibration"]
    (run.path / "data.json").write_text(json.dumps(data), "utf-8")
    with refused("missing-split", "pictures.shares"):
        CalibrationPictures.of(run, prepared)
