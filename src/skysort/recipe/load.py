"""The content of a recipe, read and overridden, before anything of it is checked."""

import tomllib
from collections.abc import Iterable
from importlib import resources
from pathlib import Path
from typing import Any

from skysort.core.errors import NotUnderstoodError, unknown
from skysort.core.files import check_not_special
from skysort.recipe.network_file import digest, file_and_class, is_own, read_source

Tables = dict[str, Any]
"""What a TOML file holds, before it is checked."""

DEFAULT_RECIPE = "swift"
OWN_OPTIMIZER = {"name": "adam", "learning_rate": 0.001}
"""Of a person's own network. The rates of the default recipe are for the layers of `swift` alone; this is what
PyTorch's Adam starts from (Kingma, Ba, Adam: A method for stochastic optimization, 2015)."""


def content_of(name: str, settings: Iterable[str]) -> Tables:
    """Return what a recipe holds, with settings applied.

    Args:
        name: as `Recipe.load` takes it.
        settings: fields to override, as `training.epochs=3`.

    Raises:
        NotUnderstoodError: for an unknown recipe, a file that cannot be read or is not TOML, or a setting that
            is none.
    """
    content = _read(name)
    for setting in settings:
        _override(content, setting)
    _find_own(content, Path(name).parent)
    return {"name": Path(name).stem, **content}


def recipe_names() -> list[str]:
    """Return the names of the recipes that ship, sorted."""
    return sorted(Path(file.name).stem for file in _shipped().iterdir() if file.name.endswith(".toml"))


def _shipped() -> Any:
    return resources.files("skysort.recipe") / "shipped"


def _read(name: str) -> Tables:
    if is_own(name):
        file, class_name = file_and_class(name)
        network = {"name": "own", "file": file.name, "class_name": class_name}
        return {**_read(DEFAULT_RECIPE), "name": class_name, "description": f"{class_name} of {file.name}"} | {
            "network": network,
            "optimizer": dict(OWN_OPTIMIZER),
        }
    if name.endswith(".toml"):
        check_not_special(Path(name))
        try:
            text = Path(name).read_text(encoding="utf-8-sig")  # as editors on Windows write it
        except (OSError, UnicodeDecodeError) as error:
            code = "path-not-found" if isinstance(error, FileNotFoundError) else "invalid-recipe"
            raise NotUnderstoodError(code, f"cannot read recipe {name}: {error}") from None
    elif name in recipe_names():
        text = (_shipped() / f"{name}.toml").read_text(encoding="utf-8")
    else:
        raise unknown("recipe", name, recipe_names())
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise NotUnderstoodError("invalid-recipe", f"recipe {name} is not TOML: {error}") from None


def _find_own(content: Tables, folder: Path) -> None:
    """Say of a person's own network where its file is, and note the file's digest where there is none."""
    network = content.get("network")
    if isinstance(network, dict) and network.get("name") == "own" and isinstance(network.get("file"), str):
        network["folder"] = str(folder)
        if "sha256" not in network:
            network["sha256"] = digest(read_source(folder / network["file"]))


def _override(content: Tables, setting: str) -> None:
    field, equals, text = setting.partition("=")
    if not equals or not field:
        raise NotUnderstoodError("wrong-value", f"expected a setting like training.epochs=3, found '{setting}'")
    try:
        (value,) = tomllib.loads(f"value = {text}").values()
    except (tomllib.TOMLDecodeError, ValueError):
        value = text
    *sections, last = field.strip().split(".")
    table = content
    for section in sections:
        inner = table.setdefault(section, {})
        if not isinstance(inner, dict):
            raise NotUnderstoodError("wrong-value", f"'{setting}': {section} has no fields of its own")
        table = inner
    table[last] = value
