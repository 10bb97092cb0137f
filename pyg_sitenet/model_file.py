"""A trained model as one file: weights and their description, nothing unpickled."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from pyg_sitenet.config import Config
from pyg_sitenet.domain import Domain
from pyg_sitenet.errors import ModelFileError
from pyg_sitenet.nn import SiteNet, SiteNetEnsemble
from pyg_sitenet.nn.output_layout import OutputLayout
from pyg_sitenet.ready_models import READY_MODELS
from pyg_sitenet.uncertainty import Calibration

FORMAT_VERSION = 3  # 2 added ensembles and calibrated intervals, 3 classes
MODEL_FILE_NAME = "model.safetensors"
_HEADER_KEY = "pyg_sitenet"


class ModelDescription(BaseModel):
    """What a model was trained on and with: the JSON in the header of its file.

    Attributes:
        format_version: Version of the file format; a newer one is refused.
        config: The complete configuration of the run.
        targets: Names of the predicted properties, in the order of the outputs.
        units: Unit of each target; a target without a unit may be absent.
        elements: Atomic numbers that occur in the training part.
        target_ranges: Smallest and largest training value of each target.
        domain: What the crystals of the training part are like; None in files that
            were written before it was recorded.
        versions: Versions of the libraries that wrote the file.
        metrics: The metrics of the run (see ``metrics.json``).
        members: Networks in the file; their tensors are ``members.0.…`` and so on.
        calibration: What gives intervals; ``None`` if none was kept for it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format_version: int = FORMAT_VERSION
    config: Config
    targets: tuple[str, ...]
    units: dict[str, str] = {}
    elements: tuple[int, ...] = ()
    target_ranges: dict[str, tuple[float, float]] = {}
    domain: Domain | None = None
    versions: dict[str, str] = {}
    metrics: dict[str, Any] = {}
    members: int = Field(1, ge=1)
    calibration: Calibration | None = None

    @property
    def layout(self) -> OutputLayout:
        """What the outputs of the model are."""
        transforms = self.config.training.target_transform
        return OutputLayout.make(self.targets, self.classes, transforms)

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the outputs: of numbers the target, of classes each probability."""
        return self.layout.outputs

    @property
    def classes(self) -> dict[str, tuple[str, ...]]:
        """Labels of each target that is classes, in the order of the outputs."""
        return dict(self.config.data.classes)


def save_model(
    path: str | Path,
    model: SiteNet | SiteNetEnsemble,
    description: ModelDescription,
    *,
    half: bool = False,
) -> None:
    """Write a model and its description to one safetensors file.

    The file appears under its name only when it is complete.

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
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        header = {_HEADER_KEY: description.model_dump_json()}
        save_file(tensors, part, metadata=header)
        part.replace(path)
    except (OSError, SafetensorError) as error:
        part.unlink(missing_ok=True)
        raise ModelFileError(f"{path}: cannot be written: {error}") from error


def find_model_file(path: str | Path) -> Path:
    """Return the model file that is meant: itself, that of a run, or a ready one.

    Args:
        path: A file, a run folder, or the name of a ready model; what exists under
            that path wins over a name.

    Raises:
        ModelFileError: If there is none.
    """
    path = Path(path)
    if not path.exists() and str(path) in READY_MODELS:
        return READY_MODELS[str(path)].file
    if path.is_dir():
        if (path / MODEL_FILE_NAME).is_file():
            return path / MODEL_FILE_NAME
        raise ModelFileError(
            f"{path}: holds no {MODEL_FILE_NAME}; expected a model file or the folder "
            "of a finished training run"
        )
    if not path.is_file():
        raise ModelFileError(
            f"{path}: no such file; expected a model file, a run folder or a ready "
            f"model ({', '.join(READY_MODELS)})"
        )
    return path


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
        model = _build(description)
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
        model.load_state_dict(tensors, strict=True)
    except (OSError, SafetensorError) as error:
        raise _unreadable(path, error) from error
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise ModelFileError(
            f"{path}: the weights do not fit the model its header describes:"
            f" {reason[:200]}"
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
    members = [
        SiteNet(description.config.model, layout=description.layout)
        for _ in range(description.members)
    ]
    return members[0] if len(members) == 1 else SiteNetEnsemble(members)


def _check_kind(path: Path) -> None:
    """Refuse what other programs write before safetensors calls it damaged."""
    with _open(path) as file:
        start = file.read(9)
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


def _open(path: Path) -> Any:  # noqa: ANN401 - any binary file object
    try:
        return path.open("rb")
    except OSError as error:
        raise _unreadable(path, error) from error


def _parse_header(path: Path, header: Mapping[str, str]) -> ModelDescription:
    if _HEADER_KEY not in header:
        raise ModelFileError(
            f"{path}: a safetensors file without a pyg_sitenet description; it was "
            "written by another program"
        )
    try:
        values = json.loads(header[_HEADER_KEY])
        version = int(values["format_version"])
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        raise ModelFileError(f"{path}: its description is damaged: {error}") from error
    if version > FORMAT_VERSION:
        raise ModelFileError(
            f"{path}: format version {version}, this program reads up to "
            f"{FORMAT_VERSION}; update pyg_sitenet"
        )
    try:
        return ModelDescription.model_validate(values)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in problem["loc"])
        raise ModelFileError(
            f"{path}: its description is damaged at {where}: {problem['msg']}"
        ) from error


def _unreadable(path: Path, error: Exception) -> ModelFileError:
    return ModelFileError(
        f"{path}: damaged or truncated, copy or train it again: {error}"
    )
