"""Train one network, and predict the parts that it was not trained on."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from torch_geometric.data import Batch

from pyg_sitenet.config import Config
from pyg_sitenet.data.batches.datamodule import CrystalDataModule
from pyg_sitenet.devices import check_precision
from pyg_sitenet.nn import SiteNet
from pyg_sitenet.nn.output_layout import OutputLayout
from pyg_sitenet.training.fine_tuning import start_from
from pyg_sitenet.training.loop.callbacks import History, Watch
from pyg_sitenet.training.loop.checkpoints import kept_state
from pyg_sitenet.training.loop.devices import Devices
from pyg_sitenet.training.loop.fit import fit
from pyg_sitenet.training.loop.module import SiteNetModule
from pyg_sitenet.training.loop.schedule import with_epochs
from pyg_sitenet.training.outcome.novelty_record import measure_novelty
from pyg_sitenet.training.outcome.outcome import Outcome
from pyg_sitenet.training.run.run_folder import RunFolder


def fit_network(
    config: Config,
    data: CrystalDataModule,
    folder: RunFolder,
    devices: Devices,
    *,
    resume: bool,
    progress: bool,
    watch: Watch | None,
) -> tuple[SiteNetModule, History]:
    """Train, and return the kept weights: the best, or without validation the last."""
    torch.manual_seed(config.training.seed)
    loader = data.train_dataloader()
    validates = len(data.splits["val"]) > 0
    training = with_epochs(config.training, len(loader))
    module = SiteNetModule(
        SiteNet(config.model, layout=OutputLayout.of(config)),
        training,
        config.data.targets,
        data.part("train").y,
        math.ceil(len(loader) / training.accumulate),
    )
    if config.training.initial_model is not None:
        path, seed = config.training.initial_model, config.training.seed
        start_from(module.model, path, seed)
    check_precision(devices.accelerator, module.buffers())
    history = fit(
        module,
        loader,
        data.val_dataloader() if validates else None,
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
    return module, history


def predict_held_out(
    config: Config, data: CrystalDataModule, module: SiteNetModule, history: History
) -> Outcome:
    """Predict the validation, calibration and test parts."""
    parts = ("val", "calibration", "test")
    loaders = {part: data.ordered_dataloader(part) for part in parts}
    predicted = {name: _predict(module, part) for name, part in loaders.items()}
    return Outcome(
        config=config,
        units={**data.dataset.units, **config.data.units},
        crystals={name: data.part(name) for name in data.splits},
        predicted=predicted,
        history=history,
        num_failed=len(data.dataset.failures),
        num_parameters=sum(p.numel() for p in module.model.parameters()),
        novelty=measure_novelty(module.model, data, predicted),
    )


@torch.inference_mode()
def _predict(module: SiteNetModule, loader: Iterable[Batch]) -> NDArray[np.float64]:
    """Return the answers for a part in its order, [N, T_out]."""
    values = []
    for batch in loader:
        batch.y = None  # doubles, which not all devices have
        values.append(module(batch.to(module.device)).cpu())
    none = torch.empty(0, module.model.layout.num_outputs)
    array: NDArray[np.float64] = torch.cat([none, *values]).double().numpy()
    return array
