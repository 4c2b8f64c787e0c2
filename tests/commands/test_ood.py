"""Pictures of none of the classes: the threshold, the rows it leaves without a label, and what is refused."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

import skysort
from skysort.experiments.compare import _checked_labels
from tests.commands.conftest import Ended
from tests.conftest import SharedFolder, picture_bytes

Command = Callable[..., Ended]
MakeFolder = Callable[..., Path]
NUM_OUTSIDE = 30


@pytest.fixture(scope="module")
def ood(shared_folder: SharedFolder) -> Path:
    def draw(folder: Path) -> None:
        (folder / "noise").mkdir()
        for seed in range(NUM_OUTSIDE):
            (folder / "noise" / f"{seed}.png").write_bytes(picture_bytes(seed))
        (folder / "noise" / "broken.png").touch()

    return shared_folder("ood", draw)


@pytest.fixture(scope="module")
def run(shared_folder: SharedFolder, forked: Callable[..., CompletedProcess[str]], ood: Path) -> Path:
    """A run whose threshold loses so many that there are some in every split. Not to be changed: copy it first."""

    def train(folder: Path) -> None:
        done = forked(
            "train", "skies:240", "--recipe", "mlp-small", "--run", folder, "--ood", ood, "--threads", 1,
            "--set", "training.epochs=2", "--set", "trust.keep_known=0.6",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert "unknown" in done.stdout and "out-of-distribution pictures" in done.stdout

    return shared_folder("with-ood", train)


def read(run: Path, name: str) -> Any:
    return json.loads((run / name).read_text("utf-8"))


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_threshold_rows_and_figures_agree(run: Path, ood: Path) -> None:
    unknown = read(run, "classifier/classifier.json")["unknown"]
    splits = read(run, "metrics.json")["splits"]
    rows = rows_of(run / "calibration.csv")
    kept = [row for row in rows if row["status"] == "ok"]
    # 24 pictures: the 10th smallest score of them is the threshold, and nine lie below
    assert (len(rows), len(kept)) == (24, 15)
    assert unknown["calibration"] == {"pictures": 24, "kept": 15, "groups": None, "left_out": 0}
    assert (unknown["score"], unknown["keep"]) == ("negative-energy", 0.6)
    for split, name in (("calibration", "calibration.csv"), ("test", "predictions.csv")):
        rows, figures = rows_of(run / name), splits[split]
        lost = [row for row in rows if row["status"] == "unknown"]
        right = [row for row in rows if row["status"] == "ok" and row["label"] == row["truth"]]
        assert figures["unknown"]["pictures"] == len(rows) > len(lost) > 0
        assert figures["unknown"]["share"] == len(lost) / len(rows)
        assert figures["accepted"]["pictures"] == len(rows) - len(lost)
        assert figures["accepted"]["share"] == len(right) / (len(rows) - len(lost))
        likeliest = [max(("airplane", "bird"), key=lambda name: float(row[f"p:{name}"])) for row in rows]
        all_right = sum(name == row["truth"] for name, row in zip(likeliest, rows, strict=True))
        assert figures["accuracy"] == all_right / len(rows)
        for row in lost:
            assert (row["label"], row["confidence"]) == ("", "")
            assert "score" in row["reason"]
            assert float(row["p:airplane"]) + float(row["p:bird"]) == pytest.approx(1)
        if split == "test":  # runs are compared by their likeliest classes, too
            assert sum(right for _, right in _checked_labels(skysort.Run(run))) == all_right
    assert read(run, "data.json")["ood"]["source"] == str(ood)
    assert skysort.Run(run).recipe.trust.keep_known == 0.6


def test_ood_figures_are_what_predict_says(skysort_command: Command, run: Path, ood: Path) -> None:
    figures = read(run, "metrics.json")["ood"]
    ended = skysort_command("predict", run, ood / "noise", "--format", "csv")
    assert "1 of 31 pictures" in ended.err  # which unknown ones are not counted among
    statuses = [row["status"] for row in csv.DictReader(ended.out.splitlines())]
    assert (figures["pictures"], figures["unreadable"]) == (NUM_OUTSIDE, statuses.count("unreadable")) == (30, 1)
    assert figures["false_accepts"]["pictures"] == NUM_OUTSIDE == statuses.count("ok") + statuses.count("unknown")
    assert figures["false_accepts"]["share"] == statuses.count("ok") / NUM_OUTSIDE
    assert figures["test_pictures"] == len(rows_of(run / "predictions.csv")) == 24
    low, high = figures["roc_auc_interval95"]
    assert 0 <= low < figures["roc_auc"] < high <= 1
    page = (run / "report.html").read_text("utf-8")
    assert "ut-of-distribution pictures are from" in page and f"--ood {ood}" in page


def test_an_unknown_picture_has_probabilities_and_no_label(skysort_command: Command, run: Path) -> None:
    (lost, *_) = [row for row in rows_of(run / "predictions.csv") if row["status"] == "unknown"]
    from PIL import Image

    from skysort.data.builtin import skies

    picture = run.parent / "picture.png"
    Image.fromarray(skies.draw(int(lost["path"].split("/")[1]), 32)).save(picture)
    (prediction,) = skysort.load(run).predict(picture)
    assert (prediction.status, prediction.label, prediction.confidence) == ("unknown", None, None)
    assert prediction.reason == lost["reason"]
    assert sum(prediction.probabilities.values()) == pytest.approx(1)
    ended = skysort_command("predict", run, picture)
    assert ended.code == 0 and ended.out.split()[0] == "unknown"


def test_measured_again_or_resumed_a_run_keeps_its_ood_figures(
    skysort_command: Command, run: Path, tmp_path: Path
) -> None:
    copy = shutil.copytree(run, tmp_path / "copy")
    before = read(copy, "metrics.json")
    assert skysort_command("evaluate", copy, "--quiet").code == 0
    assert {**read(copy, "metrics.json"), "seconds": 0} == {**before, "seconds": 0}
    (copy / "metrics.json").unlink()
    shutil.rmtree(copy / "classifier")  # as if it had been stopped before the export
    ended = skysort_command("train", "--resume", copy, "--quiet")
    assert ended.code == 0, ended.err
    assert {**read(copy, "metrics.json"), "seconds": 0} == {**before, "seconds": 0}
    thresholds = [read(folder, "classifier/classifier.json")["unknown"] for folder in (run, copy)]
    assert thresholds[0] == thresholds[1]


def test_ood_pictures_that_have_changed_are_refused(
    skysort_command: Command, run: Path, ood: Path, tmp_path: Path
) -> None:
    copy = shutil.copytree(run, tmp_path / "copy")
    moved = shutil.copytree(ood, tmp_path / "moved")
    data = read(copy, "data.json")
    data["ood"]["source"] = str(moved)
    (copy / "data.json").write_text(json.dumps(data), "utf-8")
    assert skysort_command("evaluate", copy, "--quiet").code == 0
    (moved / "noise" / "0.png").write_bytes(picture_bytes(99))
    ended = skysort_command("evaluate", copy, "--quiet")
    ended.check_refused(1, "pictures-changed", copy, moved)


@pytest.mark.parametrize(
    ("arguments", "code", "error", "facts"),
    [
        (
            ["skies:180", "--set", "trust.keep_known=0.95"],
            1,
            "too-few-pictures",
            [" 19 ", " 18", " 190 ", " 180", "--set pictures.shares=69/10/11/10", "calibration/"],
        ),
        (["skies:40", "--set", "trust.keep_known=1"], 2, "invalid-recipe", ["trust.keep_known", "less than 1"]),
        (["skies:40", "--ood", "skies:50"], 2, "overlapping-classes", ["skies:50", "'airplane'"]),
        (["skies:40", "--ood", "none/there"], 2, "path-not-found", ["none/there"]),
        (["skies:40", "--ood", "cifar10:others"], 2, "unknown-data-set", ["'cifar10:others'"]),
        (["--resume", "runs/none", "--ood", "digits"], 2, "options-conflict", ["--resume", "--ood"]),
    ],
)
def test_what_cannot_be_is_refused_before_a_run_begins(
    arguments: list[str], code: int, error: str, facts: list[str], skysort_command: Command, tmp_path: Path
) -> None:
    run = [] if "--resume" in arguments else ["--run", tmp_path / "run"]
    skysort_command("train", *arguments, *run, "--quiet").check_refused(code, error, *facts)
    assert not (tmp_path / "run").exists()


def test_without_a_calibration_part_the_setting_that_gives_one_is_named(
    skysort_command: Command, make_folder: MakeFolder, ood: Path, tmp_path: Path
) -> None:
    folder = make_folder({"train/a": 4, "train/b": 4, "test/a": 1, "test/b": 1})
    ended = skysort_command(
        "train", folder, "--ood", ood, "--run", tmp_path / "run", "--quiet",
        "--set", "pictures.protocol=tutorial",
    )  # fmt: skip
    ended.check_refused(1, "missing-split", "'tutorial'", "--set pictures.protocol=four-way")
    assert not (tmp_path / "run").exists()
