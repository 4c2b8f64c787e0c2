import csv
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.stats import binomtest

from skysort.experiments.studies import STUDIES
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


def test_two_runs(skysort_command: Command, finished_run: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    asked = ("train", "skies:240", "--recipe", "mlp", "--run", other, "--quiet", *SHORT[:4])
    assert skysort_command(*asked, "--set", "network.hidden=[4]").code == 0
    ended = skysort_command("compare", finished_run, other, "--output", tmp_path / "out")
    assert ended.code == 0, ended.err
    right = []
    for run in (finished_run, other):
        with (run / "predictions.csv").open(encoding="utf-8") as file:
            right.append([row["label"] == row["truth"] for row in csv.DictReader(file)])
    both, only, others = (list(zip(*right, strict=True)).count(kind) for kind in ((1, 1), (1, 0), (0, 1)))
    assert only + others > 0
    heading, first, second, counts, difference, test, verdict = ended.out.splitlines()
    assert heading == "of 24 test pictures, labelled right:"
    assert first == f"  {finished_run}: {sum(right[0])} ({sum(right[0]) / 24:.4f})"
    assert second == f"  {other}: {sum(right[1])} ({sum(right[1]) / 24:.4f})"
    assert counts == (
        f"both {both}, only {finished_run} {only}, only {other} {others}, neither {24 - both - only - others}"
    )
    assert difference.startswith(f"{finished_run} minus {other}: {(only - others) / 24:+.4f} (95 % interval ")
    assert test.startswith("exact McNemar test: p = ")
    is_shown = binomtest(only, only + others).pvalue <= 0.05
    better = finished_run if only > others else other
    assert verdict.startswith(f"{better} is better" if is_shown else "the difference is not significant")
    found = json.loads((tmp_path / "out" / "paired.json").read_text("utf-8"))
    assert (found["first"], found["second"]) == (str(finished_run), str(other))
    assert (found["both"], found["only_first"], found["only_second"]) == (both, only, others)
    copied = shutil.copytree(other, tmp_path / "copied")
    for same in (other, copied):
        ended = skysort_command("compare", other, same)
        assert (ended.code, ended.out, ended.error) == (2, "", "same-twice")
        assert str(other) in ended.err and str(same) in ended.err


def test_two_runs_share_test_pictures_whatever_else_they_learned_from(
    skysort_command: Command, make_folder: Callable[..., Path], tmp_path: Path
) -> None:
    few = make_folder({"test/a": 6, "test/b": 6, "train/a": 20, "train/b": 20}, "few")
    more = shutil.copytree(few, tmp_path / "more")
    for path in list((more / "train").rglob("*.png")):
        pixels = 255 - np.asarray(Image.open(path))
        Image.fromarray(pixels).save(path.with_name(f"negative-{path.name}"))
    (more / "test" / "a" / "0.png").unlink()
    settings = ("--set", "network.hidden=[4]", *SHORT, "--quiet")
    for name in ("few", "more"):
        run = ("train", tmp_path / name, "--recipe", "mlp", "--run", tmp_path / f"{name}-run")
        assert skysort_command(*run, *settings).code == 0
    ended = skysort_command("compare", tmp_path / "few-run", tmp_path / "more-run")
    assert ended.code == 0, ended.err
    apart, heading, *_ = ended.out.splitlines()
    assert apart.startswith("1 test picture left out: ")
    assert heading == "of 11 test pictures, labelled right:"


@pytest.mark.parametrize(
    ("file", "change", "code", "fact"),
    [
        ("pictures.csv", lambda text: text.replace("test,", "train,"), "damaged-run", "pictures.csv"),
        (
            "pictures.csv",
            lambda text: re.sub("^test,(.*?),[0-9a-f]{4}", r"test,\1,0000", text, flags=re.MULTILINE),
            "no-shared-pictures",
            "",
        ),
        (
            "metrics.json",
            lambda text: text.replace('"classifier": "', '"classifier": "1'),
            "damaged-run",
            "",
        ),
        ("predictions.csv", lambda text: text[: text.rindex("\n", 0, -1)], "damaged-run", "metrics.json"),
    ],
)
def test_runs_that_cannot_be_compared_are_refused(
    file: str,
    change: Callable[[str], str],
    code: str,
    fact: str,
    skysort_command: Command,
    finished_run: Path,
    tmp_path: Path,
) -> None:
    other = shutil.copytree(finished_run, tmp_path / "other")
    (other / file).write_text(change((other / file).read_text("utf-8")), "utf-8")
    ended = skysort_command("compare", finished_run, other)
    assert (ended.code, ended.out, ended.error) == (1, "", code)
    assert str(other) in ended.err and fact in ended.err
    (other / "metrics.json").unlink()
    ended = skysort_command("compare", finished_run, other)
    assert ended.error == "run-not-finished" and f"skysort resume {other}" in ended.err


def test_studies_are_listed(skysort_command: Command) -> None:
    assert skysort_command("compare", "--studies").out.split() == list(STUDIES)


@pytest.mark.parametrize(
    ("arguments", "code", "facts"),
    [
        (["compare"], "missing-argument", ["--recipes", "--study", "--studies"]),
        (["compare", "skies"], "missing-argument", ["--recipes", "--study"]),
        (["compare", "skies", "--recipes", "mlp"], "missing-argument", ["'mlp'", "--recipes"]),
        (["compare", "--study", "depht"], "unknown-study", ["'depht'", "'depth'"]),
        (["compare", "--study", "depth", "--recipes", "mlp"], "options-conflict", ["--study", "--recipes"]),
        (["compare", "skies", "--recipes", "mlp,convet"], "unknown-recipe", ["'convet'", "'convnet'"]),
        (["compare", "skies", "--recipes", "mlp,"], "unknown-recipe", ["''"]),
        (["compare", "skies", "--recipes", "mlp,mlp"], "same-twice", ["'mlp'"]),
        (["compare", "skyes", "--recipes", "mlp,convnet"], "unknown-data-set", ["'skyes'", "'skies'"]),
        (["compare", "a", "b", "c"], "extra-argument", ["3"]),
        (["compare", "a", "b", "--recipes", "mlp"], "options-conflict", ["--recipes"]),
        (["compare", "a", "b", "--seeds", "3"], "options-conflict", ["--seeds"]),
        (["compare", "a", "b"], "path-not-found", ["a: "]),
        (["reproduce", "mlp-crop"], "nothing-published", ["'mlp-crop'"]),
        (["reproduce", "--seeds", "0"], "wrong-value", ["'--seeds'"]),
    ],
)
def test_what_cannot_be_understood_exits_with_2_and_leaves_nothing(
    arguments: list[str],
    code: str,
    facts: list[str],
    skysort_command: Command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    ended = skysort_command(*arguments)
    assert (ended.code, ended.error) == (2, code)
    assert [fact for fact in facts if fact not in ended.err] == []
    assert not list(tmp_path.iterdir())
