"""The README of a classifier folder: its classes, the input of model.onnx, and a program that uses it alone."""

from collections.abc import Sequence
from string import Template

from skysort.classifier.format import PictureFormat
from skysort.classifier.reference import NEAREST

_TEXT = Template("""\
# A classifier made by Skysort

It sorts pictures into: $classes. With Skysort, which needs no extras for this:

    skysort predict $folder picture.jpg

Any program that runs ONNX can run model.onnx. It takes uint8 pictures of shape (N, $channels, $size, $size) and
returns (N, $num_classes) logits, in the order above. Their softmax gives the probabilities. Its metadata has the
names of the classes as a JSON list, `classes`. Prepare pictures as training did. Another filter costs accuracy:

$decoding

classifier.json has the same facts and more. proof.npz holds pictures and the logits that the model must give for
them, with a digest of classes and settings. reference.npz, if it is there, holds features of training pictures,
which tell unknown pictures from others. model.safetensors holds the weights for PyTorch.

## Without Skysort

Save this program in this folder. It needs onnxruntime, NumPy and Pillow. For intact files it gives the answers of
`skysort predict`. It does not handle damaged files, a JPEG without its end marker, a TIFF of 12 bits per channel,
or a BMP whose alpha is zero throughout:

```python
$sample```
""")

_SAMPLE = Template('''\
import json
import os
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # onnxruntime reads it at import
import onnxruntime

FOLDER = Path(__file__).parent
SIZE = $size
BICUBIC = Image.Resampling.BICUBIC


def prepared(path):
    """Return the ($channels, SIZE, SIZE) uint8 picture that the model takes."""
    with Image.open(path) as image:
        if min(image.size) > 2 * SIZE:
            image.draft(None, (2 * SIZE, 2 * SIZE))  # decodes a JPEG at a smaller size; no effect on other formats
        image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image.convert("RGBA"))
    image = image.convert("$mode")
    image = $resized
    return np.asarray(image).reshape(SIZE, SIZE, $channels).transpose(2, 0, 1)


session = onnxruntime.InferenceSession(FOLDER / "model.onnx")
classes = json.loads(session.get_modelmeta().custom_metadata_map["classes"])
unknown = json.loads((FOLDER / "classifier.json").read_text("utf-8"))["unknown"]
reference = dict(np.load(FOLDER / "reference.npz")) if (FOLDER / "reference.npz").exists() else None
outputs = ["logits"] if reference is None else ["logits", "features"]


def similarity(features):
    """Return how similar features are to those of the nearest training pictures."""
    cosines = reference["features"].astype(np.float32) @ (features / np.linalg.norm(features))
    return reference["weight"] * np.sort(cosines)[-$nearest:].mean()


def predict(path):
    """Return the label, or None for a picture like none of the classes, and the probability of each class."""
    logits, *features = session.run(outputs, {"pictures": prepared(path)[None]})
    score = np.logaddexp.reduce(logits[0].astype(np.float64))
    probabilities = dict(zip(classes, np.exp(logits[0] - score).tolist()))
    if reference is not None:
        score += similarity(features[0][0])
    if unknown and score < unknown["threshold"]:
        return None, probabilities
    return max(probabilities, key=probabilities.get), probabilities


for path in sys.argv[1:]:
    print(path, *predict(path), sep="\\t")
''')

_RESIZED = {
    "stretch": "image.resize((SIZE, SIZE), BICUBIC)",
    "crop": "ImageOps.fit(image, (SIZE, SIZE), BICUBIC)",
    "pad": "ImageOps.pad(image, (SIZE, SIZE), BICUBIC)",
}


def readme(folder: str, classes: Sequence[str], pictures: PictureFormat) -> str:
    """Return the README of a classifier folder.

    Args:
        folder: its name.
        classes: in the order of the logits.
        pictures: the input of the model.
    """
    return _TEXT.substitute(
        classes=", ".join(classes),
        num_classes=len(classes),
        folder=folder,
        channels=pictures.channels,
        size=pictures.size,
        decoding="\n".join(f"- {what}: {how}." for what, how in pictures.decoding.items()),
        sample=sample(pictures),
    )


def sample(pictures: PictureFormat) -> str:
    """Return a program that uses model.onnx as Skysort does, without Skysort."""
    return _SAMPLE.substitute(
        size=pictures.size,
        channels=pictures.channels,
        mode="L" if pictures.channels == 1 else "RGB",
        nearest=NEAREST,
        resized=_RESIZED[pictures.resize],
    )
