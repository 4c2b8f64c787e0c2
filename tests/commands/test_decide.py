import csv
import json
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import Image

from skysort.classifier.format import TABLE, read_table
from tests.commands.conftest import Ended
from tests.conftest import picture_bytes

Command = Callable[..., Ended]
BIRDS = ("--keep", "bird", "--lose-at-most", "20%", "--confidence", "90%")


@pytest.fixture
def run(finished_run: Path, tmp_path: Path) -> Path:
    """With 12 birds in its calibration split, one more than that promise takes."""
    return shutil.copytree(finished_run, tmp_path / "run")


def test_a_decision_is_said_stored_measured_on_test_and_used(
    run: Path, skysort_command: Command, tmp_path: Path
) -> None:
    ended = skysort_command("decide", run, *BIRDS)
    assert ended.code == 0, ended.err
    assert "not 'bird'" in ended.out
    assert "200 in 1,000 pictures of 'bird'" in ended.out
    assert f"skysort predict {run} PICTURES --decision keep-bird" in ended.out
    (decision,) = read_table(run / "classifier").decisions
    assert (decision.name, decision.keep, decision.lose_at_most) == ("keep-bird", ("bird",), 0.2)
    assert decision.calibration.pictures == 12

    metrics = json.loads((run / "metrics.json").read_text("utf-8"))
    with (run / "predictions.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for name, effect in (("bird", "lost"), ("airplane", "set_aside")):
        scores = [float(row["p:airplane"]) for row in rows if row["truth"] == name]
        share = sum(score >= decision.threshold for score in scores) / len(scores)
        assert metrics["decisions"]["keep-bird"][effect]["share"] == share
        assert metrics["decisions"]["keep-bird"][effect]["pictures"] == len(scores)

    inbox = tmp_path / "inbox"
    inbox.mkdir()
    for seed in range(20):
        (inbox / f"{seed}.png").write_bytes(picture_bytes(seed))
    (inbox / "broken.png").write_bytes(b"")
    ended = skysort_command("predict", run, inbox, "--decision", "keep-bird", "--format", "csv")
    rows = list(csv.DictReader(ended.out.splitlines()))
    expected = [
        "review" if not row["label"] else "set-aside" if float(row["p:airplane"]) >= decision.threshold else "keep"
        for row in rows
    ]
    assert [row["action"] for row in rows] == expected
    assert expected[-1] == "review"
    in_json = json.loads(skysort_command("predict", run, inbox, "--decision=keep-bird", "--format=json").out)
    assert [row["action"] for row in in_json] == expected
    table = skysort_command("predict", run, inbox, "--decision=keep-bird").out
    assert [line.split()[0] for line in table.splitlines()] == expected


def test_a_decision_takes_the_place_of_one_of_its_name_and_says_so(run: Path, skysort_command: Command) -> None:
    skysort_command("decide", run, *BIRDS)
    skysort_command("decide", run, *BIRDS, "--name", "careful")
    ended = skysort_command("decide", run / "classifier", "--keep", "bird", "--lose-at-most", "0.3", "--quiet")
    assert ended.code == 0, ended.err
    replaced, *_ = ended.out.splitlines()
    assert all(fact in replaced for fact in ("'keep-bird'", "20 %", "90 %"))
    decisions = {decision.name: decision.lose_at_most for decision in read_table(run / "classifier").decisions}
    assert decisions == {"careful": 0.2, "keep-bird": 0.3}
    assert set(json.loads((run / "metrics.json").read_text("utf-8"))["decisions"]) == set(decisions)


@pytest.mark.parametrize(
    ("arguments", "code", "error", "facts"),
    [
        (("--keep", "brid", "--lose-at-most", "2%"), 2, "unknown-class", ["'brid'", "did you mean 'bird'?"]),
        (("--keep", "bird", "--lose-at-most", "2"), 2, "wrong-value", ["--lose-at-most", "'2'", "2% or 0.02"]),
        (
            ("--keep", "bird", "--lose-at-most", "2%", "--confidence", "sure"),
            2,
            "wrong-value",
            ["--confidence", "'sure'"],
        ),
        (("--keep", "bird", "--keep", "airplane", "--lose-at-most", "2%"), 2, "wrong-value", ["2 ", "of 2"]),
        (("--keep", "bird", "--lose-at-most", "1%"), 1, "too-few-pictures", [" 299 ", " 12"]),
        (
            ("--keep", "bird", "--lose-at-most", "5%"),
            1,
            "too-few-pictures",
            [" 590 pictures of 'bird'", " 120", "--set pictures.shares=30/10/50/10", "calibration/", " 59 "],
        ),
        (("--keep", "bird", "--lose-at-most", "20%", "--name", "a\nb"), 2, "wrong-value", [r"'a\nb'"]),
        (("--keep", "bird", "--lose-at-most", "1e-9"), 1, "too-few-pictures", ["0.0000001 %", "95 %"]),
        (("--keep", "bird", "--lose-at-most", "nan"), 2, "wrong-value", ["--lose-at-most", "'nan'"]),
        (("--keep", "", "--lose-at-most", "20%"), 2, "empty-argument", ["'--keep'"]),
        (("--keep", "bird", "--lose-at-most", "20%", "--name="), 2, "empty-argument", ["'--name='"]),
    ],
)
def test_what_cannot_be_promised_is_refused(
    arguments: tuple[str, ...], code: int, error: str, facts: list[str], run: Path, skysort_command: Command
) -> None:
    before = (run / "classifier" / "classifier.json").read_bytes()
    skysort_command("decide", run, *arguments).check_refused(code, error, *facts)
    assert (run / "classifier" / "classifier.json").read_bytes() == before


def test_a_name_that_stands_for_other_classes_is_not_taken_over(run: Path, skysort_command: Command) -> None:
    """As keep-a-and-b of a class a-and-b, and of the classes a and b."""
    skysort_command("decide", run, *BIRDS)
    table = read_table(run / "classifier")
    other = table.decisions[0].model_copy(update={"keep": ("airplane",)})
    table.with_decision(other).write(run / "classifier")
    assert skysort_command("evaluate", run).code == 0
    ended = skysort_command("decide", run, *BIRDS)
    ended.check_refused(1, "name-taken", "'keep-bird'", "'airplane'", "--name")
    assert read_table(run / "classifier").decisions == (other,)


def test_a_classifier_that_is_not_the_run_s_decides_nothing(
    run: Path, skysort_command: Command, tmp_path: Path
) -> None:
    copied = shutil.copytree(run / "classifier", tmp_path / "copied")
    ended = skysort_command("decide", copied, *BIRDS)
    ended.check_refused(2, "classifier-without-run", copied)
    metrics = json.loads((run / "metrics.json").read_text("utf-8"))
    (run / "metrics.json").write_text(json.dumps(metrics | {"classifier": "0" * 64}), "utf-8")
    ended = skysort_command("decide", run, *BIRDS)
    ended.check_refused(1, "damaged-run", run)


@pytest.mark.parametrize("arguments", [("decide", *BIRDS), ("evaluate",)])
def test_what_another_process_decided_until_the_run_was_free_is_kept(
    arguments: tuple[str, ...], run: Path, skysort_command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = run / "classifier" / TABLE
    before = table.read_bytes()
    skysort_command("decide", run, *BIRDS, "--name", "careful")
    decided = table.read_bytes()
    table.write_bytes(before)

    @contextmanager
    def waited(_path: Path, *_arguments: object) -> Iterator[None]:
        table.write_bytes(decided)
        yield

    monkeypatch.setattr("skysort.runs.folder.locked", waited)
    ended = skysort_command(arguments[0], run, *arguments[1:])
    assert ended.code == 0, ended.err
    assert "careful" in [decision.name for decision in read_table(run / "classifier").decisions]


def test_calibration_pictures_that_training_has_decide_nothing(
    make_folder: Callable[..., Path], skysort_command: Command, tmp_path: Path
) -> None:
    nums = {"train": 40, "calibration": 30, "test": 8}
    pictures = make_folder({f"{split}/{name}": num for split, num in nums.items() for name in ("bird", "cat")})
    run = tmp_path / "run"
    for number in range(3):
        shutil.copy(pictures / f"train/bird/{number}.png", pictures / f"calibration/bird/equal-{number}.png")
    with Image.open(pictures / "train/cat/0.png") as picture:
        picture.point(lambda value: int(value * 0.9)).save(pictures / "calibration/cat/darker.png")
    short = ("--recipe", "mlp", "--set", "training.epochs=1", "--threads", 1, "--quiet")
    assert skysort_command("train", pictures, "--run", run, *short).code == 0
    ended = skysort_command("decide", run, "--keep", "bird", "--lose-at-most", "9%")
    # where 33 would have been enough
    ended.check_refused(1, "too-few-pictures", "4 calibration pictures", " 30", "9.51 %")
    ended = skysort_command("decide", run, "--keep", "bird", "--lose-at-most", "20%")
    assert ended.code == 0, ended.err
    assert "4 calibration pictures" in ended.out
    (decision,) = read_table(run / "classifier").decisions
    assert (decision.left_out, decision.calibration.pictures) == (4, 30)
    assert decision.set_aside is not None
    assert decision.set_aside.pictures == 30


@pytest.mark.parametrize("replaces", [False, True])
def test_a_decision_that_was_interrupted_is_measured_before_another(
    replaces: bool, run: Path, skysort_command: Command
) -> None:
    if replaces:
        assert skysort_command("decide", run, "--keep", "bird", "--lose-at-most", "40%").code == 0
    before = (run / "metrics.json").read_bytes()
    assert skysort_command("decide", run, *BIRDS).code == 0
    (run / "metrics.json").write_bytes(before)  # as when it is killed before the last file
    refused = skysort_command("decide", run, *BIRDS, "--name", "other")
    refused.check_refused(1, "not-measured", f"skysort evaluate {run}")
    assert skysort_command("evaluate", run).code == 0
    assert skysort_command("decide", run, *BIRDS, "--name", "other").code == 0


def test_other_pictures_are_measured_with_the_decisions(
    run: Path, skysort_command: Command, tmp_path: Path
) -> None:
    skysort_command("decide", run, *BIRDS)
    (decision,) = read_table(run / "classifier").decisions
    # Without its run, which would tell those of these pictures apart that it learned from.
    copied = shutil.copytree(run / "classifier", tmp_path / "copied")
    ended = skysort_command("evaluate", copied, "skies:60", "--output", tmp_path / "out")
    assert ended.code == 0, ended.err
    with (tmp_path / "out" / "predictions.csv").open(encoding="utf-8", newline="") as file:
        scores = [float(row["p:airplane"]) for row in csv.DictReader(file) if row["truth"] == "airplane"]
    effect = json.loads((tmp_path / "out" / "metrics.json").read_text("utf-8"))["decisions"]["keep-bird"]
    assert effect["set_aside"]["share"] == sum(score >= decision.threshold for score in scores) / len(scores)
    assert re.search(rf"keep-bird \(test\).* {len(scores):,} pictures", ended.out)
    assert 'id="decisions"' in (tmp_path / "out" / "report.html").read_text("utf-8")


def test_a_run_without_a_calibration_part_names_the_setting(
    make_folder: Callable[..., Path], skysort_command: Command, tmp_path: Path
) -> None:
    pictures = make_folder({f"{split}/{name}": 8 for split in ("train", "test") for name in ("bird", "cat")})
    run = tmp_path / "run"
    short = ("--recipe", "mlp", "--set", "training.epochs=1", "--set", "pictures.protocol=tutorial")
    assert skysort_command("train", pictures, "--run", run, *short).code == 0
    ended = skysort_command("decide", run, *BIRDS)
    ended.check_refused(1, "missing-split", run, "calibration", "--set pictures.protocol=four-way")


def test_an_unknown_decision_is_an_error(run: Path, skysort_command: Command, tmp_path: Path) -> None:
    (tmp_path / "1.png").write_bytes(picture_bytes(1))
    ended = skysort_command("predict", run, tmp_path / "1.png", "--decision", "keep-bird")
    ended.check_refused(2, "unknown-decision", run / "classifier", "skysort decide")
    skysort_command("decide", run, *BIRDS)
    ended = skysort_command("predict", run, tmp_path / "1.png", "--decision", "keep-brid")
    ended.check_refused(2, "unknown-decision", "'keep-brid'", "did you mean 'keep-bird'?")
