"""The base of everything that Skysort writes to a JSON file and reads from one."""

import json

from pydantic import BaseModel, ConfigDict


class FrozenModel(BaseModel):
    """A table, or a part of one, that does not change once it is made and knows all of its fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)

    def to_json(self) -> str:
        """Return the text of its file: every field by its name, and null where there is no value."""
        # In ASCII, so that paths that are not UTF-8 survive.
        return json.dumps(self.model_dump(mode="json"), indent=2) + "\n"
