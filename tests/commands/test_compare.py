from collections.abc import Callable
from pathlib import Path

import pytest

from skysort.studies import STUDIES
from tests.commands.conftest import Ended

Command = Callable[..., Ended]
SHORT = ("--set", "training.epochs=1", "--set", "training.threads=1", "--set", "pictures.size=16")


def test_recipes_side_by_side(skysort_command: Command, tmp_path: Path) -> None:
    where = ("--seeds", 1, "--output", tmp_path / "out")
    asked = ("compare", "skies:60", "--recipes", "mlp, mlp-bce", *where, *SHORT)
    ended = skysort_command(*asked)
    assert ended.code == 0, ended.err
    heading, first, second, summary, settings, report = ended.out.splitlines()
    assert heading.split()[:3] == ["recipe", "parameters", "test"]
    assert first.split()[:2] == ["mlp", "394,754"]
    assert second.split()[:2] == ["mlp-bce", "394,241"]
    assert summary == "6 test pictures of skies:60, protocol four-way, 1 seed each"
    assert settings == "all with training.epochs=1, pictures.size=16"
    assert report == f"report: {tmp_path / 'out' / 'report.html'}"
    assert "mlp-bce, seed 0: in" in ended.err
    again = skysort_command(*asked)
    assert again.out == ended.out
    assert again.err == ""


def test_studies_are_listed(skysort_command: Command) -> None:
    assert skysort_command("compare", "--studies").out.split() == list(STUDIES)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["compare"], "what to compare? Name pictures and --recipes, or a --study (see --studies)"),
        (["compare", "skies"], "what to compare?"),
        (["compare", "--study", "depht"], "no study 'depht'; did you mean 'depth'?"),
        (["compare", "--study", "depth", "--recipes", "mlp"], "it takes no --recipes"),
        (["compare", "skies", "--recipes", "mlp,convet"], "no recipe 'convet'; did you mean 'convnet'?"),
        (["compare", "skies", "--recipes", "mlp,"], "no recipe ''"),
        (["compare", "skies", "--recipes", "mlp,mlp"], "'mlp' is asked for twice"),
        (["compare", "skyes", "--recipes", "mlp"], "no data set and no folder 'skyes'; did you mean 'skies'?"),
        (["reproduce", "mlp-crop"], "recipe 'mlp-crop' has no published accuracy to reproduce"),
        (["reproduce", "--seeds", "0"], "Invalid value for '--seeds'"),
    ],
)
def test_what_cannot_be_understood_exits_with_2_and_leaves_nothing(
    arguments: list[str], message: str, skysort_command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ended = skysort_command(*arguments)
    assert ended.code == 2
    assert message in " ".join(ended.err.split())
    assert not list(tmp_path.iterdir())
