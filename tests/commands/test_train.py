import csv
import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

import skysort
from skysort.recipe.load import recipe_names
from tests.commands.conftest import Ended
from tests.conftest import picture_bytes

Command = Callable[..., Ended]
MakeFolder = Callable[..., Path]


def test_a_run_folder_holds_what_the_plan_says(finished_run: Path) -> None:
    assert sorted(path.name for path in finished_run.iterdir()) == [
        "calibration.csv", "checkpoint", "classifier", "data.json", "history.csv", "metrics.json",
        "pictures.csv", "predictions.csv", "recipe.toml", "report.html",
    ]  # fmt: skip
    assert sorted(path.name for path in (finished_run / "classifier").iterdir()) == [
        "README.md", "classifier.json", "model.onnx", "model.safetensors", "proof.npz",
    ]  # fmt: skip


def test_metrics_classifier_and_rows_agree(finished_run: Path) -> None:
    metrics = json.loads((finished_run / "metrics.json").read_text("utf-8"))
    data = json.loads((finished_run / "data.json").read_text("utf-8"))
    table = json.loads((finished_run / "classifier" / "classifier.json").read_text("utf-8"))
    assert metrics == skysort.Run(finished_run).metrics.model_dump(mode="json")
    assert list(metrics["splits"]) == ["train", "validation", "calibration", "test"]
    assert metrics["parameters"] == table["parameters"] == 18_090
    assert metrics["protocol"] == "four-way"
    assert metrics["classifier"] == table["files"]["model.onnx"]
    assert table["data"] == {"source": "skies:240", "fingerprint": data["fingerprint"]}
    assert {"training", "export", "evaluation"} <= metrics["seconds"].keys()
    for split, name in (("test", "predictions.csv"), ("calibration", "calibration.csv")):
        with (finished_run / name).open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        figures = metrics["splits"][split]
        assert len(rows) == figures["pictures"] == sum(data["counts"][split].values())
        assert sum(row["truth"] == row["label"] for row in rows) / len(rows) == figures["accuracy"]
    assert table["figures"] == {
        name: metrics["splits"]["test"][name] for name in ("pictures", "accuracy", "interval95")
    }


def test_a_resolved_recipe_spells_out_what_data_and_computer_decided(finished_run: Path) -> None:
    recipe = skysort.Recipe.load(str(finished_run / "recipe.toml"))
    assert (recipe.pictures.size, recipe.pictures.channels, recipe.pictures.protocol) == (32, 3, "four-way")
    assert (recipe.training.threads, recipe.training.epochs) == (1, 2)
    assert recipe.training.device != "auto"


def test_evaluating_a_run_again_gives_the_same_figures(
    skysort_command: Command, finished_run: Path, tmp_path: Path
) -> None:
    copy = shutil.copytree(finished_run, tmp_path / "copy")
    before = json.loads((copy / "metrics.json").read_text("utf-8"))
    rows = (copy / "predictions.csv").read_bytes()
    ended = skysort_command("evaluate", copy, "--quiet")
    assert ended.code == 0 and ended.err == ""
    after = json.loads((copy / "metrics.json").read_text("utf-8"))
    assert {**after, "seconds": 0} == {**before, "seconds": 0}
    assert after["seconds"].keys() == before["seconds"].keys()
    assert (copy / "predictions.csv").read_bytes() == rows


def test_other_pictures_are_matched_by_class_name_and_need_not_hold_all(
    skysort_command: Command, finished_run: Path, tmp_path: Path
) -> None:
    (tmp_path / "others" / "bird").mkdir(parents=True)
    for seed in range(5):
        (tmp_path / "others" / "bird" / f"{seed}.png").write_bytes(picture_bytes(seed))
    (tmp_path / "others" / "bird" / "broken.png").touch()
    output = tmp_path / "figures"
    ended = skysort_command("evaluate", finished_run, tmp_path / "others", "--output", output)
    assert ended.code == 0, ended.err
    figures = json.loads((output / "metrics.json").read_text("utf-8"))["splits"]["test"]
    # bird is the second class of the classifier, though the only one of the folder
    assert list(figures["confusion"]) == ["bird"] and sum(figures["confusion"]["bird"].values()) == 5
    assert figures["classes"]["airplane"]["recall"] is None
    assert figures["unreadable"] == 1
    assert sorted(path.name for path in output.iterdir()) == ["metrics.json", "predictions.csv", "report.html"]
    assert "bird/broken.png,bird,,,unreadable,the file is empty,," in (output / "predictions.csv").read_text(
        "utf-8"
    )


def test_other_pictures_are_measured_with_their_groups(
    finished_run: Path, make_folder: MakeFolder, skysort_command: Command, tmp_path: Path
) -> None:
    visits = {f"{name}/{name}-visit{number}": 4 for name in ("airplane", "bird") for number in range(3)}
    others = ("evaluate", finished_run, make_folder(visits))
    assert "times as wide" not in skysort_command(*others).out
    ended = skysort_command(*others, "--group-by", r"\w+-visit\d", "--output", tmp_path / "out")
    assert ended.code == 0, ended.err
    assert re.search(r"6 groups.* 2\.00 times as wide", ended.out)
    metrics = json.loads((tmp_path / "out/metrics.json").read_text("utf-8"))
    assert metrics["splits"]["test"]["grouped"] == {"groups": 6, "widening": 2.0}
    for refused, error, facts in (
        (skysort_command(*others, "--group-by", "visit("), "invalid-recipe", ("pictures.group_by", "'visit('")),
        (skysort_command(*others[:2], "--group-by", "visit"), "options-conflict", ("--group-by",)),
    ):
        assert (refused.code, refused.out, refused.error) == (2, "", error)
        assert all(fact in refused.err for fact in facts)


LEARNED = r"22 (of these )?pictures.* train, validation or\s+calibration split"


def test_pictures_it_was_trained_on_are_not_taken_for_new_ones(
    skysort_command: Command, make_folder: MakeFolder, tmp_path: Path
) -> None:
    quick = ("--set", "training.epochs=1", "--threads", 1)
    folder, run = make_folder({"a": 12, "b": 12}), tmp_path / "run"
    assert skysort_command("train", folder, "--run", run, *quick).code == 0
    copied = shutil.copytree(folder, tmp_path / "copied")
    for seen in (folder, copied):
        ended = skysort_command("evaluate", run, seen)
        # The other two are its test split.
        assert re.search(LEARNED, ended.out)
        assert "protocol: other pictures" in ended.out
        alone = shutil.copytree(run / "classifier", tmp_path / f"alone-{seen.name}")
        ended = skysort_command("evaluate", alone, seen)  # which knows them as a whole
        assert str(seen) in ended.err
        assert "protocol: seen pictures" in ended.out
    (copied / "a" / "new.png").write_bytes(picture_bytes(99))
    assert re.search(LEARNED, skysort_command("evaluate", run, copied).out)
    assert "protocol: other pictures" in skysort_command("evaluate", alone, copied).out

    parted, run = (
        make_folder({"train/a": 20, "train/b": 20, "test/a": 5, "test/b": 5}, "parted"),
        tmp_path / "run2",
    )
    assert skysort_command("train", parted, "--run", run, *quick).code == 0
    assert "train, validation or calibration split" not in skysort_command("evaluate", run, parted).out


def test_parts_and_protocol_of_a_folder(skysort_command: Command, make_folder: MakeFolder, tmp_path: Path) -> None:
    folder = make_folder({"train/a": 20, "train/b": 20, "test/a": 5, "test/b": 6})
    quick = ("--set", "training.epochs=1", "--threads", 1, "--quiet")
    four_way, tutorial = tmp_path / "four-way", tmp_path / "tutorial"
    assert skysort_command("train", folder, "--run", four_way, *quick).code == 0
    counts = json.loads((four_way / "data.json").read_text("utf-8"))["counts"]
    assert counts == {
        "train": {"a": 16, "b": 16}, "validation": {"a": 2, "b": 2},
        "calibration": {"a": 2, "b": 2}, "test": {"a": 5, "b": 6},
    }  # fmt: skip
    ended = skysort_command("train", folder, "--run", tutorial, *quick, "--set", "pictures.protocol=tutorial")
    counts = json.loads((tutorial / "data.json").read_text("utf-8"))["counts"]
    assert counts == {"train": {"a": 20, "b": 20}, "test": {"a": 5, "b": 6}}
    assert "protocol: tutorial" in ended.out
    assert not (tutorial / "calibration.csv").exists()


def test_test_pictures_that_were_trained_on_are_told_and_left_out_of_a_second_figure(
    skysort_command: Command, make_folder: MakeFolder, tmp_path: Path
) -> None:
    folder, run = make_folder({"train/a": 30, "train/b": 30, "test/a": 8, "test/b": 8}), tmp_path / "run"
    shutil.copy(folder / "train/a/1.png", folder / "test/a/equal.png")
    for number in (3, 4):
        with Image.open(folder / f"train/b/{number}.png") as picture:
            picture.point(lambda value: int(value * 0.9)).save(folder / f"test/b/darker-{number}.png")
    quick = ("--recipe", "mlp", "--set", "training.epochs=4", "--threads", 1, "--quiet")
    ended = skysort_command("train", folder, "--run", run, *quick)
    assert ended.code == 0, ended.err
    with (run / "predictions.csv").open(encoding="utf-8", newline="") as file:
        right = {row["path"]: row["truth"] == row["label"] for row in csv.DictReader(file)}
    alike = {"test/a/equal.png", "test/b/darker-3.png", "test/b/darker-4.png"}
    others = [right[path] for path in right.keys() - alike]
    metrics = json.loads((run / "metrics.json").read_text("utf-8"))
    figures = metrics["splits"]["test"]["without_duplicates"]
    assert (figures["pictures"], figures["share"]) == (16, sum(others) / 16)
    assert all(metrics["splits"][split]["without_duplicates"] is None for split in ("train", "validation"))
    leaks = rf"3 of 19 test pictures leak.* the other 16: {sum(others) / 16:.4f} \("
    assert re.search(leaks, ended.out)
    assert re.search(leaks, skysort_command("evaluate", run, "--quiet").out)
    report = " ".join((run / "report.html").read_text("utf-8").split())
    assert "Of 19 test pictures, " in report
    assert f"On the other 16 the accuracy is {100 * sum(others) / 16:.1f} % (95 % interval" in report


def test_groups_by_path_are_kept_whole_and_in_the_recipe(
    skysort_command: Command, make_folder: MakeFolder, tmp_path: Path
) -> None:
    folder, run = make_folder({"a": 24, "b": 24}), tmp_path / "run"
    quick = ("--recipe", "mlp", "--set", "training.epochs=1", "--threads", 1)
    for name in "ab":
        for number in range(24):
            (folder / name / f"{number}.png").rename(folder / name / f"visit{number // 6}_{number}.png")
    pattern = r"^\w+/(visit\d)_"
    ended = skysort_command("train", folder, "--run", run, "--group-by", pattern, *quick)
    assert ended.code == 0, ended.err
    assert re.search(r"pictures\.group_by.*\b48\b.*\b4\b", ended.err)
    assert skysort.Run(run).recipe.pictures.group_by == pattern
    with (run / "predictions.csv").open(encoding="utf-8", newline="") as file:
        paths = [row["path"] for row in csv.DictReader(file)]
    assert len(paths) == 12 and len({re.sub(r".*/(visit\d)_.*", r"\1", path) for path in paths}) == 1
    refused = skysort_command("train", folder, "--run", tmp_path / "none", "--group-by", "cam'[\"", *quick)
    assert (refused.code, refused.error) == (2, "invalid-recipe") and "pictures.group_by" in refused.err
    refused = skysort_command("train", folder, "--run", tmp_path / "none", "--group-by", "cam(1)", *quick)
    assert (refused.code, refused.error) == (1, "no-groups") and "cam(1)" in refused.err
    assert not (tmp_path / "none").exists()


def test_recipes_and_datasets_are_one_name_a_line_when_piped(skysort_command: Command) -> None:
    recipes = skysort_command("recipes").out.split("\n")
    assert recipes == [*recipe_names(), ""]
    assert {"convnet", "lenet", "mlp", "mnist-cnn", "resnet-deep-shared"} < set(recipes)
    names = ["skies", "digits", "birds-vs-airplanes", "cifar10", "mnist", "fashion-mnist", ""]
    assert skysort_command("datasets").out.split("\n") == names


def test_from_python(tmp_path: Path, make_folder: MakeFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    data = make_folder({"a": 12, "b": 12}, "mine")
    settings = ("training.epochs=1", "training.threads=1")
    run, second = (skysort.train(data, recipe="convnet", settings=settings) for _ in range(2))
    assert (run.path, second.path) == (Path("runs/mine-convnet"), Path("runs/mine-convnet-2"))
    classifier = skysort.load(run.classifier)
    (prediction,) = classifier.predict([data / "a" / "0.png"])
    assert prediction.status == "ok" and prediction.label in classifier.classes == ("a", "b")
    assert run.metrics.splits["test"].pictures == 2
    assert run.report.exists() and run.recipe.training.epochs == 1
    assert (run.classifier / "model.safetensors").read_bytes() == (
        second.classifier / "model.safetensors"
    ).read_bytes()


def test_listing_data_sets_says_which_would_be_downloaded_and_downloads_none(
    skysort_command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def state() -> str:
        monkeypatch.setattr("sys.stdout.isatty", lambda: True)
        monkeypatch.setenv("COLUMNS", "200")
        ended = skysort_command("datasets", "--data-dir", tmp_path / "data")
        assert ended.code == 0
        return next(line for line in ended.out.splitlines() if " mnist " in line)

    assert f"[not in {tmp_path / 'data'}]" in state()
    monkeypatch.delenv("SKYSORT_OFFLINE")
    monkeypatch.setattr("urllib.request.OpenerDirector.open", lambda *_: pytest.fail("asked the network"))
    assert "[to be downloaded, 12 MB]" in state()
    assert not (tmp_path / "data").exists()


def test_a_table_with_groups_and_a_missing_file_is_trained_on(
    skysort_command: Command, make_folder: MakeFolder, tmp_path: Path
) -> None:
    folder = make_folder({"bird": 12, "airplane": 12})
    rows = ["path,label,group", "bird/none.png,bird,"]
    rows += [f"{kind}/{number}.png,{kind},{number // 3}" for kind in ("bird", "airplane") for number in range(12)]
    (folder / "all.csv").write_text("\n".join(rows), encoding="utf-8")
    run = tmp_path / "run"
    ended = skysort_command(
        "train", folder / "all.csv", "--recipe", "mlp", "--run", run, "--quiet",
        "--set", "training.epochs=1", "--threads", 1,
    )  # fmt: skip
    assert ended.code == 0, ended.err
    assert "1 picture could not be read" in ended.out
    data = json.loads((run / "data.json").read_text("utf-8"))
    assert data["unreadable"] == [{"path": "bird/none.png", "reason": "cannot be read: No such file or directory"}]
    assert set(data["counts"]) == {"train", "validation", "calibration", "test"}
    assert all(counts == {"airplane": 3, "bird": 3} for counts in data["counts"].values())


def test_within_a_time_the_default_recipe_is_cut_to_fit_and_says_what_it_expects(
    skysort_command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("skysort.runs.budget.seconds_at_the_end", lambda *_: 0.0)  # so a short budget is enough
    run = tmp_path / "run"
    ended = skysort_command("train", "skies:240", "--budget", "15s", "--threads", 1, "--run", run)
    assert ended.code == 0, ended.err
    assert re.search(r"\b15 s\b.*[\d,]+ epochs?\b.*\bwidth \d+.*\bstride \d", ended.err)
    assert skysort.Run(run).recipe.name == "swift"
    last = re.findall(r"epoch (\d+)/", ended.err)[-1]  # of as many as the plan has at that moment
    assert int(last) == len(skysort.Run(run).epochs)


def test_a_folder_called_as_data_with_a_name_is_told_apart(
    skysort_command: Command, make_folder: MakeFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(make_folder({"a1": 8, "b1": 8}, "skies:40").parent)
    too_few = ("--set", "trust.keep_known=0.99")  # to end before anything is learned
    ended = skysort_command("train", "skies:40", *too_few)
    assert ended.error == "too-few-pictures"
    assert "'skies:40'" in ended.err and "./skies:40" in ended.err
    assert "'skies:40'" not in skysort_command("train", "./skies:40", *too_few).err


def test_it_asks_about_mirror_images_where_classes_may_be_characters(
    skysort_command: Command, make_folder: MakeFolder, tmp_path: Path
) -> None:
    quick = ("--threads", 1, "--set", "training.epochs=1", "--set", "network.width=2")
    digits, named = make_folder({"0": 8, "7": 8}, "digits"), make_folder({"0": 8, "seven": 8}, "named")
    asked = "0, 7 …"
    ended = skysort_command("train", digits, "--run", tmp_path / "digits-run", *quick)
    assert ended.code == 0, ended.err
    assert asked in ended.err
    setting = re.findall(r"--set (\S+)", ended.err.partition(asked)[2].splitlines()[0])
    again = [word for one in setting for word in ("--set", one)]
    for data, options in ((digits, again), (named, [])):
        ended = skysort_command("train", data, "--run", tmp_path / f"{data.name}-again", *quick, *options)
        assert ended.code == 0, ended.err
        assert asked not in ended.err


def test_a_time_too_short_leaves_no_run_and_names_one_that_would_do(
    skysort_command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("skysort.runs.budget.seconds_at_the_end", lambda *_: 60.0)
    ended = skysort_command("train", "skies:240", "--budget", "2s", "--run", tmp_path / "run")
    assert (ended.code, ended.error) == (1, "budget-too-short")
    named = re.findall(r"\b(\d+) s\b", ended.err.splitlines()[-1])
    assert len(named) == 2 and int(named[0]) == 2 < int(named[1])
    assert not (tmp_path / "run").exists()


def test_other_programs_follow_a_training(skysort_command: Command, tmp_path: Path) -> None:
    quick = ("--recipe", "mlp", "--set", "training.epochs=1", "--threads", 1, "--format", "json")
    done = skysort_command("train", "skies:60", "--run", tmp_path / "run", *quick)
    lines = [json.loads(line) for line in done.err.splitlines()]
    assert lines[0]["event"] == "started" and lines[0]["pid"] == os.getpid()
    assert {line["event"] for line in lines[1:]} == {"progress", "message"}
    (last,) = [line for line in lines if line.get("what") == "Training" and line["done"] == line["total"]][-1:]
    assert last["unit"] == "pictures" and last["rate"] > 0 and last["note"].startswith("epoch 1/1")
    assert json.loads(done.out) == json.loads((tmp_path / "run" / "metrics.json").read_text())
    again = skysort_command("resume", tmp_path / "run", "--format", "json")
    assert json.loads(again.out) == json.loads(done.out) and "nothing to resume" in again.err
    refused = skysort_command("train", "skies:60", "--run", tmp_path / "run", *quick)
    assert json.loads(refused.err.splitlines()[-1])["error"]["code"] == "output-taken"
