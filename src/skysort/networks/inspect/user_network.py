"""A person's own network: a class in a Python file of theirs."""

import hashlib
import inspect
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from skysort.core.errors import NotUnderstoodError, SkysortError, suggestion
from skysort.recipe.network_file import file_and_class, read_source

NUM_PICTURES_TRIED = 3
"""Not two, as in describe, so that a network with a fixed batch size of two fails."""


class UserNetwork(nn.Module):
    """A person's own network. An error in it names the file, the class and the line.

    Args:
        network: from (N, C, H, W) float32 to (N, num_outputs).
        target: its name, as `mine.py:Net`.
        num_outputs: outputs that it must have per picture.
    """

    def __init__(self, network: nn.Module, target: str, num_outputs: int) -> None:
        super().__init__()
        self.network, self.target, self.num_outputs = network, target, num_outputs

    def forward(self, pictures: Tensor) -> Tensor:
        """Return (N, num_outputs) for (N, C, H, W).

        Raises:
            SkysortError: when the network fails, or returns something else.
        """
        outputs = self.outputs(pictures)
        expected = (pictures.shape[0], self.num_outputs)
        if not isinstance(outputs, Tensor) or outputs.ndim != 2 or tuple(outputs.shape) != expected:
            output = f"of shape {tuple(outputs.shape)}" if isinstance(outputs, Tensor) else _what(outputs)
            raise SkysortError(
                "network-failed",
                f"{self.target} returns an output {output} for pictures of shape {tuple(pictures.shape)}; expected"
                f" shape {expected}: one row of logits per picture, {self.num_outputs} in each",
            )
        return outputs

    def outputs(self, pictures: Tensor) -> object:
        """Return whatever the network returns.

        Raises:
            SkysortError: when it fails.
        """
        try:
            return self.network(pictures)
        except (MemoryError, SkysortError):
            raise
        except (Exception, SystemExit) as error:
            raise _failed(f"{self.target} fails on pictures of shape {tuple(pictures.shape)}", error) from error


def own_layer(
    path: Path, class_name: str, sha256: str, shape: tuple[int, int, int], num_outputs: int
) -> UserNetwork:
    """Make a person's network for training, on the CPU.

    It gets some black pictures once, so that its lazy layers know their shapes.

    Args:
        path: of the file. It must not import files beside it: a run keeps a copy of this file only.
        class_name: name of the class in the file.
        sha256: digest that the file must have.
        shape: (C, H, W) of a picture.
        num_outputs: outputs that the network must have per picture; checked with each batch.

    Raises:
        NotUnderstoodError: as `own_network`.
        SkysortError: as `own_network`; or when it fails on the pictures, or has no parameters to learn.
    """
    target = f"{path}:{class_name}"
    with torch.device("cpu"):
        own = UserNetwork(own_network(target, sha256), target, num_outputs)
        with torch.no_grad():
            own.eval().outputs(torch.zeros(NUM_PICTURES_TRIED, *shape))
    if unmade := [name for name, tensor in own.network.state_dict(keep_vars=True).items() if is_lazy(tensor)]:
        raise SkysortError(
            "network-failed",
            f"{target} has lazy layers that no picture reaches: {', '.join(unmade)}; remove them",
        )
    if not any(parameter.requires_grad for parameter in own.parameters()):
        raise SkysortError(
            "network-failed",
            f"{target} has no parameters to learn; keep its layers as attributes of the network",
        )
    return own.train()


def own_network(target: str, sha256: str | None = None) -> nn.Module:
    """Run a person's file and make the network it defines.

    Args:
        target: `FILE.py:Class`, a class without required arguments, or an instance in the file.
        sha256: digest that the file must have; it must then not import files beside it. None for any.

    Raises:
        NotUnderstoodError: when there is no such file or no such class in it, or that is no network.
        SkysortError: when the file has changed or imports a file beside it, or when it or `__init__` fails.
    """
    file, name = file_and_class(target)
    module = _run(file, sha256)
    network = getattr(module, name, None)
    if network is None:
        known = [key for key, value in vars(module).items() if _is_network(value)]
        instead = suggestion(name, known) if known else "there is no nn.Module in it at all"
        raise NotUnderstoodError("unknown-network", f"{file} has no class '{name}'; {instead}")
    if isinstance(network, nn.Module):
        return network
    if not _is_network(network):
        raise NotUnderstoodError("unknown-network", f"{target} is no nn.Module but {_what(network)}")
    return _make(network, target)


def _is_network(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, nn.Module)


def _what(value: object) -> str:
    return f"the class {value.__name__}" if isinstance(value, type) else f"of type {type(value).__name__}"


def _make(network: type[nn.Module], target: str) -> nn.Module:
    needed = [
        parameter.name
        for parameter in inspect.signature(network).parameters.values()
        if parameter.default is parameter.empty
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    ]
    if needed:
        raise SkysortError(
            "network-failed",
            f"{target} cannot be made without arguments: __init__ needs {', '.join(needed)};"
            " give them defaults, or name a subclass that does",
        )
    try:
        return network()
    except (Exception, SystemExit) as error:
        raise _failed(f"{target} cannot be made", error) from error


def _failed(subject: str, error: BaseException) -> SkysortError:
    lines = [f"{subject}: {type(error).__name__}: {error}", *source_line(error)]
    return SkysortError("network-failed", "\n  ".join(lines))


def source_line(error: BaseException) -> list[str]:
    """Return the last line of the person's own code in the traceback."""
    torch_folder, own_folder = Path(inspect.getfile(torch)).parent, Path(__file__).parents[2]
    for step in reversed(traceback.extract_tb(error.__traceback__)):
        path = Path(step.filename)
        if path.is_file() and not path.is_relative_to(torch_folder) and not path.is_relative_to(own_folder):
            return [f"{path.name}, line {step.lineno}: {step.line}"]
    return []


def _run(file: Path, sha256: str | None) -> ModuleType:
    """Run a file as a module with a name that no other module has."""
    source = read_source(file, sha256)
    path = file.resolve()
    module = ModuleType(f"skysort_own_{path.stem}_{hashlib.sha256(bytes(path)).hexdigest()[:16]}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # dataclasses, among others, look themselves up there
    try:
        with _neighbours(path.parent) as imported:
            exec(compile(source, path, "exec"), vars(module))
    except (SyntaxError, ImportError) as error:
        raise _failed(f"{file} cannot be run", error) from error
    except (Exception, SystemExit) as error:
        failed = _failed(f"{file} cannot be run", error)
        advice = "move code that trains or reads arguments below: if __name__ == '__main__':"
        raise SkysortError("network-failed", f"{failed}\n  {advice}") from error
    if sha256 is not None and imported:
        raise SkysortError(
            "network-failed",
            f"{file} imports {', '.join(imported)} from its own folder, and a run keeps a copy of one file only;"
            f" move that code into {file.name} to train it",
        )
    return module


@contextmanager
def _neighbours(folder: Path) -> Iterator[list[str]]:
    """Let a file import the files beside it, as when Python runs it, and undo that afterwards.

    At the end, the list has the names of these imports.
    """
    imported: list[str] = []
    before, writes_nothing = set(sys.modules), sys.dont_write_bytecode
    sys.path.insert(0, str(folder))
    sys.dont_write_bytecode = True
    try:
        yield imported
    finally:
        sys.dont_write_bytecode = writes_nothing
        sys.path.remove(str(folder))
        for name in set(sys.modules) - before:
            origin = getattr(sys.modules[name], "__file__", None)
            if origin and Path(origin).is_relative_to(folder):
                del sys.modules[name]
                imported.append(name)
