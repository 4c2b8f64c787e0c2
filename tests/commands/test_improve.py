"""skysort improve, on the command line: from answers to a new classifier, its decision, and whether to switch."""

import csv
import io
import json
import shutil
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from safetensors.torch import load_file

import skysort
from skysort.classifier.classifier import Classifier
from skysort.classifier.format import read_table
from skysort.core.files import sha256
from skysort.data.additions import FOLDER, TABLE
from skysort.data.builtin import skies
from skysort.networks.families import initial_network
from skysort.recipe.sections import Normalisation
from skysort.runs import finish, improve, improvement_outcome, network_learner
from skysort.runs.folder import Run
from skysort.runs.pictures_to_add import _content
from skysort.work.answered_pictures import SHARE_TO_TEST
from skysort.work.coins import second_coin_of, seed_file
from skysort.work.journal import Journal
from tests.commands.conftest import Ended
from tests.conftest import refused
from tests.warm import WarmCommand

Command = Callable[..., Ended]
NUM, NUM_CORRECTED = 100, 6


FOLDERS = ("aside", "aside.journal", "blog", "inbox", "run")


@pytest.fixture(scope="module")
def answered_once(finished_run: Path, session_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A watcher's folders. All pictures were drawn and answered, but for some corrections. Not to be changed."""
    top = tmp_path_factory.mktemp("answered")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SKYSORT_CACHE", str(session_cache))
        skysort.decide(shutil.copytree(finished_run, top / "run"), "bird", 0.2, 0.9)
        watch(top, range(NUM), "100%")
        answer(top, "bird", "airplane")
        watch(top, range(NUM, NUM + NUM_CORRECTED), None)
        with Journal(top / "aside") as journal:
            rows = [row for row in journal.classifications() if not row.is_drawn]
            journal.answers.add([(row.id, row.source.stem.split("-")[0]) for row in rows], "me")
    return top


@pytest.fixture
def answered(answered_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of these folders, with a journal that knows of no test."""
    return copied(answered_once, tmp_path_factory.mktemp("copy"), *FOLDERS)


def copied(top: Path, to: Path, *names: str) -> Path:
    for name in names:
        shutil.copytree(top / name, to / name)
    return to


@pytest.fixture
def top(answered: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where tests write runs; the answered pictures stay where they are."""
    monkeypatch.chdir(answered)
    return tmp_path


def watch(top: Path, numbers: range, audit: str | None, run: str = "run") -> None:
    """Let pictures arrive. Their names say what they show."""
    (top / "inbox").mkdir(exist_ok=True)
    for number in numbers:
        name = f"{skies.CLASSES[number % 2]}-{number}.png"
        Image.fromarray(skies.draw(2_000_000 + number, 32)).save(top / "inbox" / name)
    folders = {"aside": top / "aside", "keep_to": top / "blog"}
    skysort.watch(top / run, top / "inbox", **folders, decision="keep-bird", audit=audit, once=True, settle=0.0)


def answer(top: Path, *labels: str) -> None:
    """Answer the drawn pictures of some classes that have no answer yet."""
    with Journal(top / "aside") as journal:
        known = journal.answers.latest()
        rows = [row for row in journal.arrivals() if row.is_drawn and row.id not in known]
        names = [(row.id, row.source.stem.split("-")[0]) for row in rows]
        journal.answers.add([(number, name) for number, name in names if name in labels], "me")


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def improved(answered_once: Path, session_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The improved run, beside the journal that it learned from. Not to be changed: copy it first."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SKYSORT_CACHE", str(session_cache))
        top = copied(answered_once, tmp_path_factory.mktemp("improved"), *FOLDERS)
        return skysort.improve(top / "run", top / "aside", top / "run2").path


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


def test_the_next_improve_tests_on_newer_answers_alone_and_keeps_what_was_learned(
    answered: Path, improved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied(improved.parent, tmp_path, "aside", "aside.journal", "blog", "run2")
    watch(tmp_path, range(500, 520), "100%", "run2")
    answer(tmp_path, "bird", "airplane")
    before, first = Run(tmp_path / "run2"), rows_of(improved / FOLDER / TABLE)
    for module in ("answered_pictures", "journal_export"):  # every picture is gone
        monkeypatch.setattr(f"skysort.work.{module}.is_at", lambda *_: False)
    run3 = skysort.improve(before.path, tmp_path / "aside", tmp_path / "run3")
    assert rows_of(run3.path / FOLDER / TABLE) == [row for row in first if row["split"] != "test"]
    assert run3.improvement.left_out["tested_before"] == before.improvement.audited["test"]
    assert len(run3.improvement.gone) == 20, "the new ones, of which the run before has no copies"
    assert run3.improvement.outcome.labels is None
    monkeypatch.undo()

    run4 = skysort.improve(before.path, tmp_path / "aside", tmp_path / "run4")
    answers = rows_of(run4.path / FOLDER / TABLE)
    tested = {row["digest"] for row in answers if row["split"] == "test"}
    tested_before = {row["digest"] for row in first if row["split"] == "test"}
    assert 0 < len(tested) < 20 and tested.isdisjoint(tested_before)
    with Journal(tmp_path / "aside") as journal:
        assert journal.comparisons.digests() == tested | tested_before
    assert len(answers) == len(first) - before.improvement.audited["test"] + 20

    with Journal(tmp_path / "aside") as journal:
        corrections = {row.id for row in journal.classifications() if not row.is_drawn}
        (wrong, *_) = [found for found in journal.answers.all() if found.row in corrections]
        journal.answers.take_back(20 + NUM_CORRECTED)
    run5 = skysort.improve(before.path, tmp_path / "aside", tmp_path / "run5")
    assert run5.improvement.corrections == 0, f"corrections such as {wrong} were taken back"
    assert (run4.improvement.corrections, run4.improvement.new_corrections) == (NUM_CORRECTED, 0)


@pytest.mark.parametrize("at", ["copy", "write", "learn", "outcome", "measure"])
def test_an_interrupted_improve_begins_again_or_is_resumed(
    at: str, answered: Path, improved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    points = {
        "copy": (improve, "prepare"), "write": (improve, "write_start"), "learn": (finish, "learner"),
        "outcome": (finish, "finish_improvement"), "measure": (finish, "measure_run"),
    }  # fmt: skip
    folder = tmp_path / "run2"
    with monkeypatch.context() as patch:
        patch.setattr(*points[at], stop)
        with pytest.raises((KeyboardInterrupt, skysort.SkysortError)):
            skysort.improve(answered / "run", answered / "aside", folder)
    if at in ("copy", "write"):
        assert not folder.exists()
        run = skysort.improve(answered / "run", answered / "aside", folder)
    else:
        with refused("output-taken", "skysort resume"):
            skysort.improve(answered / "run", answered / "aside", folder)
        run = skysort.resume(folder)
    expected = Run(improved)
    places = {name: getattr(run.improvement, name) for name in ("run", "aside")}
    assert run.improvement == expected.improvement.model_copy(update=places)
    for name in ("pictures.csv", "answers/answers.csv", "data.json"):
        assert (run.path / name).read_bytes() == (improved / name).read_bytes()
    assert run.metrics.classifier == expected.metrics.classifier
    assert run.metrics.decisions == expected.metrics.decisions
    run.check_classifier()


def killing_before(name: str, num: int = 1) -> str:
    """Return lines of Python after which a process kills itself before the n-th rename to a name."""
    return f"""
import os, signal
num_left = {num}

def before(rename):
    def renamed(source, target, **options):
        global num_left
        num_left -= os.path.basename(target).endswith({name!r})
        if num_left == 0:
            signal.raise_signal(signal.SIGKILL)
        return rename(source, target, **options)
    return renamed

os.rename, os.replace = before(os.rename), before(os.replace)
"""


def test_killed_at_any_step_it_ends_like_one_that_was_not(
    answered: Path, improved: Path, tmp_path: Path, warm: WarmCommand
) -> None:
    folder = tmp_path / "run2"
    begin = ("improve", answered / "run", "--from", answered / "aside", "--run", folder)
    go_on = ("resume", folder)
    for arguments, lines in (
        (begin, killing_before(".png", NUM // 2)),  # half of the copies are there
        (begin, killing_before(TABLE)),  # all of them, without their table
        (begin, killing_before("run2")),  # the folder is whole, and not in place
        (begin, killing_before("classifier")),  # nothing is learned
        (go_on, killing_before("improvement.json")),  # the journal says what tests, and there is no outcome
        (go_on, killing_before("classifier.json")),  # the outcome is there, and the decision is not
        (go_on, killing_before("metrics.json")),
    ):
        ended = warm(*arguments, before=lines)
        assert ended.returncode == -signal.SIGKILL, (lines, ended.stderr)
        assert folder.exists() == (arguments is go_on or "'classifier'" in lines)
        assert not (folder / "metrics.json").exists()
    done = warm(*go_on)
    assert done.returncode == 0, done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["run2"]
    run, expected = Run(folder), Run(improved)
    places = {name: getattr(run.improvement, name) for name in ("run", "aside")}
    assert run.improvement == expected.improvement.model_copy(update=places)
    for name in ("pictures.csv", "answers/answers.csv", "predictions.csv", "classifier/model.onnx"):
        assert (folder / name).read_bytes() == (improved / name).read_bytes()
    assert read_table(run.classifier).decisions == read_table(expected.classifier).decisions
    run.check_classifier()


def test_two_improves_into_one_folder_do_not_mix(
    answered: Path, improved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one ends while this one prepares."""
    folder = tmp_path / "run2"

    def prepare(*arguments: Any) -> object:
        shutil.copytree(improved, folder)
        return prepare_alone(*arguments)

    prepare_alone = improve.prepare
    monkeypatch.setattr(improve, "prepare", prepare)
    with refused("output-taken", folder):
        skysort.improve(answered / "run", answered / "aside", folder)
    assert Run(folder).improvement == Run(improved).improvement
    assert [path.name for path in tmp_path.iterdir()] == ["run2"]


def test_what_a_killed_improve_leaves_beside_the_folder_is_removed(
    answered: Path, tmp_path: Path, skysort_command: Command
) -> None:
    (tmp_path / ".run2.0123abcd.partial" / FOLDER).mkdir(parents=True)
    ended = skysort_command("improve", answered / "run", "--from", answered / "aside", "--run", tmp_path / "run2")
    assert ended.code == 0 and "removed half-written files" in ended.err
    assert [path.name for path in tmp_path.iterdir()] == ["run2"]


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


def test_with_too_few_audited_pictures_it_says_how_many_more(
    answered: Path, tmp_path: Path, skysort_command: Command
) -> None:
    copied(answered, tmp_path, "aside", "aside.journal", "blog", "run")
    with Journal(tmp_path / "aside") as journal:
        birds = [found for found in journal.answers.all() if found.label == "bird"]
        journal.answers.take_back(NUM + NUM_CORRECTED)
        journal.answers.add([(found.row, "bird") for found in birds[:4]], "me")
    ended = skysort_command("improve", tmp_path / "run", "--from", tmp_path / "aside", "--run", tmp_path / "run2")
    assert ended.code == 0, ended.err
    outcome = Run(tmp_path / "run2").improvement.outcome
    (decision,) = outcome.decisions
    assert decision.needed == 11 and decision.num <= 4 and outcome.advice == "cannot-tell"
    assert decision.to_come == (11 - decision.num) * 2, "each is drawn, and every second one calibrates"
    assert read_table(tmp_path / "run2" / "classifier").decisions == ()
    assert "cannot tell yet: keep-bird was not made anew" in ended.out


def test_a_promise_that_lacked_pictures_is_made_by_the_next_improve(
    answered: Path, tmp_path: Path, skysort_command: Command
) -> None:
    copied(answered, tmp_path, "aside", "aside.journal", "blog", "run")
    with Journal(tmp_path / "aside") as journal:
        answers = journal.answers.all()
        birds = [one for one in answers if one.label == "bird"]
        journal.answers.take_back(NUM + NUM_CORRECTED)
        journal.answers.add([(one.row, "bird") for one in birds[:4]], "me")
    run2 = skysort.improve(tmp_path / "run", tmp_path / "aside", tmp_path / "run2")
    run3 = skysort.improve(run2.path, tmp_path / "aside", tmp_path / "run3")
    assert [one.name for one in run3.improvement.outcome.decisions] == ["keep-bird"], "it still has too few"
    assert run3.improvement.outcome.advice == "cannot-tell"
    with Journal(tmp_path / "aside") as journal:
        journal.answers.add([(one.row, one.label) for one in answers], "me")
    run4 = skysort.improve(run3.path, tmp_path / "aside", tmp_path / "run4")
    (decision,) = read_table(run4.classifier).decisions
    (before,) = read_table(tmp_path / "run" / "classifier").decisions
    for field in ("name", "keep", "lose_at_most", "confidence"):
        assert getattr(decision, field) == getattr(before, field)
    assert [one.needed for one in run4.improvement.outcome.decisions] == [None]


def test_answers_that_tested_do_not_test_another_improve_of_the_same_run(answered: Path, tmp_path: Path) -> None:
    first = skysort.improve(answered / "run", answered / "aside", tmp_path / "run2")
    num = first.improvement.outcome.used["test"]
    again = skysort.improve(answered / "run", answered / "aside", tmp_path / "run3")
    assert (again.improvement.left_out["tested_before"], again.improvement.outcome.labels) == (num, None)
    assert again.improvement.outcome.decisions == first.improvement.outcome.decisions


def test_answers_test_the_first_of_two_classifiers_that_claims_them(
    answered: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An improve is interrupted before its test. Another one tests with these pictures, and then it is resumed."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(improvement_outcome, "_test_rows", stop)
        with pytest.raises(skysort.SkysortError):
            skysort.improve(answered / "run", answered / "aside", tmp_path / "run2")
    with Journal(answered / "aside") as journal:
        digests = [row["digest"] for row in rows_of(tmp_path / "run2" / FOLDER / TABLE)]
        journal.comparisons.claim(digests, "another classifier")
    run = skysort.resume(tmp_path / "run2")
    assert run.improvement.outcome.labels is None and run.improvement.outcome.used["test"] == 0
    shutil.rmtree(answered / "aside.journal")
    with Journal(answered / "aside", make=True):
        pass
    (run.path / "metrics.json").unlink()
    run.write_improvement(run.improvement.model_copy(update={"outcome": None}))
    with refused("changed-file", answered / "aside"):
        skysort.resume(run.path)


def test_only_an_alarm_about_the_run_to_improve_counts(improved: Path, tmp_path: Path) -> None:
    copied(improved.parent, tmp_path, "aside", "aside.journal", "blog", "run", "run2")
    with Journal(tmp_path / "aside") as journal:
        newest = list(journal.classifications())[-1]
        journal.alarms.raise_for(newest.session, newest.id)
        facts = [improve._facts_of(journal, Classifier(tmp_path / run / "classifier")) for run in ("run", "run2")]
    assert [of_one["is_stale"] for of_one in facts] == [True, False]


def test_pictures_that_leak_are_not_spent(answered: Path, tmp_path: Path) -> None:
    """A near-duplicate of a correction does not test. The journal does not say that it did."""
    with Journal(answered / "aside") as journal:
        rows = [row for row in journal.arrivals() if row.is_drawn]
    seed = bytes.fromhex(seed_file(answered / "aside.journal").read_text())
    row = next(row for row in rows if second_coin_of(seed, row.digest) < SHARE_TO_TEST)
    with Image.open(row.place) as picture:
        pixels = picture.convert("RGB")
    pixels.putpixel((0, 0), (1, 2, 3))
    (answered / "inbox").mkdir(exist_ok=True)
    name = "airplane" if "airplane" in row.source.name else "bird"
    pixels.save(answered / "inbox" / f"{name}-9999.png")
    watch(answered, range(0), None)
    with Journal(answered / "aside") as journal:
        (newest,) = journal.rows(last=1)
        journal.answers.add([(newest.id, name)], "me")
    run = skysort.improve(answered / "run", answered / "aside", tmp_path / "run2")
    found = run.improvement.outcome
    assert found.leaks >= 1 and found.used["test"] < run.improvement.audited["test"]
    with Journal(answered / "aside") as journal:
        assert row.digest not in journal.comparisons.digests()
        assert len(journal.comparisons.digests()) == found.used["test"]


def test_a_new_class_is_learned_and_one_with_too_few_corrections_is_left_out(
    answered: Path, tmp_path: Path
) -> None:
    copied(answered, tmp_path, "aside", "aside.journal", "blog")
    with Journal(tmp_path / "aside") as journal:
        corrected = [row for row in journal.classifications() if not row.is_drawn]
        journal.answers.add([(row.id, "heron") for row in corrected[:3]], "me")
        journal.answers.add([(corrected[3].id, "stork")], "me")
    run = skysort.improve(answered / "run", tmp_path / "aside", tmp_path / "run2")
    assert run.data.classes == ("airplane", "bird", "heron") == read_table(run.classifier).classes
    assert run.data.counts["train"]["heron"] == 3 and run.data.counts["test"]["heron"] == 0
    assert (run.improvement.new_classes, run.improvement.unused_classes) == (("heron",), {"stork": 1})
    (decision,) = read_table(run.classifier).decisions
    assert decision.keep == ("bird",)


def test_three_corrections_of_one_scene_are_too_few_for_a_new_class(answered: Path, tmp_path: Path) -> None:
    scene = Image.fromarray(skies.draw(3_000_000, 32))
    put(answered, {f"heron-{number}.png": with_pixel(scene, number) for number in range(3)})
    with Journal(answered / "aside") as journal:
        rows = list(journal.classifications())[-3:]
        journal.answers.add([(row.id, "heron") for row in rows], "me")
    run = skysort.improve(answered / "run", answered / "aside", tmp_path / "run2")
    assert run.data.classes == ("airplane", "bird")
    assert (run.improvement.new_classes, run.improvement.unused_classes) == ((), {"heron": 3})
    assert run.improvement.corrections == NUM_CORRECTED


def test_two_copies_of_a_corrected_picture_are_one(answered: Path, tmp_path: Path) -> None:
    picture = Image.fromarray(skies.draw(3_000_000, 32))
    put(answered, {"bird-900.png": picture, "bird-901.png": picture})
    with Journal(answered / "aside") as journal:
        rows = list(journal.classifications())[-2:]
        assert rows[0].digest == rows[1].digest
        journal.answers.add([(row.id, "bird") for row in rows], "me")
    run = skysort.improve(answered / "run", answered / "aside", tmp_path / "run2")
    assert run.improvement.corrections == NUM_CORRECTED + 1
    assert len(rows_of(run.path / FOLDER / TABLE)) == NUM + NUM_CORRECTED + 1


def put(top: Path, pictures: dict[str, Image.Image]) -> None:
    """Let pictures arrive while nothing is audited."""
    (top / "inbox").mkdir(exist_ok=True)
    for name, picture in pictures.items():
        picture.save(top / "inbox" / name)
    watch(top, range(0), None)


def with_pixel(picture: Image.Image, value: int) -> Image.Image:
    changed = picture.copy()
    changed.putpixel((0, 0), (value, value, value))
    return changed


def test_a_picture_that_changes_while_it_is_copied_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "bird.png"
    path.write_bytes(b"before")
    digest = sha256(path)
    assert _content(path, digest) == b"before"
    monkeypatch.setattr(Path, "read_bytes", lambda *_: b"after")
    assert _content(path, digest) is None


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


def test_changed_pictures_of_the_run_are_refused(tmp_path: Path, make_folder: Callable[..., Path]) -> None:
    pictures = make_folder({"airplane": 40, "bird": 40})
    short = ("training.epochs=1", "training.threads=1")
    run = skysort.train(pictures, "mlp-small", tmp_path / "run", settings=short)
    (tmp_path / "inbox").mkdir()
    shutil.copy(pictures / "bird" / "0.png", tmp_path / "inbox" / "a.png")
    skysort.sort(run.path, tmp_path / "inbox", tmp_path / "sorted")
    with Journal(tmp_path / "sorted") as journal:
        journal.answers.add([(1, "airplane")], "me")
    improved = skysort.improve(run.path, tmp_path / "sorted", tmp_path / "run2")
    assert (improved.improvement.decision, improved.improvement.rate) == (None, None)
    (row,) = [row for row in rows_of(improved.pictures) if row["path"] == "bird/0.png"]
    assert row["class"] == "airplane", "a correction of a picture that the run has gives it a new label"
    shutil.move(pictures, tmp_path / "elsewhere")
    with refused("pictures-moved", "--data"):
        skysort.improve(run.path, tmp_path / "sorted", tmp_path / "run3")
    skysort.improve(run.path, tmp_path / "sorted", tmp_path / "run3", moved_to=tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "bird" / "1.png").unlink()
    with refused("pictures-changed"):
        skysort.improve(run.path, tmp_path / "sorted", tmp_path / "run4")
