"""The base class of recipes and of all JSON files that Skysort writes and reads."""

import ast
import inspect
import json
from functools import cache
from itertools import pairwise
from textwrap import dedent
from typing import Any

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler
from pydantic_core import CoreSchema


class FrozenModel(BaseModel):
    """A model that cannot be changed and refuses unknown fields.

    Its validator is built when it is first needed: a command uses few of the models that it imports.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, defer_build=True)

    def to_json(self) -> str:
        """Return the model as JSON, with every field, and null for fields without a value."""
        # ASCII, so that paths that are not UTF-8 survive.
        return json.dumps(self.model_dump(mode="json"), indent=2) + "\n"

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler, /
    ) -> dict[str, Any]:
        """Describe each field in the JSON schema by the docstring under it.

        Pydantic's `use_attribute_docstrings` does the same, but parses the source whenever a class is imported.
        """
        schema = handler(core_schema)
        docs = _docs_of_fields(cls)
        for field, part in handler.resolve_ref_schema(schema).get("properties", {}).items():
            if field in docs:
                part.setdefault("description", docs[field])
        return schema


@cache
def _docs_of_fields(model: type[FrozenModel]) -> dict[str, str]:
    """Return the docstrings under the fields of a model and of the models that it extends, by field."""
    docs: dict[str, str] = {}
    for each in reversed(model.__mro__):
        if issubclass(each, FrozenModel):
            (definition,) = ast.parse(dedent(inspect.getsource(each))).body
            assert isinstance(definition, ast.ClassDef)
            for field, doc in pairwise(definition.body):
                match field, doc:
                    case ast.AnnAssign(target=ast.Name(name)), ast.Expr(ast.Constant(str(text))):
                        docs[name] = inspect.cleandoc(text)
    return docs
