"""What to say of a recipe that cannot be run: a line for each problem, in the words of a recipe."""

from collections.abc import Iterator, Mapping
from typing import get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from skysort.core.errors import suggestion, unknown

# Of fields that take one kind of value or another, of which pydantic would speak a line each.
_EXPECTED = {
    "pictures.normalise": "'data', 'half', 'none', or {mean = […], std = […]}, a figure a channel, std above 0",
    "network.padding": "a number of pixels from 0 to 15, or 'same'",
    "augment.test_time_flip": "true, false, or 'auto'",
    "training.epochs": "a number of passes from 1 on, or 'auto'",
    "training.batch_size": "a number of pictures from 1 on, or 'all'",
}


def problems_of(
    error: ValidationError, recipe: type[BaseModel], networks: Mapping[str, type[BaseModel]]
) -> Iterator[str]:
    """Yield a line for each thing that is wrong with a recipe.

    Args:
        error: what pydantic found.
        recipe: the model of a recipe.
        networks: the models of its network section, by the network's name.
    """
    for problem in error.errors():
        place = [str(part) for part in problem["loc"]]
        # A network's fields are found behind the network's name, which is no part of theirs.
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
    """Return what to say of a field that is not there; which ones a network has depends on its name."""
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
    """Return the fields of a field that is a section, also where it may be left out; else none."""
    models = [kind.annotation, *get_args(kind.annotation)]
    return [
        name
        for model in models
        if isinstance(model, type) and issubclass(model, BaseModel)
        for name in model.model_fields
    ]
