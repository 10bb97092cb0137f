"""A device that is not the CPU, for machines that have none: strict, and it counts.

A tensor of it says that it lies on ``lazy``, a device without memory of its own that
PyTorch knows everywhere, and holds real numbers, so that whole trainings run. As a
GPU it refuses what mixes devices and what goes to NumPy by itself. It counts kernels,
the bytes that they read and write, and waits of the host with the line that waits. With
:attr:`Simulation.has_doubles` off it refuses float64, as Apple's GPUs do.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map

DEVICE = torch.device("lazy")
_TORCH = str(Path(torch.__file__).parent)
_WAITING = frozenset({
    "_local_scalar_dense", "_unique2", "bincount", "equal", "masked_select", "nonzero",
    "repeat_interleave", "unique_consecutive", "unique_dim", "unique_dim_consecutive",
})  # fmt: skip
_NO_KERNEL = frozenset({
    "_local_scalar_dense", "_unsafe_view", "empty_like", "is_same_size", "new_empty",
    "new_empty_strided",
})  # fmt: skip
_MAKING = ("empty.memory_format", "empty_strided", "arange", "arange.start",
           "arange.start_step")  # fmt: skip
_SPLIT_OTHERWISE = ("mish_backward", "silu_backward")
"""PyTorch would take them apart on a device without kernels of its own."""


@dataclass
class Counts:
    """What a device did, and what the host waited for."""

    kernels: Counter[str] = field(default_factory=Counter)
    waits: Counter[str] = field(default_factory=Counter)
    moved: Counter[str] = field(default_factory=Counter)  # bytes, by kernel

    @property
    def num_kernels(self) -> int:
        """How many were launched."""
        return self.kernels.total()

    @property
    def num_waits(self) -> int:
        """How often the host waited."""
        return self.waits.total()

    @property
    def bytes(self) -> int:
        """What all kernels read and wrote."""
        return self.moved.total()

    def since(self, before: Counts) -> Counts:
        """Return what came after an earlier count."""
        return Counts(
            self.kernels - before.kernels,
            self.waits - before.waits,
            self.moved - before.moved,
        )


class Simulation:
    """The device's state: what is counted, and whether it has float64.

    With ``notes_places`` on, kernels are told apart by the line that launches them.
    """

    has_doubles, notes_places = True, False

    def __init__(self) -> None:
        self._counts: list[Counts] = []

    @contextmanager
    def counting(self) -> Iterator[Counts]:
        """Count what is done within."""
        counts = Counts()
        self._counts.append(counts)
        try:
            yield counts
        finally:
            self._counts.remove(counts)

    def add_kernel(self, name: str, tensors: list[Tensor]) -> None:
        """Count a kernel that reads or writes tensors."""
        if self.notes_places:
            name = f"{name} at {_place()}"
        for counts in self._counts:
            counts.kernels[name] += 1
            counts.moved[name] += sum(map(_num_bytes, tensors))

    def add_wait(self, name: str) -> None:
        """Count a wait of the host."""
        for counts in self._counts:
            counts.waits[f"{name} at {_place()}"] += 1


SIMULATION = Simulation()


class SimulatedTensor(Tensor):
    """A tensor on the device; ``host`` has its numbers."""

    host: Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, real: Tensor) -> SimulatedTensor:
        if real.dtype == torch.float64 and not SIMULATION.has_doubles:
            raise TypeError(f"the device has no float64, asked for at {_place()}")
        with torch.inference_mode(mode=False):  # of whose tensors nothing is a view
            tensor: SimulatedTensor = Tensor._make_wrapper_subclass(
                cls, real.size(), strides=real.stride(), dtype=real.dtype,
                storage_offset=real.storage_offset(), layout=real.layout,
                device=DEVICE,
            )  # fmt: skip
        tensor.host = real
        return tensor

    def __repr__(self) -> str:
        return f"SimulatedTensor({self.host!r})"

    @classmethod
    def __torch_dispatch__(
        cls, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        return _run(func, args, kwargs or {})

    def numpy(self, **_: Any) -> Any:
        raise TypeError(f"a tensor of the device goes to NumPy at {_place()}")

    __array__ = numpy

    def tolist(self) -> Any:
        return self.detach().cpu().tolist()

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Go into a file as a tensor of the CPU, as one that is mapped to it."""
        return self.detach().cpu().__reduce_ex__(protocol)

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        if id(self) not in memo:
            copy = SimulatedTensor(self.host.detach().clone())
            if isinstance(self, torch.nn.Parameter):
                copy = torch.nn.Parameter(copy, self.requires_grad)
            memo[id(self)] = copy.requires_grad_(self.requires_grad)
        return memo[id(self)]


def _run(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    if torch.is_inference_mode_enabled():  # where nothing has taken it apart before
        result = func.decompose(*args, **kwargs)
        if result is not NotImplemented:
            return result
    name = func._schema.name.removeprefix("aten::")
    if name in ("_to_copy", "copy_"):
        return _move(func, args, kwargs)
    simulated, plain = _tensors(args, kwargs)
    _refuse_mix(name, plain)
    if name in _WAITING or _has_mask(name, args):
        SIMULATION.add_wait(name)
    if "device" in kwargs:
        kwargs = {**kwargs, "device": torch.device("cpu")}
    out = func(*_real(args), **_real(kwargs))
    results = [x for x in tree_leaves(out) if isinstance(x, Tensor)]
    if not _is_view(func) and name not in _NO_KERNEL:
        SIMULATION.add_kernel(name, [*(x.host for x in simulated), *results])
    own = {id(x.host): x for x in simulated}
    return tree_map(lambda x: own[id(x)] if id(x) in own else _wrapped(x), out)


def _move(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """Copy within the device, to it or from it."""
    is_new = func._schema.name == "aten::_to_copy"
    source = args[0] if is_new else args[1]
    target = kwargs.get("device") or source.device if is_new else args[0].device
    is_there = torch.device(target).type == DEVICE.type
    if is_there == isinstance(source, SimulatedTensor):
        tensors = [_real(x) for x in args if isinstance(x, Tensor)]
        SIMULATION.add_kernel("copy", tensors)
    elif not (is_there and _is_asynchronous(args, kwargs)):
        SIMULATION.add_wait("copy to the device" if is_there else "copy to the host")
    if is_new and "device" in kwargs:
        kwargs = {**kwargs, "device": torch.device("cpu")}
    out = func(*_real(args), **_real(kwargs))
    if not is_new:
        return args[0]
    return SimulatedTensor(out) if is_there else out


def _is_asynchronous(args: Any, kwargs: dict[str, Any]) -> bool:
    return bool(kwargs.get("non_blocking", args[2:3] == (True,)))


def _tensors(*values: Any) -> tuple[list[SimulatedTensor], list[Tensor]]:
    """Return the tensors of the device, and those of the host."""
    leaves = [x for x in tree_leaves(values) if isinstance(x, Tensor)]
    simulated = [x for x in leaves if isinstance(x, SimulatedTensor)]
    return simulated, [x for x in leaves if not isinstance(x, SimulatedTensor)]


def _refuse_mix(name: str, plain: list[Tensor]) -> None:
    """Raise where a tensor of the host takes part: numbers and indices may."""
    mixed = [tuple(x.shape) for x in plain if x.dim() > 0]
    if not mixed:
        return
    if not name.startswith(("index", "_index_put")):
        raise RuntimeError(
            f"expected all tensors to be on the same device: {name} at {_place()} has "
            f"tensors of the host, of shapes {mixed}"
        )
    SIMULATION.add_wait("copy of an index to the device")


def _has_mask(name: str, args: Any) -> bool:
    """Whether pairs are chosen by a mask, whose length the host must know."""
    if name not in ("index", "index_put_", "index_put", "_index_put_impl_"):
        return False
    return any(x is not None and x.dtype in (torch.bool, torch.uint8) for x in args[1])


def _is_view(func: Any) -> bool:
    aliases = [result.alias_info for result in func._schema.returns]
    return any(alias is not None and not alias.is_write for alias in aliases)


def _real(values: Any) -> Any:
    return tree_map(lambda x: x.host if isinstance(x, SimulatedTensor) else x, values)


def _wrapped(value: Any) -> Any:
    return SimulatedTensor(value) if isinstance(value, Tensor) else value


def _num_bytes(tensor: Tensor) -> int:
    """Return what a tensor takes, without the copies of one that is expanded."""
    sizes = zip(tensor.shape, tensor.stride(), strict=True)
    number = 1
    for size, stride in sizes:
        number *= size if stride != 0 else min(size, 1)
    return number * tensor.element_size()


def _place() -> str:
    """Return file and line that led here, outside of PyTorch and this module."""
    frame = sys._getframe(1)
    while frame.f_back is not None:
        file = frame.f_code.co_filename
        if file != __file__ and not file.startswith((_TORCH, "<")):
            break
        frame = frame.f_back
    return f"{'/'.join(Path(frame.f_code.co_filename).parts[-3:])}:{frame.f_lineno}"


def _maker(overload: str) -> Callable[..., Tensor]:
    name, _, kind = overload.partition(".")
    func = getattr(getattr(torch.ops.aten, name), kind or "default")

    def make(*args: Any, **kwargs: Any) -> Tensor:
        out = func(*args, **{**kwargs, "device": torch.device("cpu")})
        if not name.startswith("empty"):
            SIMULATION.add_kernel(name, [out])
        return SimulatedTensor(out)

    return make


def _copy_from(source: Tensor, target: SimulatedTensor, _: bool = False) -> Tensor:
    """Make a tensor from numbers of Python, which is what this is called for."""
    SIMULATION.add_wait("copy to the device")
    target.host.copy_(_real(source))
    return target


def _refuse(*_: Any, **__: Any) -> Any:
    raise NotImplementedError("the simulated tensor comes first")


_LIBRARY = torch.library.Library("aten", "IMPL", "Lazy")  # as long as the process
for _name in _MAKING:
    _LIBRARY.impl(_name, _maker(_name))
for _name in _SPLIT_OTHERWISE:
    _LIBRARY.impl(_name, _refuse)
_LIBRARY.impl("_copy_from", _copy_from)
