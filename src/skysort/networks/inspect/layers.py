"""The layers of a network and their costs, without computing or allocating anything."""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules import module as module_hooks
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from skysort.core.errors import SkysortError
from skysort.networks.inspect.advice import batch_warnings, tensors_in, width_advice
from skysort.networks.inspect.receptive_field import PIXEL, UNKNOWN, ReceptiveField, sight_after
from skysort.networks.inspect.unregistered import kept_in_containers, kept_warnings, total, unused_warnings
from skysort.networks.inspect.user_network import source_line

# Two pictures show code that forgets the batch, such as a view with a fixed width or a squeeze.
NUM_PICTURES = 2
BYTES_PER_FLOAT = 4
_OPERATIONS = {"convolution": "conv", "addmm": "linear", "mm": "linear", "max_pool2d_with_indices": "max_pool2d"}

_VIEWS = (torch.ops.aten.view, torch.ops.aten._unsafe_view)


@dataclass(frozen=True)
class Layer:
    """One call of a layer of torch.nn, or of one function between layers, for one picture."""

    name: str
    """Path of the module in the network, as `blocks.0.conv`; for a function, of the module that calls it."""
    kind: str
    """Class of the module, or name of the function."""
    shape: tuple[int, ...]
    """Shape of the output."""
    parameters: int
    shared: bool
    """Whether an earlier layer has the same parameters. They count there."""
    multiply_adds: int
    """Of convolutions and matrix products. As usual, biases, activations and pooling do not count."""
    sees: tuple[float, float]
    """Height and width of the receptive field in pixels: infinity for the whole picture, NaN if not known."""
    memory: int
    """Bytes of the output in float32; 0 for a view of the input."""


@dataclass(frozen=True)
class Description:
    """A network's layers in the order in which a picture meets them."""

    layers: tuple[Layer, ...]
    parameters: int
    """All registered parameters, each once, used or not."""
    frozen: int
    """Parameters that training does not change, for example filters computed from the pictures."""
    warnings: tuple[str, ...]

    @property
    def multiply_adds(self) -> int:
        """Of all layers."""
        return sum(layer.multiply_adds for layer in self.layers)

    @property
    def memory(self) -> int:
        """Bytes of all outputs for one picture. Training keeps them until the gradient is computed."""
        return sum(layer.memory for layer in self.layers)


def describe(network: nn.Module, shape: tuple[int, int, int]) -> Description:
    """Describe a network by passing two pictures without pixel values through it.

    Args:
        network: from (N, C, H, W) float32 to anything; made under `torch.device("meta")`.
        shape: (C, H, W) of a picture.

    Raises:
        SkysortError: when it fails on such pictures; the error names the layer.

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
        (*recorder.warnings(), *batch_warnings(out, NUM_PICTURES)),
    )


@contextmanager
def _evaluating(network: nn.Module) -> Iterator[None]:
    """Switch to evaluation mode, and restore the mode of each module afterwards."""
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
    """A module during its forward."""

    module: nn.Module
    inputs: list[tuple[int, ...]]
    """Shapes."""
    num_operations: int = 0
    multiply_adds: int = 0
    memory: int = 0
    parameters: list[nn.Parameter] = field(default_factory=list)

    @property
    def is_one_layer(self) -> bool:
        """Whether it is a layer of torch.nn or a subclass of one, not a module that calls layers or functions."""
        kind = next(kind for kind in type(self.module).__mro__ if kind.__module__.startswith("torch.nn."))
        is_container = kind is not type(self.module) and any(self.module.children())
        return kind not in (nn.Module, nn.Identity) and not is_container

    def clear(self) -> None:
        """Reset the figures for the next function."""
        self.num_operations = self.multiply_adds = self.memory = 0
        self.parameters = []


class _Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Records every operation on tensors, with the module that it belongs to."""

    def __init__(self, network: nn.Module, pictures: Tensor) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.network = network
        self.layers: list[Layer] = []
        self.frames: list[_Frame] = []
        self.failed: _Frame | None = None
        # The tensors are kept with their receptive fields, so that no other tensor gets their id.
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
        self._seen |= {
            id(parameter) for kept in self._kept for parameter in kept.parameters
        }  # the warning about containers covers these
        self._late: list[tuple[nn.Module, nn.Parameter, str]] = []
        self._strangers: dict[int, str] = {}

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Keep track of the module whose forward runs, registered or not."""
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
        """Return a module as its author would call it: `self.fc1 (Linear)`, or the class of the network itself."""
        kind = type(frame.module).__name__
        name = self._names.get(id(frame.module))
        return f"self.{name} ({kind})" if name else kind

    def warnings(self) -> Iterator[str]:
        """Yield a warning for parameters that an optimizer would miss, and for those that are never used."""
        yield from kept_warnings(self._kept)
        nums: dict[tuple[str, str], int] = {}
        for owner, parameter, place in self._late:
            key = (type(owner).__name__, place)
            nums[key] = nums.get(key, 0) + total([parameter])
        for (kind, place), num in nums.items():
            yield (
                f"forward of {place} makes a new {kind} for every batch: no optimizer sees its"
                f" {num:,} parameters. Make it in __init__ and keep it as an attribute"
            )
        known = {id(parameter) for _, parameter, _ in self._late}
        yield from dict.fromkeys(text for key, text in self._strangers.items() if key not in known)
        yield from unused_warnings(self.network, self._used.values())

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Run an operation and record its costs."""
        out = func(*args, **(kwargs or {}))
        frame = self.frames[-1]
        for parameter in tensors_in(
            args[1:] if func._schema.is_mutable else args
        ):  # a parameter that is only written to is not used
            if isinstance(parameter, nn.Parameter):
                self._use(parameter, frame)
        outputs = [
            (tensor, sight)
            for tensor in tensors_in(out)
            if (sight := sight_after(func, args, tensor, self._sight, NUM_PICTURES))
        ]
        for tensor, sight in outputs:
            self._sights[id(tensor)] = tensor, sight
            if tensor._base is not None and func._schema.is_mutable and self._sight(tensor._base) != sight:
                self._sights[id(tensor._base)] = tensor._base, UNKNOWN  # the operation wrote to a part of it
        if outputs:
            self._count(func, args, kwargs or {}, out, outputs[0], frame)
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
        kwargs: Mapping[str, Any],
        out: Any,
        output: tuple[Tensor, ReceptiveField],
        frame: _Frame,
    ) -> None:
        tensor, sight = output
        is_view = func.overloadpacket in _VIEWS
        is_new = func._schema.returns[0].alias_info is None and not is_view
        flops = flop_registry.get(func.overloadpacket)
        frame.num_operations += 1
        frame.multiply_adds += flops(*args, **kwargs, out_val=out) // 2 if flops else 0
        frame.memory += tensor.numel() * BYTES_PER_FLOAT if is_new else 0
        if not frame.is_one_layer and (is_new or func._schema.is_mutable):
            self._add(frame, _operation(func, tensor), tensor, sight)
            self._last = tensor
        elif (
            is_view
            and self._last is not None
            and args[0] is self._last
            and len(tensor) == NUM_PICTURES != len(self._last)
        ):
            # PyTorch computes a product of more than two dimensions on a view, and reshapes the result.
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
        self.frames.append(_Frame(module, [tuple(tensor.shape) for tensor in tensors_in(inputs)]))

    def _leave(self, module: nn.Module, inputs: Any, out: Any) -> None:
        frame = self.frames.pop()
        if out is None:  # it failed, though an outer forward may catch that
            self.failed = self.failed or frame
        tensor = next(iter(tensors_in(out)), None)
        if frame.is_one_layer and tensor is not None and (frame.num_operations or not any(module.children())):
            self._add(frame, type(module).__name__, tensor, self._sight(tensor) or UNKNOWN)

    def _register(self, module: nn.Module, name: str, parameter: nn.Parameter) -> None:
        if parameter is not None and self.frames:
            self._late.append((module, parameter, self.where(self.frames[-1])))


def _operation(func: Any, out: Tensor) -> str:
    name = func.overloadpacket.__name__
    name = _OPERATIONS.get(name, name).removeprefix("native_").strip("_")
    return f"conv{out.ndim - 2}d" if name == "conv" else name


def _failure(recorder: _Recorder, error: BaseException) -> SkysortError:
    """Return the error for a failed forward: the module, its input, the reason, and advice."""
    frame = recorder.failed or recorder.frames[-1]
    shapes = " and ".join(map(str, frame.inputs)) or "no tensor"
    lines = [
        f"{recorder.where(frame)} fails on an input of shape {shapes}, {NUM_PICTURES} pictures:"
        f" {str(error) or type(error).__name__}"
    ]
    lines += source_line(error)
    if advice := width_advice(frame.module, frame.inputs):
        lines.append(advice)
    elif recorder.layers and recorder.layers[-1].shape:
        last = recorder.layers[-1]
        shape = "x".join(map(str, last.shape))
        lines.append(f"the last output, of {last.kind}, is {shape} per picture: {math.prod(last.shape):,} numbers")
    if "meta" in str(error):
        lines.append(
            "describe passes tensors without values, so code that depends on values or names a device"
            " cannot be followed"
        )
    return SkysortError("network-failed", "\n  ".join(lines))
