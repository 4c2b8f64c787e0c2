import csv
import json
import re
import signal
import sys
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from skysort.core.deadline import Deadline
from skysort.core.errors import SkysortError, StoppedError
from skysort.core.progress import LineProgress, SilentProgress
from skysort.data.decode import Pixels, Shape
from skysort.networks.families import initial_network
from skysort.networks.layers import PictureNetwork
from skysort.recipe.schema import Recipe
from skysort.recipe.sections import Normalisation, num_steps
from skysort.training import fit as fitting
from skysort.training import loop
from skysort.training.augment import augmented
from skysort.training.batches import SplitPictures, shuffled
from skysort.training.fit import fit
from tests.conftest import refused

CPU = torch.device("cpu")
SETTINGS = ["training.device=cpu", "training.threads=1", "training.epochs=3", "training.batch_size=14"]


def make_part(num: int = 50, seed: int = 0) -> SplitPictures:
    rng = np.random.default_rng(seed)
    labels = np.arange(num, dtype=np.int64) % 2
    pixels = rng.integers(0, 100, (num, 3, 8, 8), dtype=np.uint8) + (100 * labels[:, None, None, None]).astype(
        np.uint8
    )
    return SplitPictures(num, lambda rows: pixels[rows], labels)


def make_network(recipe: Recipe) -> PictureNetwork:
    return initial_network(recipe, Shape(8, 3), 2, Normalisation(mean=(0.5,) * 3, std=(0.5,) * 3))


def trained(recipe: Recipe, folder: Path, split: SplitPictures | None = None) -> dict[str, torch.Tensor]:
    network = make_network(recipe)
    fit(network, recipe, split or make_part(), make_part(seed=1), folder, SilentProgress())
    return network.state_dict()


def assert_same(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "history.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_an_epoch_meets_every_picture_once_in_an_order_of_its_own() -> None:
    split = SplitPictures(50, lambda rows: rows.astype(np.uint8), np.arange(50))
    first, again, second = (
        torch.cat([labels for _, labels, _ in shuffled(split, 14, 0, epoch, 0, CPU)]).tolist()
        for epoch in (1, 1, 2)
    )
    assert sorted(first) == list(range(50))
    assert first == again != second


@pytest.mark.parametrize(("batch_size", "steps"), [(14, 4), (16, 3), (25, 2), (49, 1), (99, 1)])
def test_an_epoch_taken_up_after_any_step_goes_on_where_it_was(batch_size: int, steps: int) -> None:
    split = SplitPictures(50, lambda rows: rows.astype(np.uint8), np.arange(50))
    whole = [labels.tolist() for _, labels, _ in shuffled(split, batch_size, 0, 1, 0, CPU)]
    assert len(whole) == num_steps(50, batch_size) == steps
    for first in range(steps + 1):
        rest = [labels.tolist() for _, labels, _ in shuffled(split, batch_size, 0, 1, first, CPU)]
        assert rest == whole[first:]


def test_history_has_a_row_an_epoch_and_every_so_many_steps(tmp_path: Path) -> None:
    trained(Recipe.load("convnet", [*SETTINGS, "training.log_every=3"]), tmp_path)
    rows = rows_of(tmp_path)
    assert [(row["kind"], row["epoch"], row["step"]) for row in rows] == [
        (kind, str(epoch), step) for epoch in (1, 2, 3) for kind, step in (("steps", "3"), ("epoch", "4"))
    ]
    assert all(row["validation_loss"] for row in rows if row["kind"] == "epoch")
    assert float(rows[-1]["train_loss"]) < float(rows[1]["train_loss"])


def test_a_run_says_how_long_it_will_take_from_its_first_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(fitting, "SECONDS_TIMED", 0.0)
    recipe = Recipe.load("convnet", SETTINGS)
    fit(make_network(recipe), recipe, make_part(), None, tmp_path, LineProgress())
    (line,) = (line for line in capsys.readouterr().err.splitlines() if "will take" in line)
    # three steps of four in three epochs to warm up, five to be timed, four left
    assert re.fullmatch(r"training to epoch 3 will take about \d s: 4 steps of \d+ ms", line)


@pytest.fixture
def signal_at(monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[int, signal.Signals]], None]:
    """Let signals arrive while the steps of given numbers, counted from 1 over all that follows, are computed."""

    def arrange(signals: dict[int, signal.Signals]) -> None:
        numbers = count(1)

        def augmented_then(*arguments: Any) -> Any:
            if (number := next(numbers)) in signals:
                signal.raise_signal(signals[number])
            return augmented(*arguments)

        monkeypatch.setattr(loop, "augmented", augmented_then)

    return arrange


@pytest.mark.parametrize(
    ("recipe", "more"),
    [
        ("mlp", ["network.dropout=0.3", "optimizer.name=adam"]),
        ("mlp-full-batch", []),
        ("convnet", ["optimizer.name=rmsprop", "optimizer.momentum=0.5"]),
        (
            "convnet-dropout",
            ["optimizer.name=adamw", "loss.l1=1e-4", "loss.l2=1e-4", "training.sampling=balanced"],
        ),
        # pictures of 8 pixels take smaller filters than its own
        ("lenet", ["network.kernel=3", "network.padding=same", "optimizer.nesterov=true"]),
        ("resnet-deep-shared", ["network.residual.blocks=2"]),
        ("swift", ["network.width=4", "schedule.name='linear'", "loss.class_weights=balanced"]),
    ],
)
def test_stopped_at_any_step_and_resumed_gives_the_same_bits(
    recipe: str, more: list[str], tmp_path: Path, signal_at: Callable[[dict[int, signal.Signals]], None]
) -> None:
    settings = ["augment.shift=1", "augment.flip=alternating", "training.log_every=3", "schedule.name='cosine'"]
    settings += ["augment.mixup=0.2"] if Recipe.load(recipe).loss.name == "cross-entropy" else []
    # a step an epoch leaves room for fewer stops
    settings += ["training.epochs=12"] if recipe == "mlp-full-batch" else []
    own = [setting for setting in SETTINGS if recipe != "mlp-full-batch" or "batch_size" not in setting]
    loaded = Recipe.load(recipe, [*own, *settings, *more])
    whole, parted = tmp_path / "whole", tmp_path / "parted"
    whole.mkdir()
    parted.mkdir()
    expected = trained(loaded, whole)

    # of 12 steps: the first, one in the middle, and the last of an epoch and of all
    signal_at({1: signal.SIGINT, 4: signal.SIGTERM, 6: signal.SIGINT, 12: signal.SIGTERM})
    for _ in range(4):
        with pytest.raises(StoppedError, match="epoch"):
            trained(loaded, parted)
    assert_same(trained(loaded, parted), expected)
    timed = {"seconds", "pictures_per_second"}
    histories = [[{k: v for k, v in row.items() if k not in timed} for row in rows_of(f)] for f in (whole, parted)]
    assert histories[0] == histories[1]


def test_a_stop_while_validating_is_not_forgotten(tmp_path: Path) -> None:
    recipe = Recipe.load("convnet", [*SETTINGS, "training.epochs=1"])
    split = make_part(seed=1)
    signals = [signal.SIGINT]

    def pixels(rows: NDArray[np.int64]) -> Pixels:
        if signals:
            signal.raise_signal(signals.pop())
        return split.pixels(rows)

    validation = SplitPictures(split.num_pictures, pixels, split.labels)
    with pytest.raises(StoppedError):
        fit(make_network(recipe), recipe, make_part(), validation, tmp_path, SilentProgress())


def test_a_checkpoint_by_the_clock_is_resumed_in_the_middle_of_an_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = Recipe.load("convnet", SETTINGS)
    whole, parted = tmp_path / "whole", tmp_path / "parted"
    whole.mkdir()
    parted.mkdir()
    monkeypatch.setattr(fitting, "SECONDS_BETWEEN_CHECKPOINTS", 0.0)

    numbers = count(1)

    def augmented_until(*arguments: Any) -> Any:
        if next(numbers) == 7:  # the third of the second epoch
            raise MemoryError
        return augmented(*arguments)

    with monkeypatch.context() as patched, pytest.raises(MemoryError):
        patched.setattr(loop, "augmented", augmented_until)
        trained(recipe, parted)
    state = json.loads((parted / "checkpoint" / "state.json").read_text("utf-8"))
    assert (state["epoch"], state["step"]) == (2, 2)
    assert_same(trained(recipe, parted), trained(recipe, whole))


def test_the_same_seed_gives_the_same_bits_and_another_gives_others(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in "abc"]
    for folder in folders:
        folder.mkdir()
    recipe = Recipe.load("convnet", SETTINGS)
    first = trained(recipe, folders[0])
    assert_same(trained(recipe, folders[1]), first)
    other = trained(Recipe.load("convnet", [*SETTINGS, "training.seed=1"]), folders[2])
    assert any(not torch.equal(other[name], first[name]) for name in first)


def test_a_loss_that_is_no_number_stops_before_the_update(tmp_path: Path) -> None:
    recipe = Recipe.load("mnist-cnn", [*SETTINGS, "optimizer.learning_rate=1e30"])
    network = make_network(recipe)
    with refused(
        "diverged", "epoch 1, step ", "learning rate 1e+30", "no weight", "--set optimizer.learning_rate=1e+29"
    ):
        fit(network, recipe, make_part(), None, tmp_path, SilentProgress())
    assert all(bool(torch.isfinite(tensor).all()) for tensor in network.state_dict().values())


def break_tensors(folder: Path) -> None:
    (tensors,) = (folder / "checkpoint").glob("*.safetensors")
    content = bytearray(tensors.read_bytes())
    content[-1] ^= 1
    tensors.write_bytes(content)


def break_state(folder: Path) -> None:
    (folder / "checkpoint" / "state.json").write_text("{", encoding="utf-8")


def shorten_history(folder: Path) -> None:
    (folder / "history.csv").write_text("kind\n", encoding="utf-8")


@pytest.mark.parametrize(
    ("damage", "code", "file"),
    [
        (break_tensors, "damaged-run", ".safetensors"),
        (break_state, "damaged-run", "state.json"),
        (shorten_history, "damaged-run", "history.csv"),
    ],
)
def test_a_damaged_checkpoint_is_an_error_and_never_a_fresh_start(
    damage: Callable[[Path], None], code: str, file: str, tmp_path: Path
) -> None:
    recipe = Recipe.load("convnet", SETTINGS)
    trained(recipe, tmp_path)
    damage(tmp_path)
    with refused(code, tmp_path, file):
        trained(recipe, tmp_path)


def test_what_others_keep_in_the_checkpoint_folder_stays(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    own = ("notes.txt", "epoch-0001-step-000000.safetensors", "best.safetensors", ".x.partial")
    for name in own:
        (folder / name).write_text("mine")
    (folder / ".state.json.0123abcd.partial").touch()  # as a killed process leaves it
    trained(Recipe.load("convnet", SETTINGS), tmp_path)
    state = json.loads((folder / "state.json").read_text("utf-8"))
    assert {path.name for path in folder.iterdir()} == {*own, "state.json", state["tensors"]}
    assert all((folder / name).read_text() == "mine" for name in own)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("format", 2),
        ("epoch", "1"),
        ("epoch", 0),
        ("epoch", 10**30),
        ("epoch", None),
        ("step", 1.5),
        ("step", True),
        ("step", -1),
        ("step", 10**9),
        ("seconds", "long"),
        ("seconds", float("nan")),
        ("history_bytes", -1),
        ("history_bytes", []),
        ("tensors", "../history.csv"),
        ("tensors", 7),
        ("sha256", None),
        ("recipe", {}),
        ("epoch_sums", None),
        ("epoch_sums", {"loss": "low"}),
        ("window_sums", [1, 2]),
        ("pace", {"until": 1.0}),
        ("window_sums", {"loss": float("inf"), "correct": 0, "pictures": 0, "seconds": 0.0}),
    ],
)
def test_a_state_of_wrong_types_or_values_is_damaged(field: str, value: object, tmp_path: Path) -> None:
    recipe = Recipe.load("convnet", SETTINGS)
    trained(recipe, tmp_path)
    path = tmp_path / "checkpoint" / "state.json"
    table = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps({**table, field: value}), "utf-8")
    with pytest.raises(SkysortError, match=r"state\.json") as error:
        trained(recipe, tmp_path)
    assert error.value.code in {"damaged-run", "newer-format", "recipe-changed"}
    if field != "format":
        del table[field]
        path.write_text(json.dumps(table), "utf-8")
        with refused("damaged-run", path):
            trained(recipe, tmp_path)


def test_a_stopped_training_with_a_deadline_goes_on_with_its_plan(
    tmp_path: Path, signal_at: Callable[[dict[int, signal.Signals]], None]
) -> None:
    recipe = Recipe.load("convnet", SETTINGS)
    network, deadline = make_network(recipe), Deadline(time.perf_counter() + 1e6, per_step=1e4, per_epoch=0.0)
    signal_at({6: signal.SIGTERM})
    with pytest.raises(StoppedError):
        fit(network, recipe, make_part(), make_part(seed=1), tmp_path, SilentProgress(), deadline)
    stopped = json.loads((tmp_path / "checkpoint" / "state.json").read_text("utf-8"))
    assert (stopped["epoch"], stopped["step"]) == (2, 2)
    assert stopped["pace"]["num_steps"] > 100  # of 12 in the recipe; the steps are faster than the deadline says
    stopped["pace"]["until"] = stopped["seconds"]  # the time is over
    (tmp_path / "checkpoint" / "state.json").write_text(json.dumps(stopped), "utf-8")
    state = fit(make_network(recipe), recipe, make_part(), make_part(seed=1), tmp_path, SilentProgress())
    assert (state.epoch - 1, len(rows_of(tmp_path))) == (2, 2)  # one more step, for there is no time for another
    assert rows_of(tmp_path)[-1]["step"] == "3"


def test_a_training_killed_before_its_first_epoch_keeps_its_deadline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = Recipe.load("convnet", SETTINGS)
    deadline = Deadline(time.perf_counter() - 1.0, per_step=1.0, per_epoch=0.0)
    with monkeypatch.context() as killed:
        killed.setattr(fitting, "train_epoch", lambda *_: sys.exit())
        with pytest.raises(SystemExit):
            fit(make_network(recipe), recipe, make_part(), None, tmp_path, SilentProgress(), deadline)
    fit(make_network(recipe), recipe, make_part(), None, tmp_path, SilentProgress())
    assert [row["step"] for row in rows_of(tmp_path)] == ["1"]


def test_a_recipe_that_changed_is_no_resume(tmp_path: Path) -> None:
    trained(Recipe.load("convnet", SETTINGS), tmp_path)
    with refused("recipe-changed", tmp_path / "checkpoint" / "state.json"):
        trained(Recipe.load("convnet", [*SETTINGS, "training.batch_size=8"]), tmp_path)


def test_a_signal_that_is_ignored_stays_so(
    tmp_path: Path, signal_at: Callable[[dict[int, signal.Signals]], None]
) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    recipe = Recipe.load("convnet", SETTINGS)
    signal_at({2: signal.SIGINT})
    trained(recipe, tmp_path)
    assert len(rows_of(tmp_path)) == recipe.training.epochs


def test_signals_are_given_back_afterwards(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    trained(Recipe.load("convnet", SETTINGS), tmp_path)
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
