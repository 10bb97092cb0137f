"""A trained model as one file: weights and their description, nothing unpickled."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from pyg_sitenet.atomic_write import os_reason, read_problem, replacing
from pyg_sitenet.brief import brief_line
from pyg_sitenet.errors import ModelFileError
from pyg_sitenet.model_header import (
    FORMAT_VERSION,
    ModelDescription,
    parse_description,
)
from pyg_sitenet.nn import SiteNet, SiteNetEnsemble
from pyg_sitenet.nn.weights.weight_file import build_from_file
from pyg_sitenet.ready_models import READY_MODELS

MODEL_FILE_NAME = "model.safetensors"
_HEADER_KEY = "pyg_sitenet"

__all__ = [
    "FORMAT_VERSION",
    "MODEL_FILE_NAME",
    "ModelDescription",
    "find_model_file",
    "hash_of_model",
    "load_model",
    "load_network",
    "read_description",
    "save_model",
]


def save_model(
    path: str | Path,
    model: SiteNet | SiteNetEnsemble,
    description: ModelDescription,
    *,
    half: bool = False,
) -> None:
    """Write a model and its description to one safetensors file.

    The file appears under its name only when all of it is on the disk.

    Args:
        path: The file.
        model: With its weights.
        description: What it is.
        half: Keep the weights as float16, in half the space; the network computes with
            float32 all the same. Scales and means stay as they are.

    Raises:
        ModelFileError: If the file cannot be written.
    """
    path = Path(path)
    tensors = {
        name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, tensor in model.state_dict().items()
    }
    if half:
        weights = dict(model.named_parameters())
        tensors |= {name: tensors[name].half() for name in weights}
    header = {_HEADER_KEY: description.model_dump_json()}
    try:
        with replacing(path) as file:
            file.write(save(tensors, metadata=header))
    except (OSError, SafetensorError) as error:
        reason = os_reason(error) or error
        raise ModelFileError(
            f"{path}: cannot be written: {reason}; free space or choose another place"
        ) from error


def find_model_file(path: str | Path) -> Path:
    """Return the model file that is meant: itself, that of a run, or a ready one.

    Args:
        path: A file, a run folder, or the name of a ready model; what exists under
            that path wins over a name.

    Raises:
        ModelFileError: If there is none.
        TypeError: If it is no path.
    """
    if not isinstance(path, str | os.PathLike):
        raise TypeError(
            "expected the path of one model file or run folder, or the name of a ready "
            f"model, got {type(path).__name__}"
        )
    path = Path(path)
    if not os.path.exists(path) and str(path) in READY_MODELS:
        return READY_MODELS[str(path)].file
    if os.path.isdir(path):
        if (path / MODEL_FILE_NAME).is_file():
            return path / MODEL_FILE_NAME
        raise ModelFileError(f"{path}: holds no {MODEL_FILE_NAME}; {_remedy(path)}")
    if not os.path.exists(path) and "," in str(path):
        raise ModelFileError(
            f"{path}: no such file, or several models where one is expected; `sitenet "
            "predict` alone takes several"
        )
    if not os.path.isfile(path):
        raise ModelFileError(
            f"{path}: no such file; expected a model file, a run folder or a ready "
            f"model ({', '.join(READY_MODELS)})"
        )
    return path


def _remedy(folder: Path) -> str:
    """Say what to do about a folder without a model."""
    if (folder / "config.yaml").is_file():
        return (
            "its training is not finished, continue it with `sitenet train --output "
            f"{folder} --resume`"
        )
    runs = sorted(folder.glob(f"*/{MODEL_FILE_NAME}"))
    if runs:
        return f"it holds several runs, give one of them, such as {runs[0].parent}"
    return "expected a model file or the folder of a finished training run"


def read_description(path: str | Path) -> ModelDescription:
    """Read what a model file says about its model, without reading the weights.

    Args:
        path: A model file or a run folder.

    Raises:
        ModelFileError: If the file is damaged, not one of ours, or newer.
    """
    path = find_model_file(path)
    _check_kind(path)
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise _unreadable(path, error) from error
    return _parse_header(path, header)


def load_model(
    path: str | Path,
) -> tuple[SiteNet | SiteNetEnsemble, ModelDescription]:
    """Build the model of a file; it is in evaluation mode and on the CPU.

    Args:
        path: A model file or a run folder.

    Raises:
        ModelFileError: If the file is damaged, not one of ours, or newer.
    """
    path = find_model_file(path)
    description = read_description(path)
    try:
        model = build_from_file(
            path,
            lambda: _build(description),
            blocks=description.members * description.config.model.blocks,
        )
    except (OSError, SafetensorError) as error:
        raise _unreadable(path, error) from error
    except (RuntimeError, ValueError) as error:
        raise ModelFileError(
            f"{path}: the weights do not fit the model its header describes: "
            f"{brief_line(error)}"
        ) from error
    return model.eval(), description


def load_network(path: str | Path) -> tuple[SiteNet, ModelDescription]:
    """Build the single network of a file, as :func:`load_model`.

    Raises:
        ModelFileError: If it is an ensemble, or as in :func:`load_model`.
    """
    model, description = load_model(path)
    if isinstance(model, SiteNet):
        return model, description
    raise ModelFileError(
        f"{path}: an ensemble of {description.members}; expected a single network such "
        "as a run folder below its members/"
    )


def _build(description: ModelDescription) -> SiteNet | SiteNetEnsemble:
    config, layout = description.config.model, description.layout
    members = [SiteNet(config, layout=layout) for _ in range(description.members)]
    return members[0] if len(members) == 1 else SiteNetEnsemble(members)


def _check_kind(path: Path) -> None:
    """Refuse what other programs write before safetensors calls it damaged."""
    try:
        with path.open("rb") as file:
            start = file.read(9)
    except OSError as error:
        raise _unreadable(path, error) from error
    # Eight bytes of length, then JSON: the length alone may look like a pickle's start.
    if start[8:9] == b"{":
        return
    if start[:4] == b"PK\x03\x04" or start[:1] == b"\x80":
        raise ModelFileError(
            f"{path}: a pickled checkpoint, which is never loaded as a model; give the "
            f"run folder or its {MODEL_FILE_NAME}"
        )
    raise ModelFileError(
        f"{path}: not a model file (or empty); expected the {MODEL_FILE_NAME} of a "
        "training run"
    )


def _parse_header(path: Path, header: Mapping[str, str]) -> ModelDescription:
    if _HEADER_KEY not in header:
        raise ModelFileError(
            f"{path}: a safetensors file without a pyg_sitenet description; it was "
            "written by another program"
        )
    return parse_description(header[_HEADER_KEY], str(path))


def _unreadable(path: Path, error: Exception) -> ModelFileError:
    if isinstance(error, PermissionError):
        return ModelFileError(f"{path}: {read_problem(error)}")
    return ModelFileError(
        f"{path}: damaged or truncated, copy or train it again: {brief_line(error)}"
    )


def hash_of_model(
    model: SiteNet | SiteNetEnsemble, description: ModelDescription
) -> str:
    """Return a hash of the weights and of the description."""
    digest = hashlib.sha256(description.model_dump_json().encode())
    for name, tensor in model.state_dict().items():
        digest.update(name.encode() + b"\0" + tensor.cpu().numpy().tobytes())
    return digest.hexdigest()
