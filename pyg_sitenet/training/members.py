"""A deep ensemble: one run per member, then one model file of all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch_geometric.data import Batch

from pyg_sitenet.config import Config, override
from pyg_sitenet.data.batches.datamodule import CrystalDataModule
from pyg_sitenet.model_file import load_network
from pyg_sitenet.nn import SiteNetEnsemble, mean_and_spread, networks_of
from pyg_sitenet.training.loop.callbacks import History
from pyg_sitenet.training.loop.meter import MONITOR
from pyg_sitenet.training.outcome.novelty_record import measure_novelty
from pyg_sitenet.training.outcome.outcome import Outcome
from pyg_sitenet.training.run.run_folder import RunFolder, read_metrics

Array = NDArray[np.float64]


def member_config(config: Config, member: int) -> Config:
    """Return the settings of one member: a run of its own with a seed of its own.

    Ensembles of different seeds share no member.
    """
    seed = config.training.seed * config.training.members + member
    return override(config, ["training.members=1", f"training.seed={seed}"])


def member_folder(folder: RunFolder, member: int) -> RunFolder:
    """Return the run folder of a member, below that of the ensemble."""
    return RunFolder(folder.path / "members" / str(member))


def load_members(folder: RunFolder, members: int) -> SiteNetEnsemble:
    """Read the trained members of a run."""
    paths = [member_folder(folder, k).path for k in range(members)]
    return SiteNetEnsemble([load_network(path)[0] for path in paths])


def ensemble_outcome(
    config: Config,
    folder: RunFolder,
    model: SiteNetEnsemble,
    data: CrystalDataModule,
    device: torch.device,
) -> Outcome:
    """Predict all parts with the ensemble, on a device.

    The history is the mean over the members at each epoch.
    """
    model.to(device).eval()
    parts = ("train", "val", "calibration", "test")
    crystals = {part: data.part(part) for part in parts}
    needed = parts if not crystals["val"] else parts[1:]
    answers = {part: _predict(model, data.ordered_dataloader(part)) for part in needed}
    predicted = {part: values for part, (values, _) in answers.items()}
    spread = {part: spread for part, (_, spread) in answers.items()}
    return Outcome(
        config=config,
        units={**data.dataset.units, **config.data.units},
        crystals=crystals,
        predicted=predicted,
        spread=spread,
        history=_mean_history(_metrics_of_members(folder, config.training.members)),
        num_failed=len(data.dataset.failures),
        num_parameters=sum(p.numel() for p in model.parameters()),
        novelty=measure_novelty(model, data, predicted, spread),
    )


def describe_members(folder: RunFolder, config: Config) -> list[dict[str, Any]]:
    """Return seed, epochs and errors of every member, for ``metrics.json``."""
    keys = ("epochs", "best_epoch", "seconds")
    return [
        {"seed": member_config(config, k).training.seed}
        | {key: metrics[key] for key in keys}
        | {"targets": metrics["targets"]}
        for k, metrics in enumerate(
            _metrics_of_members(folder, config.training.members)
        )
    ]


def _metrics_of_members(folder: RunFolder, members: int) -> list[dict[str, Any]]:
    return [read_metrics(member_folder(folder, k)) for k in range(members)]


@torch.inference_mode()
def _predict(model: SiteNetEnsemble, loader: Iterable[Batch]) -> tuple[Array, Array]:
    """Return mean and spread for a part in its order, [N, T] each."""
    first = networks_of(model)[0]
    num_targets, device = first.layout.num_outputs, first.target_mean.device
    pairs = []
    for batch in loader:
        batch.y = None  # doubles, which not all devices have
        pairs.append(mean_and_spread(model, batch.to(device)))
    none = torch.empty(0, num_targets)
    mean = torch.cat([none, *(values.cpu() for values, _ in pairs)])
    spread = torch.cat([none, *(s.cpu() for _, s in pairs if s is not None)])
    return mean.double().numpy(), spread.double().numpy()


def _mean_history(metrics: Sequence[dict[str, Any]]) -> History:
    history = History()
    longest = max(len(member["history"]) for member in metrics)
    for epoch in range(longest):
        rows = [m["history"][epoch] for m in metrics if epoch < len(m["history"])]
        # Each member keeps its own best epoch; the mean score would name a wrong one.
        keys = [key for key in rows[0] if key != MONITOR]
        history.epochs.append(
            # What was not finite is null in the metrics of a member, and NaN here.
            {
                key: float(np.mean([row[key] for row in rows], dtype=float))
                for key in keys
            }
        )
    return history
