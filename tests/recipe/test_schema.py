import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from skysort.core.errors import NotUnderstoodError
from skysort.core.models import FrozenModel
from skysort.data.builtin.registry import NAMED
from skysort.recipe import networks, sections
from skysort.recipe.load import recipe_names
from skysort.recipe.networks import ConvNetwork
from skysort.recipe.schema import Recipe
from skysort.recipe.sections import Augment, Normalisation, Transfer
from tests.conftest import lacking


def refusal(*settings: str, name: str = "convnet", code: str = "invalid-recipe") -> str:
    """Return the message that a recipe is refused with."""
    with pytest.raises(NotUnderstoodError) as caught:
        Recipe.load(name, settings)
    assert caught.value.code == code
    return str(caught.value)


def own(tmp_path: Path, text: str) -> str:
    (tmp_path / "mine.toml").write_text(text, encoding="utf-8")
    return str(tmp_path / "mine.toml")


@pytest.mark.parametrize("name", recipe_names())
def test_every_shipped_recipe_loads_under_its_name_and_says_what_it_is(name: str) -> None:
    recipe = Recipe.load(name)
    assert recipe.name == name
    assert recipe.description


@pytest.mark.parametrize("name", sorted({*recipe_names()} - {"swift", "photos"}))
def test_every_recipe_of_the_tutorials_names_its_source_and_data(name: str) -> None:
    published = Recipe.load(name).published
    assert published is not None
    assert published.source
    assert published.data in NAMED


@pytest.mark.parametrize("name", recipe_names())
def test_every_shipped_recipe_survives_being_written_and_read(name: str, tmp_path: Path) -> None:
    recipe = Recipe.load(name)
    assert Recipe.load(own(tmp_path, recipe.to_toml())) == recipe


@pytest.mark.parametrize("name", sorted({*recipe_names()} - {"photos"}))
def test_a_written_recipe_spells_out_every_default(name: str) -> None:
    written = tomllib.loads(Recipe.load(name).to_toml())
    assert written["training"]["seed"] == 0
    assert written["augment"].keys() == Augment.model_fields.keys()
    assert written["schedule"] == {"name": "linear" if name == "swift" else "constant"}
    everywhere = {"name", "learning_rate", "momentum", "nesterov", "weight_decay"}
    of_muon = {"linear_learning_rate", "bias_learning_rate", "sgd_momentum"}
    assert written["optimizer"].keys() == (everywhere | of_muon if name == "swift" else everywhere)


def test_a_written_recipe_leaves_out_what_its_network_does_not_use() -> None:
    photos = tomllib.loads(Recipe.load("photos").to_toml())
    assert photos["transfer"].keys() == Transfer.model_fields.keys()
    assert photos["training"].keys() == {"seed", "device", "threads"}
    assert photos["loss"] == {"class_weights": "none"}
    assert not photos.keys() & {"optimizer", "schedule", "augment"}
    assert "transfer" not in tomllib.loads(Recipe.load("swift").to_toml())


def test_names_are_sorted_and_the_tutorials_are_among_them() -> None:
    assert recipe_names() == sorted(recipe_names())
    assert {"mlp", "convnet", "lenet", "mnist-cnn"} <= set(recipe_names())


@given(
    epochs=st.integers(1, 2**40),
    rate=st.floats(min_value=1e-300, max_value=1e300),
    hidden=st.lists(st.integers(1, 10**6), max_size=4),
    seed=st.integers(0, 2**32 - 1),
    test_time_flip=st.sampled_from([True, False, "auto"]),
    means=st.lists(st.floats(-10, 10), min_size=3, max_size=3),
)
def test_any_recipe_survives_being_written_and_read(
    tmp_path_factory: pytest.TempPathFactory, epochs: int, rate: float, hidden: list[int], seed: int,
    test_time_flip: bool | str,
    means: list[float],
) -> None:  # fmt: skip
    recipe = Recipe.model_validate(
        {
            "name": "mine",
            "description": 'äöü "quoted" \\ \n line',
            "pictures": {"channels": 3, "normalise": {"mean": means, "std": [0.5, 1, 2]}},
            "network": {"name": "mlp", "hidden": hidden},
            "optimizer": {"learning_rate": rate},
            "training": {"epochs": epochs, "seed": seed},
            "augment": {"test_time_flip": test_time_flip},
        }
    )
    path = own(tmp_path_factory.getbasetemp(), recipe.to_toml())
    assert Recipe.load(path) == recipe


def test_an_unknown_recipe_is_refused_with_a_suggestion() -> None:
    assert lacking(refusal(name="convet", code="unknown-recipe"), "'convet'", "'convnet'") == []


@pytest.mark.parametrize(
    ("setting", "unknown", "meant"),
    [
        ("training.epoch=3", "training.epoch", ["training.epochs"]),
        ("epochs=3", "epochs", ["training.epochs"]),
        ("seed=3", "seed", ["pictures.seed", "training.seed"]),
        ("training.size=3", "training.size", ["pictures.size"]),
        ("trainin.epochs=3", "trainin", ["training"]),
        ("network.kernal=3", "kernal", ["kernel"]),
        ("optimizer.learningrate=1", "optimizer.learningrate", ["optimizer.learning_rate"]),
        ("pictures.normalize='half'", "pictures.normalize", ["pictures.normalise"]),
        ("published.sorce='a book'", "published.sorce", ["published.source"]),
    ],
)
def test_an_unknown_field_is_refused_with_a_suggestion(setting: str, unknown: str, meant: list[str]) -> None:
    first, problem = refusal(setting).splitlines()
    assert "'convnet'" in first
    refused_field, suggestion = problem.split(";")
    assert f"'{unknown}'" in refused_field
    assert re.findall("'(.*?)'", suggestion) == meant


def test_an_unknown_field_in_a_file_is_refused_with_a_suggestion(tmp_path: Path) -> None:
    path = own(tmp_path, '[network]\nname = "mlp"\n[training]\nepoch = 3\n')
    assert lacking(refusal(name=path), f"'{path}'", "'training.epoch'", "'training.epochs'") == []


def test_an_unknown_network_is_refused_with_a_suggestion() -> None:
    assert lacking(refusal("network.name=convnt"), "'convnt'", "did you mean 'convnet'?") == []


def test_a_field_of_another_network_is_refused() -> None:
    facts = ("'mlp'", "'kernel'", "there are: name, hidden, activation, dropout")
    assert lacking(refusal("network.kernel=3", name="mlp"), *facts) == []


def test_every_problem_is_named_in_a_line_of_its_own() -> None:
    _, epochs, batchsize = refusal("training.epochs=0", "training.batchsize=3").splitlines()
    assert lacking(epochs, "training.epochs", "1", "'auto'") == []
    assert lacking(batchsize, "'training.batchsize'", "'training.batch_size'") == []


@pytest.mark.parametrize(
    "setting",
    [
        "training.epochs=0",
        "training.epochs=2.5",
        "training.epochs=many",
        "training.epochs=",
        "training.epochs=[3]",
        "training.batch_size=0",
        "training.seed=-1",
        "training.seed=4294967296",
        "training.log_every=-1",
        "training.threads=-1",
        "pictures.size=0",
        "pictures.size=5000",
        "pictures.channels=2",
        "pictures.resize=squeeze",
        "pictures.normalise=hlf",
        "pictures.protocol=three-way",
        "pictures.seed=-1",
        "network.channels=[]",
        "network.channels=[0]",
        "network.hidden=[16, -1]",
        "network.kernel=0",
        "network.padding=-1",
        "network.activation=gelu",
        "network.padding=full",
        "network.pooling=median",
        "network.normalisation=layer",
        "network.dropout=1",
        "training.batch_size=every",
        "loss.name=hinge",
        "optimizer.name=adagrad",
        "optimizer.learning_rate=0",
        "optimizer.learning_rate=inf",
        "optimizer.learning_rate=nan",
        "optimizer.momentum=1",
        "optimizer.momentum=-0.1",
        "optimizer.weight_decay=-1",
        "schedule.name=exponential",
        "augment.flip=3",
        "augment.flip=true",
        "augment.shift=-1",
        "augment.border=white",
        "augment.resized_crop=0",
        "augment.resized_crop=1.1",
        "augment.rotation=-1",
        "augment.rotation=181",
        "augment.colour=1.1",
        "augment.cutout=-1",
        "augment.cutout=2.5",
        "augment.mixup=-0.1",
        "augment.cutmix=inf",
        "augment.test_time_flip=always",
        "training=3",
        "network=3",
    ],
)
def test_a_value_that_is_not_allowed_is_refused_and_its_field_named(setting: str) -> None:
    first, *problems = refusal(setting).splitlines()
    assert "'convnet'" in first
    assert any(setting.partition("=")[0] in problem for problem in problems)


@pytest.mark.parametrize(
    ("settings", "facts"),
    [
        (["optimizer.name=adam", "optimizer.momentum=0.9"], ["optimizer.momentum", "adam"]),
        (["optimizer.name=muon", "optimizer.weight_decay=0.1"], ["optimizer.weight_decay", "muon"]),
        (["optimizer.bias_learning_rate=0.1"], ["optimizer.name = 'muon'"]),
        (
            ["loss.name=mean-squared-error", "loss.label_smoothing=0.1"],
            ["loss.label_smoothing", "cross-entropy", "mean-squared-error"],
        ),
        (
            ["loss.name=binary-cross-entropy", "loss.class_weights=balanced"],
            ["loss.class_weights", "cross-entropy", "negative-log-likelihood", "binary-cross-entropy"],
        ),
        (
            ["loss.class_weights=balanced", "training.sampling=balanced"],
            ["loss.class_weights", "training.sampling"],
        ),
        (["training.sampling=balance"], ["training.sampling", "'each-once' or 'balanced'"]),
        (["training.epochs=some"], ["training.epochs", "1", "'auto'"]),
        (["network.name=swift", "network.widht=8"], ["'swift'", "'widht'", "'width'"]),
        (["optimizer.nesterov=true"], ["optimizer.nesterov", "optimizer.name = 'sgd'", "optimizer.momentum"]),
        (
            ["optimizer.name=rmsprop", "optimizer.momentum=0.9", "optimizer.nesterov=true"],
            ["optimizer.nesterov", "optimizer.name = 'sgd'"],
        ),
        (["network.padding=same", "network.kernel=4"], ["padding = 'same'", "network.kernel = 4"]),
        (["network.residual.blocks=2", "network.kernel=2"], ["residual", "network.kernel = 2"]),
        (["network.residual.block=2"], ["'convnet'", "'residual.block'", "'residual.blocks'"]),
        (["pictures.size=16", "augment.shift=16"], ["augment.shift = 16", "pictures.size = 16"]),
        (["pictures.size=16", "augment.cutout=16"], ["augment.cutout = 16", "pictures.size = 16"]),
        (["loss.name=regression", "augment.mixup=0.2"], ["augment.mixup", "loss.name = 'regression'"]),
        (
            ["loss.name=binary-cross-entropy", "augment.cutmix=1"],
            ["augment.cutmix", "loss.name = 'binary-cross-entropy'"],
        ),
        (["augment.test_time_flip=1"], ["augment.test_time_flip", "true, false, or 'auto'"]),
        (["network.residual.blocks=0"], ["network.residual.blocks", "1"]),
    ],
)
def test_fields_that_do_not_fit_each_other_are_refused(settings: list[str], facts: list[str]) -> None:
    _, *problems = refusal(*settings).splitlines()
    assert [] in [lacking(problem, *facts) for problem in problems]


@pytest.mark.parametrize("loss", ["cross-entropy", "negative-log-likelihood", "mean-squared-error"])
def test_losses_of_an_output_a_class_take_mixed_pictures(loss: str) -> None:
    assert Recipe.load("convnet", [f"loss.name={loss}", "augment.mixup=0.2"]).augment.mixes_pictures


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("flip", "random"),
        ("flip", "auto"),
        ("shift", 1),
        ("resized_crop", 0.9),
        ("rotation", 1),
        ("colour", 0.1),
        ("cutout", 1),
        ("mixup", 0.1),
        ("cutmix", 0.1),
    ],
)
def test_an_augmentation_knows_whether_it_changes_anything(field: str, value: object) -> None:
    assert Augment.model_validate({field: value}).changes_pictures
    assert not Augment(border="reflect", test_time_flip="auto").changes_pictures


def test_normalisation_for_another_number_of_channels_is_refused() -> None:
    message = refusal("pictures.normalise={mean=[0.5, 0.5, 0.5], std=[1, 1, 1]}", "pictures.channels=1")
    assert lacking(message, "pictures.normalise", "3", "pictures.channels = 1") == []


def test_normalisation_fits_channels_that_are_unset_or_as_many() -> None:
    setting = "pictures.normalise={mean=[0.5], std=[0.25]}"
    for more in ([], ["pictures.channels=1"]):
        normalise = Recipe.load("convnet", [setting, *more]).pictures.normalise
        assert normalise == Normalisation(mean=(0.5,), std=(0.25,))


def test_as_many_standard_deviations_as_means_are_needed() -> None:
    message = refusal("pictures.normalise={mean=[0, 0], std=[1]}")
    assert lacking(message, "pictures.normalise", "2 means", "1 standard") == []


def test_a_standard_deviation_of_zero_is_refused() -> None:
    assert "pictures.normalise" in refusal("pictures.normalise={mean=[0], std=[0]}")


@pytest.mark.parametrize(
    ("setting", "section", "field", "value"),
    [
        ("training.epochs=3", "training", "epochs", 3),
        ("training.epochs = 3", "training", "epochs", 3),
        ("training.epochs=1_000", "training", "epochs", 1000),
        ("optimizer.learning_rate=1e-3", "optimizer", "learning_rate", 0.001),
        ("optimizer.learning_rate=1", "optimizer", "learning_rate", 1.0),
        ("augment.flip=alternating", "augment", "flip", "alternating"),
        ("augment.test_time_flip=true", "augment", "test_time_flip", True),
        ("augment.test_time_flip=auto", "augment", "test_time_flip", "auto"),
        ("pictures.resize=crop", "pictures", "resize", "crop"),
        ("pictures.resize='crop'", "pictures", "resize", "crop"),
        ('pictures.resize="crop"', "pictures", "resize", "crop"),
        ("pictures.protocol=four-way", "pictures", "protocol", "four-way"),
        ("training.device=cuda:1", "training", "device", "cuda:1"),
        ("network.hidden=[64, 32]", "network", "hidden", (64, 32)),
        ("network.hidden=[]", "network", "hidden", ()),
    ],
)
def test_a_setting_is_read_as_toml_else_as_text(setting: str, section: str, field: str, value: Any) -> None:
    assert getattr(getattr(Recipe.load("convnet", [setting]), section), field) == value


def test_a_setting_changes_nothing_else() -> None:
    changed = Recipe.load("convnet", ["training.epochs=3"])
    before = Recipe.load("convnet")
    assert changed == before.model_copy(update={"training": before.training.model_copy(update={"epochs": 3})})


def test_the_last_of_equal_settings_counts() -> None:
    assert Recipe.load("convnet", ["training.epochs=3", "training.epochs=4"]).training.epochs == 4


@pytest.mark.parametrize("setting", ["", "training.epochs", "=3", "training.epochs:3"])
def test_what_is_no_setting_is_refused_with_an_example(setting: str) -> None:
    assert lacking(refusal(setting, code="wrong-value"), "training.epochs=3", f"'{setting}'") == []


def test_a_setting_below_a_field_that_has_none_is_refused() -> None:
    message = refusal("training.epochs.x=3", code="wrong-value")
    assert lacking(message.removeprefix("'training.epochs.x=3'"), "epochs") == []


def test_a_recipe_of_ones_own_takes_its_files_name(tmp_path: Path) -> None:
    recipe = Recipe.load(own(tmp_path, '[network]\nname = "convnet"\n'))
    assert recipe.name == "mine"
    assert recipe.network == ConvNetwork()


@pytest.mark.parametrize("text", ["", "[training]\nepochs = 3\n"])
def test_a_recipe_without_a_network_is_refused(tmp_path: Path, text: str) -> None:
    assert "network" in refusal(name=own(tmp_path, text))


def test_a_recipe_that_is_not_there_is_refused(tmp_path: Path) -> None:
    path = str(tmp_path / "mine.toml")
    assert path in refusal(name=path, code="path-not-found")


def test_a_recipe_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(Recipe.load("mlp").to_toml(), encoding="utf-8-sig")
    assert Recipe.load(str(path)) == Recipe.load("mlp")


def test_a_recipe_that_is_no_toml_is_refused(tmp_path: Path) -> None:
    path = own(tmp_path, "training: 3\n")
    assert lacking(refusal(name=path), path, "TOML", "line 1") == []


def test_a_recipe_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(b"\xff\xfe\0")
    assert str(path) in refusal(name=str(path))


@pytest.mark.parametrize("section", [None, "pictures", "network", "optimizer", "training"])
def test_a_recipe_cannot_be_changed(section: str | None) -> None:
    recipe = Recipe.load("convnet")
    part: Any = getattr(recipe, section) if section else recipe
    with pytest.raises(ValidationError, match="frozen"):
        part.name = "other"


TABLES = [
    kind
    for module in (networks, sections)
    for kind in vars(module).values()
    if isinstance(kind, type) and issubclass(kind, FrozenModel) and kind is not FrozenModel
]


@pytest.mark.parametrize("kind", TABLES)
def test_every_field_is_explained_to_people(kind: type[FrozenModel]) -> None:
    fields = kind.model_json_schema()["properties"]
    assert [name for name, part in fields.items() if "description" not in part] in ([], ["name"], ["figures"])


@pytest.mark.parametrize("name", ["../up", "a/b", ".hidden", "", "a\\b", "x:y"])
def test_a_name_that_runs_could_not_be_called_by_is_refused(name: str, tmp_path: Path) -> None:
    path = own(tmp_path, f"name = {json.dumps(name)}\n[network]\nname = 'mlp'\n")
    assert "name: " in refusal(name=path)


@pytest.mark.parametrize(
    "shares",
    ["70/10/10", "70/10/10/11", "80/10/10/0", "70/10/10/10/0", "70-10-10-10", "-70/50/60/60", "a/b/c/d", ""],
)
def test_shares_that_make_no_whole_are_refused(shares: str) -> None:
    assert lacking(refusal(f"pictures.shares='{shares}'", name="mlp"), "pictures.shares", "100") == []


def test_shares_are_for_pictures_that_are_cut_here() -> None:
    pictures = Recipe.load("mlp", ["pictures.shares=30/10/50/10"]).pictures
    assert pictures.percentages == (30, 10, 50, 10)
    assert Recipe.load("mlp").pictures.percentages is None
    message = refusal("pictures.shares=30/10/50/10", "pictures.protocol=tutorial", name="mlp")
    assert lacking(message, "pictures.shares", "'tutorial'") == []
