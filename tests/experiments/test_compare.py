import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from skysort.core.progress import Progress, SilentProgress
from skysort.data import splits
from skysort.data.dataset import Data, Dataset
from skysort.data.decode import Shape
from skysort.experiments import compare as comparing
from skysort.experiments import seeds as seeding
from skysort.experiments.compare import ComparisonSpec, compare
from skysort.experiments.seeds import Variant, deciding
from skysort.experiments.shared_pictures import SharedPictures
from skysort.recipe.schema import Recipe
from skysort.recipe.sections import Pictures
from skysort.runs.folder import Run
from skysort.trust.comparison import Comparison
from tests.conftest import refused

SETTINGS = ["training.epochs=2", "training.threads=1", "pictures.size=16"]
ASKED = ComparisonSpec(
    "small",
    "two recipes",
    "skies:120",
    (
        Variant("plain", Recipe.load("mlp", [*SETTINGS, "network.hidden=[8]"])),
        Variant("batches", Recipe.load("convnet-batchnorm", SETTINGS)),
    ),
    shifts=2,
)


def count_preparations(patch: pytest.MonkeyPatch) -> list[int]:
    """Return a list to which every preparation of pictures adds their size; each one opens its data set once."""
    sizes: list[int] = []
    original = splits.open_dataset

    def opened(data: Data, shape: Shape, progress: Progress, label_by: str | None = None) -> Dataset:
        sizes.append(shape.size)
        return original(data, shape, progress, label_by)

    patch.setattr(splits, "open_dataset", opened)
    return sizes


@pytest.fixture(scope="module")
def prepared_sizes() -> list[int]:
    """The sizes at which the comparison `compared` prepared its pictures."""
    return []


@pytest.fixture(scope="module")
def compared(
    tmp_path_factory: pytest.TempPathFactory, session_cache: Path, prepared_sizes: list[int]
) -> tuple[Path, Comparison]:
    """Not to be changed: copy it first."""
    output = tmp_path_factory.mktemp("compare") / "small"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SKYSORT_CACHE", str(session_cache))
        sizes = count_preparations(patch)
        comparison = compare(ASKED, output, seeds=2)
    prepared_sizes += sizes
    return output, comparison


@pytest.mark.usefixtures("compared")
def test_all_runs_and_measurements_share_pictures_that_are_prepared_once(prepared_sizes: list[int]) -> None:
    assert prepared_sizes == [16]


def test_pictures_are_prepared_anew_for_what_differs_but_for_their_normalisation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sizes = count_preparations(monkeypatch)
    shared = SharedPictures("skies:60", None, SilentProgress())
    pictures = Pictures(size=16, channels=3, protocol="four-way")
    first = shared.prepared(pictures)
    assert shared.prepared(pictures.model_copy(update={"normalise": "half"})) is first
    assert sizes == [16]
    for change in ({"size": 8}, {"channels": 1}, {"seed": 1}, {"resize": "crop"}):
        assert shared.prepared(pictures.model_copy(update=change)) is not first
    assert sizes == [16, 8, 16, 16, 16]


def runs(output: Path) -> list[Run]:
    return [Run(path) for path in sorted((output / "runs").iterdir())]


def test_rows_hold_what_the_runs_came_to(compared: tuple[Path, Comparison]) -> None:
    output, comparison = compared
    assert [run.path.name for run in runs(output)] == [
        "batches-seed0", "batches-seed1", "plain-seed0", "plain-seed1"
    ]  # fmt: skip
    plain, batches = comparison.rows
    assert (plain.name, batches.name) == ("plain", "batches")
    for row in comparison.rows:
        own = [Run(output / "runs" / f"{row.name}-seed{seed}") for seed in (0, 1)]
        for split, figure in (("train", row.train), ("test", row.test)):
            assert list(figure.values) == [run.metrics.splits[split].accuracy for run in own]
        assert row.gap == pytest.approx(row.train.mean - row.test.mean)
        assert row.parameters == own[0].metrics.parameters
        assert len(row.losses) == len(row.elapsed) == 2
        assert 0 < row.elapsed[0] < row.elapsed[1]
    assert comparison.pictures == 12
    assert comparison.protocol == "four-way"


def test_runs_differ_in_their_seed_and_share_their_parts(compared: tuple[Path, Comparison]) -> None:
    found = runs(compared[0])
    assert len({run.data.split_digest for run in found}) == 1
    assert [run.recipe.training.seed for run in found] == [0, 1, 0, 1]
    assert len({run.epochs[0]["train_loss"] for run in found}) == 4


def test_differences_are_to_the_first(compared: tuple[Path, Comparison]) -> None:
    plain, batches = compared[1].rows
    assert plain.difference is None
    assert batches.difference is not None
    assert batches.difference.mean == pytest.approx(batches.test.mean - plain.test.mean)
    assert batches.difference.interval95[0] <= batches.difference.mean <= batches.difference.interval95[1]


def test_both_modes_are_measured_where_they_differ(compared: tuple[Path, Comparison]) -> None:
    plain, batches = compared[1].rows
    assert plain.training_mode is None
    assert batches.training_mode is not None
    assert len(batches.training_mode.train.values) == 2


def test_a_shift_by_nothing_changes_nothing(compared: tuple[Path, Comparison]) -> None:
    for row in compared[1].rows:
        assert len(row.shifted) == 3
        assert row.shifted[0].values == pytest.approx(row.test.values)


def test_what_is_written_is_what_is_returned(compared: tuple[Path, Comparison]) -> None:
    output, comparison = compared
    text = (output / "comparison.json").read_text(encoding="utf-8")
    assert Comparison.model_validate_json(text) == comparison
    assert "plain" in (output / "report.html").read_text(encoding="utf-8")


def test_finished_runs_are_not_run_again_and_others_are_resumed(
    compared: tuple[Path, Comparison], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, comparison = compared
    output = tmp_path / "again"
    shutil.copytree(before, output)
    (output / "runs" / "plain-seed1" / "metrics.json").unlink()
    resumed = []
    original = seeding.go_on

    def go_on(run: Run, *rest: Any) -> Run:
        resumed.append(run.path.name)
        return original(run, *rest)

    monkeypatch.setattr(seeding, "go_on", go_on)
    monkeypatch.setattr(seeding, "carry_out", lambda *_: pytest.fail("trained again"))
    again = compare(ASKED, output, seeds=2)
    assert resumed == ["plain-seed1"]
    assert [row.test for row in again.rows] == [row.test for row in comparison.rows]


def test_a_folder_with_runs_of_another_recipe_is_refused(compared: tuple[Path, Comparison]) -> None:
    other = Variant("plain", Recipe.load("mlp", [*SETTINGS, "network.hidden=[9]"]))
    with refused("output-taken", "plain-seed0", "network.hidden", "[8]", "[9]", "--output"):
        compare(ComparisonSpec("small", "", "skies:120", (other,)), compared[0], seeds=1)


def test_threads_device_and_rows_of_the_history_are_no_other_recipe(
    compared: tuple[Path, Comparison], tmp_path: Path
) -> None:
    output = tmp_path / "again"
    shutil.copytree(compared[0], output)
    other = Variant("plain", ASKED.variants[0].recipe.with_values(training={"threads": 2, "log_every": 5}))
    found = compare(ComparisonSpec("small", "", "skies:120", (other,)), output, seeds=2)
    assert found.rows[0].test == compared[1].rows[0].test
    assert "1 thread" in found.machine


def test_settings_that_decide_nothing_are_not_said() -> None:
    settings = ("training.epochs=2", "training.threads=1", " training.device = cpu")
    assert deciding(settings) == ("training.epochs=2",)


def test_tutorials_recipes_on_tutorials_data_keep_their_protocol_unless_another_is_among_them() -> None:
    asked = ComparisonSpec("", "", "cifar10", (ASKED.variants[0], ASKED.variants[1]))
    own = Variant("own", Recipe.load("mlp").model_copy(update={"published": None}))
    for variants, protocol in ((asked.variants, "tutorial"), ((*asked.variants, own), "four-way")):
        found = comparing.with_one_protocol(ComparisonSpec("", "", "cifar10", variants), Data.find("cifar10"))
        assert {variant.recipe.pictures.protocol for variant in found} == {protocol}


def test_nothing_to_compare_and_the_same_twice_are_refused(tmp_path: Path) -> None:
    with refused("missing-argument", "--recipes", "--study", exit_code=2):
        compare(ComparisonSpec("", "", "skies", ()), tmp_path)
    with refused("same-twice", "'plain'", exit_code=2):
        compare(ComparisonSpec("", "", "skies", (ASKED.variants[0], ASKED.variants[0])), tmp_path)


def test_seeds_and_parts_are_not_left_to_settings(tmp_path: Path) -> None:
    plain = ASKED.variants[0]
    with refused("options-conflict", "training.seed", "--seeds", exit_code=2):
        compare(ComparisonSpec("", "", "skies", (plain,), settings=("training.seed=5",)), tmp_path)
    for section in ({"seed": 1}, {"protocol": "tutorial"}):
        others = [Variant(f"other-{value}", plain.recipe.with_values(pictures=section)) for value in section]
        first = Variant("plain", plain.recipe.with_values(pictures={"protocol": "four-way"}))
        with refused("splits-differ", f"pictures.{next(iter(section))}", exit_code=2):
            compare(ComparisonSpec("", "", "skies", (first, *others)), tmp_path)
    assert not list(tmp_path.iterdir())


def test_figures_of_another_classifier_are_not_taken(compared: tuple[Path, Comparison], tmp_path: Path) -> None:
    output = tmp_path / "mixed"
    shutil.copytree(compared[0], output)
    runs = output / "runs"
    shutil.copy(runs / "plain-seed0" / "metrics.json", runs / "plain-seed1" / "metrics.json")
    with refused("damaged-run", output / "runs" / "plain-seed1"):
        compare(ASKED, output, seeds=2)


def lose_rows(run: Path) -> None:
    lines = (run / "predictions.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    (run / "predictions.csv").write_text("".join(lines[:-1]), encoding="utf-8")


def swap_labels(run: Path) -> None:
    text = (run / "predictions.csv").read_text(encoding="utf-8")
    (run / "predictions.csv").write_text(text.replace(",airplane,", ",bird,"), encoding="utf-8")


def lose_an_epoch(run: Path) -> None:
    lines = (run / "history.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    (run / "history.csv").write_text("".join(lines[:-1]), encoding="utf-8")


def write_words(run: Path) -> None:
    text = (run / "history.csv").read_text(encoding="utf-8")
    (run / "history.csv").write_text(text.replace("epoch,1,", "epoch,one,"), encoding="utf-8")


def lose_a_file(run: Path) -> None:
    (run / "predictions.csv").unlink()


DAMAGED = {
    lose_rows: "predictions.csv",
    swap_labels: "predictions.csv",
    lose_an_epoch: "history.csv",
    write_words: "history.csv",
    lose_a_file: "predictions.csv",
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_run_that_was_altered_is_not_compared(
    damage: Callable[[Path], None], compared: tuple[Path, Comparison], tmp_path: Path
) -> None:
    output = tmp_path / "altered"
    shutil.copytree(compared[0], output)
    damage(output / "runs" / "plain-seed1")
    with refused("damaged-run", output / "runs" / "plain-seed1" / DAMAGED[damage]):
        compare(ASKED, output, seeds=2)


def test_a_folder_with_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text("mine", encoding="utf-8")
    with refused("output-taken", tmp_path, "--output"):
        compare(ASKED, tmp_path)
    folder = tmp_path / "new" / "runs" / "plain-seed0"
    folder.mkdir(parents=True)
    (folder / "letter.txt").write_text("mine", encoding="utf-8")
    with refused("output-taken", folder, "--output"):
        compare(ASKED, tmp_path / "new")


def test_what_cannot_be_compared_is_found_out_before_anything_is_trained(tmp_path: Path) -> None:
    one_output = Variant("one-output", Recipe.load("mlp-bce", SETTINGS))
    with refused("options-conflict", "binary-cross-entropy", " 10", exit_code=2):
        compare(ComparisonSpec("", "", "digits", (ASKED.variants[0], one_output)), tmp_path)
    same = Variant("same", ASKED.variants[0].recipe)
    with refused("same-twice", "'plain'", "'same'", exit_code=2):
        compare(ComparisonSpec("", "", "skies", (ASKED.variants[0], same)), tmp_path)
    assert not list(tmp_path.iterdir())


def test_runs_measured_on_other_parts_are_not_compared(compared: tuple[Path, Comparison], tmp_path: Path) -> None:
    output = tmp_path / "edited"
    shutil.copytree(compared[0], output)
    path = output / "runs" / "batches-seed1" / "data.json"
    table = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**table, "split_digest": "0" * 32}), encoding="utf-8")
    with refused("pictures-changed", path.parent, "split_digest", "0" * 32):
        compare(ASKED, output, seeds=2)
