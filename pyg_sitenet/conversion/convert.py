"""``convert_checkpoint``: published weights and settings in, a model file out."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from pyg_sitenet.conversion.checkpoint import read_checkpoint
from pyg_sitenet.conversion.published_settings import (
    read_published_settings,
    translate_settings,
)
from pyg_sitenet.errors import DataError, ModelFileError
from pyg_sitenet.file_locks import check_not_input
from pyg_sitenet.model_file import ModelDescription, read_description, save_model
from pyg_sitenet.nn import SiteNet
from pyg_sitenet.nn.pairs.pair_linear import joined_form
from pyg_sitenet.nn.weights.published import published_name
from pyg_sitenet.version import library_versions

_SOURCE = "converted from "


@dataclass(frozen=True, slots=True)
class Converted:
    """What became of a checkpoint.

    Attributes:
        path: The model file.
        num_parameters: Of the model.
        unused_settings: Keys of the YAML that say nothing about the network.
        unused_tensors: Tensors of the checkpoint that the network has no use for.
    """

    path: Path
    num_parameters: int
    unused_settings: list[str]
    unused_tensors: list[str]


def convert_checkpoint(
    checkpoint: str | Path,
    settings: str | Path,
    output: str | Path,
    *,
    target: str = "band_gap",
    unit: str = "eV",
    max_atoms: int = 500,
) -> Converted:
    """Convert a published Site-Net checkpoint to a model file.

    Args:
        checkpoint: PyTorch Lightning checkpoint with weights under their published
            names, or their bare state dict. It is never unpickled as objects.
        settings: The YAML file that it was trained with.
        output: The model file to write.
        target: What the model predicts; published files do not say.
        unit: Unit of the target.
        max_atoms: Largest supercell it was trained on; published files do not say.

    Raises:
        ModelFileError: If the checkpoint is unsafe, damaged or does not fit the
            settings, or the output cannot be written.
        DataError: If the output is an input, or holds something other than a model
            that was converted.
        ConfigError: If a setting is missing or has no counterpart here.
    """
    output = Path(output)
    check_not_input(output, (checkpoint, settings))
    _check_replaceable(output)
    state = read_checkpoint(checkpoint)
    config, unused = translate_settings(
        read_published_settings(settings), origin=str(settings)
    )
    source = f"{_SOURCE}{Path(checkpoint).name}"
    data = {"source": source, "targets": (target,), "max_atoms": max_atoms}
    data_config = config.data.model_copy(update=data)
    config = config.model_copy(update={"data": data_config})
    try:
        model = SiteNet.from_published(state, config.model)
    except ModelFileError as error:
        raise ModelFileError(f"{checkpoint} with {settings}: {error}") from error
    description = ModelDescription(
        config=config,
        targets=(target,),
        units={target: unit} if unit else {},
        versions=library_versions(),
    )
    save_model(output, model, description)
    number = sum(weight.numel() for weight in model.parameters())
    return Converted(output, number, unused, _unused_tensors(state, model))


def _check_replaceable(output: Path) -> None:
    """Check that no trained model is given up, nor anything else."""
    if not output.is_file() or not output.stat().st_size:
        return
    with suppress(ModelFileError):
        if read_description(output).config.data.source.startswith(_SOURCE):
            return
    raise DataError(
        f"{output}: holds something other than a converted model and would be"
        " overwritten; choose another output (--output), or remove it"
    )


def _unused_tensors(state: Mapping[str, Tensor], model: SiteNet) -> list[str]:
    used = {published_name(name) for name in joined_form(model.state_dict())}
    # The published last block has an interaction network whose output goes nowhere.
    last = f"encoder.Attention_Blocks.{model.config.blocks - 1}."
    dead = f"{last}ije_to_Interaction_Features."
    return sorted(set(state) - used - {name for name in state if name.startswith(dead)})
