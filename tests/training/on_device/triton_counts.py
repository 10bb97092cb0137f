"""Kernels in Triton's language on the simulated device: counted, but not run.

What they read and write is told from their source: every load and store of an argument
passes over the whole of it once, as an operation of PyTorch does, and an atomic
addition over it twice. Loops over heads pass over one argument, a part at a time.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, partial
from typing import Any
from unittest.mock import patch

from simulation import DEVICE, SIMULATION, SimulatedTensor
from triton.runtime.jit import JITFunction

from pyg_sitenet.nn.fast import hidden_form
from pyg_sitenet.nn.fast.triton import kernels

_PASSES = {"load": 1, "store": 1, "atomic_add": 2}


@contextmanager
def counted_kernels() -> Iterator[None]:
    """Let the kernels serve on the simulated device; their results stay unwritten."""

    def can_use(device: Any) -> bool:
        return bool(device.type == DEVICE.type)

    with (
        patch.object(hidden_form, "can_use_triton", can_use),
        patch.object(JITFunction, "__getitem__", lambda self, _: partial(_count, self)),
    ):
        yield


@cache
def passes(kernel: JITFunction) -> Counter[str]:
    """Return how often a kernel passes over each of its arguments."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(kernel.fn)))
    places = _places(tree, kernel.arg_names)
    number: Counter[str] = Counter()
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        name = getattr(call.func, "attr", getattr(call.func, "id", ""))
        if name in _PASSES and isinstance(call.func, ast.Attribute):
            number[places[_base(call.args[0])]] += _PASSES[name]
        callee = getattr(kernels, name, None)
        if isinstance(callee, JITFunction):
            within = passes(callee)
            for argument, value in zip(callee.arg_names, call.args, strict=False):
                number[places.get(_base(value), "")] += within[argument]
    return number


def _places(tree: ast.AST, arguments: list[str]) -> dict[str, str]:
    """Return arguments and names of places in them, such as ``to = out + p * H``."""
    places = {name: name for name in arguments}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.BinOp):
            (target,) = node.targets
            base = _base(node.value)
            if isinstance(target, ast.Name) and base in arguments:
                places[target.id] = base
    return places


def _base(pointer: ast.expr) -> str:
    """Return the name that offsets are added to."""
    while isinstance(pointer, ast.BinOp):
        pointer = pointer.left
    return pointer.id if isinstance(pointer, ast.Name) else ""


def _count(kernel: JITFunction, *arguments: Any, **_: Any) -> None:
    tensors = []
    for name, value in zip(kernel.arg_names, arguments, strict=False):
        if isinstance(value, SimulatedTensor):
            tensors += [value.host] * passes(kernel)[name]
    SIMULATION.add_kernel(f"triton {kernel.fn.__name__}", tensors)
