import ast
import io
import json
import re
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import skysort
from skysort.classifier.format import PictureFormat, read_table
from skysort.classifier.readme import readme, sample
from skysort.classifier.runtime import onnx_runtime
from skysort.data.decode import Shape, decode
from tests.commands.test_without_torch import without

RANDOM = np.random.default_rng(0)
COLOUR = Image.fromarray(RANDOM.integers(0, 256, (40, 60, 3), np.uint8)).resize((210, 150))
ALPHA = Image.fromarray(RANDOM.integers(0, 256, (90, 70, 4), np.uint8))
DEEP = Image.fromarray(RANDOM.integers(0, 2**16, (90, 70), np.uint16))


def exif(orientation: int) -> Image.Exif:
    made = Image.Exif()
    made[0x0112] = orientation
    return made


PICTURES: dict[str, tuple[Image.Image, dict[str, Any]]] = {
    "plain.jpg": (COLOUR, {}),
    "large.jpg": (COLOUR.resize((1400, 900)), {}),
    "large-sideways.jpg": (COLOUR.resize((1001, 777)), {"exif": exif(6)}),
    **{f"orientation-{number}.jpg": (COLOUR, {"exif": exif(number)}) for number in range(1, 9)},
    "sideways.png": (COLOUR, {"exif": exif(8)}),
    "sideways.tif": (COLOUR, {"exif": exif(5)}),
    "progressive.jpg": (COLOUR, {"progressive": True}),
    "grey.jpg": (COLOUR.convert("L"), {}),
    "cmyk.jpg": (COLOUR.convert("CMYK"), {}),
    "alpha.png": (ALPHA, {}),
    "alpha.webp": (ALPHA, {"lossless": True}),
    "grey-alpha.png": (ALPHA.convert("LA"), {}),
    "palette.png": (COLOUR.quantize(32), {"transparency": 3}),
    "key.png": (COLOUR, {"transparency": (0, 0, 0)}),
    "grey.png": (COLOUR.convert("L"), {}),
    "black-and-white.png": (COLOUR.convert("1"), {}),
    "deep.png": (DEEP, {}),
    "deep.tif": (DEEP, {}),
    "colour.bmp": (COLOUR, {}),
    "moving.gif": (COLOUR, {"save_all": True, "append_images": [ALPHA.convert("RGB")]}),
    "lossy.webp": (COLOUR, {"quality": 60}),
    "tiny.png": (COLOUR.resize((7, 3)), {}),
    "exact.png": (COLOUR.resize((32, 32)), {}),
    "line.png": (COLOUR.resize((500, 1)), {}),
}  # fmt: skip


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("pictures")
    for name, (image, options) in PICTURES.items():
        image.save(folder / name, **options)
    return [folder / name for name in PICTURES]


def test_the_sample_gives_the_answers_of_predict_without_skysort(
    finished_run: Path, pictures: list[Path], tmp_path: Path
) -> None:
    folder = shutil.copytree(finished_run / "classifier", tmp_path / "copy")
    (program,) = re.findall(r"```python\n(.*?)```", (folder / "README.md").read_text("utf-8"), re.DOTALL)
    (folder / "sample.py").write_text(program, "utf-8")
    ended = subprocess.run(
        [sys.executable, folder / "sample.py", *pictures],
        env={"PYTHONPATH": without(tmp_path / "without", ("skysort", "torch", "onnx", "pydantic"))},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    rows = [line.split("\t") for line in ended.stdout.splitlines()]
    expected = skysort.load(folder).predict(pictures)
    assert [path for path, *_ in rows] == [answer.path for answer in expected] == list(map(str, pictures))
    for (path, label, probabilities), answer in zip(rows, expected, strict=True):
        assert label == str(answer.label), path
        assert ast.literal_eval(probabilities) == pytest.approx(answer.probabilities, abs=1e-4), path


@pytest.mark.parametrize("resize", ["stretch", "crop", "pad"])
@pytest.mark.parametrize(("size", "channels"), [(32, 3), (28, 1), (100, 3)])
def test_the_sample_makes_the_same_pixels(resize: Any, size: int, channels: Any, pictures: list[Path]) -> None:
    program = sample(PictureFormat(size=size, channels=channels, resize=resize))
    names: dict[str, Any] = {"__file__": __file__}
    exec(program.partition("\nsession = ")[0], names)  # the rest needs a model of this size
    for path in pictures:
        expected = decode(path.read_bytes(), Shape(size, channels, resize))
        assert np.array_equal(names["prepared"](path), expected), path.name


def transparent_bmp() -> bytes:
    """A BMP of 32 bits whose header gives masks, and whose alpha is zero throughout."""
    rows = bytes([200, 100, 50, 0]) * 81
    header = struct.pack("<IiiHHIIiiII", 108, 9, 9, 1, 32, 3, len(rows), 0, 0, 0, 0)
    masks = struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    header = (header + masks).ljust(108, b"\0")
    return struct.pack("<2sIHHI", b"BM", 122 + len(rows), 0, 0, 122) + header + rows


def twelve_bits() -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.asarray(DEEP) >> 4).save(file, "TIFF")
    return file.getvalue().replace(*(struct.pack("<HHII", 258, 3, 1, bits) for bits in (16, 12)))


def endless_jpeg() -> bytes:
    file = io.BytesIO()
    COLOUR.save(file, "JPEG")
    return file.getvalue()[:-2]


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (transparent_bmp, r"BMP\b[^,.]*\balpha\b"),
        (twelve_bits, r"TIFF\b[^,.]*\b12 bits?\b"),
        (endless_jpeg, r"JPEG\b[^,.]*\bend marker\b"),
    ],
)
def test_the_readme_names_what_the_sample_does_not_handle(
    make: Callable[[], bytes], named: str, tmp_path: Path
) -> None:
    pictures = PictureFormat(size=8, channels=3, resize="stretch")
    names: dict[str, Any] = {"__file__": __file__}
    exec(sample(pictures).partition("\nsession = ")[0], names)
    (tmp_path / "odd").write_bytes(make())
    expected = decode(make(), Shape(8, 3))
    _, _, about_the_sample = readme("x", ["a", "b"], pictures).partition("## Without Skysort")
    assert re.search(named, " ".join(about_the_sample.split()))
    try:
        assert not np.array_equal(names["prepared"](tmp_path / "odd"), expected)
    except OSError as error:
        assert "truncated" in str(error)


def test_a_picture_like_none_of_the_classes_has_no_label(
    finished_run: Path, pictures: list[Path], tmp_path: Path
) -> None:
    folder = shutil.copytree(finished_run / "classifier", tmp_path / "copy")
    path = folder / "classifier.json"
    unknown = {"threshold": 1e9, "keep": 0.9, "calibration": {"pictures": 9, "kept": 9}}
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), "unknown": unknown}), "utf-8")
    (folder / "sample.py").write_text(sample(read_table(folder).pictures), "utf-8")
    ended = subprocess.run(
        [sys.executable, folder / "sample.py", pictures[0]], capture_output=True, text=True, check=True
    )
    assert ended.stdout.split("\t")[1] == "None"


def test_the_model_names_its_classes(finished_run: Path) -> None:
    session = onnx_runtime().InferenceSession(finished_run / "classifier" / "model.onnx")
    assert json.loads(session.get_modelmeta().custom_metadata_map["classes"]) == ["airplane", "bird"]


def test_classifier_json_and_the_readme_describe_the_decoding(finished_run: Path) -> None:
    pictures = read_table(finished_run / "classifier").pictures
    text = (finished_run / "classifier" / "README.md").read_text("utf-8")
    assert "bicubic" in pictures.decoding["resampling"]
    for what, how in pictures.decoding.items():
        assert f"- {what}: {how}.\n" in text


def test_class_names_may_hold_template_placeholders() -> None:
    text = readme("$folder", ["$x", "${y", "{z}", "50 %"], PictureFormat(size=8, channels=3, resize="pad"))
    assert "$x, ${y, {z}, 50 %" in text
    assert "skysort predict $folder " in text
