"""Learning from photographs in an environment of `[photos]` alone: no PyTorch is there to be imported."""

import csv
import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.commands.conftest import installed_environment
from tests.commands.test_photos import draw

MOST_MEGABYTES = 600


@pytest.fixture(scope="module")
def photos_environment(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python with Skysort and `[photos]`, as pip installs them."""
    return installed_environment(built, "photos", tmp_path_factory.mktemp("photos") / "env")


@pytest.mark.slow
def test_train_and_predict_without_pytorch(photos_environment: Path, tmp_path: Path) -> None:
    folder = photos_environment.parents[1]
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    megabytes = sum(sizes) / 1e6
    assert megabytes < MOST_MEGABYTES
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environment["SKYSORT_CACHE"] = str(tmp_path / "cache")

    def python(*arguments: object) -> str:
        done = subprocess.run(
            [photos_environment, *map(str, arguments)],
            capture_output=True, text=True, check=False, env=environment, cwd=tmp_path,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    script = """
import importlib, importlib.util, pkgutil
import skysort.transfer
assert importlib.util.find_spec("torch") is None
for module in pkgutil.walk_packages(skysort.transfer.__path__, "skysort.transfer."):
    importlib.import_module(module.name)
"""
    python("-c", script)
    photos = draw(tmp_path / "photos", per_class=8)
    python("-m", "skysort", "train", photos, "--run", "run")
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["splits"]["folds"]["accuracy"] >= 0.9
    output = python("-m", "skysort", "predict", "run", photos, "--format", "csv")
    rows = list(csv.DictReader(output.splitlines()))
    assert len(rows) == 24
    assert sum(Path(row["path"]).parent.name == row["label"] for row in rows) >= 22
