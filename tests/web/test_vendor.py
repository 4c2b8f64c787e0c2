"""The files of other projects that pages load are those that the table names, and the table has all of them."""

import hashlib
import tomllib
from pathlib import Path

import pytest

import skysort.web

SHIPPED = Path(skysort.web.__file__).parent / "vendor"


@pytest.mark.parametrize("folder", [SHIPPED, Path(__file__).parent / "vendor"], ids=["shipped", "tests"])
def test_every_file_has_its_digest_and_licence(folder: Path) -> None:
    packages = tomllib.loads((folder / "vendored.toml").read_text("utf-8"))
    digests = {name: digest for package in packages.values() for name, digest in package["files"].items()}
    found = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.iterdir()
        if path.name != "vendored.toml"
    }
    assert found == digests
    for package in packages.values():
        assert package["version"] and package["licence"] and package["source"].startswith("https://")
        assert any("LICENSE" in name for name in package["files"])
