import json
import shlex
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import skysort.core.errors
from skysort.core.errors import install_command, suggestion


@pytest.mark.parametrize(
    ("name", "known", "said"),
    [
        ("convet", ("mlp", "convnet"), "did you mean 'convnet'?"),
        ("Bird", ("airplane", "bird"), "did you mean 'bird'?"),
        ("cdua", ("auto", "cpu", "cuda"), "did you mean 'cuda'?"),
        ("resnet", ("lenet", "resnet-deep", "resnet-wide"), "did you mean 'resnet-deep' or 'resnet-wide'?"),
        ("Nte", ("Deep", "Net"), "did you mean 'Net'?"),
        ("tpu", ("auto", "cpu"), "there are: auto, cpu"),
        ("cat", ("car", "bird"), "there are: car, bird"),
        ("zebra", [f"class {number}" for number in range(40)], ", class 29, and 10 more"),
    ],
)
def test_a_suggestion_is_what_was_meant_or_a_list(name: str, known: list[str], said: str) -> None:
    assert suggestion(name, known).endswith(said)


def test_an_extra_of_a_checkout_is_installed_from_it() -> None:
    root = Path(__file__).parents[2]
    assert shlex.split(install_command("train")) == [
        sys.executable,
        "-m",
        "pip",
        "install",
        "-e",
        f"{root}[train]",
    ]


@pytest.mark.parametrize(
    ("origin", "what"),
    [
        (None, "skysort[watch]"),
        ({"url": "{here}", "dir_info": {}}, "{path}[watch]"),
        ({"url": "{here}/skysort.whl", "archive_info": {}}, "{path}/skysort.whl[watch]"),
        ({"url": "https://x/s.git", "vcs_info": {"vcs": "git"}}, "skysort[watch] @ git+https://x/s.git"),
        ({"url": "https://x/s.whl", "archive_info": {}}, "skysort[watch] @ https://x/s.whl"),
        ({"url": "{here}/gone", "dir_info": {}}, ".[watch]"),
    ],
)
def test_an_extra_is_installed_from_where_skysort_came(
    origin: dict[str, str] | None, what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "it's mine"
    folder.mkdir()
    (folder / "skysort.whl").touch()
    text = None if origin is None else json.dumps(origin).replace("{here}", folder.as_uri())
    monkeypatch.setattr("importlib.metadata.distribution", lambda _name: SimpleNamespace(read_text=lambda _: text))
    monkeypatch.setattr(skysort.core.errors, "__file__", str(tmp_path / "lib" / "skysort" / "errors.py"))
    words = shlex.split(install_command("watch").partition(" in Skysort")[0])
    assert words == [sys.executable, "-m", "pip", "install", what.replace("{path}", str(folder))]
