"""What a classifier folder holds, and how it is found, written and read."""

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from skysort.classifier.damage import reading
from skysort.classifier.decision import Decision
from skysort.core.errors import NotUnderstoodError, SkysortError
from skysort.core.files import read_json, sha256, write_whole
from skysort.core.models import FrozenModel
from skysort.data.decode import PIXELS_FROM_BYTES, Shape

TABLE = "classifier.json"
MODEL = "model.onnx"
WEIGHTS = "model.safetensors"
PROOF = "proof.npz"
README = "README.md"
CHECKED = (MODEL, PROOF)
"""With classifier.json, these decide what a classifier answers."""
DIGESTED = (*CHECKED, WEIGHTS)
LARGEST_BYTES = {TABLE: 2**24, MODEL: 2**31, PROOF: 2**31, WEIGHTS: 2**33}
"""A table of 1,000 classes and 100 decisions has about 2**22, a proof of 32 pictures of 4096x4096 pixels 2**30.7,
and ONNX sets the bound of a model."""
DECIDING = ("classes", "pictures", "network", "temperature", "unknown")
"""Fields of classifier.json that decide what a classifier answers; the others describe it."""


class PictureFormat(FrozenModel):
    """What pictures are made to be before the network sees them."""

    size: int = Field(ge=1, le=4096)
    channels: Literal[1, 3]
    resize: Literal["stretch", "crop", "pad"]
    decoding: dict[str, str] = Field(default_factory=lambda: dict(PIXELS_FROM_BYTES))
    """How an image file becomes such pixels, in words: for whoever uses model.onnx without Skysort."""

    def shape(self) -> Shape:
        """Return it as the decoder takes it."""
        return Shape(self.size, self.channels, self.resize)


class Headline(FrozenModel):
    """The figures of the test split."""

    pictures: int
    accuracy: float
    interval95: tuple[float, float]


class KeptShare(FrozenModel):
    """Of calibration pictures, how many a threshold keeps."""

    pictures: int
    kept: int
    groups: int | None = None
    """What the threshold was set by, if not by pictures: groups of them, by the picture least like the classes."""
    left_out: int = 0
    """Calibration pictures that were not counted, since training or validation has the like."""


class OodThreshold(FrozenModel):
    """From where on a picture is of none of the classes."""

    score: Literal["negative-energy"] = "negative-energy"
    threshold: float
    """Pictures with a lower score are unknown."""
    keep: float
    """The share of pictures like the calibration split's that it was set to keep."""
    calibration: KeptShare


class Temperature(FrozenModel):
    """What a network's logits are divided by, so that confidences are as often right as they say."""

    value: float = Field(1.0, gt=0)
    reason: str
    """What it was fitted to, or why it is 1."""


class ClassifierTable(FrozenModel):
    """classifier.json."""

    format: Literal[1] = 1
    classes: tuple[Annotated[str, Field(min_length=1)], ...]
    """In the order of the logits."""
    pictures: PictureFormat
    network: dict[str, Any]
    """Name and arguments, as in the recipe."""
    recipe: str
    """Name of the recipe."""
    test_time_flip: bool
    """Whether model.onnx returns the mean of the logits of a picture and of its mirror image."""
    parameters: int
    """How many training changed."""
    temperature: float = Field(gt=0)
    """What the network's logits are divided by inside model.onnx, fitted on validation; else 1."""
    temperature_reason: str
    """What it was fitted to, or why it is 1."""
    decisions: tuple[Decision, ...] = ()
    """What to do with a picture, each by its name; made after the classifier."""
    unknown: OodThreshold | None = None
    """None where every picture is taken for one of the classes."""
    data: dict[str, str]
    """Source and fingerprint of the pictures it learned from."""
    figures: Headline | None = None
    """None until the classifier has been measured."""
    seconds: dict[str, float]
    """What making it took: `training`."""
    proof_difference: float | None = None
    """Largest difference of any logit between ONNX Runtime and PyTorch on the proof pictures, when it was made."""
    files: dict[str, str]
    """SHA-256 of the files that are read, by name: model.onnx, proof.npz and model.safetensors."""
    versions: dict[str, str]
    """What made it."""
    machine: str
    """What it was made on: processor, device, threads."""

    @field_validator("classes")
    @classmethod
    def _no_name_twice(cls, classes: tuple[str, ...]) -> tuple[str, ...]:
        twice = [name for name in classes if classes.count(name) > 1]
        if twice:
            raise ValueError(f"'{twice[0]}' stands for two of them")
        return classes

    @model_validator(mode="after")
    def _decisions_fit(self) -> Self:
        names = [decision.name for decision in self.decisions]
        if len(set(names)) < len(names):
            raise ValueError("two decisions have one name")
        for decision in self.decisions:
            if not set(decision.keep) < set(self.classes):
                raise ValueError(f"decision '{decision.name}' keeps other classes than some of these")
        return self

    @property
    def meaning(self) -> str:
        """A digest of all that decides what the classifier answers, kept in its proof."""
        deciding = self.model_dump(mode="json", include=set(DECIDING))
        return hashlib.sha256(json.dumps(deciding, sort_keys=True).encode()).hexdigest()

    def with_unknown(self, threshold: OodThreshold) -> Self:
        """Return it with a threshold below which a picture is unknown."""
        return self.model_copy(update={"unknown": threshold})

    def with_decision(self, decision: Decision) -> Self:
        """Return it with a decision, in place of one of the same name."""
        others = (other for other in self.decisions if other.name != decision.name)
        return self.model_copy(update={"decisions": (*others, decision)})

    def write(self, folder: Path) -> None:
        """Write classifier.json, whole or not at all."""
        write_whole(folder / TABLE, self.to_json())


def find_classifier(path: Path) -> Path:
    """Return the classifier folder that a path means: itself, or the one inside a run folder.

    Raises:
        NotUnderstoodError: when there is nothing at the path.
        SkysortError: when what is there holds no classifier.
    """
    inside = path / "classifier"
    for folder in (path, inside):
        if (folder / TABLE).is_file():
            if folder is inside and inside.is_symlink():
                raise SkysortError(
                    "altered-classifier",
                    f"{inside} is a link; name the folder that it leads to, or copy that here",
                )
            return folder
    if not path.exists():
        raise NotUnderstoodError("path-not-found", f"{path}: no such run or classifier folder")
    if (path / "recipe.toml").is_file():
        if (path / "classifier").is_dir() and any((path / "classifier").iterdir()):
            raise SkysortError(
                "not-a-classifier", f"{path / 'classifier'} is no classifier: it holds other files, and no {TABLE}"
            )
        raise SkysortError(
            "run-not-finished",
            f"{path} is a run without a classifier yet; finish it: skysort resume {path}",
        )
    raise SkysortError("not-a-classifier", f"{path} is no run and no classifier: it holds no {TABLE}")


def read_table(folder: Path) -> ClassifierTable:
    """Read classifier.json and check against it the files that decide answers.

    Raises:
        SkysortError: when one of these files is missing, damaged, altered, a link or of a newer version.
    """
    with reading(folder):
        _check_is_file(folder / TABLE)
        table = read_json(folder / TABLE, ClassifierTable)
        for name in CHECKED:
            check_file(folder, name, table)
        return table


def check_file(folder: Path, name: str, table: ClassifierTable) -> None:
    """Make sure that a file of a classifier folder is as it was made.

    Raises:
        SkysortError: when it is missing, altered or a link.
    """
    path = folder / name
    _check_is_file(path)
    if sha256(path) != table.files.get(name):
        raise SkysortError("altered-classifier", f"{path} has been altered: its SHA-256 is not the one in {TABLE}")


def _check_is_file(path: Path) -> None:
    if path.is_symlink():
        raise SkysortError(
            "altered-classifier", f"{path} is a link; a classifier folder holds its own files. Copy the file here"
        )
    if not path.is_file():
        raise SkysortError("damaged-classifier", f"the classifier in {path.parent} lacks {path.name}")
    if path.stat().st_size > LARGEST_BYTES[path.name]:
        raise SkysortError("damaged-classifier", f"{path} is damaged: it is larger than any {path.name}")
