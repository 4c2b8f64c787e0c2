"""What a small device runs, in an environment of base, then of `[watch]`: no PyTorch is there to be imported.

Once with the versions of the tests' own environment, and once with the lowest that pyproject.toml allows.
"""

import csv
import os
import re
import shutil
import subprocess
import time
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.commands.conftest import ROOT, installed_environment, linked_environment
from tests.conftest import picture_bytes


def lowest_versions() -> str:
    """The lower bounds of base and `[watch]`, as constraints for pip."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    bounds = [*project["dependencies"], *project["optional-dependencies"]["watch"]]
    assert all(re.fullmatch(r"[\w-]+>=[\d.]+", bound) for bound in bounds)
    return "\n".join(bound.replace(">=", "==") for bound in bounds)


@pytest.fixture(scope="session", params=["own", "lowest"])
def environment_with(
    request: pytest.FixtureRequest, built: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Path]:
    """Return a Python with Skysort and an extra; the second call adds to the environment of the first."""
    folder = tmp_path_factory.mktemp("small")
    if request.param == "own":
        return lambda extra: linked_environment(built, extra, folder / "env")
    constraints = folder / "constraints.txt"
    constraints.write_text(lowest_versions())
    return lambda extra: installed_environment(built, extra, folder / "env", "--constraint", constraints)


def test_watch_predict_sort_journal_and_undo(
    environment_with: Callable[[str], Path], finished_run: Path, tmp_path: Path
) -> None:
    small_environment = environment_with("")
    classifier = shutil.copytree(finished_run / "classifier", tmp_path / "classifier")
    inbox, aside, blog = tmp_path / "inbox", tmp_path / "aside", tmp_path / "blog"
    (inbox / "sub").mkdir(parents=True)
    for number in range(8):
        (inbox / "sub" / f"{number}.jpg").write_bytes(picture_bytes(number, form="JPEG"))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}

    def skysort(*arguments: object) -> str:
        done = subprocess.run(
            [small_environment, "-m", "skysort", *map(str, arguments)],
            capture_output=True, text=True, check=False, env=environment, cwd=tmp_path,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    modules = "import importlib.util as u; print([n for n in ('torch', 'sklearn', 'onnx') if u.find_spec(n)])"
    found = subprocess.run([small_environment, "-c", modules], capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"

    shown = skysort("--help")
    assert all(name in shown for name in ("train", "predict", "watch", "undo"))
    rows = list(csv.DictReader(skysort("predict", classifier, inbox, "--format", "csv").splitlines()))
    label = {Path(row["path"]).name: row["label"] for row in rows}
    assert len(label) == 8
    skysort("sort", classifier, inbox, "--to", "sorted")
    assert {path.name: path.parents[1].name for path in (tmp_path / "sorted").rglob("*.jpg")} == label

    environment_with("watch")
    order = ["watch", classifier, inbox, "--aside", aside, "--keep-to", blog, "--keep", "bird", "--settle", "0.1"]
    process = subprocess.Popen(
        [small_environment, "-m", "skysort", *map(str, order)],
        stderr=subprocess.PIPE,
        env=environment,
        cwd=tmp_path,
    )
    try:
        given_up = time.monotonic() + 120
        while list(inbox.rglob("*.jpg")):
            assert process.poll() is None and time.monotonic() < given_up
            time.sleep(0.1)
        process.terminate()
        process.communicate(timeout=60)
    finally:
        process.kill()
    assert {path.name for path in blog.rglob("*.jpg")} == {name for name in label if label[name] == "bird"}

    assert len(skysort("journal", aside).splitlines()) == 8
    assert skysort("fields", "training.epochs").startswith("training.epochs: integer >= 1")
    skysort("undo", aside, "--all")
    assert {path.name for path in inbox.rglob("*.jpg")} == set(label)
