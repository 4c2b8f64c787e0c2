"""A person's own network: a class in a Python file of theirs."""

import hashlib
import inspect
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from torch import nn

from skysort.errors import NotUnderstoodError, SkysortError, suggestion


def own_network(target: str) -> nn.Module:
    """Run a person's file and make the network it defines.

    Args:
        target: `FILE.py:Class`, a class that is made without arguments, or a network made in the file.

    Raises:
        NotUnderstoodError: when there is no such file, no such class in it, or it is no network.
        SkysortError: when the file or the class's `__init__` fails.
    """
    file, _, name = target.rpartition(":")
    if not file or not name.isidentifier():
        raise NotUnderstoodError(f"expected FILE.py:Class, found '{target}'")
    module = _run(Path(file))
    network = getattr(module, name, None)
    if network is None:
        known = [key for key, value in vars(module).items() if _is_network(value)]
        instead = suggestion(name, known) if known else "there is no nn.Module in it at all"
        raise NotUnderstoodError(f"{file} has no class '{name}'; {instead}")
    if isinstance(network, nn.Module):
        return network
    if not _is_network(network):
        raise NotUnderstoodError(f"{target} is no nn.Module but {_what(network)}")
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
            f"{target} cannot be made without arguments: __init__ needs {', '.join(needed)};"
            " give them defaults, or describe a subclass that does"
        )
    try:
        return network()
    except (Exception, SystemExit) as error:
        raise SkysortError(f"{target} cannot be made: {type(error).__name__}: {error}") from error


def _run(file: Path) -> ModuleType:
    """Run a file as a module of its own, whatever other files are called."""
    try:
        source = file.read_bytes()
    except OSError as error:
        raise NotUnderstoodError(f"cannot read {file}: {error.strerror}") from None
    path = file.resolve()
    module = ModuleType(f"skysort_own_{path.stem}_{hashlib.sha256(bytes(path)).hexdigest()[:16]}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # dataclasses, among others, look themselves up there
    try:
        with _neighbours(path.parent):
            exec(compile(source, path, "exec"), vars(module))
    except (SyntaxError, ImportError) as error:
        raise SkysortError(f"{file} cannot be run: {type(error).__name__}: {error}") from error
    except (Exception, SystemExit) as error:
        raise SkysortError(
            f"{file} cannot be run: {type(error).__name__}: {error}"
            "\n  what trains or reads arguments belongs below: if __name__ == '__main__':"
        ) from error
    return module


@contextmanager
def _neighbours(folder: Path) -> Iterator[None]:
    """Let a file import those beside it, as when Python runs it, and leave no trace of that."""
    before, writes_nothing = set(sys.modules), sys.dont_write_bytecode
    sys.path.insert(0, str(folder))
    sys.dont_write_bytecode = True
    try:
        yield
    finally:
        sys.dont_write_bytecode = writes_nothing
        sys.path.remove(str(folder))
        for name in set(sys.modules) - before:
            origin = getattr(sys.modules[name], "__file__", None)
            if origin and Path(origin).is_relative_to(folder):
                del sys.modules[name]
