"""Weights in a safetensors file, compared with a network before anything is made.

The sizes of a network come from the file's own header, which anybody may have written:
a network is first built on the meta device, where it takes no memory, and its shapes
must be those of the file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import safe_open
from torch import Tensor, nn

from pyg_sitenet.brief import brief
from pyg_sitenet.nn.pairs.pair_linear import joined_form

Network = TypeVar("Network", bound=nn.Module)

_FLOATS = ("F16", "BF16", "F32", "F64")


def build_from_file(
    path: Path, build: Callable[[], Network], *, blocks: int
) -> Network:
    """Build a network with the weights of a file, once the two are compared.

    Args:
        path: A safetensors file.
        build: Makes the network, or the ensemble.
        blocks: Interaction blocks of all of it, each of one tensor at least.

    Raises:
        RuntimeError: If names, shapes or kinds differ, as from ``load_state_dict``.
    """
    with safe_open(path, framework="pt") as file:
        names = set(file.keys())
        # Before the network is built on no device: a description of a thousand blocks
        # takes time even there.
        if blocks > len(names):
            raise RuntimeError(f"{blocks} blocks have more tensors than {len(names)}")
        expected = _meta_weights(build, names)
        _check_names(names, expected)
        for name, tensor in expected.items():
            _check_tensor(name, file.get_slice(name), tensor)
        weights = {name: file.get_tensor(name) for name in names}
    network = build()
    network.load_state_dict(weights)
    return network


def _meta_weights(
    build: Callable[[], nn.Module], names: Iterable[str]
) -> dict[str, Tensor]:
    """Return the weights of a network as tensors that have a shape and no memory.

    Args:
        build: Makes the network.
        names: Tensors of a file; where it is old, the weights get its names.
    """
    with torch.device("meta"):
        weights = dict(build().state_dict())
    is_old = any(name.endswith(".value.linear.weight") for name in names)
    return joined_form(weights) if is_old else weights


def _check_names(names: set[str], expected: Mapping[str, Tensor]) -> None:
    missing, unused = set(expected) - names, names - set(expected)
    if missing:
        raise RuntimeError(f"{min(missing)} is missing")
    if unused:
        raise RuntimeError(f"{brief(min(unused))} has no place in the network")


def _check_tensor(name: str, stored: Any, expected: Tensor) -> None:  # noqa: ANN401 - safetensors has no types
    shape, kind = stored.get_shape(), stored.get_dtype()
    if shape != list(expected.shape):
        raise RuntimeError(
            f"{name} must have shape {list(expected.shape)}, got {brief(shape)}"
        )
    if expected.is_floating_point() != (kind in _FLOATS):
        raise RuntimeError(f"{name} must be {expected.dtype}, got {kind}")
