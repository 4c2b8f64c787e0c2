import json
import re
import shutil
import threading
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import nn

import skysort
from skysort.classifier.format import KeptShare, OodThreshold, read_table
from skysort.classifier.proof import Logits, prove, read_proof, write_proof
from skysort.classifier.runtime import onnx_runtime
from skysort.core.errors import SkysortError
from skysort.data.decode import Pixels, Shape, decode
from skysort.networks.families import build_layers
from skysort.networks.layers import PictureNetwork
from skysort.recipe.schema import Recipe
from tests.conftest import picture_bytes, refused


@pytest.fixture
def classifier_copy(finished_run: Path, tmp_path: Path) -> Path:
    return shutil.copytree(finished_run / "classifier", tmp_path / "copy")


def change_table(folder: Path, **changes: object) -> None:
    path = folder / "classifier.json"
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **changes}), "utf-8")


def test_a_run_its_classifier_folder_and_a_copy_are_the_same_classifier(
    finished_run: Path, classifier_copy: Path
) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (5, 3, 32, 32), dtype=np.uint8)
    first, *others = (
        skysort.load(path).logits(pictures)
        for path in (finished_run, finished_run / "classifier", classifier_copy)
    )
    assert all(np.array_equal(other, first) for other in others)


def test_any_number_of_pictures_gives_as_many_logits(finished_run: Path) -> None:
    classifier = skysort.load(finished_run)
    pictures = np.random.default_rng(0).integers(0, 256, (700, 3, 32, 32), dtype=np.uint8)
    logits = classifier.logits(pictures)
    assert logits.shape == (700, 2)
    assert classifier.logits(pictures[:0]).shape == (0, 2)
    np.testing.assert_allclose(classifier.logits(pictures[600:601]), logits[600:601], atol=1e-5)


def test_the_onnx_model_runs_by_itself_on_bytes(finished_run: Path) -> None:
    session = onnx_runtime().InferenceSession(finished_run / "classifier" / "model.onnx")
    (pictures,), (logits,) = session.get_inputs(), session.get_outputs()
    assert (pictures.name, pictures.type, pictures.shape[1:]) == ("pictures", "tensor(uint8)", [3, 32, 32])
    assert (logits.name, logits.shape[1:]) == ("logits", [2])


def test_the_onnx_model_names_no_folder_of_the_computer_that_made_it(finished_run: Path) -> None:
    assert b".py" not in (finished_run / "classifier" / "model.onnx").read_bytes()


def test_weights_in_pytorch_give_the_logits_of_the_proof(finished_run: Path) -> None:
    layers = build_layers(Recipe.load("convnet").network, Shape(32, 3), 2)
    network = PictureNetwork(layers, nn.Identity(), [0.0] * 3, [1.0] * 3)
    network.load_state_dict(load_file(finished_run / "classifier" / "model.safetensors"))
    pictures, logits, _ = read_proof(finished_run / "classifier" / "proof.npz")
    assert len(pictures) == 32
    with torch.no_grad():
        temperature = read_table(finished_run / "classifier").temperature
        np.testing.assert_allclose(network(torch.tensor(pictures)).numpy() / temperature, logits, atol=1e-5)


def test_the_proof_has_no_calibration_or_test_picture(finished_run: Path) -> None:
    pictures, _, _ = read_proof(finished_run / "classifier" / "proof.npz")
    assert len(np.unique(pictures.reshape(len(pictures), -1), axis=0)) == 32
    # Only rows of the training split: the labels of others would be in predictions.csv.
    held_out = (finished_run / "predictions.csv").read_text("utf-8") + (
        finished_run / "calibration.csv"
    ).read_text("utf-8")
    from skysort.data.builtin import skies

    for line in held_out.splitlines():
        if "/" in line:
            row = int(line.split(",")[0].split("/")[1])
            drawn = skies.draw(row, 32).transpose(2, 0, 1)
            assert not (pictures == drawn).all(axis=(1, 2, 3)).any()


@pytest.mark.parametrize("name", ["model.onnx", "proof.npz"])
def test_a_missing_or_altered_file_is_refused_by_name(name: str, classifier_copy: Path) -> None:
    path = classifier_copy / name
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with refused("altered-classifier", path):
        skysort.load(classifier_copy)
    path.unlink()
    with refused("damaged-classifier", classifier_copy, name):
        skysort.load(classifier_copy)


def test_files_that_decide_no_answer_may_be_altered_or_missing(classifier_copy: Path) -> None:
    readme = classifier_copy / "README.md"
    readme.write_bytes(readme.read_bytes().replace(b"\n", b"\r\n") + b"A note.\r\n")
    table = classifier_copy / "classifier.json"
    table.write_bytes(table.read_bytes().replace(b"\n", b"\r\n"))
    (classifier_copy / "a file of one's own.txt").touch()
    skysort.load(classifier_copy)
    readme.unlink()
    (classifier_copy / "model.safetensors").unlink()
    skysort.load(classifier_copy)


def test_a_newer_format_says_to_upgrade(classifier_copy: Path) -> None:
    change_table(classifier_copy, format=2, something_new=True)
    with refused("newer-format", classifier_copy / "classifier.json", "format 2", version("skysort"), " 1"):
        skysort.load(classifier_copy)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format": 1}', "\xff"])
def test_a_damaged_table_is_refused(content: str, classifier_copy: Path) -> None:
    (classifier_copy / "classifier.json").write_text(content, "latin-1")
    with refused("damaged-classifier", classifier_copy / "classifier.json"):
        skysort.load(classifier_copy)


def test_a_class_removed_from_the_table_is_an_error(classifier_copy: Path) -> None:
    change_table(classifier_copy, classes=["airplane"])
    with refused("altered-classifier", classifier_copy, "classifier.json", " 1 class", " 2 "):
        skysort.load(classifier_copy)


@pytest.mark.parametrize(
    "changes",
    [
        {"classes": ["bird", "airplane"]},
        {"classes": ["airplane", "Bird"]},
        {"temperature": 2.0},
        {"pictures": {"size": 32, "channels": 3, "resize": "crop"}},
        {"network": {"name": "mlp"}},
        {"unknown": {"threshold": 0.5, "keep": 0.95, "calibration": {"pictures": 20, "kept": 19}}},
    ],
)
def test_an_edited_table_that_would_change_the_answers_is_refused(
    changes: dict[str, object], classifier_copy: Path
) -> None:
    change_table(classifier_copy, **changes)
    with refused("altered-classifier", "classifier.json", classifier_copy):
        skysort.load(classifier_copy)


@pytest.mark.parametrize(
    ("classes", "problem"),
    [(["bird", "bird"], "'bird'"), (["bird", ""], "'classes.1' has a wrong value")],
)
def test_two_classes_of_one_name_are_refused(classes: list[str], problem: str, classifier_copy: Path) -> None:
    change_table(classifier_copy, classes=classes)
    with refused("damaged-classifier", classifier_copy / "classifier.json", "classes", problem):
        skysort.load(classifier_copy)


def test_figures_are_no_part_of_the_proof(classifier_copy: Path) -> None:
    change_table(classifier_copy, figures=None, recipe="renamed")
    assert skysort.load(classifier_copy).table.figures is None


def test_a_model_that_gives_other_logits_than_the_proof_is_refused(classifier_copy: Path) -> None:
    pictures, logits, meaning = read_proof(classifier_copy / "proof.npz")
    write_proof(classifier_copy / "proof.npz", pictures, logits + np.float32(0.002), meaning)
    table = json.loads((classifier_copy / "classifier.json").read_text("utf-8"))
    digest = skysort.classifier.format.sha256(classifier_copy / "proof.npz")
    change_table(classifier_copy, files={**table["files"], "proof.npz": digest})
    with refused("altered-classifier", classifier_copy / "proof.npz", "0.002", "0.001"):
        skysort.load(classifier_copy)


def test_writing_a_classifier_checks_its_proof(classifier_copy: Path, tmp_path: Path) -> None:
    pictures, logits, _ = read_proof(classifier_copy / "proof.npz")
    whole = skysort.load(classifier_copy)
    threshold = OodThreshold(threshold=0.5, keep=0.95, calibration=KeptShare(pictures=20, kept=19))
    shutil.copy(classifier_copy / "model.onnx", tmp_path)
    shutil.copy(classifier_copy / "model.safetensors", tmp_path)
    unproved = skysort.Classifier.unproved(tmp_path, whole.table.with_unknown(threshold))
    with refused("altered-classifier", tmp_path / "proof.npz", "0.002", "0.001"):
        unproved.write(pictures, logits + np.float32(0.002))
    assert not (tmp_path / "classifier.json").exists()
    unproved.write(pictures, logits)
    written = skysort.load(tmp_path)
    assert written.table == unproved.table
    assert (written.table.unknown, written.difference) == (threshold, written.table.proof_difference)


def test_a_missing_path_is_refused(tmp_path: Path) -> None:
    with refused("path-not-found", tmp_path / "nothing", exit_code=2):
        skysort.load(tmp_path / "nothing")
    with refused("not-a-classifier", tmp_path, exit_code=2):
        skysort.load(tmp_path)
    (tmp_path / "recipe.toml").touch()
    with refused("run-not-finished", f"skysort resume {tmp_path}"):
        skysort.load(tmp_path)


def test_predict_gives_label_confidence_probabilities_and_status(finished_run: Path, tmp_path: Path) -> None:
    (tmp_path / "good.png").write_bytes(picture_bytes(0, (100, 50)))
    (tmp_path / "bad.jpg").write_text("no picture")
    classifier = skysort.load(finished_run)
    good, bad = classifier.predict([tmp_path / "good.png", str(tmp_path / "bad.jpg")])
    assert good.status == "ok" and good.reason == ""
    assert list(good.probabilities) == ["airplane", "bird"] == list(classifier.classes)
    assert sum(good.probabilities.values()) == pytest.approx(1)
    assert good.label is not None and good.confidence == good.probabilities[good.label] >= 0.5
    assert (bad.status, bad.label, bad.confidence, bad.probabilities) == ("unreadable", None, None, {})
    assert all(name in bad.reason for name in ("JPEG", "PNG", "WebP", "BMP", "GIF", "TIFF"))


def test_predict_refuses_a_missing_path_before_it_starts(finished_run: Path, tmp_path: Path) -> None:
    with refused("path-not-found", tmp_path / "none.jpg", exit_code=2):
        skysort.load(finished_run).predict([tmp_path / "none.jpg"])


def test_a_stream_reads_only_as_far_as_its_reader(finished_run: Path, tmp_path: Path) -> None:
    for number in range(3000):
        (tmp_path / f"{number}.png").write_bytes(picture_bytes(number % 7, (8, 8)))
    stream = skysort.load(finished_run).stream(tmp_path)
    assert Path(next(stream).path).name == "0.png"
    for number in range(2000, 3000):
        (tmp_path / f"{number}.png").write_bytes(b"")
    assert [p.status for p in stream][-1] == "unreadable"


@pytest.mark.parametrize("size", [(8, 8), (60, 60)])
def test_a_stream_keeps_order_and_unreadable_rows_over_many_batches(
    size: tuple[int, int], finished_run: Path, tmp_path: Path
) -> None:
    for number in range(800):
        content = b"" if number in (0, 5, 341, 799) else picture_bytes(number % 7, size)
        (tmp_path / f"{number}.png").write_bytes(content)
    classifier = skysort.load(finished_run)
    rows = classifier.predict(tmp_path)
    assert [Path(row.path).name for row in rows] == [f"{number}.png" for number in range(800)]
    assert [number for number, row in enumerate(rows) if row.status == "unreadable"] == [0, 5, 341, 799]
    for number in (1, 340, 798):
        (alone,) = classifier.predict(tmp_path / f"{number}.png")
        assert rows[number].label == alone.label
        assert rows[number].probabilities == pytest.approx(alone.probabilities, abs=1e-5)


def test_waiting_threads_of_the_network_leave_the_cores_to_decoding(finished_run: Path) -> None:
    options = skysort.load(finished_run)._session.session.get_session_options()
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"


@pytest.mark.parametrize("size", [(8, 8), (60, 60)])
def test_the_next_batch_is_decoded_while_the_network_runs(
    size: tuple[int, int], finished_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(700):
        (tmp_path / f"{number}.png").write_bytes(picture_bytes(number % 7, size))
    classifier = skysort.load(finished_run)
    num_decoded = 0
    enough = threading.Event()

    def counting_decode(content: bytes, shape: Shape) -> Pixels:
        nonlocal num_decoded
        num_decoded += 1
        if num_decoded == 500:
            enough.set()
        return decode(content, shape)

    def patient_logits(pictures: Pixels) -> Logits:
        assert enough.wait(60)  # a batch is 341
        return np.zeros((len(pictures), 2), np.float32)

    monkeypatch.setattr("skysort.classifier.classifier.decode", counting_decode)
    monkeypatch.setattr(classifier, "logits", patient_logits)
    assert len(classifier.predict(tmp_path)) == 700


@pytest.mark.parametrize("size", [(8, 8), (60, 60)])
def test_a_stream_that_is_closed_or_fails_leaves_no_thread(
    size: tuple[int, int], finished_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(800):
        (tmp_path / f"{number}.png").write_bytes(picture_bytes(number % 7, size))
    classifier = skysort.load(finished_run)
    before = set(threading.enumerate())
    stream = classifier.stream(tmp_path)
    next(stream)
    assert set(threading.enumerate()) > before
    stream.close()
    assert set(threading.enumerate()) == before

    def broken_logits(_: Pixels) -> Logits:
        raise SkysortError("diverged", "broken")

    monkeypatch.setattr(classifier, "logits", broken_logits)
    with refused("diverged", "broken"):
        classifier.predict(tmp_path)
    assert set(threading.enumerate()) == before


@pytest.mark.parametrize("num_thumbnails", [0, 1, 20])
def test_large_files_are_decoded_on_threads_though_small_ones_come_first(
    num_thumbnails: int, finished_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(num_thumbnails + 5):
        size = (8, 8) if number < num_thumbnails else (60, 60)
        (tmp_path / f"{number}.png").write_bytes(picture_bytes(number, size))
    two_at_once = threading.Barrier(2, timeout=20)

    def decode_two_at_once(content: bytes, shape: Shape) -> Pixels:
        if threading.current_thread() is not threading.main_thread():
            two_at_once.wait()
        return decode(content, shape)

    monkeypatch.setattr("skysort.data.parallel.num_cores", lambda: 2)
    monkeypatch.setattr("skysort.classifier.classifier.decode", decode_two_at_once)
    rows = skysort.load(finished_run).predict(tmp_path)
    assert [row.status for row in rows] == ["ok"] * (num_thumbnails + 5)


def test_a_picture_that_memory_was_too_short_for_is_tried_again(
    finished_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(40):
        (tmp_path / f"{number}.png").write_bytes(picture_bytes(number, (60, 60)))
    expected = skysort.load(finished_run).predict(tmp_path)
    short_for = [picture_bytes(number, (60, 60)) for number in (3, 7, 8, 39)]
    tried = []

    def decode_when_there_is_room(content: bytes, shape: Shape) -> Pixels:
        if content in short_for and content not in tried:
            tried.append(content)
            raise MemoryError
        return decode(content, shape)

    monkeypatch.setattr("skysort.data.parallel.num_cores", lambda: 2)
    monkeypatch.setattr("skysort.classifier.classifier.decode", decode_when_there_is_room)
    assert skysort.load(finished_run).predict(tmp_path) == expected
    assert len(tried) == len(short_for)


@pytest.mark.parametrize("num_before", [0, 3])
def test_a_lack_of_memory_names_the_picture_and_its_need(
    num_before: int, finished_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(num_before):
        (tmp_path / f"{number}.png").write_bytes(picture_bytes(number, (60, 60)))
    large = tmp_path / "large.png"
    Image.new("RGB", (3000, 2000)).save(large)
    monkeypatch.setattr("skysort.data.memory.free_bytes", lambda: 5_000_000)
    with pytest.raises(MemoryError, match=rf"^{re.escape(str(large))}: ") as lack:
        skysort.load(finished_run).predict(tmp_path)
    needed, free = (int(num) for num in re.findall(r"(\d+) MB", str(lack.value)))
    assert needed >= 3000 * 2000 * 3 / 1e6 > free == 5


def test_large_logits_may_differ_in_proportion(tmp_path: Path) -> None:
    pictures, logits = np.zeros((1, 3, 8, 8), np.uint8), np.array([[4e6, -4e6]], np.float32)
    write_proof(tmp_path / "proof.npz", pictures, logits, "same")
    assert prove(tmp_path / "proof.npz", lambda _: logits + 1, "same") == 1
    with refused("altered-classifier", tmp_path / "proof.npz", " 100,", " 40 "):
        prove(tmp_path / "proof.npz", lambda _: logits + 100, "same")
