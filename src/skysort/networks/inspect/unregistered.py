"""Parameters that an optimizer never sees, or that a network never uses."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from torch import Tensor, nn
from torch.nn.parameter import is_lazy

_OWN_ATTRIBUTES = frozenset(vars(nn.Module()))
_REGISTERED = {
    ("Module", "dict"): "nn.ModuleDict",
    ("Module", "list"): "nn.ModuleList",
    ("Parameter", "dict"): "nn.ParameterDict",
    ("Parameter", "list"): "nn.ParameterList",
}


@dataclass(frozen=True)
class UnregisteredLayer:
    """A layer or a parameter in a plain list, tuple, set or dict, where PyTorch does not find it."""

    attribute: str
    """Path of the attribute that holds the container, as `encoder.blocks`."""
    container: Any
    place: str
    """Path of the layer in the container, as `encoder.blocks[3]`."""
    value: nn.Module | nn.Parameter

    @property
    def parameters(self) -> list[nn.Parameter]:
        """The parameters that an optimizer therefore misses."""
        return list(self.value.parameters()) if isinstance(self.value, nn.Module) else [self.value]


def total(parameters: Iterable[Tensor]) -> int:
    """Count the numbers in parameters. Those of a lazy layer have no size before its first picture."""
    return sum(0 if is_lazy(parameter) else parameter.numel() for parameter in parameters)


def kept_in_containers(network: nn.Module) -> list[UnregisteredLayer]:
    """Find layers and parameters in plain containers that are not registered elsewhere."""
    registered: set[int] = {id(part) for part in (*network.modules(), *network.parameters())}
    unregistered = []
    for name, module in network.named_modules():
        for attribute, value in vars(module).items():
            if attribute in _OWN_ATTRIBUTES or isinstance(value, nn.Module | Tensor):
                continue
            path = f"{name}.{attribute}" if name else attribute
            inside = (UnregisteredLayer(path, value, place, part) for place, part in _inside(value, path, set()))
            unregistered += [kept for kept in inside if id(kept.value) not in registered]
    return unregistered


def _inside(value: Any, place: str, seen: set[int]) -> Iterator[tuple[str, nn.Module | nn.Parameter]]:
    """Yield layers and parameters at any depth. A container that holds itself is entered once."""
    if isinstance(value, nn.Module | nn.Parameter):
        yield place, value
    elif isinstance(value, dict | list | tuple | set | frozenset) and id(value) not in seen:
        seen.add(id(value))
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in items:
            yield from _inside(inner, f"{place}[{key!r}]", seen)


def kept_warnings(kept: Iterable[UnregisteredLayer]) -> Iterator[str]:
    """Yield one warning per container."""
    with_parameters = (one for one in kept if one.parameters)
    for attribute, group in groupby(with_parameters, key=lambda one: one.attribute):
        parts = list(group)
        num = total(parameter for part in parts for parameter in part.parameters)
        names = ", ".join(f"self.{part.place}: {type(part.value).__name__}" for part in parts)
        kind = "dict" if isinstance(parts[0].container, dict) else "list"
        content = "Module" if isinstance(parts[0].value, nn.Module) else "Parameter"
        yield (
            f"self.{attribute} is a plain {type(parts[0].container).__name__}, where PyTorch does not look:"
            f" no optimizer sees the {num:,} parameters of {names}."
            f" Make it an {_REGISTERED[content, kind]}"
        )


def unused_warnings(network: nn.Module, used: Iterable[Tensor]) -> Iterator[str]:
    """Yield one warning per module that has registered parameters of its own which forward does not use."""
    seen = {id(parameter) for parameter in used}
    for name, module in network.named_modules():
        own = dict(module.named_parameters(recurse=False))
        idle = {key: parameter for key, parameter in own.items() if id(parameter) not in seen}
        if not idle:
            continue
        num = total(idle.values())
        if name and len(idle) == len(own):
            names = f"self.{name}: {type(module).__name__}"
        else:
            names = ", ".join(f"self.{name}.{key}" if name else f"self.{key}" for key in idle)
        yield f"{names} is registered and never used in forward ({num:,} parameters)"
