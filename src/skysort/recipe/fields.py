"""The fields of a recipe, as `--set` overrides them: kind, default and doc of each."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from skysort.core.errors import unknown
from skysort.recipe.schema import Recipe

BOUNDS = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}

JsonSchema = dict[str, Any]
"""A part of the JSON schema that Pydantic makes of a model."""


@dataclass(frozen=True)
class Field:
    """One field of a recipe."""

    name: str
    """As `training.epochs`."""
    kind: str
    """Which values it takes."""
    default: str
    """As TOML writes it; empty where it is unset."""
    doc: str
    network: str = ""
    """The network that has it; empty for what every recipe has."""


@cache
def all_fields() -> tuple[Field, ...]:
    """Return the fields that `--set` overrides, in the order of the recipe."""
    schema = Recipe.model_json_schema()
    sections = {name: part for name, part in schema["properties"].items() if name != "published"}
    return tuple(field for name, part in sections.items() for field in _fields_of(name, part, schema["$defs"]))


def _fields_of(name: str, part: JsonSchema, tables: JsonSchema, network: str = "") -> Iterator[Field]:
    if "discriminator" in part:
        mapping = part["discriminator"]["mapping"]
        yield Field(f"{name}.name", _kind({"enum": list(mapping)}), "", "Which fields there are depends on it.")
        for network_name, place in mapping.items():
            yield from _fields_of(name, {"$ref": place}, tables, network_name)
        return
    if "const" in part:  # a network's own name
        return
    if "allOf" in part:  # as Pydantic before 2.9 writes a table that has a default
        part = {**part, **part["allOf"][0]}
    inner = [one["$ref"].rpartition("/")[2] for one in (part, *part.get("anyOf", ())) if "$ref" in one]
    if inner and "$ref" in part:
        for field, of_field in tables[inner[0]]["properties"].items():
            yield from _fields_of(f"{name}.{field}", of_field, tables, network)
        return
    default = part.get("default")
    shown = "" if default is None else json.dumps(default)
    yield Field(name, _kind(part), shown, " ".join(part.get("description", "").split()), network)
    for table in inner:
        for field, of_field in tables[table]["properties"].items():
            yield from _fields_of(f"{name}.{field}", of_field, tables, network)


def _kind(part: JsonSchema) -> str:
    """Return in words what a part of the JSON schema allows."""
    if "anyOf" in part:
        return " or ".join(_kind(one) for one in part["anyOf"] if one.get("type") != "null")
    if "$ref" in part:
        return "table"
    values = part.get("enum", [part["const"]] if "const" in part else None)
    if values is not None:
        return " or ".join(json.dumps(value) for value in values)
    if part["type"] == "array":
        return f"list, each {_kind(part['items'])}"
    if part["type"] not in ("integer", "number"):
        return {"boolean": "true or false", "string": "text"}[part["type"]]
    bounds = [f"{sign} {part[key]:,}" for key, sign in BOUNDS.items() if key in part]
    return " ".join([part["type"], " and ".join(bounds)]).strip()


def fields_called(name: str) -> list[str]:
    """Return the fields whose last part is a name.

    >>> fields_called("epochs"), fields_called("epoch")
    (['training.epochs'], [])
    """
    return list(dict.fromkeys(field.name for field in all_fields() if field.name.rpartition(".")[2] == name))


def fields_under(name: str) -> list[Field]:
    """Return the fields of a section, or those that are called so.

    Raises:
        NotUnderstoodError: for what is neither a section nor a field.
    """
    found = [field for field in all_fields() if f"{field.name}.".startswith(f"{name}.")]
    found = found or [field for field in all_fields() if field.name in fields_called(name)]
    if not found:
        sections = dict.fromkeys(field.name.partition(".")[0] for field in all_fields() if "." in field.name)
        raise unknown("section or field", name, [*sections, *(field.name for field in all_fields())])
    return found
