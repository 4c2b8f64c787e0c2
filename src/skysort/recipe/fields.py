"""The fields of a recipe that `--set` overrides: name, kind, default and doc of each."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from skysort.core.errors import unknown
from skysort.recipe.schema import Recipe

BOUNDS = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}

JsonSchema = dict[str, Any]
"""A part of the JSON schema that Pydantic derives from a model."""


@dataclass(frozen=True)
class Field:
    """One field of a recipe."""

    name: str
    """Section and field, such as `training.epochs`."""
    kind: str
    """The values it takes, in words, such as `integer >= 1`."""
    default: str
    """As in TOML; empty if the field is unset."""
    doc: str
    network: str = ""
    """Name of the network that has the field; empty for fields that every recipe has."""


@cache
def all_fields() -> tuple[Field, ...]:
    """Return all fields that `--set` overrides, in the order of the recipe."""
    schema = Recipe.model_json_schema()
    sections = {name: part for name, part in schema["properties"].items() if name != "published"}
    return tuple(field for name, part in sections.items() for field in _fields_of(name, part, schema["$defs"]))


def _fields_of(name: str, part: JsonSchema, tables: JsonSchema, network: str = "") -> Iterator[Field]:
    """Yield the fields of a part of the schema: a table's fields, or the part itself if it is no table.

    Args:
        name: of the part in the recipe, such as `augment`.
        part: its schema.
        tables: the schemas that `$ref` refers to, by name.
        network: the name of the network that has the part; empty for every network.
    """
    if "discriminator" in part:
        mapping = part["discriminator"]["mapping"]
        yield Field(
            f"{name}.name",
            _kind({"enum": list(mapping)}),
            "",
            "Network of the recipe. It decides which of the fields below there are.",
        )
        for network_name, reference in mapping.items():
            yield from _fields_of(name, {"$ref": reference}, tables, network_name)
        return
    if "const" in part:  # a network's own name
        return
    if "allOf" in part:  # Pydantic before 2.9 writes a table with a default this way
        part = {**part, **part["allOf"][0]}
    inner = [choice["$ref"].rpartition("/")[2] for choice in (part, *part.get("anyOf", ())) if "$ref" in choice]
    if inner and "$ref" in part:
        for field, inner_part in tables[inner[0]]["properties"].items():
            yield from _fields_of(f"{name}.{field}", inner_part, tables, network)
        return
    default = part.get("default")
    default_text = "" if default is None else json.dumps(default)
    yield Field(name, _kind(part), default_text, " ".join(part.get("description", "").split()), network)
    for table in inner:
        for field, inner_part in tables[table]["properties"].items():
            yield from _fields_of(f"{name}.{field}", inner_part, tables, network)


def _kind(part: JsonSchema) -> str:
    """Describe the values that a part of the JSON schema allows."""
    if "anyOf" in part:
        return " or ".join(_kind(choice) for choice in part["anyOf"] if choice.get("type") != "null")
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
    """Return the full names of the fields whose last part is `name`.

    >>> fields_called("epochs"), fields_called("epoch")
    (['training.epochs'], [])
    """
    return list(dict.fromkeys(field.name for field in all_fields() if field.name.rpartition(".")[2] == name))


def fields_under(name: str) -> list[Field]:
    """Return the fields of a section, or the fields whose name or last part is `name`.

    Raises:
        NotUnderstoodError: if no section or field has this name.
    """
    fields = [field for field in all_fields() if f"{field.name}.".startswith(f"{name}.")]
    fields = fields or [field for field in all_fields() if field.name in fields_called(name)]
    if not fields:
        sections = dict.fromkeys(field.name.partition(".")[0] for field in all_fields() if "." in field.name)
        raise unknown("section or field", name, [*sections, *(field.name for field in all_fields())])
    return fields
