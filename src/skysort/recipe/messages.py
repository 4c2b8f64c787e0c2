"""Messages about an invalid recipe: one line per problem, in terms of the recipe's fields."""

from collections.abc import Iterator, Mapping
from typing import get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from skysort.core.errors import suggestion, unknown

# For fields that take values of several types: pydantic would print a line per type.
_EXPECTED = {
    "pictures.normalise": "'data', 'half', 'none', or {mean = […], std = […]} with a number per channel, std > 0",
    "network.padding": "a number of pixels from 0 to 15, or 'same'",
    "augment.test_time_flip": "true, false, or 'auto'",
    "transfer.penalty": "a number above 0, or 'auto'",
    "training.epochs": "a number of epochs of at least 1, or 'auto'",
    "training.batch_size": "a number of pictures of at least 1, or 'all'",
}


def problems_of(
    error: ValidationError, recipe: type[BaseModel], networks: Mapping[str, type[BaseModel]]
) -> Iterator[str]:
    """Yield one line per problem of a recipe.

    Args:
        error: raised by pydantic.
        recipe: the model of a recipe.
        networks: the models of the network section, by the network's name.
    """
    for problem in error.errors():
        place = [str(part) for part in problem["loc"]]
        # Pydantic inserts the network's name into the place of a network's field.
        network = place.pop(1) if place[:1] == ["network"] and len(place) > 2 else "convnet"
        if problem["type"] == "value_error":
            yield str(problem["ctx"]["error"])
        elif (field := ".".join(place[:2])) in _EXPECTED:
            yield f"{field}: expected {_EXPECTED[field]}"
        elif problem["type"] == "extra_forbidden":
            yield _no_field(place, network, recipe, networks)
        elif problem["type"] == "union_tag_invalid":
            yield str(unknown("network", problem["ctx"]["tag"], networks))
        else:
            message = problem["msg"][0].lower() + problem["msg"][1:]
            yield f"{'.'.join(place)}: {message}, found {problem['input']!r}"


def _no_field(
    place: list[str], network: str, recipe: type[BaseModel], networks: Mapping[str, type[BaseModel]]
) -> str:
    """Return the message about an unknown field, with a suggestion. A network's fields depend on its name."""
    if place[0] == "network":
        field = ".".join(place[1:])
        fields_of_network = networks[network].model_fields
        known = [name for name, kind in fields_of_network.items() if not kind.exclude]
        known += [f"{name}.{inner}" for name, kind in fields_of_network.items() for inner in _fields(kind)]
        return f"network '{network}' has no field '{field}'; {suggestion(field, known)}"
    sections = {name: _fields(kind) for name, kind in recipe.model_fields.items()} | {
        "network": [*networks[network].model_fields]
    }
    fields = [f"{section}.{field}" for section, names in sections.items() for field in names]
    field = ".".join(place)
    elsewhere = [f"'{name}'" for name in fields if name.endswith(f".{place[-1]}")]
    if elsewhere:
        return f"no field '{field}'; did you mean {' or '.join(elsewhere)}?"
    known = [*recipe.model_fields, *(fields if "." in field else ())]
    return f"no field '{field}'; {suggestion(field, known)}"


def _fields(kind: FieldInfo) -> list[str]:
    """Return the fields of a section, including an optional one; empty for a field that is no section."""
    models = [kind.annotation, *get_args(kind.annotation)]
    return [
        name
        for model in models
        if isinstance(model, type) and issubclass(model, BaseModel)
        for name in model.model_fields
    ]
