"""Weights in a safetensors file, compared with a network before anything is made.

The sizes of a network come from the file's own header, which anybody may have written:
a network is first built on the meta device, where it takes no memory, and its shapes
must be those of the file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor, nn

from pyg_sitenet.brief import brief
from pyg_sitenet.nn.pairs.pair_linear import joined_form

_FLOATS = ("F16", "BF16", "F32", "F64")


def count_tensors(path: Path) -> int:
    """Return how many tensors a safetensors file holds."""
    with safe_open(path, framework="pt") as file:
        return len(file.keys())


def meta_weights(path: Path, build: Callable[[], nn.Module]) -> dict[str, Tensor]:
    """Return the weights of a network as tensors that have a shape and no memory.

    Args:
        path: A file; where it is old, the weights get the names of old files.
        build: Makes the network.
    """
    with torch.device("meta"):
        weights = dict(build().state_dict())
    with safe_open(path, framework="pt") as file:
        is_old = any(name.endswith(".value.linear.weight") for name in file.keys())  # noqa: SIM118
    return joined_form(weights) if is_old else weights


def load_weights(path: Path) -> dict[str, Tensor]:
    """Return all tensors of a safetensors file."""
    with safe_open(path, framework="pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


def check_weights(path: Path, expected: Mapping[str, Tensor]) -> None:
    """Compare names, shapes and kinds of a file's tensors with those of a network.

    Only the header of the file is read.

    Raises:
        RuntimeError: If they differ, as from ``load_state_dict``; names a tensor.
    """
    with safe_open(path, framework="pt") as file:
        names = set(file.keys())
        _check_names(names, expected)
        for name, tensor in expected.items():
            given = file.get_slice(name)
            shape, kind = given.get_shape(), given.get_dtype()
            if shape != list(tensor.shape):
                raise RuntimeError(
                    f"{name} must have shape {list(tensor.shape)}, got {brief(shape)}"
                )
            if tensor.is_floating_point() != (kind in _FLOATS):
                raise RuntimeError(f"{name} must be {tensor.dtype}, got {kind}")


def _check_names(names: set[str], expected: Mapping[str, Tensor]) -> None:
    missing, unused = set(expected) - names, names - set(expected)
    if missing:
        raise RuntimeError(f"{min(missing)} is missing")
    if unused:
        raise RuntimeError(f"{brief(min(unused))} has no place in the network")
