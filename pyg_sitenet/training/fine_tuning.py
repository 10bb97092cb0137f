"""Starting from the weights of a trained model."""

from __future__ import annotations

import logging
from pathlib import Path

import torch
from torch import Tensor

from pyg_sitenet.config import Config
from pyg_sitenet.errors import ConfigError
from pyg_sitenet.model_file import load_model
from pyg_sitenet.nn import SiteNet, networks_of
from pyg_sitenet.nn.output_layout import TargetOutputs

_logger = logging.getLogger(__name__)
_HEAD = ("readout.linear.weight", "readout.linear.bias", "target_mean", "target_scale")


def for_other_data(config: Config) -> Config:
    """Settle what the settings of a trained model say of its own data.

    Transforms of targets that are not learnt any more are left out. What was classes
    stays classes, but those that the new data have.
    """
    transforms = {
        name: transform
        for name, transform in config.training.target_transform.items()
        if name in config.data.targets
    }
    classes = dict.fromkeys(
        (name for name in config.data.classes if name in config.data.targets), ()
    )
    training = config.training.model_copy(update={"target_transform": transforms})
    data = config.data.model_copy(update={"classes": classes})
    return config.model_copy(update={"training": training, "data": data})


def start_from(model: SiteNet, path: str | Path, seed: int = 0) -> list[str]:
    """Copy the weights of a trained model; a target that it does not have starts anew.

    The last linear map has rows of each target. Those of a target with the same name,
    classes and transform are copied with its scaling, others stay as they are.

    Args:
        model: Gets the weights.
        path: A model file, a run folder or the name of a ready model.
        seed: Of the training: members of an ensemble start from members of another.

    Returns:
        The targets whose rows were copied.

    Raises:
        ModelFileError: If the file cannot be read.
        ConfigError: If the two differ in size.
    """
    networks = networks_of(load_model(path)[0])
    source = networks[seed % len(networks)]
    old, new = source.state_dict(), model.state_dict()
    _check_sizes(old, new, path)
    copied = []
    for target in model.layout.targets:
        twin = _find(target, source.layout.targets)
        if twin is None:
            continue
        copied.append(target.name)
        for name in _HEAD:
            new[name] = new[name].to(
                torch.promote_types(new[name].dtype, old[name].dtype)
            )
            new[name][target.columns] = old[name][twin.columns]
    with torch.no_grad():
        model.load_state_dict({**old, **{name: new[name] for name in _HEAD}})
    model.site_embedding.settle()  # as the trained model is used
    fresh = [
        target.name for target in model.layout.targets if target.name not in copied
    ]
    if fresh:
        _logger.info("%s: starts anew for %s", path, ", ".join(fresh))
    return copied


def _find(
    target: TargetOutputs, others: tuple[TargetOutputs, ...]
) -> TargetOutputs | None:
    kind = (target.name, target.classes, target.transform)
    same = (
        other
        for other in others
        if (other.name, other.classes, other.transform) == kind
    )
    return next(same, None)


def _check_sizes(
    old: dict[str, Tensor], new: dict[str, Tensor], path: str | Path
) -> None:
    for name in sorted(old.keys() | new.keys()):
        if name in _HEAD:
            continue
        sizes = [
            tuple(state[name].shape) if name in state else "none"
            for state in (old, new)
        ]
        if sizes[0] != sizes[1]:
            raise ConfigError(
                f"{path}: its weights {name} have the size {sizes[0]}, the model to "
                f"train {sizes[1]}; start from the settings of that model (--from"
                " without --preset or --config) and leave those of model: as they are"
            )
