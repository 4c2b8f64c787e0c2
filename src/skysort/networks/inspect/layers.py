"""What a network is made of, layer by layer, and what it costs, without computing or allocating anything."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules import module as module_hooks
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from skysort.core.errors import SkysortError
from skysort.networks.inspect.receptive_field import PIXEL, UNKNOWN, ReceptiveField, sight_after
from skysort.networks.inspect.unregistered import kept_in_containers, kept_warnings, total, unused_warnings
from skysort.networks.inspect.user_network import source_line

# What forgets that pictures come in batches (a view with a fixed width, a squeeze) shows with two.
NUM_PICTURES = 2
BYTES_A_FLOAT = 4
_OPERATIONS = {"convolution": "conv", "addmm": "linear", "mm": "linear", "max_pool2d_with_indices": "max_pool2d"}

_VIEWS = (torch.ops.aten.view, torch.ops.aten._unsafe_view)


@dataclass(frozen=True)
class Layer:
    """One call of a layer of torch.nn, or of one function between layers, for one picture."""

    name: str
    """Where the module is in the network, as `blocks.0.conv`; for a function, the module that calls it."""
    kind: str
    """The module's class, or the function."""
    shape: tuple[int, ...]
    """Of the output."""
    parameters: int
    shared: bool
    """Whether an earlier layer has the same parameters, which count there."""
    multiply_adds: int
    """Of convolutions and matrix products; biases, activations and pooling are left out, as is usual."""
    sees: tuple[float, float]
    """Height and width of the receptive field in pixels: infinity for the whole picture, nan if not known."""
    memory: int
    """Bytes of float32 that the output takes; 0 for a view of the input."""


@dataclass(frozen=True)
class Description:
    """A network's layers in the order in which a picture meets them."""

    layers: tuple[Layer, ...]
    parameters: int
    """All that are registered, each once, used or not."""
    frozen: int
    """Those of them that no training changes, as filters that are computed from the pictures."""
    warnings: tuple[str, ...]

    @property
    def multiply_adds(self) -> int:
        """Those of all layers."""
        return sum(layer.multiply_adds for layer in self.layers)

    @property
    def memory(self) -> int:
        """Bytes of all outputs for one picture, which training keeps until the gradient is computed."""
        return sum(layer.memory for layer in self.layers)


def describe(network: nn.Module, shape: tuple[int, int, int]) -> Description:
    """Describe a network, by following two pictures without pixels through it.

    Args:
        network: from (N, C, H, W) float32 to anything; made under `torch.device("meta")`.
        shape: (C, H, W) of a picture.

    Raises:
        SkysortError: when it cannot take such pictures, naming the layer where it fails.

    >>> with torch.device("meta"):
    ...     network = nn.Sequential(nn.Conv2d(3, 16, 3), nn.Tanh())
    >>> description = describe(network, (3, 32, 32))
    >>> description.parameters, description.layers[0].sees
    (448, (3, 3))
    """
    with torch.device("meta"), torch.no_grad(), _evaluating(network):
        pictures = torch.empty(NUM_PICTURES, *shape)
        recorder = _Recorder(network, pictures)
        try:
            with recorder.watching(), recorder:
                out = network(pictures)
        except (Exception, SystemExit) as error:
            raise _failure(recorder, error) from error
    return Description(
        tuple(recorder.layers),
        total(network.parameters()),
        total(parameter for parameter in network.parameters() if not parameter.requires_grad),
        (*recorder.warnings(), *_batch_warnings(out)),
    )


@contextmanager
def _evaluating(network: nn.Module) -> Iterator[None]:
    """Switch to evaluation mode, and each module back to its own afterwards."""
    modes = [(module, module.training) for module in network.modules()]
    for module, _ in modes:  # not eval(), which never ends on a module that holds itself
        module.training = False
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


@dataclass
class _Frame:
    """A module at work."""

    module: nn.Module
    inputs: list[tuple[int, ...]]
    """Shapes."""
    num_operations: int = 0
    multiply_adds: int = 0
    memory: int = 0
    parameters: list[nn.Parameter] = field(default_factory=list)

    @property
    def is_one_layer(self) -> bool:
        """Whether it is a layer of torch.nn, or a kind of one, and not what calls layers or functions."""
        kind = next(kind for kind in type(self.module).__mro__ if kind.__module__.startswith("torch.nn."))
        is_container = kind is not type(self.module) and any(self.module.children())
        return kind not in (nn.Module, nn.Identity) and not is_container

    def clear(self) -> None:
        """Make room for the next function's figures."""
        self.num_operations = self.multiply_adds = self.memory = 0
        self.parameters = []


class _Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Sees every operation on tensors, and which module it belongs to."""

    def __init__(self, network: nn.Module, pictures: Tensor) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.network = network
        self.layers: list[Layer] = []
        self.frames: list[_Frame] = []
        self.failed: _Frame | None = None
        # The tensors are kept along with their sights, so that no other gets their id; they take no memory.
        self._sights: dict[int, tuple[Tensor, ReceptiveField]] = {id(pictures): (pictures, PIXEL)}
        self._last: Tensor | None = None
        self._used: dict[int, nn.Parameter] = {}
        self._counted: set[int] = set()
        self._kept = kept_in_containers(network)
        self._names = {id(module): name for name, module in network.named_modules()}
        for kept in self._kept:
            if isinstance(kept.value, nn.Module):
                for name, module in kept.value.named_modules(prefix=kept.place):
                    self._names.setdefault(id(module), name)
        self._seen = {id(parameter) for parameter in network.parameters()}
        self._seen |= {id(parameter) for kept in self._kept for parameter in kept.parameters}  # said by container
        self._made: list[tuple[nn.Module, nn.Parameter, str]] = []
        self._strangers: dict[int, str] = {}

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Follow which module is at work, registered anywhere or not."""
        hooks = (
            module_hooks.register_module_forward_pre_hook(self._enter),
            module_hooks.register_module_forward_hook(self._leave, always_call=True),
            module_hooks.register_module_parameter_registration_hook(self._register),
        )
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def where(self, frame: _Frame) -> str:
        """Return a module as the person calls it: `self.fc1 (Linear)`, or the class of the network itself."""
        kind = type(frame.module).__name__
        name = self._names.get(id(frame.module))
        return f"self.{name} ({kind})" if name else kind

    def warnings(self) -> Iterator[str]:
        """Yield what an optimizer would not see, and what it would see for nothing."""
        yield from kept_warnings(self._kept)
        made: dict[tuple[str, str], int] = {}
        for owner, parameter, place in self._made:
            key = (type(owner).__name__, place)
            made[key] = made.get(key, 0) + total([parameter])
        for (kind, place), num in made.items():
            yield (
                f"a {kind} is made inside forward of {place}, anew for every batch: no optimizer sees its"
                f" {num:,} parameters. Make it in __init__ and keep it as an attribute"
            )
        known = {id(parameter) for _, parameter, _ in self._made}
        yield from dict.fromkeys(text for key, text in self._strangers.items() if key not in known)
        yield from unused_warnings(self.network, self._used.values())

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Do an operation and take down what it costs."""
        out = func(*args, **(kwargs or {}))
        frame = self.frames[-1]
        for parameter in _tensors(args[1:] if func._schema.is_mutable else args):  # to be written to is no use
            if isinstance(parameter, nn.Parameter):
                self._use(parameter, frame)
        made = [
            (tensor, sight)
            for tensor in _tensors(out)
            if (sight := sight_after(func, args, tensor, self._sight, NUM_PICTURES))
        ]
        for tensor, sight in made:
            self._sights[id(tensor)] = tensor, sight
            if tensor._base is not None and func._schema.is_mutable and self._sight(tensor._base) != sight:
                self._sights[id(tensor._base)] = tensor._base, UNKNOWN  # written into a part of it
        if made:
            self._count(func, args, kwargs or {}, out, made[0], frame)
        return out

    def _sight(self, tensor: Tensor) -> ReceptiveField | None:
        return self._sights[id(tensor)][1] if id(tensor) in self._sights else None

    def _use(self, parameter: nn.Parameter, frame: _Frame) -> None:
        self._used[id(parameter)] = parameter
        frame.parameters.append(parameter)
        if id(parameter) not in self._seen:
            self._strangers[id(parameter)] = (
                f"a parameter of shape {tuple(parameter.shape)}, used in forward of {self.where(frame)}, is made"
                " there or kept where PyTorch does not look: no optimizer sees it. Keep it, or its layer, as an"
                " attribute"
            )

    def _count(
        self,
        func: Any,
        args: Any,
        kwargs: dict[str, Any],
        out: Any,
        made: tuple[Tensor, ReceptiveField],
        frame: _Frame,
    ) -> None:
        tensor, sight = made
        is_view = func.overloadpacket in _VIEWS
        is_new = func._schema.returns[0].alias_info is None and not is_view
        flops = flop_registry.get(func.overloadpacket)
        frame.num_operations += 1
        frame.multiply_adds += flops(*args, **kwargs, out_val=out) // 2 if flops else 0
        frame.memory += tensor.numel() * BYTES_A_FLOAT if is_new else 0
        if not frame.is_one_layer and (is_new or func._schema.is_mutable):
            self._add(frame, _operation(func, tensor), tensor, sight)
            self._last = tensor
        elif (
            is_view
            and self._last is not None
            and args[0] is self._last
            and len(tensor) == NUM_PICTURES != len(self._last)
        ):
            # A product of more than two dimensions is taken of a view, and viewed back.
            self.layers[-1] = replace(self.layers[-1], shape=tuple(tensor.shape[1:]))

    def _add(self, frame: _Frame, kind: str, out: Tensor, sight: ReceptiveField) -> None:
        parameters = {id(parameter): parameter.numel() for parameter in frame.parameters}
        new = parameters.keys() - self._counted
        self._counted |= new
        layer = Layer(
            name=self._names.get(id(frame.module), ""),
            kind=kind,
            shape=tuple(out.shape[1:]),
            parameters=sum(parameters[key] for key in new),
            shared=len(new) < len(parameters),
            multiply_adds=frame.multiply_adds // NUM_PICTURES,
            sees=sight.size,
            memory=frame.memory // NUM_PICTURES,
        )
        self.layers.append(layer)
        frame.clear()

    def _enter(self, module: nn.Module, inputs: Any) -> None:
        self.failed = None
        self.frames.append(_Frame(module, [tuple(tensor.shape) for tensor in _tensors(inputs)]))

    def _leave(self, module: nn.Module, inputs: Any, out: Any) -> None:
        frame = self.frames.pop()
        if out is None:  # it failed, which the forward around it may make up for
            self.failed = self.failed or frame
        tensor = next(iter(_tensors(out)), None)
        if frame.is_one_layer and tensor is not None and (frame.num_operations or not any(module.children())):
            self._add(frame, type(module).__name__, tensor, self._sight(tensor) or UNKNOWN)

    def _register(self, module: nn.Module, name: str, parameter: nn.Parameter) -> None:
        if parameter is not None and self.frames:
            self._made.append((module, parameter, self.where(self.frames[-1])))


def _tensors(values: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(values) if isinstance(leaf, Tensor)]


def _operation(func: Any, out: Tensor) -> str:
    name = func.overloadpacket.__name__
    name = _OPERATIONS.get(name, name).removeprefix("native_").strip("_")
    return f"conv{out.ndim - 2}d" if name == "conv" else name


def _batch_warnings(out: Any) -> Iterator[str]:
    tensor = next(iter(_tensors(out)), None)
    if tensor is None:
        yield "forward gives no tensor back: it may lack its return"
    elif tensor.ndim and len(tensor) != NUM_PICTURES:
        yield (
            f"{NUM_PICTURES} pictures went in and {len(tensor)} rows came out: a view or a flatten takes pictures"
            " apart; torch.flatten(x, 1) keeps them whole"
        )


def _failure(recorder: _Recorder, error: BaseException) -> SkysortError:
    """Return the error for a forward that fails: where, on what, why, and what would do."""
    frame = recorder.failed or recorder.frames[-1]
    shapes = " and ".join(map(str, frame.inputs)) or "no tensor"
    lines = [
        f"{recorder.where(frame)} fails on an input of shape {shapes}, {NUM_PICTURES} pictures:"
        f" {str(error) or type(error).__name__}"
    ]
    lines += source_line(error)
    if advice := _advice(frame):
        lines.append(advice)
    elif recorder.layers and recorder.layers[-1].shape:
        last = recorder.layers[-1]
        shape = "x".join(map(str, last.shape))
        lines.append(
            f"what was made last, by {last.kind}, is {shape} a picture: {math.prod(last.shape):,} numbers"
        )
    if "meta" in str(error):
        lines.append(
            "it is described without numbers in its tensors: what decides by them, or"
            " names a device, cannot be followed"
        )
    return SkysortError("network-failed", "\n  ".join(lines))


def _advice(frame: _Frame) -> str | None:
    """Return what would do, for the two layers whose widths people get wrong."""
    module = frame.module
    if not frame.inputs:
        return None
    _, *shape = frame.inputs[0]
    if isinstance(module, nn.Linear) and shape and (len(shape) > 1 or shape[0] != module.in_features):
        num = math.prod(shape)
        flatten = "flatten it first with torch.flatten(x, 1)" if len(shape) > 1 else ""
        wide = f"make it nn.Linear({num}, {module.out_features})" if num != module.in_features else ""
        return f"it takes {module.in_features} features: {', and '.join(filter(None, (flatten, wide)))}"
    if isinstance(module, nn.Conv2d) and shape and shape[0] != module.in_channels:
        return f"it takes {module.in_channels} channels and gets {shape[0]}"
    return None
