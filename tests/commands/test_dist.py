"""What `make dist` builds, and that a wheel in a bare environment shows its help and predicts."""

import csv
import os
import shutil
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.commands.conftest import ROOT, environment_with
from tests.conftest import picture_bytes


def test_distributions_hold_what_they_should(built: Path) -> None:
    (wheel,), (source,) = built.glob("*.whl"), built.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (metadata,) = (name for name in names if name.endswith("/METADATA"))
        assert "License-Expression: Apache-2.0" in archive.read(metadata).decode("utf-8")
    package = {path.relative_to(ROOT / "src").as_posix() for path in (ROOT / "src" / "skysort").rglob("*.*")}
    expected = {name for name in package if "__pycache__" not in name}
    assert {name for name in names if name.startswith("skysort/")} == expected
    assert any(name.endswith("licenses/LICENSE") for name in names)
    with tarfile.open(source) as archive_of_source:
        below = {name.partition("/")[2] for name in archive_of_source.getnames()}
    assert {"pyproject.toml", "LICENSE", "src/skysort/__init__.py", "tests/conftest.py"} <= below


@pytest.mark.skipif(not os.environ.get("SKYSORT_REGISTRY"), reason="needs the package registry and a minute")
def test_a_wheel_in_a_bare_environment_helps_and_predicts(built: Path, finished_run: Path, tmp_path: Path) -> None:
    python = environment_with(built, "", tmp_path / "env")
    outside = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}

    def skysort(*arguments: object) -> str:
        done = subprocess.run(
            [python.with_name("skysort"), *map(str, arguments)],
            capture_output=True, text=True, check=False, env=outside, cwd=tmp_path,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    shown = skysort("--help")
    assert all(name in shown for name in ("train", "predict", "watch", "undo"))
    classifier = shutil.copytree(finished_run / "classifier", tmp_path / "classifier")
    (tmp_path / "picture.jpg").write_bytes(picture_bytes(1, form="JPEG"))
    (row,) = csv.DictReader(skysort("predict", classifier, "picture.jpg", "--format", "csv").splitlines())
    assert row["status"] == "ok" and row["label"] in ("airplane", "bird")
