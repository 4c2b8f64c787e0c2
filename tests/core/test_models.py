"""JSON schemas of models have the docstrings under the fields as descriptions."""

from pydantic import Field

from skysort.core.models import FrozenModel


class Base(FrozenModel):
    """A model."""

    count: int
    """Number of pictures,
    in all."""
    bare: int = 0


class Extended(Base):
    """A model that extends it."""

    name: str = Field("", description="Its own description.")
    """Not this one."""
    hidden: str = Field("", exclude=True)
    """Not in the schema for output."""


def test_descriptions_come_from_docstrings_of_the_model_and_of_those_it_extends() -> None:
    schema = Extended.model_json_schema(mode="serialization")["properties"]
    descriptions = {name: part.get("description") for name, part in schema.items()}
    assert descriptions == {"count": "Number of pictures,\nin all.", "bare": None, "name": "Its own description."}
