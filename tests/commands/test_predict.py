import csv
import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.commands.conftest import Ended
from tests.conftest import picture_bytes

Command = Callable[..., Ended]


def error_of(ended: Ended) -> tuple[str, str]:
    """Return the code and the message of an error, as a line or as JSON."""
    if ended.err.startswith("{"):
        error = json.loads(ended.err)["error"]
        return error["code"], error["message"]
    return ended.error or "", ended.err


def test_rows_come_in_the_order_given_from_files_folders_and_zips(
    skysort_command: Command, finished_run: Path, tmp_path: Path
) -> None:
    holiday = tmp_path / "holiday"
    for name in ("10.png", "2.png", "b/1.JPG", "a/1.webp", ".hidden/1.png", "a/._1.png", "notes.txt"):
        (holiday / name).parent.mkdir(parents=True, exist_ok=True)
        (holiday / name).write_bytes(picture_bytes(1))
    (holiday / "notes.txt").write_text("seen at noon")
    with zipfile.ZipFile(tmp_path / "more.zip", "w") as archive:
        for name in ("z/9.png", "z/10.png", "__MACOSX/z/._9.png"):
            archive.writestr(name, picture_bytes(2))
    (tmp_path / "odd-name").write_bytes(picture_bytes(3))
    output = tmp_path / "answers.csv"
    ended = skysort_command(
        "predict", finished_run, tmp_path / "odd-name", holiday, tmp_path / "more.zip",
        "--format", "csv", "--output", output,
    )  # fmt: skip
    assert (ended.code, ended.out) == (0, "")
    assert "(.hidden)" in ended.err and "notes.txt" in ended.err
    with output.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    names = ["odd-name", "holiday/2.png", "holiday/10.png", "holiday/a/1.webp", "holiday/b/1.JPG"]
    names += ["more.zip/z/9.png", "more.zip/z/10.png"]
    assert [row["path"] for row in rows] == [str(tmp_path / name) for name in names]
    assert {row["status"] for row in rows} == {"ok"}
    assert all(abs(float(row["p:airplane"]) + float(row["p:bird"]) - 1) < 1e-6 for row in rows)


def test_one_unreadable_picture_makes_the_exit_code_1_and_loses_no_row(
    skysort_command: Command, finished_run: Path, tmp_path: Path
) -> None:
    (tmp_path / "1.png").write_bytes(picture_bytes(1))
    (tmp_path / "2.jpg").touch()
    (tmp_path / "3.png").write_bytes(picture_bytes(1))
    ended = skysort_command("predict", finished_run, tmp_path, "--format", "json")
    rows = json.loads(ended.out)
    assert ended.code == 1
    error = json.loads(ended.err)["error"]
    assert error["code"] == "unreadable-pictures" and "1 of 3 pictures" in error["message"]
    assert [row["status"] for row in rows] == ["ok", "unreadable", "ok"]
    assert rows[1]["reason"] == "the file is empty"


def test_a_corrupt_zip_between_good_pictures_is_one_row(
    skysort_command: Command, finished_run: Path, tmp_path: Path
) -> None:
    (tmp_path / "1.png").write_bytes(picture_bytes(1))
    (tmp_path / "2.zip").write_bytes(b"no zip")
    paths = (tmp_path / "1.png", tmp_path / "2.zip", tmp_path / "1.png")
    ended = skysort_command("predict", finished_run, *paths, "--format", "json")
    assert ended.code == 1
    rows = json.loads(ended.out)
    assert [row["status"] for row in rows] == ["ok", "unreadable", "ok"]
    assert "is not a readable zip archive" in rows[1]["reason"]


def test_every_picture_of_a_zip_is_read_though_threads_read_ahead(
    skysort_command: Command, finished_run: Path, tmp_path: Path
) -> None:
    with zipfile.ZipFile(tmp_path / "many.zip", "w") as archive:
        for number in range(60):
            archive.writestr(f"{number}.png", picture_bytes(number, (60, 60)))
    for _ in range(3):
        ended = skysort_command("predict", finished_run, tmp_path / "many.zip", "--format", "json")
        assert (ended.code, len(json.loads(ended.out))) == (0, 60)


def test_what_is_no_file_is_not_replaced_by_one(
    skysort_command: Command, finished_run: Path, tmp_path: Path
) -> None:
    (tmp_path / "1.png").write_bytes(picture_bytes(1))
    ended = skysort_command("predict", finished_run, tmp_path / "1.png", "--output", "/dev/null")
    assert (ended.code, ended.error) == (1, "output-taken") and "/dev/null" in ended.err
    assert not Path("/dev/null").is_file()


@pytest.mark.parametrize(
    ("name", "form"), [("a.csv", "csv"), ("a.JSON", "json"), ("a.txt", "table"), ("a", "table"), (".a", "table")]
)
def test_the_ending_of_the_output_says_how_to_write_it(
    name: str, form: str, skysort_command: Command, finished_run: Path, tmp_path: Path
) -> None:
    (tmp_path / "1.png").write_bytes(picture_bytes(1))
    (tmp_path / "out").mkdir()
    output, asked = tmp_path / "out" / name, tmp_path / "out" / "asked"
    assert skysort_command("predict", finished_run, tmp_path, "--output", output).code == 0
    assert skysort_command("predict", finished_run, tmp_path, "--output", asked, "--format", form).code == 0
    assert output.read_text("utf-8") == asked.read_text("utf-8")


@pytest.mark.parametrize(
    ("name", "form"), [("a.json", "csv"), ("a.CSV", "json"), ("a.csv", "table"), ("a.csv", "megadetector")]
)
def test_an_ending_that_contradicts_the_format_is_refused(
    name: str, form: str, skysort_command: Command, finished_run: Path, tmp_path: Path
) -> None:
    (tmp_path / "1.png").write_bytes(picture_bytes(1))
    asked = ("predict", finished_run, tmp_path / "1.png", "--format", form)
    ended = skysort_command(*asked, "--output", tmp_path / name)
    code, message = error_of(ended)
    assert (ended.code, ended.out, code) == (2, "", "options-conflict")
    assert all(fact in message for fact in (name, name[2:].lower(), "--format", form))
    assert [path.name for path in tmp_path.iterdir()] == ["1.png"]
    right = {"megadetector": "a.json", "table": "a.txt"}.get(form, f"a.{form}")
    assert skysort_command(*asked, "--output", tmp_path / right).code == 0


@pytest.mark.parametrize("ending", ["xlsx", "XLS", "html", "tsv", "parquet", "csv.gz", "2026"])
@pytest.mark.parametrize("form", [(), ("--format", "csv")])
def test_an_ending_that_nothing_here_is_written_as_is_refused(
    ending: str, form: tuple[str, ...], skysort_command: Command, finished_run: Path, tmp_path: Path
) -> None:
    (tmp_path / "1.png").write_bytes(picture_bytes(1))
    ended = skysort_command("predict", finished_run, tmp_path, "--output", tmp_path / f"a.{ending}", *form)
    assert (ended.code, ended.out, ended.error) == (2, "", "wrong-value")
    facts = (f"a.{ending}", f".{ending.split('.')[-1].lower()}", ".csv", ".json", ".txt")
    assert all(fact in ended.err for fact in facts)
    assert [path.name for path in tmp_path.iterdir()] == ["1.png"]


@pytest.mark.parametrize("form", ["csv", "json", "megadetector"])
def test_nothing_is_written_before_the_paths_are_known_to_hold_pictures(
    form: str, skysort_command: Command, finished_run: Path, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "1.png").write_bytes(picture_bytes(1))
    for paths, exit_code, expected in (
        ((tmp_path / "1.png", tmp_path / "none.png"), 2, "path-not-found"),
        ((tmp_path / "empty",), 1, "no-pictures"),
    ):
        for output in ((), ("--output", tmp_path / "a")):
            ended = skysort_command("predict", finished_run, *paths, "--format", form, *output)
            code, message = error_of(ended)
            assert (ended.code, ended.out, code) == (exit_code, "", expected) and str(paths[-1]) in message
    assert not (tmp_path / "a").exists()


def test_predictions_replace_no_picture_and_nothing_of_the_classifier(
    skysort_command: Command, finished_run: Path, tmp_path: Path
) -> None:
    classifier = shutil.copytree(finished_run / "classifier", tmp_path / "classifier")
    (tmp_path / "pictures").mkdir()
    for name in ("1.png", "2"):
        (tmp_path / "pictures" / name).write_bytes(picture_bytes(1))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    pictures = tmp_path / "pictures"
    (tmp_path / "link.csv").symlink_to(pictures / "1.png")
    for output, asked, kind in (
        (tmp_path / "link.csv", pictures, "picture"),
        (pictures / ".." / "pictures" / "2", pictures / "2", "picture"),
        (classifier / "new.csv", pictures, "classifier"),
    ):
        ended = skysort_command("predict", classifier, asked, "--output", output)
        assert (ended.code, ended.out, ended.error) == (1, "", "output-taken")
        assert str(output) in ended.err and kind in ended.err.replace(str(output), "")
    for output in (pictures / "1.png", classifier / "proof.npz"):
        assert skysort_command("predict", classifier, pictures, "--output", output).code == 2
    (tmp_path / "link.csv").unlink()
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_odd_class_names_survive_the_whole_way(
    skysort_command: Command, make_folder: Callable[..., Path], tmp_path: Path
) -> None:
    names = ["a,b", "p:x", "ünï \U0001f426", "[bold]"]
    folder, run = make_folder(dict.fromkeys(names, 8)), tmp_path / "run"
    short = ("--set", "training.epochs=1", "--threads", 1, "--quiet")
    assert skysort_command("train", folder, "--run", run, *short).code == 0
    picture = folder / "p:x" / "0.png"
    ended = skysort_command("predict", run, picture, "--format", "csv")
    (row,) = csv.DictReader(ended.out.splitlines())
    assert {name for name in row if name.startswith("p:")} == {f"p:{name}" for name in names}
    assert row["label"] in names and row["path"] == str(picture)


def test_names_do_not_reach_the_terminal_as_orders_to_it(
    skysort_command: Command, make_folder: Callable[..., Path], tmp_path: Path
) -> None:
    names = ["bird\x1b[31m", "\u202ekite"]
    folder, run = make_folder(dict.fromkeys(names, 8), "pic\x1b[2Jtures"), tmp_path / "run\x07"
    short = ("--set", "training.epochs=1", "--threads", 1)
    trained = skysort_command("train", folder, "--run", run, *short)
    assert trained.code == 0, trained.err
    shown = [trained, skysort_command("train", "--resume", run), skysort_command("evaluate", run)]
    shown += [skysort_command("train", tmp_path / "none\x1b[2J"), skysort_command("predict", run, folder)]
    for ended in shown:
        assert not [char for char in ended.out + ended.err if not (char.isprintable() or char == "\n")]
    assert r"bird\x1b[31m" in trained.out and r"\u202ekite" in trained.out and r"run\x07" in trained.out


def test_the_table_is_for_people(skysort_command: Command, finished_run: Path, tmp_path: Path) -> None:
    (tmp_path / "1.png").write_bytes(picture_bytes(1))
    ended = skysort_command("predict", finished_run, tmp_path)
    (line,) = ended.out.splitlines()
    label, confidence, path = line.split()
    assert label in {"airplane", "bird"} and 0.5 <= float(confidence) <= 1 and path == str(tmp_path / "1.png")


def test_names_that_are_not_utf_8_keep_their_bytes(
    skysort_command: Command, finished_run: Path, tmp_path: Path
) -> None:
    name = b"caf\xe9.png".decode("utf-8", "surrogateescape")
    (tmp_path / name).write_bytes(picture_bytes(1))
    output = tmp_path / "answers.csv"
    assert skysort_command("predict", finished_run, tmp_path, "--format", "csv", "--output", output).code == 0
    assert b"caf\xe9.png" in output.read_bytes()


def test_equal_pixels_get_equal_rows_from_a_folder_and_from_a_zip(
    skysort_command: Command, finished_run: Path, tmp_path: Path
) -> None:
    (tmp_path / "1.png").write_bytes(picture_bytes(5, (200, 120)))
    with zipfile.ZipFile(tmp_path / "1.zip", "w") as archive:
        archive.write(tmp_path / "1.png", "1.png")
    ended = skysort_command("predict", finished_run, tmp_path / "1.png", tmp_path / "1.zip", "--format", "json")
    first, second = json.loads(ended.out)
    assert first["probabilities"] == pytest.approx(second["probabilities"], abs=1e-6)


def test_predictions_as_megadetector_writes_them(
    skysort_command: Command, finished_run: Path, tmp_path: Path
) -> None:
    (tmp_path / "1.png").write_bytes(picture_bytes(1))
    ended = skysort_command("predict", finished_run, tmp_path, "--format", "megadetector")
    (image,) = json.loads(ended.out)["images"]
    assert (ended.code, image["file"]) == (0, str(tmp_path / "1.png"))
    ended = skysort_command(
        "predict", finished_run, tmp_path, "--format", "megadetector", "--decision", "keep-bird"
    )
    assert (ended.code, ended.error) == (2, "options-conflict") and "--decision" in ended.err


def test_raw_csv_for_programs(
    skysort_command: Command, finished_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("=1+1.png").write_bytes(picture_bytes(1))
    ended = skysort_command("predict", finished_run, "=1+1.png", "--format", "csv")
    assert ended.out.splitlines()[1].startswith("'=1+1.png,")
    ended = skysort_command("predict", finished_run, "=1+1.png", "--format", "csv", "--raw")
    assert ended.out.splitlines()[1].startswith("=1+1.png,")
    ended = skysort_command("predict", finished_run, "=1+1.png", "--raw")
    assert (ended.code, ended.error) == (2, "options-conflict") and "--raw" in ended.err
