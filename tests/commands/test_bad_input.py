"""Every kind of bad input: a clear message, the plan's exit code, and nothing lost."""

import gzip
import json
import os
import re
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

import skysort
from tests.commands.conftest import Ended
from tests.conftest import command, picture_bytes

Command = Callable[..., Ended]
MakeFolder = Callable[..., Path]
QUICK = ("--set", "training.epochs=1", "--threads", 1, "--quiet")


def check_refused(ended: Ended, code: int, message: str) -> None:
    assert (ended.code, ended.out) == (code, "")
    assert message in ended.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "skies", "--recipe", "convet"], "no recipe 'convet'; did you mean 'convnet'?"),
        (
            ["train", "skies", "--set", "training.epoch=3"],
            "no field 'training.epoch'; did you mean 'training.epochs'?",
        ),
        (["train", "skies", "--set", "epochs=1"], "no field 'epochs'; did you mean 'training.epochs'?"),
        (["train", "skies", "--set", "network.name=convent"], "no network 'convent'; did you mean 'convnet'?"),
        (
            ["train", "skies", "--set", "training.epochs=0"],
            "training.epochs: expected a number of passes from 1 on",
        ),
        (["train", "skies", "--set", "training.epochs"], "expected a setting like training.epochs=3"),
        (
            ["train", "digits", "--recipe", "mlp-bce"],
            "loss 'binary-cross-entropy' has one output for two classes, and these pictures have 10",
        ),
        (["train", "skies", "--device", "cdua"], "no device 'cdua'; did you mean 'cuda'?"),
        (["train", "digitz"], "no data set and no folder 'digitz'; did you mean 'digits'?"),
        (
            ["train", "skies:many"],
            "expected a number of pictures behind 'skies:', from 1 to 10,000,000, found 'many'",
        ),
        (["train", "some/folder"], "some/folder: no such folder or file"),
        (["train"], "what to train on?"),
        (["train", "skies", "--budget", "soon"], "expected a time like 60s, 10m or 1h, found 'soon'"),
        (
            ["train", "skies", "--budget", "9s", "--set", "training.epochs=3"],
            "--budget decides training.epochs itself",
        ),
        (["train", "--resume", "runs/none", "--budget", "60s"], "it takes no --budget"),
        (["train", "--resume", "runs/none"], "runs/none: no such run folder"),
        (["train", "skies", "--resume", "runs/none"], "it takes no DATA"),
        (["train", "skies", "--recipe", "mine.toml"], "cannot read recipe mine.toml"),
        (["evaluate", "runs/none"], "runs/none: no such run or classifier folder"),
        (["predict", "runs/none", "bird.jpg"], "runs/none: no such run or classifier folder"),
        (["train", ""], "expected a name or a path after 'train', found nothing"),
        (["train", "skies", "--recipe", ""], "expected a name or a path after '--recipe', found nothing"),
        (["train", "skies", "--run="], "expected a name or a path after '--run=', found nothing"),
        (["train", "--resume", ""], "expected a name or a path after '--resume', found nothing"),
        (["evaluate", ""], "expected a name or a path after 'evaluate', found nothing"),
        (["predict", "runs/none", "bird.jpg", "--output", ""], "a path after '--output', found nothing"),
        (["trian"], "'train'? [unknown-command]"),
        (["train", "skies", "--recpe", "mlp"], "--recpe"),
        (["predict", "runs/none", "bird.jpg", "--format", "xml"], "'xml' is not one of"),
    ],
)
def test_what_cannot_be_understood_or_named_exits_with_2(
    arguments: list[str], message: str, skysort_command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    check_refused(skysort_command(*arguments), 2, message)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: skysort.train(""), "expected a name or a path as data, found ''"),
        (lambda: skysort.train("skies", recipe=5), "expected a name or a path as recipe, found 5"),  # type: ignore[arg-type]
        (lambda: skysort.train("skies", run=""), "expected a name or a path as run, found ''"),
        (lambda: skysort.resume(""), "expected a name or a path as run, found ''"),
        (lambda: skysort.evaluate("runs/none", ["a"]), r"as data, found \['a'\]"),  # type: ignore[arg-type]
    ],
)
def test_what_names_nothing_in_python(call: Callable[[], object], message: str) -> None:
    with pytest.raises(skysort.NotUnderstoodError, match=message):
        call()


def test_an_unknown_flag_names_those_that_are_close(skysort_command: Command) -> None:
    assert "--recipe" in skysort_command("train", "skies", "--recpe", "mlp").err


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ({}, "no pictures in class folders"),
        ({"": 5}, "no pictures in class folders"),
        ({"bird": 20, "airplane": 1}, "class 'airplane' has 1 different picture to cut into train, validation"),
        ({"bird": 20}, "training needs pictures of at least two classes, found only 'bird'"),
        ({"bird": 20, "airplane": 3}, "class 'airplane' has 3 different pictures to cut into train, validation"),
        (
            {"train/bird": 9, "test/bird": 9, "airplane": 9},
            "holds splits (test, train) beside other folders (airplane)",
        ),
        ({"test/bird": 9, "test/airplane": 9}, "the data has a part for test and none for training"),
    ],
)
def test_pictures_that_cannot_be_trained_on(
    counts: dict[str, int], message: str, skysort_command: Command, make_folder: MakeFolder, tmp_path: Path
) -> None:
    folder = make_folder(counts)
    folder.mkdir(exist_ok=True)
    check_refused(skysort_command("train", folder, "--run", tmp_path / "run", *QUICK), 1, message)
    assert not (tmp_path / "run").exists()


def test_named_data_that_is_not_there_says_what_to_do(skysort_command: Command) -> None:
    ended = skysort_command("train", "mnist", "--recipe", "mnist-cnn")
    check_refused(ended, 1, "MNIST is not in")
    assert "train-images-idx3-ubyte.gz" in ended.err and "--data-dir" in ended.err
    assert "SKYSORT_OFFLINE keeps it from being downloaded" in ended.err
    check_refused(skysort_command("train", "birds-vs-airplanes"), 1, "CIFAR-10 is not in")


def test_a_picture_too_small_for_the_network_is_told_before_anything_is_decoded(
    skysort_command: Command, tmp_path: Path
) -> None:
    ended = skysort_command("train", "digits", "--recipe", "lenet", "--run", tmp_path / "run")
    check_refused(ended, 1, "the smallest it can take is 16x16 (--set pictures.size=16)")
    assert "Decoding" not in ended.err
    assert not (tmp_path / "run").exists()


def test_a_network_too_large_for_this_computer_is_told_before_anything_is_allocated(
    skysort_command: Command, tmp_path: Path
) -> None:
    large = ("--set", "network.hidden=[1000000,1000000]")
    ended = skysort_command("train", "skies:80", "--recipe", "mlp", *large, "--run", tmp_path / "run")
    check_refused(ended, 1, "this network has 1,003,076,000,002 parameters")
    assert not (tmp_path / "run").exists()


def test_broken_pictures_are_named_and_the_others_are_trained_on(
    skysort_command: Command, make_folder: MakeFolder, tmp_path: Path
) -> None:
    folder = make_folder({"bird": 12, "airplane": 12})
    (folder / "bird" / "empty.jpg").touch()
    (folder / "bird" / "text.jpg").write_text("no picture")
    (folder / "bird" / "short.png").write_bytes(picture_bytes(99)[:500])
    (folder / "bird" / "notes.txt").write_text("seen at noon")
    run = tmp_path / "run"
    ended = skysort_command("train", folder, "--run", run, *QUICK)
    assert ended.code == 0, ended.err
    assert "3 pictures could not be read" in ended.out
    assert "1 file was left out: no picture, no label" in ended.out
    data = json.loads((run / "data.json").read_text("utf-8"))
    reasons = {row["path"]: row["reason"] for row in data["unreadable"]}
    assert reasons["bird/empty.jpg"] == "the file is empty"
    assert reasons["bird/text.jpg"] == "not a JPEG, PNG, WebP, BMP, GIF or TIFF picture"
    assert reasons["bird/short.png"].startswith("damaged: ")
    assert sum(sum(part.values()) for part in data["counts"].values()) == 24


def test_only_broken_pictures(skysort_command: Command, tmp_path: Path) -> None:
    for name in ("bird", "airplane"):
        (tmp_path / "all" / name).mkdir(parents=True)
        (tmp_path / "all" / name / "1.jpg").write_text("no picture")
    check_refused(skysort_command("train", tmp_path / "all", *QUICK), 1, "none of 2 pictures can be read")


def make_zip(path: Path, names: list[str]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for seed, name in enumerate(names):
            archive.writestr(name, picture_bytes(seed))
    return path


def test_bad_zips(skysort_command: Command, tmp_path: Path) -> None:
    (tmp_path / "corrupt.zip").write_bytes(b"PK\x03\x04 and no more")
    check_refused(skysort_command("train", tmp_path / "corrupt.zip"), 1, "is not a readable zip archive")

    leading_out = make_zip(tmp_path / "out.zip", ["bird/1.png", "../airplane/1.png"])
    check_refused(skysort_command("train", leading_out), 1, "a path that leads out of the archive; refused")
    assert not (tmp_path.parent / "airplane").exists()

    bomb = make_zip(tmp_path / "bomb.zip", ["bird/1.png", "airplane/1.png"])
    content = bytearray(bomb.read_bytes())
    for start in (content.find(b"PK\x01\x02"), content.rfind(b"PK\x01\x02")):
        content[start + 24 : start + 28] = (2**31).to_bytes(4, "little")  # the size it declares to unpack to
    bomb.write_bytes(content)
    check_refused(skysort_command("train", bomb), 1, "would unpack to 4.0 GiB")


def test_bad_tars(
    skysort_command: Command, make_folder: MakeFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_folder({"bird": 20, "airplane": 20})
    with tarfile.open(tmp_path / "whole.tgz", "w:gz") as archive:
        archive.add(folder, "pictures")
    (tmp_path / "half.tgz").write_bytes((tmp_path / "whole.tgz").read_bytes()[:10_000])
    check_refused(skysort_command("train", tmp_path / "half.tgz"), 1, "is not a readable tar archive")
    monkeypatch.setattr("skysort.pictures.archives.MAX_UNPACKED_BYTES", 2**20)
    (tmp_path / "bomb.tar.gz").write_bytes(gzip.compress(bytes(2**25)))
    check_refused(skysort_command("train", tmp_path / "bomb.tar.gz"), 1, "more than 100 times its size; refused")


@pytest.mark.parametrize(
    ("header", "row", "message"),
    [
        ("path", "{path}", "expected a header with the columns path,label"),
        ("path,label", "{path}", "line 2: expected 2 cells, as the header has, found 1"),
        ("path,label", "{path},", "line 2: no label"),
        ("path,label,split", "{path},{label},trian", "line 2: no split 'trian'; did you mean 'train'?"),
        ("path,label,group", "{path},{label},all", "each to be kept whole,"),
    ],
)
def test_bad_tables(
    header: str, row: str, message: str, skysort_command: Command, make_folder: MakeFolder, tmp_path: Path
) -> None:
    folder = make_folder({"bird": 9, "airplane": 9})
    paths = sorted(folder.rglob("*.png"))
    rows = [header, *(row.format(path=path, label=path.parent.name) for path in paths)]
    (tmp_path / "all.csv").write_text("\n".join(rows), encoding="utf-8")
    check_refused(skysort_command("train", tmp_path / "all.csv", "--run", tmp_path / "run", *QUICK), 1, message)
    assert not (tmp_path / "run").exists()


def test_a_data_set_that_cannot_be_downloaded(
    skysort_command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SKYSORT_OFFLINE")
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # where nothing listens
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    ended = skysort_command("train", "mnist", "--data-dir", tmp_path / "data", "--run", tmp_path / "run")
    check_refused(ended, 1, "could not download MNIST:")
    assert "Downloading MNIST (11,594,722 bytes) from https://" in ended.err
    assert "no connection" in ended.err and "or put its four IDX files" in ended.err
    assert list((tmp_path / "data").iterdir()) == []
    assert not (tmp_path / "run").exists()


def test_a_run_folder_that_holds_a_run_is_left_alone(
    skysort_command: Command, finished_run: Path, tmp_path: Path
) -> None:
    before = {path: path.read_bytes() for path in finished_run.rglob("*") if path.is_file()}
    check_refused(
        skysort_command("train", "skies:240", "--run", finished_run), 1, "already holds a run; choose another"
    )
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "letter.txt").touch()
    check_refused(skysort_command("train", "skies:240", "--run", tmp_path / "taken"), 1, "already exists")
    assert {path: path.read_bytes() for path in finished_run.rglob("*") if path.is_file()} == before


def test_resuming_a_folder_without_a_run(skysort_command: Command, tmp_path: Path) -> None:
    check_refused(skysort_command("train", "--resume", tmp_path), 1, "holds no run: it has no recipe.toml")


def test_resuming_a_run_whose_history_is_gone(
    skysort_command: Command, finished_run: Path, tmp_path: Path
) -> None:
    run = shutil.copytree(finished_run, tmp_path / "run")
    shutil.rmtree(run / "classifier")
    (run / "history.csv").unlink()
    check_refused(
        skysort_command("train", "--resume", run),
        1,
        f"{run / 'history.csv'} is missing, and the checkpoint goes on",
    )


@pytest.mark.parametrize("left", [False, True])
def test_a_classifier_that_was_deleted_or_emptied_is_made_again(
    left: bool, skysort_command: Command, finished_run: Path, tmp_path: Path
) -> None:
    run = shutil.copytree(finished_run, tmp_path / "run")
    shutil.rmtree(run / "classifier")
    if left:
        (run / "classifier").mkdir()
    check_refused(skysort_command("predict", run, run), 1, f"finish it: skysort train --resume {run}")
    ended = skysort_command("train", "--resume", run)
    assert ended.code == 0, ended.err
    weights = Path("classifier") / "model.safetensors"
    assert (run / weights).read_bytes() == (finished_run / weights).read_bytes()


def test_what_lies_in_the_classifiers_place_is_named(
    skysort_command: Command, finished_run: Path, tmp_path: Path
) -> None:
    run = shutil.copytree(finished_run, tmp_path / "run")
    shutil.rmtree(run / "classifier")
    (run / "classifier").mkdir()
    (run / "classifier" / "letter.txt").touch()
    (run / "metrics.json").unlink()
    for arguments in (("train", "--resume", run), ("predict", run, run)):
        check_refused(skysort_command(*arguments), 1, f"{run / 'classifier'} is no")


@pytest.mark.parametrize("change", ["one picture altered", "one picture more", "one picture gone"])
def test_resuming_a_run_whose_pictures_changed(
    change: str, skysort_command: Command, make_folder: MakeFolder, tmp_path: Path
) -> None:
    folder, run = make_folder({"bird": 12, "airplane": 12}), tmp_path / "run"
    assert skysort_command("train", folder, "--run", run, *QUICK).code == 0
    (run / "metrics.json").unlink()
    if change == "one picture gone":
        (folder / "bird" / "3.png").unlink()
    else:
        (folder / "bird" / ("3.png" if "altered" in change else "new.png")).write_bytes(picture_bytes(99))
    ended = skysort_command("train", "--resume", run)
    check_refused(ended, 1, "the pictures of")
    assert "have changed" in ended.err


@pytest.mark.parametrize(
    ("content", "message"),
    [("{}", "source: Field required"), ("[]", "Input should be a valid dictionary"), ("", "Expecting value")],
)
def test_resuming_or_evaluating_a_run_whose_data_table_is_damaged(
    content: str, message: str, skysort_command: Command, finished_run: Path, tmp_path: Path
) -> None:
    run = shutil.copytree(finished_run, tmp_path / "run")
    (run / "data.json").write_text(content)
    for arguments in (("evaluate", run), ("train", "--resume", run)):
        ended = skysort_command(*arguments)
        check_refused(ended, 1, f"{run / 'data.json'} is damaged")
        assert message in ended.err
        (run / "metrics.json").unlink(missing_ok=True)


@pytest.mark.parametrize(
    ("content", "message"),
    [("{}", "splits: Field required"), ('{"splits": {"test": {}}}', "splits.test.pictures: Field required")],
)
def test_figures_that_are_damaged_are_told_and_measured_again(
    content: str, message: str, skysort_command: Command, finished_run: Path, tmp_path: Path
) -> None:
    run = shutil.copytree(finished_run, tmp_path / "run")
    whole = skysort.Run(run).metrics["splits"]
    (run / "metrics.json").write_text(content)
    resumed = skysort_command("train", "--resume", run)
    check_refused(resumed, 1, f"{run / 'metrics.json'} is damaged: {message}")
    assert f"measure it again with: skysort evaluate {run}" in resumed.err
    assert skysort_command("evaluate", run).code == 0
    assert skysort.Run(run).metrics["splits"] == whole


@pytest.mark.skipif(os.name != "posix", reason="limits the size of files as POSIX does")
def test_a_disk_that_takes_no_more_leaves_nothing_half_written(tmp_path: Path) -> None:
    run = tmp_path / "run"
    limited = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))"
    (tmp_path / "sitecustomize.py").write_text(limited)
    ended = command(
        "train", "skies:240", "--recipe", "convnet", "--run", run, *QUICK,
        PYTHONPATH=str(tmp_path), SKYSORT_CACHE=str(tmp_path / "cache"), PYTHONDONTWRITEBYTECODE="1",
    )  # fmt: skip
    assert ended.returncode == 1
    assert "could not write" in ended.stderr and "File too large; $SKYSORT_CACHE says where" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not run.exists()
    assert not list((tmp_path / "cache").rglob("*.bin"))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs the device that is always full")
def test_a_full_standard_output_is_an_error(finished_run: Path, tmp_path: Path) -> None:
    import subprocess
    import sys

    (tmp_path / "a.png").write_bytes(picture_bytes(0))
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "skysort", "predict", finished_run, tmp_path / "a.png"],
            stdout=full, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert ended.returncode == 1
    assert "No space left on device" in ended.stderr


def test_a_class_the_classifier_does_not_know(
    skysort_command: Command, finished_run: Path, make_folder: MakeFolder
) -> None:
    check_refused(
        skysort_command("evaluate", finished_run, make_folder({"bird": 2, "airplan": 2})),
        2,
        "no class 'airplan'; did you mean 'airplane'?",
    )


def test_a_classifier_copy_has_no_pictures_of_its_own(
    skysort_command: Command, finished_run: Path, tmp_path: Path
) -> None:
    copy = shutil.copytree(finished_run / "classifier", tmp_path / "copy")
    check_refused(skysort_command("evaluate", copy), 2, "name the pictures to measure it on")


def test_a_damaged_classifier(skysort_command: Command, finished_run: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(finished_run / "classifier", tmp_path / "copy")
    (copy / "model.onnx").write_bytes(b"")
    check_refused(skysort_command("predict", copy, "bird.jpg"), 1, "model.onnx has been altered")


def test_figures_of_other_pictures_do_not_replace_a_runs_own(
    skysort_command: Command, finished_run: Path, tmp_path: Path
) -> None:
    before = (finished_run / "metrics.json").read_bytes()
    check_refused(
        skysort_command("evaluate", finished_run, "skies:80", "--output", finished_run), 1, "is a run, whose own"
    )
    assert (finished_run / "metrics.json").read_bytes() == before


def test_a_classifier_laid_into_anothers_run_does_not_pass_for_its_own(
    skysort_command: Command, finished_run: Path, tmp_path: Path
) -> None:
    run = shutil.copytree(finished_run, tmp_path / "run")
    shutil.copytree(finished_run / "classifier", run / "other")
    check_refused(skysort_command("evaluate", run / "other"), 2, "is a classifier without its run")


def test_evaluating_a_run_that_is_not_finished(
    skysort_command: Command, finished_run: Path, tmp_path: Path
) -> None:
    run = shutil.copytree(finished_run, tmp_path / "run")
    (run / "metrics.json").unlink()
    check_refused(skysort_command("evaluate", run), 1, "is not finished; go on with: skysort train --resume")
    assert skysort_command("train", "--resume", run).code == 0
    assert "s of training" in skysort_command("train", "--resume", run).out


def test_a_run_does_not_take_the_folder_one_is_in(
    skysort_command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    check_refused(skysort_command("train", "skies:80", "--run", "."), 2, "a run takes a folder of its own")


def test_predicting_what_is_not_there_or_holds_no_picture(
    skysort_command: Command, finished_run: Path, tmp_path: Path
) -> None:
    check_refused(skysort_command("predict", finished_run, tmp_path / "none.jpg"), 2, "no such file or folder")
    check_refused(skysort_command("predict", finished_run, tmp_path), 1, "no pictures under")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes in folders on this system")
@pytest.mark.parametrize(
    "words",
    [
        ("train", "{}"),
        ("train", "{}.csv"),
        ("train", "skies:100", "--outside", "{}.zip"),
        ("train", "skies:100", "--recipe", "{}.toml"),
        ("train", "skies:100", "--recipe", "{}.py:Net"),
        ("evaluate", "RUN", "{}"),
        ("check", "{}.tar"),
        ("describe", "{}.toml"),
    ],
)
def test_a_pipe_is_refused_and_not_waited_for(
    words: tuple[str, ...], skysort_command: Command, finished_run: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    for ending in ("", ".csv", ".zip", ".tar", ".toml", ".py"):
        os.mkfifo(f"pipe{ending}")
    ended = skysort_command(*[str(finished_run) if word == "RUN" else word.format("pipe") for word in words])
    assert (ended.code, ended.out) == (2, "") and "[not-a-regular-file]" in ended.err
    assert re.search(r"pipe\S* is a pipe", ended.err)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes in folders on this system")
@pytest.mark.parametrize("name", ["pipe", "pipe.png", "pipe.zip", "pipe.tar.gz"])
def test_a_pipe_is_a_picture_that_cannot_be_read(
    name: str, skysort_command: Command, finished_run: Path, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / name)
    ended = skysort_command("predict", finished_run, tmp_path / name)
    assert ended.code == 1 and "1 of 1 picture" in ended.err
    assert "unreadable" in ended.out and "regular file" in ended.out
