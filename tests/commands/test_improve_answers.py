"""What answers are for in an improve, and how often."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

import skysort
from skysort.classifier.classifier import Classifier
from skysort.classifier.format import read_table
from skysort.data.additions import FOLDER, TABLE
from skysort.runs import improve, improvement_outcome
from skysort.runs.folder import Run
from skysort.work.answered_pictures import SHARE_TO_TEST
from skysort.work.coins import second_coin_of, seed_file
from skysort.work.journal import Journal
from tests.commands.conftest import Ended
from tests.commands.improving import NUM, NUM_CORRECTED, answer, copied, rows_of, watch
from tests.conftest import refused

Command = Callable[..., Ended]


def test_the_next_improve_tests_on_newer_answers_alone_and_keeps_what_was_learned(
    answered: Path, improved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied(improved.parent, tmp_path, "aside", "aside.journal", "blog", "run2")
    watch(tmp_path, range(500, 520), "100%", "run2")
    answer(tmp_path, "bird", "airplane")
    before, first = Run(tmp_path / "run2"), rows_of(improved / FOLDER / TABLE)
    for module in ("looks", "journal_export"):  # every picture is gone
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
        others = [one for one in answers if one.label != "bird"]
        journal.answers.take_back(NUM + NUM_CORRECTED)
        # A coin sends each to calibration or to the test, and one at least has to calibrate.
        journal.answers.add([(one.row, one.label) for one in (*birds[:4], *others[:12])], "me")
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
