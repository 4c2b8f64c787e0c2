from collections.abc import Callable
from pathlib import Path

import pytest

from skysort.experiments.reproduce import reproduce, with_figures
from skysort.trust.comparison import Reproduction
from tests.conftest import refused

SETTINGS = ("training.epochs=1", "training.threads=1")


@pytest.fixture
def small_cifar(make_folder: Callable[..., Path]) -> Path:
    """CIFAR-10 in the shape of a folder, of noise."""
    splits = {"train": 20, "test": 6}
    names = ("airplane", "bird", "cat")
    counts = {f"{split}/{name}": num for split, num in splits.items() for name in names}
    return make_folder(counts, "data/cifar10").parent


def test_recipes_with_published_accuracies() -> None:
    assert with_figures() == ["convnet", "lenet", "mlp", "mlp-deep", "mnist-cnn", "resnet-deep-shared"]


def test_every_source_and_both_modes_have_a_row(small_cifar: Path, tmp_path: Path) -> None:
    names = ("mlp", "resnet-deep-shared:1")
    found = reproduce(names, tmp_path / "out", seeds=2, settings=SETTINGS, data_dir=small_cifar)
    assert [(row.recipe, row.split, row.mode, row.published) for row in found.figures] == [
        ("mlp", "test", "evaluation", 0.813),
        ("mlp", "test", "evaluation", 0.794),
        ("resnet-deep-shared", "train", "training", 1.0),
        ("resnet-deep-shared", "train", "evaluation", None),
        ("resnet-deep-shared", "test", "training", 0.8835),
        ("resnet-deep-shared", "test", "evaluation", None),
    ]
    for row in found.figures:
        assert len(row.measured.values) == (2 if row.recipe == "mlp" else 1)
        assert row.pictures == (40 if row.split == "train" else 12)
        assert (row.verdict is None) == (row.published is None)
    (curve,) = found.losses
    assert (curve.recipe, curve.epochs, curve.published) == ("resnet-deep-shared", (1,), (0.4917,))
    assert found.settings == ("training.epochs=1",)
    assert found.seeds == {"mlp": 2, "resnet-deep-shared": 1}
    text = (tmp_path / "out" / "reproduction.json").read_text(encoding="utf-8")
    assert Reproduction.model_validate_json(text) == found
    assert (tmp_path / "out" / "report.html").exists()


def test_a_single_run_of_each_decides_nothing(small_cifar: Path, tmp_path: Path) -> None:
    found = reproduce(["convnet"], tmp_path / "out", seeds=1, settings=SETTINGS, data_dir=small_cifar)
    assert {row.verdict for row in found.figures} == {"undecided"}


def test_a_recipe_without_published_accuracy_is_refused(tmp_path: Path) -> None:
    with refused("nothing-published", "'mlp-crop'", *with_figures(), exit_code=2):
        reproduce(["mlp-crop"], tmp_path / "out")
    with refused("unknown-recipe", "'convet'", "'convnet'", exit_code=2):
        reproduce(["convet"], tmp_path / "out")
    with refused("wrong-value", "'mlp:'", "0", exit_code=2):
        reproduce(["mlp:0"], tmp_path / "out")
    assert not (tmp_path / "out").exists()
