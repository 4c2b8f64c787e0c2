"""Reads a recipe and applies settings to it, before the content is checked."""

import tomllib
from collections.abc import Iterable
from importlib import resources
from pathlib import Path
from typing import Any

from skysort.core.errors import NotUnderstoodError, unknown
from skysort.core.files import check_not_special
from skysort.recipe.network_file import digest, file_and_class, is_own, read_source

Tables = dict[str, Any]
"""The content of a TOML file, not checked yet."""

DEFAULT_RECIPE = "swift"
RECIPE_FOR_PHOTOGRAPHS = "photos"
OWN_OPTIMIZER = {"name": "adam", "learning_rate": 0.001}
"""The optimizer for a person's own network. The default recipe's learning rates suit only the layers of `swift`.
These are the defaults of PyTorch's Adam (Kingma, Ba, Adam: A method for stochastic optimization, 2015)."""


def content_of(name: str, settings: Iterable[str]) -> Tables:
    """Return the content of a recipe, with settings applied.

    Args:
        name: a shipped recipe, a `.toml` file or `FILE.py:Class`, as `Recipe.load` takes it.
        settings: fields to override, such as `training.epochs=3`.

    Raises:
        NotUnderstoodError: if no recipe has the name, a file cannot be read or is not TOML, or a setting has
            another form.
    """
    content = _read(name)
    for setting in settings:
        _override(content, setting)
    _locate_own_network(content, Path(name).parent)
    return {"name": Path(name).stem, **content}


def recipe_names() -> list[str]:
    """Return the names of the shipped recipes, sorted."""
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
            text = Path(name).read_text(encoding="utf-8-sig")  # editors on Windows write a byte order mark
        except (OSError, UnicodeDecodeError) as error:
            code = "path-not-found" if isinstance(error, FileNotFoundError) else "invalid-recipe"
            raise NotUnderstoodError(code, f"cannot read the recipe {name}: {error}") from None
    elif name in recipe_names():
        text = (_shipped() / f"{name}.toml").read_text(encoding="utf-8")
    else:
        raise unknown("recipe", name, recipe_names())
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise NotUnderstoodError("invalid-recipe", f"the recipe {name} is not valid TOML: {error}") from None


def _locate_own_network(content: Tables, folder: Path) -> None:
    """Add to a person's own network its file's folder and, if it has none, the file's digest."""
    network = content.get("network")
    if isinstance(network, dict) and network.get("name") == "own" and isinstance(network.get("file"), str):
        network["folder"] = str(folder)
        if "sha256" not in network:
            network["sha256"] = digest(read_source(folder / network["file"]))


def _override(content: Tables, setting: str) -> None:
    field, equals, text = setting.partition("=")
    if not equals or not field:
        raise NotUnderstoodError("wrong-value", f"expected a setting such as training.epochs=3, found '{setting}'")
    try:
        (value,) = tomllib.loads(f"value = {text}").values()
    except (tomllib.TOMLDecodeError, ValueError):
        value = text
    *sections, last = field.strip().split(".")
    table = content
    for section in sections:
        inner = table.setdefault(section, {})
        if not isinstance(inner, dict):
            raise NotUnderstoodError(
                "wrong-value", f"'{setting}': {section} is a value, not a section with fields"
            )
        table = inner
    table[last] = value
