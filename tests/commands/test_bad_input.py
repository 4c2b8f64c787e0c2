"""Every kind of bad input: a clear message, the plan's exit code, and nothing lost."""

import gzip
import json
import os
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

import skysort
from tests.commands.conftest import Ended
from tests.conftest import picture_bytes, refused
from tests.warm import WarmCommand

Command = Callable[..., Ended]
MakeFolder = Callable[..., Path]
QUICK = ("--set", "training.epochs=1", "--threads", 1, "--quiet")


def check_refused(ended: Ended, exit_code: int, code: str, *facts: object) -> None:
    """Check that a command ended with an error of a code, whose message holds facts: names, numbers, paths."""
    assert (ended.code, ended.out) == (exit_code, "")
    assert ended.err.endswith(f" [{code}]\n"), ended.err
    assert [fact for fact in map(str, facts) if fact not in ended.err] == [], ended.err


@pytest.mark.parametrize(
    ("arguments", "code", "facts"),
    [
        (["train", "skies", "--recipe", "convet"], "unknown-recipe", ["'convet'", "'convnet'?"]),
        (
            ["train", "skies", "--set", "training.epoch=3"],
            "invalid-recipe",
            ["'training.epoch'", "'training.epochs'?"],
        ),
        (["train", "skies", "--set", "epochs=1"], "invalid-recipe", ["'epochs'", "'training.epochs'?"]),
        (["train", "skies", "--set", "network.name=convent"], "invalid-recipe", ["'convent'", "'convnet'?"]),
        (["train", "skies", "--set", "training.epochs=0"], "invalid-recipe", ["training.epochs", "at least 1"]),
        (
            ["train", "skies", "--set", "training.epochs"],
            "wrong-value",
            ["training.epochs=3", "'training.epochs'"],
        ),
        (["train", "digits", "--recipe", "mlp-bce"], "options-conflict", ["'binary-cross-entropy'", " 10"]),
        (["train", "skies", "--device", "cdua"], "unknown-device", ["'cdua'", "'cuda'?"]),
        (["train", "digitz"], "unknown-data-set", ["'digitz'", "'digits'?"]),
        (["train", "skies:many"], "wrong-value", ["'skies:'", "1 to 10,000,000", "'many'"]),
        (["train", "some/folder"], "path-not-found", ["some/folder"]),
        (["train"], "missing-argument", ["skysort datasets"]),
        (["train", "skies", "--budget", "soon"], "wrong-value", ["60s, 10m or 1h", "'soon'"]),
        (
            ["train", "skies", "--budget", "9s", "--set", "training.epochs=3"],
            "options-conflict",
            ["--budget", "training.epochs"],
        ),
        (["train", "--resume", "runs/none", "--budget", "60s"], "options-conflict", ["--resume", "--budget"]),
        (["train", "--resume", "runs/none"], "path-not-found", ["runs/none"]),
        (["train", "skies", "--resume", "runs/none"], "options-conflict", ["--resume", "DATA"]),
        (["train", "skies", "--recipe", "mine.toml"], "path-not-found", ["mine.toml"]),
        (["evaluate", "runs/none"], "path-not-found", ["runs/none"]),
        (["predict", "runs/none", "bird.jpg"], "path-not-found", ["runs/none"]),
        (["train", ""], "empty-argument", ["'train'"]),
        (["train", "skies", "--recipe", ""], "empty-argument", ["'--recipe'"]),
        (["train", "skies", "--run="], "empty-argument", ["'--run='"]),
        (["train", "--resume", ""], "empty-argument", ["'--resume'"]),
        (["evaluate", ""], "empty-argument", ["'evaluate'"]),
        (["predict", "runs/none", "bird.jpg", "--output", ""], "empty-argument", ["'--output'"]),
        (["trian"], "unknown-command", ["'trian'", "'train'?"]),
        (["train", "skies", "--recpe", "mlp"], "unknown-option", ["--recpe", "--recipe"]),
        (["predict", "runs/none", "bird.jpg", "--format", "xml"], "wrong-value", ["--format", "'xml'", "'csv'"]),
    ],
)
def test_what_cannot_be_understood_or_named_exits_with_2(
    arguments: list[str],
    code: str,
    facts: list[str],
    skysort_command: Command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    check_refused(skysort_command(*arguments), 2, code, *facts)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("call", "facts"),
    [
        (lambda: skysort.train(""), ["data", "''"]),
        (lambda: skysort.train("skies", recipe=5), ["recipe", "5"]),  # type: ignore[arg-type]
        (lambda: skysort.train("skies", run=""), ["run", "''"]),
        (lambda: skysort.resume(""), ["run", "''"]),
        (lambda: skysort.evaluate("runs/none", ["a"]), ["data", "['a']"]),  # type: ignore[arg-type]
    ],
)
def test_what_names_nothing_in_python(call: Callable[[], object], facts: list[str]) -> None:
    with refused("wrong-value", *facts, exit_code=2):
        call()


@pytest.mark.parametrize(
    ("counts", "code", "facts"),
    [
        ({}, "no-labels", []),
        ({"": 5}, "no-labels", ["5 pictures"]),
        ({"bird": 20, "airplane": 1}, "class-too-small", ["'airplane' has 1 ", "train, validation", "at least 4"]),
        ({"bird": 20}, "too-few-classes", ["only 'bird'"]),
        ({"bird": 20, "airplane": 3}, "class-too-small", ["'airplane' has 3 ", "train, validation", "at least 4"]),
        (
            {"train/bird": 9, "test/bird": 9, "airplane": 9},
            "ambiguous-folders",
            ["(test, train)", "(airplane)"],
        ),
        ({"test/bird": 9, "test/airplane": 9}, "missing-split", ["for test "]),
    ],
)
def test_pictures_that_cannot_be_trained_on(
    counts: dict[str, int],
    code: str,
    facts: list[str],
    skysort_command: Command,
    make_folder: MakeFolder,
    tmp_path: Path,
) -> None:
    folder = make_folder(counts)
    folder.mkdir(exist_ok=True)
    check_refused(skysort_command("train", folder, "--run", tmp_path / "run", *QUICK), 1, code, *facts)
    assert not (tmp_path / "run").exists()


def test_named_data_that_is_not_there_says_what_to_do(skysort_command: Command) -> None:
    ended = skysort_command("train", "mnist", "--recipe", "mnist-cnn")
    facts = ("MNIST", "train-images-idx3-ubyte.gz", "--data-dir", "SKYSORT_OFFLINE")
    check_refused(ended, 1, "missing-data", *facts)
    check_refused(skysort_command("train", "birds-vs-airplanes"), 1, "missing-data", "CIFAR-10")


def test_a_picture_too_small_for_the_network_is_told_before_anything_is_decoded(
    skysort_command: Command, tmp_path: Path
) -> None:
    ended = skysort_command("train", "digits", "--recipe", "lenet", "--run", tmp_path / "run")
    check_refused(ended, 1, "pictures-too-small", "8x8", "16x16 (--set pictures.size=16)")
    assert "Decoding" not in ended.err
    assert not (tmp_path / "run").exists()


def test_a_network_too_large_for_this_computer_is_told_before_anything_is_allocated(
    skysort_command: Command, tmp_path: Path
) -> None:
    large = ("--set", "network.hidden=[1000000,1000000]")
    ended = skysort_command("train", "skies:80", "--recipe", "mlp", *large, "--run", tmp_path / "run")
    check_refused(ended, 1, "out-of-memory", "1,003,076,000,002 parameters")
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
    assert "1 file was left out" in ended.out
    data = json.loads((run / "data.json").read_text("utf-8"))
    reasons = {row["path"]: row["reason"] for row in data["unreadable"]}
    assert reasons["bird/empty.jpg"] == "the file is empty"
    assert reasons["bird/text.jpg"] == "not a JPEG, PNG, WebP, HEIC, AVIF, BMP, GIF or TIFF picture"
    assert "damaged" in reasons["bird/short.png"]
    assert sum(sum(split.values()) for split in data["counts"].values()) == 24


def test_only_broken_pictures(skysort_command: Command, tmp_path: Path) -> None:
    for name in ("bird", "airplane"):
        (tmp_path / "all" / name).mkdir(parents=True)
        (tmp_path / "all" / name / "1.jpg").write_text("no picture")
    check_refused(skysort_command("train", tmp_path / "all", *QUICK), 1, "no-readable-pictures", "2 pictures")


def make_zip(path: Path, names: list[str]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for seed, name in enumerate(names):
            archive.writestr(name, picture_bytes(seed))
    return path


def test_bad_zips(skysort_command: Command, tmp_path: Path) -> None:
    (tmp_path / "corrupt.zip").write_bytes(b"PK\x03\x04 and no more")
    check_refused(skysort_command("train", tmp_path / "corrupt.zip"), 1, "damaged-archive", "corrupt.zip")

    leading_out = make_zip(tmp_path / "out.zip", ["bird/1.png", "../airplane/1.png"])
    check_refused(skysort_command("train", leading_out), 1, "unsafe-archive", "'../airplane/1.png'")
    assert not (tmp_path.parent / "airplane").exists()

    bomb = make_zip(tmp_path / "bomb.zip", ["bird/1.png", "airplane/1.png"])
    content = bytearray(bomb.read_bytes())
    for start in (content.find(b"PK\x01\x02"), content.rfind(b"PK\x01\x02")):
        content[start + 24 : start + 28] = (2**31).to_bytes(4, "little")  # the size it declares to unpack to
    bomb.write_bytes(content)
    check_refused(skysort_command("train", bomb), 1, "unsafe-archive", "4.0 GiB")


def test_bad_tars(
    skysort_command: Command, make_folder: MakeFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_folder({"bird": 20, "airplane": 20})
    with tarfile.open(tmp_path / "whole.tgz", "w:gz") as archive:
        archive.add(folder, "pictures")
    (tmp_path / "half.tgz").write_bytes((tmp_path / "whole.tgz").read_bytes()[:10_000])
    check_refused(skysort_command("train", tmp_path / "half.tgz"), 1, "damaged-archive", "half.tgz")
    monkeypatch.setattr("skysort.data.sources.archive_files.MAX_UNPACKED_BYTES", 2**20)
    (tmp_path / "bomb.tar.gz").write_bytes(gzip.compress(bytes(2**25)))
    check_refused(skysort_command("train", tmp_path / "bomb.tar.gz"), 1, "unsafe-archive", "100 times")


@pytest.mark.parametrize(
    ("header", "row", "code", "facts"),
    [
        ("path", "{path}", "invalid-table", ["path,label"]),
        ("path,label", "{path}", "invalid-table", ["line 2: expected 2", "found 1"]),
        ("path,label", "{path},", "invalid-table", ["line 2", "'label'"]),
        ("path,label,split", "{path},{label},trian", "invalid-table", ["line 2", "'trian'", "'train'?"]),
        (
            "path,label,group",
            "{path},{label},all",
            "class-too-small",
            ["'airplane' has 1 ", " group", "at least 4"],
        ),
    ],
)
def test_bad_tables(
    header: str,
    row: str,
    code: str,
    facts: list[str],
    skysort_command: Command,
    make_folder: MakeFolder,
    tmp_path: Path,
) -> None:
    folder = make_folder({"bird": 9, "airplane": 9})
    paths = sorted(folder.rglob("*.png"))
    rows = [header, *(row.format(path=path, label=path.parent.name) for path in paths)]
    (tmp_path / "all.csv").write_text("\n".join(rows), encoding="utf-8")
    ended = skysort_command("train", tmp_path / "all.csv", "--run", tmp_path / "run", *QUICK)
    check_refused(ended, 1, code, *facts)
    assert not (tmp_path / "run").exists()


def test_a_data_set_that_cannot_be_downloaded(
    skysort_command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SKYSORT_OFFLINE")
    monkeypatch.setattr("urllib.request._opener", None)  # which the first request makes, for these proxies
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # where nothing listens
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    ended = skysort_command("train", "mnist", "--data-dir", tmp_path / "data", "--run", tmp_path / "run")
    check_refused(
        ended, 1, "download-failed", "MNIST (11,594,722 bytes)", "https://", "no connection", "IDX files"
    )
    assert list((tmp_path / "data").iterdir()) == []
    assert not (tmp_path / "run").exists()


def test_a_run_folder_that_holds_a_run_is_left_alone(
    skysort_command: Command, finished_run: Path, tmp_path: Path
) -> None:
    before = {path: path.read_bytes() for path in finished_run.rglob("*") if path.is_file()}
    check_refused(skysort_command("train", "skies:240", "--run", finished_run), 1, "output-taken", finished_run)
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "letter.txt").touch()
    taken = tmp_path / "taken"
    check_refused(skysort_command("train", "skies:240", "--run", taken), 1, "output-taken", taken)
    assert {path: path.read_bytes() for path in finished_run.rglob("*") if path.is_file()} == before


def test_resuming_a_folder_without_a_run(skysort_command: Command, tmp_path: Path) -> None:
    check_refused(skysort_command("train", "--resume", tmp_path), 2, "not-a-run", tmp_path, "recipe.toml")


def test_resuming_a_run_whose_history_is_gone(
    skysort_command: Command, finished_run: Path, tmp_path: Path
) -> None:
    run = shutil.copytree(finished_run, tmp_path / "run")
    shutil.rmtree(run / "classifier")
    (run / "history.csv").unlink()
    check_refused(skysort_command("train", "--resume", run), 1, "damaged-run", run / "history.csv")


@pytest.mark.parametrize("left", [False, True])
def test_a_classifier_that_was_deleted_or_emptied_is_made_again(
    left: bool, skysort_command: Command, finished_run: Path, tmp_path: Path
) -> None:
    run = shutil.copytree(finished_run, tmp_path / "run")
    shutil.rmtree(run / "classifier")
    if left:
        (run / "classifier").mkdir()
    refused_run = skysort_command("predict", run, run)
    check_refused(refused_run, 1, "run-not-finished", f"skysort resume {run}")
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
        check_refused(skysort_command(*arguments), 1, "not-a-classifier", run / "classifier")


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
    check_refused(ended, 1, "pictures-changed", run)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{}", "the field 'source' is missing"),
        ("[]", "it is not a JSON object"),
        ("", "it is not valid JSON at line 1, column 1"),
    ],
)
def test_resuming_or_evaluating_a_run_whose_data_table_is_damaged(
    content: str, message: str, skysort_command: Command, finished_run: Path, tmp_path: Path
) -> None:
    run = shutil.copytree(finished_run, tmp_path / "run")
    (run / "data.json").write_text(content)
    for arguments in (("evaluate", run), ("train", "--resume", run)):
        ended = skysort_command(*arguments)
        check_refused(ended, 1, "damaged-run", run / "data.json", message)
        (run / "metrics.json").unlink(missing_ok=True)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{}", "the field 'splits' is missing"),
        ('{"splits": {"test": {}}}', "the field 'splits.test.pictures' is missing"),
    ],
)
def test_figures_that_are_damaged_are_told_and_measured_again(
    content: str, message: str, skysort_command: Command, finished_run: Path, tmp_path: Path
) -> None:
    run = shutil.copytree(finished_run, tmp_path / "run")
    whole = skysort.Run(run).metrics.splits
    (run / "metrics.json").write_text(content)
    resumed = skysort_command("train", "--resume", run)
    check_refused(resumed, 1, "damaged-run", run / "metrics.json", message, f"skysort evaluate {run}")
    assert skysort_command("evaluate", run).code == 0
    assert skysort.Run(run).metrics.splits == whole


@pytest.mark.skipif(os.name != "posix", reason="limits the size of files as POSIX does")
def test_a_disk_that_takes_no_more_leaves_nothing_half_written(warm: WarmCommand, tmp_path: Path) -> None:
    run = tmp_path / "run"
    limited = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))"
    ended = warm(
        "train", "skies:240", "--recipe", "convnet", "--run", run, *QUICK,
        before=limited, SKYSORT_CACHE=str(tmp_path / "cache"),
    )  # fmt: skip
    assert ended.returncode == 1
    assert ended.stderr.endswith(" [system]\n")
    assert "File too large" in ended.stderr and "$SKYSORT_CACHE" in ended.stderr
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
    assert "No space left on device" in ended.stderr and ended.stderr.endswith(" [system]\n")


def test_a_class_the_classifier_does_not_know(
    skysort_command: Command, finished_run: Path, make_folder: MakeFolder
) -> None:
    ended = skysort_command("evaluate", finished_run, make_folder({"bird": 2, "airplan": 2}))
    check_refused(ended, 2, "unknown-class", "'airplan'", "'airplane'?")


def test_a_classifier_copy_has_no_pictures_of_its_own(
    skysort_command: Command, finished_run: Path, tmp_path: Path
) -> None:
    copy = shutil.copytree(finished_run / "classifier", tmp_path / "copy")
    check_refused(skysort_command("evaluate", copy), 2, "classifier-without-run", copy)


def test_a_damaged_classifier(skysort_command: Command, finished_run: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(finished_run / "classifier", tmp_path / "copy")
    (copy / "model.onnx").write_bytes(b"")
    check_refused(skysort_command("predict", copy, "bird.jpg"), 1, "altered-classifier", "model.onnx")


def test_figures_of_other_pictures_do_not_replace_a_runs_own(
    skysort_command: Command, finished_run: Path, tmp_path: Path
) -> None:
    before = (finished_run / "metrics.json").read_bytes()
    ended = skysort_command("evaluate", finished_run, "skies:80", "--output", finished_run)
    check_refused(ended, 1, "output-taken", finished_run)
    assert (finished_run / "metrics.json").read_bytes() == before


def test_a_classifier_laid_into_anothers_run_does_not_pass_for_its_own(
    skysort_command: Command, finished_run: Path, tmp_path: Path
) -> None:
    run = shutil.copytree(finished_run, tmp_path / "run")
    shutil.copytree(finished_run / "classifier", run / "other")
    check_refused(skysort_command("evaluate", run / "other"), 2, "classifier-without-run", run / "other")


def test_evaluating_a_run_that_is_not_finished(
    skysort_command: Command, finished_run: Path, tmp_path: Path
) -> None:
    run = shutil.copytree(finished_run, tmp_path / "run")
    (run / "metrics.json").unlink()
    check_refused(skysort_command("evaluate", run), 1, "run-not-finished", f"skysort resume {run}")
    assert skysort_command("train", "--resume", run).code == 0
    assert "s of training" in skysort_command("train", "--resume", run).out


def test_a_run_does_not_take_the_folder_one_is_in(
    skysort_command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    check_refused(skysort_command("train", "skies:80", "--run", "."), 2, "output-taken", "--run")


def test_predicting_what_is_not_there_or_holds_no_picture(
    skysort_command: Command, finished_run: Path, tmp_path: Path
) -> None:
    missing = tmp_path / "none.jpg"
    check_refused(skysort_command("predict", finished_run, missing), 2, "path-not-found", missing)
    check_refused(skysort_command("predict", finished_run, tmp_path), 1, "no-pictures", tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes in folders on this system")
@pytest.mark.parametrize(
    "words",
    [
        ("train", "{}"),
        ("train", "{}.csv"),
        ("train", "skies:100", "--ood", "{}.zip"),
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
    check_refused(ended, 2, "not-a-regular-file", words[-1].format("pipe").removesuffix(":Net"), " a pipe")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes in folders on this system")
@pytest.mark.parametrize("name", ["pipe", "pipe.png", "pipe.zip", "pipe.tar.gz"])
def test_a_pipe_is_a_picture_that_cannot_be_read(
    name: str, skysort_command: Command, finished_run: Path, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / name)
    ended = skysort_command("predict", finished_run, tmp_path / name)
    assert ended.code == 1 and "1 of 1 picture" in ended.err
    assert "unreadable" in ended.out and "regular file" in ended.out
