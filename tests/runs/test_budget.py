import math
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

import skysort
from skysort.classifier.format import read_table
from skysort.core.deadline import Deadline
from skysort.core.errors import SkysortError
from skysort.core.progress import SilentProgress
from skysort.data.dataset import Data
from skysort.data.splits import PreparedData, prepare
from skysort.networks import swift
from skysort.recipe.networks import SwiftNetwork
from skysort.recipe.schema import Recipe
from skysort.runs import backbone_learner, budget, finish
from skysort.runs.budget import Costs, seconds_of, within
from skysort.runs.resolve import resolved
from skysort.transfer.backbones import shipped
from skysort.transfer.features import compute_features
from tests.conftest import refused


@pytest.mark.parametrize(
    ("text", "seconds"), [("60s", 60), ("60", 60), ("1.5m", 90), ("2 min", 120), ("1h", 3600), (" 90s ", 90)]
)
def test_times_as_people_write_them(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "-5s", "0s", "10 days", "1m30s"])
def test_other_texts_are_no_times(text: str) -> None:
    with refused("wrong-value", f"'{text}'", exit_code=2):
        seconds_of(text)


real_seconds_at_the_end = budget.seconds_at_the_end


@pytest.fixture(autouse=True)
def end_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the costs of the end as known, which are long to measure."""
    monkeypatch.setattr(budget, "seconds_at_the_end", lambda *_: 2.0)


@pytest.fixture
def prepared() -> PreparedData:
    data = Data.find("skies:240")
    return prepare(data, resolved(Recipe.load("swift"), data).pictures, SilentProgress())


def chosen(recipe: Recipe, prepared: PreparedData, seconds: float, said: list[str] | None = None) -> Recipe:
    progress = SilentProgress()
    if said is not None:
        progress.say = said.append  # type: ignore[method-assign]
    return within(recipe, prepared, seconds, time.perf_counter(), progress)[0]


def seconds_an_epoch(monkeypatch: pytest.MonkeyPatch, seconds: dict[tuple[int, int], float]) -> None:
    """Let each (stride, width) take so long an epoch, and two seconds to its figures."""

    def measured(recipe: Recipe, _prepared: PreparedData, _end: float) -> Costs:
        assert isinstance(recipe.network, SwiftNetwork)
        assert recipe.network.stride is not None
        return Costs(step=1.0, epoch=seconds[recipe.network.stride, recipe.network.width], end=2.0)

    monkeypatch.setattr(budget, "measured", measured)


QUICK_FIRST = {(form.stride, form.width): 10.0 * 2**number for number, form in enumerate(swift.SIZES)}


@pytest.mark.parametrize("number", range(len(swift.SIZES)))
def test_the_widest_form_that_has_epochs_enough_is_chosen(
    number: int, prepared: PreparedData, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds_an_epoch(monkeypatch, QUICK_FIRST)
    form, an_epoch = swift.SIZES[number], 10.0 * 2**number
    just = (form.least_epochs * an_epoch + 2.5) / (1 - budget.SHARE_KEPT)
    recipe = chosen(resolved(Recipe.load("swift"), Data.find("skies:240")), prepared, just)
    assert isinstance(recipe.network, SwiftNetwork)
    assert (recipe.network.stride, recipe.network.width) == (form.stride, form.width)
    assert recipe.training.epochs == form.least_epochs


def test_slower_forms_are_not_timed_where_timing_takes_long(
    prepared: PreparedData, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    forms = []

    def measured(recipe: Recipe, _prepared: PreparedData, _end: float) -> Costs:
        clock[0] += 4.0
        assert isinstance(recipe.network, SwiftNetwork)
        forms.append((recipe.network.stride, recipe.network.width))
        return Costs(step=0.1, epoch=0.1, end=0.0)

    monkeypatch.setattr(budget, "measured", measured)
    monkeypatch.setattr(budget, "time", SimpleNamespace(perf_counter=lambda: clock[0]))
    for seconds, num_timed in ((20, 1), (45, 2), (600, len(swift.SIZES))):
        clock[0] = 0.0
        forms.clear()
        recipe = resolved(Recipe.load("swift"), Data.find("skies:240"))
        within(recipe, prepared, seconds, 0.0, SilentProgress())
        assert len(forms) == num_timed


def test_what_it_expects_is_said(prepared: PreparedData, monkeypatch: pytest.MonkeyPatch) -> None:
    seconds_an_epoch(monkeypatch, QUICK_FIRST)
    said: list[str] = []
    chosen(Recipe.load("swift"), prepared, 60, said)
    (line,) = said
    facts = ("60 s", "5 epochs", "width 32", "stride 2", "57 s of training")
    assert [fact for fact in facts if fact not in line] == []


def test_a_time_too_short_names_one_that_would_do(prepared: PreparedData, monkeypatch: pytest.MonkeyPatch) -> None:
    seconds_an_epoch(monkeypatch, QUICK_FIRST)
    with pytest.raises(SkysortError, match=r"\b5 s\b.*\b7 s\b") as error:
        chosen(Recipe.load("swift"), prepared, 5)
    assert error.value.code == "budget-too-short"


def test_other_networks_stay_as_they_are(prepared: PreparedData, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "measured", lambda *_: Costs(step=1.0, epoch=1.0, end=0.0))
    recipe = Recipe.load("convnet")
    found = chosen(recipe, prepared, 10)
    assert found.network == recipe.network
    assert found.training.epochs == 9


def test_pictures_too_small_for_a_wider_stride_are_not_given_one(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds_an_epoch(monkeypatch, {(1, form.width): 1.0 for form in swift.SIZES})
    recipe = resolved(Recipe.load("swift", ["pictures.size=8"]), Data.find("digits"))
    small = prepare(Data.find("digits"), recipe.pictures, SilentProgress())
    assert chosen(recipe, small, 60).training.epochs == 56
    assert chosen(recipe, small, 6).training.epochs == 3  # fewer than its form takes elsewhere


def test_a_recipe_that_a_budget_has_left_is_chosen_anew(
    prepared: PreparedData, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds_an_epoch(monkeypatch, QUICK_FIRST)
    first = chosen(resolved(Recipe.load("swift"), Data.find("skies:240")), prepared, 20)
    again = chosen(first, prepared, 1000)
    assert isinstance(first.network, SwiftNetwork)
    assert isinstance(again.network, SwiftNetwork)
    assert (first.network.stride, again.network.stride) == (2, 1)


def test_what_measuring_takes_is_taken_off(prepared: PreparedData, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])

    def measured(recipe: Recipe, _prepared: PreparedData, _end: float) -> Costs:
        now[0] += 4.0
        assert isinstance(recipe.network, SwiftNetwork)
        return Costs(step=1.0, epoch=QUICK_FIRST[recipe.network.stride or 0, recipe.network.width] / 10, end=0.0)

    monkeypatch.setattr(budget, "measured", measured)
    said: list[str] = []
    recipe = chosen(resolved(Recipe.load("swift"), Data.find("skies:240")), prepared, 50, said)
    assert isinstance(recipe.network, SwiftNetwork)
    assert (recipe.network.stride, recipe.network.width) == (1, 32)  # the fourth is not timed
    assert recipe.training.epochs == int((50 * (1 - budget.SHARE_KEPT) - 12) / 4)


@pytest.mark.parametrize("field", budget.DECIDED_BY_BUDGET)
def test_what_the_time_decides_cannot_be_set_beside_it(field: str) -> None:
    with refused("options-conflict", "--budget", field, exit_code=2):
        skysort.train("skies:240", budget="60s", settings=(f"{field}=3",))


def test_costs_are_measured_on_the_pictures_themselves(prepared: PreparedData) -> None:
    recipe = resolved(Recipe.load("swift", ["network.width=2", "training.batch_size=16"]), Data.find("skies:240"))
    costs = budget.measured(recipe, prepared, 2.0)
    assert 0 < costs.step < costs.epoch < 60
    assert 2.0 < costs.end < 60  # the end that is known, and the labels of the pictures


def test_the_end_is_measured_with_few_pictures_and_leaves_nothing(
    prepared: PreparedData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    recipe = resolved(Recipe.load("swift", ["network.width=2", "training.threads=1"]), Data.find("skies:240"))
    assert 0 < real_seconds_at_the_end(recipe, prepared) < 60
    assert list(tmp_path.iterdir()) == []


def test_a_deadline_leaves_time_for_the_end(prepared: PreparedData, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "perf_counter", lambda: 1000.0)
    monkeypatch.setattr(budget, "measured", lambda *_: Costs(step=0.5, epoch=10.0, end=7.0))
    recipe = Recipe.load("convnet", ["training.batch_size=16"])
    _, deadline = within(recipe, prepared, 100.0, 990.0, SilentProgress())
    assert deadline is not None
    assert deadline.at == pytest.approx(990 + 100 * (1 - budget.SHARE_KEPT) - 7)
    assert deadline.per_step == 0.5
    assert deadline.per_epoch == 10 - 0.5 * math.ceil(len(prepared.splits["train"]) / 16)


@pytest.mark.parametrize(
    "settings", [("training.batch_size=all",), ("training.batch_size=1000",), ("augment.mixup=0.5",)]
)
def test_costs_of_odd_recipes_are_measured_as_well(settings: tuple[str, ...], prepared: PreparedData) -> None:
    recipe = resolved(Recipe.load("convnet", [*settings, "network.channels=[2]"]), Data.find("skies:240"))
    assert 0 < budget.measured(recipe, prepared, 2.0).epoch < 60


def test_a_run_within_a_time_says_how_many_epochs_it_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def within(recipe: Recipe, *_: object) -> tuple[Recipe, Deadline]:
        recipe = recipe.with_values(training={"epochs": 1000})
        return recipe, Deadline(time.perf_counter() + 0.5, per_step=0.01, per_epoch=0.0)

    monkeypatch.setattr(finish, "within", within)
    settings = ("network.channels=[2]", "training.threads=1", "training.batch_size=16")
    run = skysort.train("skies:240", "convnet", tmp_path / "run", budget="1h", settings=settings)
    assert run.recipe.training.epochs != len(run.epochs) == read_table(run.classifier).epochs


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PreparedData:
    monkeypatch.setenv("SKYSORT_CACHE", str(tmp_path / "cache"))
    data = Data.find("skies:12")
    return prepare(data, resolved(Recipe.load("photos"), data).pictures, SilentProgress())


def test_features_that_do_not_fit_are_refused_with_a_time_that_would_do(
    photos: PreparedData, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backbone_learner, "milliseconds_per_picture", lambda _backbone: 1000.0)
    recipe = Recipe.load("photos")
    least = (12 + budget.SECONDS_TO_FINISH_PHOTOS) / (1 - budget.SHARE_KEPT)
    with refused("budget-too-short", "20 s", f"{least:.0f} s"):
        chosen(recipe, photos, 20)
    with refused("budget-too-short"):  # mirror images take as long again
        chosen(Recipe.load("photos", ["transfer.flip=true"]), photos, least + 1)
    said: list[str] = []
    assert chosen(recipe, photos, least + 1, said) == recipe
    assert [fact for fact in ("12 s", "23 s") if fact not in said[0]] == []


def test_features_in_the_cache_take_no_time(photos: PreparedData, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = Recipe.load("photos")
    assert backbone_learner.seconds_for_features(recipe, photos) > 0
    compute_features(photos.dataset, shipped()["efficientnet-lite0"], SilentProgress(), flip=False)
    assert backbone_learner.seconds_for_features(recipe, photos) == 0
    assert chosen(recipe, photos, 1) == recipe
