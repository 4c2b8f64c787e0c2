"""The files that a resume needs: a readable state.json, and tensors beside it.

Two files take turns to hold the tensors. state.json is replaced last and names its file, so there is one whole
checkpoint, the old or the new, whenever the run is killed. No other file is written.
"""

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Annotated, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from skysort.core.damage import damaged
from skysort.core.errors import SkysortError
from skysort.core.files import read_json, remove_partials, sha256, write_whole, writing
from skysort.training.loop import Task
from skysort.training.pace import Pace
from skysort.training.step_results import Sums

FORMAT: Literal[1] = 1
STATE = "state.json"
TENSORS = ("tensors-0.safetensors", "tensors-1.safetensors")


class _Sums(BaseModel):
    """Sums over some steps, in state.json."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)

    loss: float
    correct: Annotated[int, Field(ge=0)]
    pictures: Annotated[int, Field(ge=0)]
    seconds: Annotated[float, Field(ge=0)]


class _Pace(BaseModel):
    """The plan within a time, in state.json."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)

    until: float
    per_step: Annotated[float, Field(gt=0)]
    per_epoch: Annotated[float, Field(ge=0)]
    steps_per_epoch: Annotated[int, Field(ge=1)]
    num_steps: Annotated[int, Field(ge=1)]
    length: Annotated[float, Field(gt=0)]


@dataclass
class State:
    """The progress of a run."""

    epoch: int = 1
    """The current epoch, counted from 1; the number of epochs plus one at the end."""
    step: int = 0
    """Steps done in this epoch."""
    epoch_sums: Sums = field(default_factory=Sums)
    """Sums over the steps done in this epoch."""
    window_sums: Sums = field(default_factory=Sums)
    """Sums over the steps since the last `steps` row of the history."""
    seconds: float = 0.0
    """Seconds of training since the start of the run, without pauses."""
    history_bytes: int = 0
    """Length of history.csv."""
    pace: Pace | None = None
    """The plan within a time; None where the recipe sets the number of epochs."""
    tensors: str = ""
    """Name of the file that holds the tensors; empty before the first checkpoint."""


class _Table(BaseModel):
    """state.json."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)

    format: Literal[1] = FORMAT
    recipe: str
    """Digest of the resolved recipe."""
    sha256: str
    """Digest of the file with the tensors."""
    epoch: Annotated[int, Field(ge=1)]
    step: Annotated[int, Field(ge=0)]
    epoch_sums: _Sums
    window_sums: _Sums
    seconds: Annotated[float, Field(ge=0)]
    history_bytes: Annotated[int, Field(ge=0)]
    pace: _Pace | None
    tensors: Literal["tensors-0.safetensors", "tensors-1.safetensors"]

    def state(self) -> State:
        """Return its state."""
        values = self.model_dump(include={field.name for field in fields(State)})
        sums = {name: Sums(**values[name]) for name in ("epoch_sums", "window_sums")}
        pace = self.pace and Pace(**values["pace"])
        return State(**{**values, **sums, "pace": pace})


def save_checkpoint(folder: Path, state: State, task: Task) -> None:
    """Replace the checkpoint in a folder.

    Raises:
        SkysortError: when it cannot be written; the checkpoint before is then still whole.
    """
    with writing(folder):
        folder.mkdir(exist_ok=True)
    before = state.tensors
    tensors = folder / (TENSORS[1] if before == TENSORS[0] else TENSORS[0])
    write_whole(tensors, save(_tensors(task)))
    state.tensors = tensors.name
    fixed = {"format": FORMAT, "recipe": _digest(task), "sha256": sha256(tensors)}
    write_whole(folder / STATE, json.dumps({**fixed, **asdict(state)}, indent=2) + "\n")
    if before:
        with writing(folder / before):
            (folder / before).unlink(missing_ok=True)


def load_checkpoint(folder: Path, task: Task) -> State:
    """Load network and optimizer from the checkpoint; without one, leave them at the start.

    Raises:
        SkysortError: when the checkpoint is damaged or does not fit the run.
    """
    path = folder / STATE
    for name in (STATE, *TENSORS):
        remove_partials(folder / name)
    if not path.exists():
        return State()
    table = read_json(path, _Table, code="damaged-run")
    if table.recipe != _digest(task):
        raise SkysortError(
            "recipe-changed", f"the recipe has changed since {path} was written; restore it to resume"
        )
    state, tensors = table.state(), folder / table.tensors
    task.pace = state.pace
    if (
        state.epoch > task.num_epochs + 1
        or state.step > task.steps_per_epoch
        or state.epoch_sums.pictures > task.train.num_pictures
    ):
        raise damaged("damaged-run", path, "it is beyond the end of its run")
    try:
        if sha256(tensors) != table.sha256:
            raise damaged("damaged-run", tensors, f"{path.name} was written with another file")
        _restore(task, load_file(tensors))
    except torch.OutOfMemoryError:
        raise
    except OSError as error:
        raise damaged("damaged-run", tensors, error) from None
    except (ValueError, LookupError, TypeError, RuntimeError, SafetensorError):
        raise damaged("damaged-run", folder, "its checkpoint does not fit the run") from None
    # A killed process left the other file: that of the checkpoint before, or one that state.json never named.
    with writing(folder):
        (folder / TENSORS[table.tensors == TENSORS[0]]).unlink(missing_ok=True)
    return state


def _digest(task: Task) -> str:
    return hashlib.sha256(task.recipe.to_toml().encode()).hexdigest()


def _tensors(task: Task) -> dict[str, Tensor]:
    tensors = {f"network.{name}": tensor for name, tensor in task.network.tensors().items()}
    for number, values in task.optimizer.state_dict()["state"].items():
        for name, value in values.items():
            if value is not None:
                tensors[f"optimizer.{number}.{name}"] = value
    return {name: tensor.contiguous() for name, tensor in tensors.items()}


def _restore(task: Task, tensors: dict[str, Tensor]) -> None:
    network: dict[str, Tensor] = {}
    optimizer: dict[int, dict[str, Tensor]] = {}
    parameters = [parameter for group in task.optimizer.param_groups for parameter in group["params"]]
    for key, tensor in tensors.items():
        kind, name = key.split(".", 1)
        if kind == "network":
            network[name] = tensor
        else:
            number, value = name.split(".", 1)
            # Fused steps walk through memory, so a momentum needs the memory layout of its parameter.
            parameter = parameters[int(number)]
            if tensor.shape == parameter.shape:
                tensor = torch.empty_like(parameter).copy_(tensor)
            optimizer.setdefault(int(number), {})[value] = tensor
    task.network.load_state_dict(network)
    task.optimizer.load_state_dict({**task.optimizer.state_dict(), "state": optimizer})
