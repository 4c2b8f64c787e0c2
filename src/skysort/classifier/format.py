"""The files of a classifier folder, and functions that find, write and read it."""

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from skysort.classifier.damage import reading
from skysort.classifier.decision import Decision
from skysort.core.damage import damaged
from skysort.core.errors import NotUnderstoodError, SkysortError
from skysort.core.files import read_json, sha256, write_whole
from skysort.core.models import FrozenModel
from skysort.data.decode import PIXELS_FROM_BYTES, Shape

TABLE = "classifier.json"
MODEL = "model.onnx"
WEIGHTS = "model.safetensors"
PROOF = "proof.npz"
REFERENCE = "reference.npz"
README = "README.md"
CHECKED = (MODEL, PROOF)
"""These files, with classifier.json and reference.npz if there is one, decide the answers of a classifier."""
DIGESTED = (*CHECKED, REFERENCE, WEIGHTS)
LARGEST_BYTES = {TABLE: 2**24, MODEL: 2**31, PROOF: 2**31, REFERENCE: 2**26, WEIGHTS: 2**33}
"""A table of 1,000 classes and 100 decisions has about 2**22 bytes, a proof of 32 pictures of 4096x4096 pixels
2**30.7, a reference of 2,000 rows of 10,000 features 2**25.3. The limit of a model is that of ONNX."""
DECIDING = ("classes", "pictures", "network", "temperature", "unknown")
"""Fields of classifier.json that decide the answers of a classifier. The others describe it."""


class PictureFormat(FrozenModel):
    """The format of the pictures that the network takes."""

    size: int = Field(ge=1, le=4096)
    channels: Literal[1, 3]
    resize: Literal["stretch", "crop", "pad"]
    decoding: dict[str, str] = Field(default_factory=lambda: dict(PIXELS_FROM_BYTES))
    """How an image file becomes such pixels, in words, for programs that use model.onnx without Skysort."""

    def shape(self) -> Shape:
        """Return the format as the decoder takes it."""
        return Shape(self.size, self.channels, self.resize)


class Headline(FrozenModel):
    """The figures of the test split."""

    pictures: int
    accuracy: float
    interval95: tuple[float, float]


class KeptShare(FrozenModel):
    """The number of calibration pictures that a threshold keeps."""

    pictures: int
    kept: int
    groups: int | None = None
    """Number of groups, if the threshold was set by groups. The lowest score in a group counts."""
    left_out: int = 0
    """Calibration pictures that are also in training or validation, or nearly so. They do not count."""


class OodThreshold(FrozenModel):
    """The threshold below which a picture counts as out-of-distribution: of none of the classes."""

    score: Literal["negative-energy", "negative-energy-and-similarity"] = "negative-energy"
    """The second adds the similarity to the training pictures in reference.npz."""
    threshold: float
    """Pictures with a lower score are unknown."""
    keep: float
    """The share of in-distribution pictures that the threshold was set to keep."""
    calibration: KeptShare


class Temperature(FrozenModel):
    """The divisor of a network's logits that calibrates the confidences."""

    value: float = Field(1.0, gt=0)
    reason: str
    """The pictures that it was fitted to, or why it is 1."""


class UsedBackbone(FrozenModel):
    """The backbone whose weights are a part of model.onnx."""

    name: str
    sha256: str
    """Of the file that the weights come from."""
    licence: str
    """As its files state it."""
    penalty: float
    """Strength of the penalty that the head was fitted with."""


class ClassifierTable(FrozenModel):
    """classifier.json."""

    format: Literal[1] = 1
    classes: tuple[Annotated[str, Field(min_length=1)], ...]
    """In the order of the logits."""
    pictures: PictureFormat
    network: dict[str, Any]
    """Name and arguments, as in the recipe."""
    backbone: UsedBackbone | None = None
    """None for a network that was trained whole."""
    recipe: str
    """Name of the recipe."""
    test_time_flip: bool
    """Whether model.onnx returns the mean of the logits of a picture and of its mirror image."""
    parameters: int
    """Number of trained parameters."""
    epochs: int | None = None
    """Epochs of its training. A time budget may end the last one early. None with a backbone."""
    temperature: float = Field(gt=0)
    """Divisor of the network's logits inside model.onnx. Fitted on validation pictures, otherwise 1."""
    temperature_reason: str
    """The pictures that it was fitted to, or why it is 1."""
    decisions: tuple[Decision, ...] = ()
    """Made by `skysort decide`, after training."""
    unknown: OodThreshold | None = None
    """None where every picture gets one of the classes."""
    data: dict[str, str]
    """Source and fingerprint of the training pictures."""
    figures: Headline | None = None
    """None until the classifier is measured."""
    seconds: dict[str, float]
    """Time of `training`."""
    proof_difference: float | None = None
    """Largest difference of a logit between ONNX Runtime and PyTorch on the proof pictures, at export."""
    files: dict[str, str]
    """SHA-256 by file name, of model.onnx, proof.npz, reference.npz and model.safetensors."""
    versions: dict[str, str]
    """Versions of Skysort, Python and the libraries that made it."""
    machine: str
    """Processor, device and threads of the computer that made it."""

    @field_validator("classes")
    @classmethod
    def _no_name_twice(cls, classes: tuple[str, ...]) -> tuple[str, ...]:
        twice = [name for name in classes if classes.count(name) > 1]
        if twice:
            raise ValueError(f"two classes are called '{twice[0]}'")
        return classes

    @model_validator(mode="after")
    def _decisions_fit(self) -> Self:
        names = [decision.name for decision in self.decisions]
        if len(set(names)) < len(names):
            raise ValueError("two decisions have the same name")
        for decision in self.decisions:
            if not set(decision.keep) < set(self.classes):
                raise ValueError(f"decision '{decision.name}' must keep some of the classes, and not all")
        return self

    @property
    def meaning(self) -> str:
        """SHA-256 of the fields that decide the answers. The proof holds it, too."""
        deciding = self.model_dump(mode="json", include=set(DECIDING))
        return hashlib.sha256(json.dumps(deciding, sort_keys=True).encode()).hexdigest()

    @property
    def has_reference(self) -> bool:
        """Whether the threshold for unknown takes reference.npz."""
        return self.unknown is not None and self.unknown.score == "negative-energy-and-similarity"

    def with_unknown(self, threshold: OodThreshold) -> Self:
        """Return the table with a threshold below which a picture is unknown."""
        return self.model_copy(update={"unknown": threshold})

    def with_decision(self, decision: Decision) -> Self:
        """Return the table with a decision, which replaces one of the same name."""
        others = (other for other in self.decisions if other.name != decision.name)
        return self.model_copy(update={"decisions": (*others, decision)})

    def write(self, folder: Path) -> None:
        """Write classifier.json, whole or not at all."""
        write_whole(folder / TABLE, self.to_json())


def find_classifier(path: Path) -> Path:
    """Return the classifier folder at a path, or inside the run folder at that path.

    Raises:
        NotUnderstoodError: when the path does not exist, or is neither a run nor a classifier.
        SkysortError: when the run has no classifier.
    """
    inside = path / "classifier"
    for folder in (path, inside):
        if (folder / TABLE).is_file():
            if folder is inside and inside.is_symlink():
                raise SkysortError(
                    "altered-classifier",
                    f"{inside} is a link; give the path of its target, or copy the target here",
                )
            return folder
    if not path.exists():
        raise NotUnderstoodError("path-not-found", f"{path}: no such run or classifier folder")
    of_run = path if path.name == inside.name and (path.parent / "recipe.toml").is_file() else inside
    if (of_run.parent / "recipe.toml").is_file():
        if of_run.is_dir() and any(of_run.iterdir()):
            raise SkysortError(
                "not-a-classifier", f"{of_run} is no classifier: it has other files, but no {TABLE}"
            )
        run = of_run.parent
        raise SkysortError(
            "run-not-finished",
            f"{run} is an unfinished run, which has no classifier yet; finish it: skysort resume {run}",
        )
    raise NotUnderstoodError("not-a-classifier", f"{path} is neither a run nor a classifier: it has no {TABLE}")


def read_table(folder: Path) -> ClassifierTable:
    """Read classifier.json, and check the digests of the files that decide the answers.

    Raises:
        SkysortError: when one of these files is missing, damaged, altered, a link or of a newer version.
    """
    with reading(folder):
        _check_is_file(folder / TABLE)
        table = read_json(folder / TABLE, ClassifierTable, code="damaged-classifier")
        for name in (*CHECKED, REFERENCE) if table.has_reference else CHECKED:
            check_file(folder, name, table)
        return table


def check_file(folder: Path, name: str, table: ClassifierTable) -> None:
    """Make sure that a file of a classifier folder has the digest in classifier.json.

    Raises:
        SkysortError: when it is missing, altered or a link.
    """
    path = folder / name
    _check_is_file(path)
    if sha256(path) != table.files.get(name):
        raise SkysortError("altered-classifier", f"{path} was altered: its SHA-256 is not the one in {TABLE}")


def _check_is_file(path: Path) -> None:
    if path.is_symlink():
        raise SkysortError(
            "altered-classifier",
            f"{path} is a link; copy its target here, since a classifier folder must hold its own files",
        )
    if not path.is_file():
        raise SkysortError(
            "damaged-classifier",
            f"the classifier in {path.parent} lacks {path.name}; copy the folder again, or train again",
        )
    if (size := path.stat().st_size) > LARGEST_BYTES[path.name]:
        limit = LARGEST_BYTES[path.name]
        raise damaged("damaged-classifier", path, f"{size:,} bytes, expected at most {limit:,}")
