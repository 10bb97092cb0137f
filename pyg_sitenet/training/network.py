"""Make a network, with new weights or those of a trained model, and train it."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from pyg_sitenet.config import Config
from pyg_sitenet.data.batches.datamodule import CrystalDataModule
from pyg_sitenet.data.readers.units import SAME, conversion
from pyg_sitenet.devices import check_precision
from pyg_sitenet.errors import ConfigError
from pyg_sitenet.model_file import load_model
from pyg_sitenet.nn import SiteNet, networks_of
from pyg_sitenet.nn.output_layout import OutputLayout, TargetOutputs
from pyg_sitenet.training.loop.callbacks import History, Watch
from pyg_sitenet.training.loop.checkpoints import kept_state
from pyg_sitenet.training.loop.devices import Devices
from pyg_sitenet.training.loop.fit import fit
from pyg_sitenet.training.loop.module import SiteNetModule, with_epochs
from pyg_sitenet.training.run.run_folder import RunFolder

_logger = logging.getLogger(__name__)
_HEAD = ("readout.linear.weight", "readout.linear.bias", "target_mean", "target_scale")


def fit_network(
    config: Config,
    data: CrystalDataModule,
    folder: RunFolder,
    devices: Devices,
    *,
    resume: bool,
    progress: bool,
    watch: Watch | None,
) -> tuple[SiteNet, History]:
    """Train, and return the network and the errors of every epoch.

    Its weights are the best of the validation, or without one the last.
    """
    torch.manual_seed(config.training.seed)
    loader = data.train_dataloader()
    validates = len(data.splits["val"]) > 0
    val_loader = data.val_dataloader() if validates else None
    train_y = data.part("train").y
    training = with_epochs(config.training, len(loader))
    module = SiteNetModule(
        SiteNet(config.model, layout=OutputLayout.of(config)),
        training,
        config.data.targets,
        train_y,
        math.ceil(len(loader) / training.accumulate),
    )
    if config.training.initial_model is not None:
        path, seed = config.training.initial_model, config.training.seed
        start_from(module.model, path, seed)
    check_precision(devices.accelerator, module.buffers())
    history = fit(
        module,
        loader,
        val_loader,
        folder,
        training,
        resume=resume,
        progress=progress and devices.rank == 0,
        devices=devices,
        watch=watch,
    )
    if devices.rank == 0:
        state, history = kept_state(folder, history)
        module.load_state_dict(state["state_dict"])
    module.eval()
    return module.model, history


def for_other_data(config: Config) -> Config:
    """Settle what the settings of a trained model say of its own data.

    Transforms and units of targets that are not learnt any more are left out. What was
    classes stays classes, but those that the new data have.
    """
    transforms = {
        name: transform
        for name, transform in config.training.target_transform.items()
        if name in config.data.targets
    }
    classes = dict.fromkeys(
        (name for name in config.data.classes if name in config.data.targets), ()
    )
    units = {
        k: unit for k, unit in config.data.units.items() if k in config.data.targets
    }
    training = config.training.model_copy(update={"target_transform": transforms})
    data = config.data.model_copy(update={"classes": classes, "units": units})
    return config.model_copy(update={"training": training, "data": data})


def check_start(config: Config) -> None:
    """Check that a training can start from the model that it names, if it does.

    Raises:
        ModelFileError: If the file cannot be read.
        ConfigError: If the two differ in size or in the unit of a target.
    """
    path = config.training.initial_model
    if path is None:
        return
    trained, description = load_model(path)
    _check_units(description.units, config.data.units, path)
    old = networks_of(trained)[0]
    with torch.random.fork_rng(devices=[]):
        new = SiteNet(config.model, layout=OutputLayout.of(config))
    _check_sizes(old.state_dict(), new.state_dict(), path)


def _check_units(
    old: Mapping[str, str], new: Mapping[str, str], path: str | Path
) -> None:
    """Refuse another unit: rows of the last map and their scaling are copied."""
    for name in old.keys() & new.keys():
        if conversion(old[name], new[name]) != SAME:
            raise ConfigError(
                f"{path}: {name!r} was learnt in {old[name]}, data.units asks for"
                f" {new[name]}; leave it out of data.units, values in other units are"
                " converted"
            )


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
