"""Encoded data sets on disk: a name that no other settings share, and no pickle."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor
from torch_geometric.data import Data

from pyg_sitenet.errors import DataError

FORMAT_VERSION = 1

_ADDRESS = re.compile(r"\b0x[0-9a-fA-F]{4,}\b")
_HEADER = "pyg_sitenet"
_Plain = str | int | float | bool | list | None  # type: ignore[type-arg]


def fingerprint(settings: Mapping[str, Any]) -> str:
    """Return a short hash of settings and of the code that encodes crystals.

    Args:
        settings: Names and values; anything with a telling ``repr``.
    """
    digest = hashlib.sha256(f"format {FORMAT_VERSION}\n".encode())
    for name, value in sorted(settings.items()):
        digest.update(f"{name}={value!r}\n".encode())
    for path in sorted(Path(__file__).parent.rglob("*.*")):
        if path.suffix in (".py", ".csv"):
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def describe(function: Callable[..., Any] | None) -> str:
    """Describe a transform by its class and all of its attributes.

    Most transforms have a ``repr`` without their arguments, which two of them with
    different arguments would share.
    """
    return _describe(function)


def is_telling(description: str) -> bool:
    """Tell whether a description means the same in another process."""
    return _ADDRESS.search(description) is None


def save_graphs(
    path: Path, data: Data, slices: Mapping[str, Tensor] | None, notes: dict[str, Any]
) -> None:
    """Write collated graphs and notes (JSON) to a file, all of it or nothing.

    Raises:
        DataError: If an attribute is no tensor, text or number, or if the folder
            cannot be written.
    """
    tensors: dict[str, Tensor] = {}
    plain: dict[str, _Plain] = {}
    for key, value in data.to_dict().items():
        if isinstance(value, Tensor):
            tensors[f"data/{key}"] = value.contiguous().clone()
        elif isinstance(value, _Plain):
            plain[key] = value
        else:
            raise DataError(
                f"`{key}` of the encoded crystals cannot be stored: expected a tensor, "
                f"text or numbers, got {type(value).__name__} (from `pre_transform`?)"
            )
    for key, value in (slices or {}).items():
        tensors[f"slices/{key}"] = torch.as_tensor(value).clone()
    header = {"plain": plain, "sliced": slices is not None, "notes": notes}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_at_once(path, tensors, {_HEADER: json.dumps(header)})
    except OSError as error:
        raise DataError(
            f"{path.parent}: cannot write the encoded crystals: {error.strerror}; "
            "choose a folder you may write to"
        ) from error


def load_graphs(
    path: Path,
) -> tuple[Data, dict[str, Tensor] | None, dict[str, Any]] | None:
    """Read what :func:`save_graphs` wrote; None if the file is missing or damaged."""
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads(file.metadata()[_HEADER])
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError, KeyError, TypeError, ValueError):
        return None
    values = dict(header["plain"])
    slices: dict[str, Tensor] = {}
    for key, tensor in tensors.items():
        kind, _, name = key.partition("/")
        (values if kind == "data" else slices)[name] = tensor
    data = Data.from_dict(values)
    return data, slices if header["sliced"] else None, header["notes"]


def _write_at_once(
    path: Path, tensors: dict[str, Tensor], meta: dict[str, str]
) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        save_file(tensors, part, metadata=meta)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _describe(value: Any) -> str:  # noqa: ANN401
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_describe, value)) + "]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{k}: {_describe(v)}" for k, v in value.items()) + "}"
    if isinstance(value, Tensor):
        return f"tensor({value.tolist()})"
    attributes = getattr(value, "__dict__", None)
    if callable(value) and attributes and not isinstance(value, type):
        kind = type(value)
        return f"{kind.__module__}.{kind.__qualname__}({_describe(attributes)})"
    if callable(value) and not isinstance(value, type):
        return f"{type(value).__module__}.{value!r}"
    return repr(value)
