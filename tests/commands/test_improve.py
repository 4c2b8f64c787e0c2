"""skysort improve, on the command line: from answers to a new classifier, its decision, and whether to switch."""

import csv
import io
import json
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

import skysort
from skysort.classifier.format import read_table
from skysort.data.additions import FOLDER, TABLE
from skysort.networks.families import initial_network
from skysort.recipe.sections import Normalisation
from skysort.runs import network_learner
from skysort.runs.folder import Run
from skysort.work.journal import Journal
from tests.commands.conftest import Ended
from tests.commands.improving import FOLDERS, NUM, NUM_CORRECTED, copied, rows_of, watch
from tests.conftest import refused

Command = Callable[..., Ended]


@pytest.fixture
def top(answered: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where tests write runs; the answered pictures stay where they are."""
    monkeypatch.chdir(answered)
    return tmp_path


def test_corrections_train_and_audited_pictures_are_in_no_split(answered: Path, improved: Path) -> None:
    before, after = rows_of(answered / "run" / "pictures.csv"), rows_of(improved / "pictures.csv")
    added = [row for row in after if row not in before]
    assert [row for row in after if row in before] == before
    assert len(added) == NUM_CORRECTED and {row["split"] for row in added} == {"train"}
    answers = rows_of(improved / FOLDER / TABLE)
    assert Counter(row["split"] == "train" for row in answers) == {False: NUM, True: NUM_CORRECTED}
    assert {f"answers/{row['path']}" for row in answers if row["split"] == "train"} == {
        row["path"] for row in added
    }
    assert all((improved / FOLDER / row["path"]).is_file() for row in answers)


def test_the_decision_is_made_on_audited_pictures_and_both_are_compared_on_the_others(
    answered: Path, improved: Path
) -> None:
    answers = rows_of(improved / FOLDER / TABLE)
    outcome = Run(improved).improvement.outcome
    (decision,) = outcome.decisions
    num_birds = sum(row["split"] == "calibration" and row["label"] == "bird" for row in answers)
    assert (decision.num, decision.needed) == (num_birds, None)
    (made,) = read_table(improved / "classifier").decisions
    assert (made.name, made.lose_at_most, made.confidence) == ("keep-bird", 0.2, 0.9)
    assert made.calibration.pictures == num_birds
    (old_one,) = read_table(answered / "run" / "classifier").decisions
    assert old_one.calibration.pictures == 12, "the run before stays as it is"

    tests = [row for row in answers if row["split"] == "test"]
    for comparison, label in ((outcome.set_aside, "airplane"), (outcome.lost, "bird")):
        assert _num(comparison) == sum(row["label"] == label for row in tests)
    labels = outcome.labels
    assert _num(labels) == len(tests)
    pictures = [improved / FOLDER / row["path"] for row in tests]
    for run, num in (
        (answered / "run", labels.both + labels.only_first), (improved, labels.both + labels.only_second)
    ):  # fmt: skip
        found = skysort.load(run).predict(pictures)
        assert sum(one.label == row["label"] for one, row in zip(found, tests, strict=True)) == num


def _num(comparison: Any) -> int:
    return int(comparison.both + comparison.only_first + comparison.only_second + comparison.neither)


def test_it_says_what_it_did_and_whether_to_switch(top: Path, skysort_command: Command) -> None:
    ended = skysort_command("improve", "run", "--from", "aside", "--run", top / "run2")
    assert ended.code == 0, ended.err
    for fact in (
        f"{NUM_CORRECTED} corrections",
        f"{NUM} pictures",
        "keep-bird: made anew",
        f"run: {top / 'run2'}",
    ):
        assert fact in ended.out
    page = (top / "run2" / "report.html").read_text("utf-8")
    assert 'id="improvement"' in page and f"learned from {NUM_CORRECTED} corrections" in page
    advice = [line for line in ended.out.splitlines() if line.startswith(("switch:", "do not", "cannot tell"))]
    assert len(advice) == 1


def test_the_watcher_goes_on_with_the_new_decision_and_its_audit_begins_anew(
    answered: Path, improved: Path, tmp_path: Path, skysort_command: Command
) -> None:
    copied(improved.parent, tmp_path, *FOLDERS, "run2")
    audited = json.loads(skysort_command("audit", tmp_path / "aside", "--format", "json").out)
    assert audited["arrivals"] == NUM and audited["evidence"] != 1
    watch(tmp_path, range(500, 510), "0.0000001%", "run2")
    audited = json.loads(skysort_command("audit", tmp_path / "aside", "--format", "json").out)
    assert (audited["arrivals"], audited["evidence"]) == (10, 1)
    listed = skysort_command("journal", tmp_path / "aside", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(listed.out)))
    digests = [read_table(run / "classifier").files["model.onnx"] for run in (improved, answered / "run")]
    assert [row["classifier"] for row in rows] == [digests[0]] * 10 + [digests[1]] * (NUM + NUM_CORRECTED)


def test_an_improved_run_can_be_moved_measured_and_decided(improved: Path, tmp_path: Path) -> None:
    run = Run(shutil.copytree(improved, tmp_path / "moved"))
    before = run.metrics
    assert skysort.evaluate(run.path).splits == before.splits
    skysort.decide(run.path, "bird", 0.2, 0.9, name="again")
    decisions = {decision.name: decision for decision in read_table(run.classifier).decisions}
    assert decisions["again"].threshold == decisions["keep-bird"].threshold, "by the same audited pictures"
    with refused("too-few-pictures", "skysort audit"):
        skysort.decide(run.path, "bird", 0.01, 0.99)
    (run.path / FOLDER / TABLE).unlink()
    with refused("damaged-run"):
        skysort.evaluate(run.path)


def test_a_trained_network_goes_on_from_its_weights(finished_run: Path) -> None:
    run = Run(finished_run)
    recipe, table = run.recipe, read_table(run.classifier)
    black = Normalisation(mean=(0.0,) * 3, std=(1.0,) * 3)
    network = initial_network(recipe, table.pictures.shape(), 3, black)
    fresh = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    network_learner._continue_from(network, finished_run, ("airplane", "bird", "heron"))
    weights, num_of_classes = load_file(run.classifier / "model.safetensors"), 0
    for name, tensor in network.state_dict().items():
        if tensor.shape == weights[name].shape:
            assert tensor.equal(weights[name])
        else:
            num_of_classes += 1
            assert tensor[:2].equal(weights[name]) and tensor[2:].equal(fresh[name][2:])
    assert num_of_classes == 2, "the weight and the bias of the last layer"
    wider = initial_network(recipe.with_values(network={"channels": [16, 12]}), table.pictures.shape(), 2, black)
    with refused("damaged-run", "another network"):
        network_learner._continue_from(wider, finished_run, ("airplane", "bird"))


def test_what_cannot_be_improved_is_refused(
    answered: Path, top: Path, skysort_command: Command, tmp_path: Path, make_folder: Callable[..., Path]
) -> None:
    def attempt(run: object, aside: object, new: object = top / "new") -> Ended:
        return skysort_command("improve", run, "--from", aside, "--run", new)

    attempt("run", "blog").check_refused(2, "no-journal")
    attempt("missing", "aside").check_refused(2, "path-not-found")
    attempt("run", "aside", "run").check_refused(1, "output-taken")
    attempt("run/classifier", "missing").check_refused(2, "no-journal")
    with Journal(tmp_path / "empty", make=True):
        pass
    attempt("run", tmp_path / "empty").check_refused(1, "no-pictures", "skysort audit")
    cats = make_folder({"cat": 40, "dog": 40})
    short = ("training.epochs=1", "training.threads=1")
    other = skysort.train(cats, "mlp-small", tmp_path / "other", settings=short)
    attempt(other.path, "aside").check_refused(1, "unknown-class", "'bird'")
    shutil.copytree(answered / "run", tmp_path / "copy")
    shutil.rmtree(tmp_path / "copy" / "classifier")
    attempt(tmp_path / "copy", "aside").check_refused(1, "run-not-finished")
    assert not (top / "new").exists()
