import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from skysort.classifier.format import read_table
from tests.commands.conftest import Ended
from tests.conftest import picture_bytes

Command = Callable[..., Ended]
BIRDS = ("--keep", "bird", "--lose-at-most", "20%", "--confidence", "90%")


@pytest.fixture
def run(finished_run: Path, tmp_path: Path) -> Path:
    """With 12 birds in its calibration part, one more than that promise takes."""
    return shutil.copytree(finished_run, tmp_path / "run")


def test_a_decision_is_said_stored_measured_on_test_and_used(
    run: Path, skysort_command: Command, tmp_path: Path
) -> None:
    ended = skysort_command("decide", run, *BIRDS)
    assert ended.code == 0, ended.err
    assert "Set aside what is not 'bird' with probability" in ended.out
    assert "Promise: on average at most 200 in 1,000 pictures of 'bird' are set aside." in ended.out
    assert f"Use it: skysort predict {run} PICTURES --decision keep-bird" in ended.out
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
        "look" if not row["label"] else "set-aside" if float(row["p:airplane"]) >= decision.threshold else "keep"
        for row in rows
    ]
    assert [row["action"] for row in rows] == expected
    assert expected[-1] == "look"
    in_json = json.loads(skysort_command("predict", run, inbox, "--decision=keep-bird", "--format=json").out)
    assert [row["action"] for row in in_json] == expected
    table = skysort_command("predict", run, inbox, "--decision=keep-bird").out
    assert [line.split()[0] for line in table.splitlines()] == expected


def test_a_decision_takes_the_place_of_one_of_its_name_and_says_so(run: Path, skysort_command: Command) -> None:
    skysort_command("decide", run, *BIRDS)
    skysort_command("decide", run, *BIRDS, "--name", "careful")
    ended = skysort_command("decide", run / "classifier", "--keep", "bird", "--lose-at-most", "0.3")
    assert ended.code == 0, ended.err
    assert "in place of 'keep-bird' as it was made on" in ended.err
    decisions = {decision.name: decision.lose_at_most for decision in read_table(run / "classifier").decisions}
    assert decisions == {"careful": 0.2, "keep-bird": 0.3}
    assert set(json.loads((run / "metrics.json").read_text("utf-8"))["decisions"]) == set(decisions)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--keep", "brid", "--lose-at-most", "2%"), 2, "no class 'brid'; did you mean 'bird'?"),
        (("--keep", "bird", "--lose-at-most", "2"), 2, "--lose-at-most takes a share like 2% or 0.02"),
        (("--keep", "bird", "--lose-at-most", "2%", "--confidence", "sure"), 2, "--confidence takes a share"),
        (("--keep", "bird", "--keep", "airplane", "--lose-at-most", "2%"), 2, "one to set aside"),
        (("--keep", "bird", "--lose-at-most", "1%"), 1, "takes 299 calibration pictures"),
        (("--keep", "bird", "--lose-at-most", "20%", "--name", "a\nb"), 2, "a name that can be printed"),
    ],
)
def test_what_cannot_be_promised_is_refused(
    arguments: tuple[str, ...], code: int, message: str, run: Path, skysort_command: Command
) -> None:
    before = (run / "classifier" / "classifier.json").read_bytes()
    ended = skysort_command("decide", run, *arguments)
    assert (ended.code, ended.out) == (code, "")
    assert message in ended.err
    assert (run / "classifier" / "classifier.json").read_bytes() == before


def test_a_run_without_a_calibration_part_names_the_setting(
    make_folder: Callable[..., Path], skysort_command: Command, tmp_path: Path
) -> None:
    pictures = make_folder({f"{part}/{name}": 8 for part in ("train", "test") for name in ("bird", "cat")})
    run = tmp_path / "run"
    short = ("--recipe", "mlp", "--set", "training.epochs=1", "--set", "pictures.protocol=tutorial")
    assert skysort_command("train", pictures, "--run", run, *short).code == 0
    ended = skysort_command("decide", run, *BIRDS)
    assert ended.code == 1
    assert "has no calibration part" in ended.err
    assert "--set pictures.protocol=four-way" in ended.err


def test_an_unknown_decision_is_an_error(run: Path, skysort_command: Command, tmp_path: Path) -> None:
    (tmp_path / "1.png").write_bytes(picture_bytes(1))
    ended = skysort_command("predict", run, tmp_path / "1.png", "--decision", "keep-bird")
    assert (ended.code, ended.out) == (2, "")
    assert "holds no decision; make one with skysort decide" in ended.err
    skysort_command("decide", run, *BIRDS)
    ended = skysort_command("predict", run, tmp_path / "1.png", "--decision", "keep-brid")
    assert ended.code == 2
    assert "no decision 'keep-brid'; did you mean 'keep-bird'?" in ended.err
