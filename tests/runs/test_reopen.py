"""A run whose pictures have moved, or are measured beside others."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import skysort
from skysort.core.progress import LineProgress, SilentProgress
from skysort.data.membership import read_members
from skysort.runs.decide import decide
from skysort.runs.evaluate import evaluate
from skysort.runs.folder import Run
from skysort.runs.reopen import prepared_again, run_of
from skysort.runs.train import resume
from tests.conftest import picture_bytes, refused

CLASSES = ("apple", "berry")


def fill(folder: Path, first: int, num: int, prefix: str = "") -> Path:
    for label, name in enumerate(CLASSES):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(first, first + num):
            (folder / name / f"{prefix}{number}.png").write_bytes(picture_bytes(2 * number + label))
    return folder


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `pictures` and a run of theirs, grouped by the last digit of names."""
    folder = tmp_path_factory.mktemp("moved")
    fill(folder / "pictures", 0, 40)
    settings = (
        "training.epochs=1",
        "network.hidden=[4]",
        "training.threads=1",
        r"pictures.group_by='berry/(\d)\d'",
    )
    skysort.train(folder / "pictures", "mlp", folder / "run", settings=settings)
    return folder


@pytest.fixture
def moved(trained: Path, tmp_path: Path) -> Path:
    """The same, and its pictures are in `elsewhere`."""
    shutil.copytree(trained / "run", tmp_path / "run")
    shutil.copytree(trained / "pictures", tmp_path / "elsewhere")
    path = tmp_path / "run" / "data.json"
    text = path.read_text("utf-8")
    path.write_text(text.replace(str(trained / "pictures"), str(tmp_path / "pictures")), "utf-8")
    return tmp_path


def test_every_readable_picture_is_listed_with_its_split(trained: Path) -> None:
    members = list(read_members(trained / "run" / "pictures.csv"))
    counts = Run(trained / "run").data.counts
    for split, of_split in counts.items():
        for name, num in of_split.items():
            assert sum((member.split, member.name) == (split, name) for member in members) == num
    paths = {path.relative_to(trained / "pictures").as_posix() for path in trained.rglob("pictures/*/*.png")}
    assert {member.path for member in members} == paths
    assert len({member.digest for member in members}) == len(members)


@pytest.mark.skipif(os.name != "posix", reason="such names are for Linux and macOS")
def test_a_name_with_a_line_end_is_one_picture_in_the_list(tmp_path: Path) -> None:
    fill(tmp_path / "pictures", 0, 10, prefix='a\r,"b\n')
    run = skysort.train(tmp_path / "pictures", "mlp", tmp_path / "run", settings=("training.epochs=1",))
    assert len(list(read_members(run.pictures))) == 20


@pytest.mark.parametrize(
    "text",
    [
        "",
        "split,class,path\n",
        "split,class,digest,path\ntrain,a,0123,a/1.png\n",
        "split,class,digest,path\nx\n",
        "\0",
    ],
)
def test_a_damaged_list_of_pictures_is_an_error(text: str, tmp_path: Path) -> None:
    (tmp_path / "pictures.csv").write_text(text, "utf-8")
    with refused("damaged-run", tmp_path / "pictures.csv"):
        list(read_members(tmp_path / "pictures.csv"))


@pytest.mark.parametrize(
    "verb",
    [
        lambda run, to: evaluate(run, moved_to=to),
        lambda run, to: decide(run, "berry", 0.9, 0.5, moved_to=to),
        lambda run, to: [(run / "metrics.json").unlink(), resume(run, moved_to=to)],
    ],
    ids=["evaluate", "decide", "resume"],
)
def test_pictures_that_moved_are_proved_and_their_new_place_is_recorded(
    verb: Callable[[Path, Path | None], object], moved: Path
) -> None:
    run, place = moved / "run", moved / "elsewhere"
    before = (run / "data.json").read_bytes()
    metrics = (run / "metrics.json").read_bytes()
    with refused("pictures-moved", run, moved / "pictures", "--data"):
        verb(run, None)
    (run / "metrics.json").write_bytes(metrics)
    other = fill(moved / "other", 0, 39)
    with refused("pictures-changed", other, run, "fingerprint"):
        verb(run, other)
    (run / "metrics.json").write_bytes(metrics)
    with refused("path-not-found", moved / "nowhere", exit_code=2):
        verb(run, moved / "nowhere")
    assert (run / "data.json").read_bytes() == before
    (run / "metrics.json").write_bytes(metrics)
    verb(run, place)
    assert Run(run).data.source == str(place)
    assert Run(run).metrics.data["source"] == str(place)
    assert json.loads((run / "classifier" / "classifier.json").read_text("utf-8"))["data"]["source"] == str(place)
    evaluate(run)  # from there, without being told again


def test_named_data_does_not_move(finished_run: Path, tmp_path: Path) -> None:
    with refused("options-conflict", "'skies:240'", "--data-dir", exit_code=2):
        prepared_again(Run(finished_run), SilentProgress(), str(tmp_path))


def test_pictures_that_a_run_learned_from_are_told_apart_from_others(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    members = list(read_members(trained / "run" / "pictures.csv"))
    num_learned = sum(member.split != "test" for member in members)
    mixed = shutil.copytree(trained / "pictures", tmp_path / "mixed")
    fill(mixed, 100, 5, "new-")
    for path in list(mixed.rglob("*.png")):  # they are known by what they show
        path.rename(path.with_name(f"renamed-{path.name}"))
    found = evaluate(trained / "run", mixed, output=tmp_path / "out", progress=LineProgress())
    assert {name: split.pictures for name, split in found.splits.items()} == {
        "test": len(members) - num_learned + 10,
        "learned": num_learned,
    }
    assert found.protocol == "other pictures"
    rows = (tmp_path / "out" / "predictions.csv").read_text("utf-8").splitlines()
    assert len(rows) == len(members) + 10 + 1
    assert f"learned from {num_learned} more pictures" in (tmp_path / "out" / "report.html").read_text("utf-8")
    assert "matches no path" in capsys.readouterr().err  # what groups the run's own does not fit these


def test_other_pictures_are_grouped_as_the_runs_own_where_that_fits(trained: Path, tmp_path: Path) -> None:
    others = fill(tmp_path / "others", 110, 10)
    (others / "berry" / "15.png").write_bytes(picture_bytes(1000))
    (others / "berry" / "16.png").write_bytes(picture_bytes(1001))
    test = evaluate(trained / "run", others).splits["test"]
    assert test.grouped and test.grouped.groups == 10 + 1  # the pattern takes all berries together


def test_pictures_that_all_were_learned_from_say_so(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seen = tmp_path / "seen"
    for member in read_members(trained / "run" / "pictures.csv"):
        if member.split != "test":
            (seen / member.path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(trained / "pictures" / member.path, seen / member.path)
    found = evaluate(trained / "run", seen, progress=LineProgress())
    assert (list(found.splits), found.protocol) == (["test"], "seen pictures")
    assert "the classifier learned from all of these" in capsys.readouterr().err


def test_a_relative_path_stays_relative_wherever_it_leads(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(trained)
    assert getattr(run_of(Path("run/classifier")), "path", None) == Path("run")
    monkeypatch.chdir(trained / "run")
    assert getattr(run_of(Path("classifier")), "path", None) == Path()
    monkeypatch.chdir(trained / "run" / "classifier")
    for here in (Path(), Path("../classifier"), Path("../../run/classifier/../classifier")):
        run = run_of(here)
        assert run is not None and run.path.resolve() == trained / "run"
    assert run_of(trained / "pictures") is None
