import os
from pathlib import Path

import pytest

from skysort.core.cache import cache_folder, keep_library_caches
from tests.conftest import refused


def test_the_cache_is_where_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SKYSORT_CACHE", str(tmp_path / "cache"))
    assert cache_folder() == tmp_path / "cache"
    monkeypatch.delenv("SKYSORT_CACHE")
    assert cache_folder().name == "skysort"


@pytest.mark.parametrize("told", [True, False])
def test_without_a_home_the_cache_has_to_be_named(
    told: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_home(_name: str) -> Path:
        if told:  # as platformdirs 4.14 does
            raise RuntimeError("could not determine the home directory")
        return Path("~/.cache/skysort")

    monkeypatch.delenv("SKYSORT_CACHE")
    monkeypatch.setattr("skysort.core.cache.user_cache_path", no_home)
    with refused("no-home-folder", "SKYSORT_CACHE"):
        cache_folder()
    monkeypatch.delenv("MPLCONFIGDIR", raising=False)
    keep_library_caches()
    assert "MPLCONFIGDIR" not in os.environ
    (tmp_path / "file").touch()
    monkeypatch.setenv("SKYSORT_CACHE", str(tmp_path / "file" / "cache"))
    keep_library_caches()
    assert "MPLCONFIGDIR" not in os.environ


def test_libraries_keep_their_caches_in_ours_unless_told_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SKYSORT_CACHE", "cache")
    monkeypatch.setenv("MPLCONFIGDIR", "/theirs")
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)
    keep_library_caches()
    assert os.environ["MPLCONFIGDIR"] == "/theirs"
    assert os.environ["TORCHINDUCTOR_CACHE_DIR"] == str(tmp_path / "cache" / "torchinductor")
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR")
