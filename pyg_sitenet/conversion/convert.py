"""``convert_checkpoint``: published weights and settings in, a model file out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from pyg_sitenet.conversion.checkpoint import read_checkpoint
from pyg_sitenet.conversion.published_settings import (
    read_published_settings,
    translate_settings,
)
from pyg_sitenet.errors import ModelFileError
from pyg_sitenet.model_file import ModelDescription, save_model
from pyg_sitenet.nn import SiteNet
from pyg_sitenet.nn.pairs.pair_linear import joined_form
from pyg_sitenet.nn.weights.published import published_name
from pyg_sitenet.version import library_versions


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
        ConfigError: If a setting is missing or has no counterpart here.
    """
    state = read_checkpoint(checkpoint)
    config, unused = translate_settings(
        read_published_settings(settings), origin=str(settings)
    )
    source = f"converted from {Path(checkpoint).name}"
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
    return Converted(Path(output), number, unused, _unused_tensors(state, model))


def _unused_tensors(state: Mapping[str, Tensor], model: SiteNet) -> list[str]:
    used = {published_name(name) for name in joined_form(model.state_dict())}
    # The published last block has an interaction network whose output goes nowhere.
    last = f"encoder.Attention_Blocks.{model.config.blocks - 1}."
    dead = f"{last}ije_to_Interaction_Features."
    return sorted(set(state) - used - {name for name in state if name.startswith(dead)})
