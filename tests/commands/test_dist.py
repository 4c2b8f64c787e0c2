"""What `make dist` builds. `test_small_device.py` installs the wheel into a bare environment and uses it."""

import tarfile
import zipfile
from pathlib import Path

from tests.commands.conftest import ROOT


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
