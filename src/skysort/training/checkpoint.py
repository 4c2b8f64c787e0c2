"""What a resume needs: a readable state.json, and tensors beside it.

state.json is replaced last and names the tensors it belongs to, so that whenever the run is killed there is
one whole checkpoint, the old or the new.
"""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from skysort.errors import SkysortError
from skysort.files import sha256, write_whole
from skysort.training.loop import Task
from skysort.training.outcomes import Sums

FORMAT = 1


@dataclass
class State:
    """How far a run is."""

    epoch: int = 1
    """The epoch being trained, from 1; one more than there are when all is done."""
    step: int = 0
    """Steps done in it."""
    epoch_sums: Sums = field(default_factory=Sums)
    """Over the steps done in this epoch."""
    window_sums: Sums = field(default_factory=Sums)
    """Over the steps since the last `steps` row of the history."""
    seconds: float = 0.0
    """Of training since the start of the run, pauses left out."""
    history_bytes: int = 0
    """Length of history.csv."""


def save_checkpoint(folder: Path, state: State, task: Task) -> None:
    """Replace the checkpoint in a folder.

    Raises:
        SkysortError: when it cannot be written; the one before is then still whole.
    """
    folder.mkdir(exist_ok=True)
    tensors = folder / f"epoch-{state.epoch:04d}-step-{state.step:06d}.safetensors"
    write_whole(tensors, save(_tensors(task)))
    made = {"format": FORMAT, "recipe": _digest(task), "tensors": tensors.name, "sha256": sha256(tensors)}
    table = {**made, **asdict(state)}
    write_whole(folder / "state.json", json.dumps(table, indent=2) + "\n")
    for other in folder.iterdir():
        if other.name not in (tensors.name, "state.json"):
            other.unlink()


def load_checkpoint(folder: Path, task: Task) -> State:
    """Bring network and optimizer to where the checkpoint has them; with none, leave them at the start.

    Raises:
        SkysortError: when the checkpoint is damaged or does not fit the run.
    """
    path = folder / "state.json"
    if not path.exists():
        return State()
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
        if table.pop("format") != FORMAT:
            raise SkysortError(f"{path} is of another version of Skysort")
        if table.pop("recipe") != _digest(task):
            raise SkysortError(f"the recipe has changed since {path} was written; a resume takes it as it was")
        tensors = folder / table.pop("tensors")
        if sha256(tensors) != table.pop("sha256"):
            raise SkysortError(f"{tensors} is not the file that {path.name} was written with")
        _restore(task, load_file(tensors))
        epoch_sums, window_sums = (Sums(**table.pop(name)) for name in ("epoch_sums", "window_sums"))
        return State(epoch_sums=epoch_sums, window_sums=window_sums, **table)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, SafetensorError) as error:
        raise SkysortError(f"the checkpoint in {folder} cannot be resumed: {error}") from None


def _digest(task: Task) -> str:
    return hashlib.sha256(task.recipe.to_toml().encode()).hexdigest()


def _tensors(task: Task) -> dict[str, Tensor]:
    tensors = {f"network.{name}": tensor for name, tensor in task.network.state_dict().items()}
    for number, values in task.optimizer.state_dict()["state"].items():
        for name, value in values.items():
            if value is not None:
                tensors[f"optimizer.{number}.{name}"] = value
    return {name: tensor.contiguous() for name, tensor in tensors.items()}


def _restore(task: Task, tensors: dict[str, Tensor]) -> None:
    network: dict[str, Tensor] = {}
    optimizer: dict[int, dict[str, Any]] = {}
    parameters = [parameter for group in task.optimizer.param_groups for parameter in group["params"]]
    for key, tensor in tensors.items():
        kind, name = key.split(".", 1)
        if kind == "network":
            network[name] = tensor
        else:
            number, value = name.split(".", 1)
            # Fused steps go through memory as it lies: a momentum must lie there as its parameter does.
            like = parameters[int(number)]
            if tensor.shape == like.shape:
                tensor = torch.empty_like(like).copy_(tensor)
            optimizer.setdefault(int(number), {})[value] = tensor
    task.network.load_state_dict(network)
    task.optimizer.load_state_dict({**task.optimizer.state_dict(), "state": optimizer})
