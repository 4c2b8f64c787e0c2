"""The base class of recipes and of all JSON files that Skysort writes and reads."""

import json

from pydantic import BaseModel, ConfigDict


class FrozenModel(BaseModel):
    """A model that cannot be changed and refuses unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)

    def to_json(self) -> str:
        """Return the model as JSON, with every field, and null for fields without a value."""
        # ASCII, so that paths that are not UTF-8 survive.
        return json.dumps(self.model_dump(mode="json"), indent=2) + "\n"
