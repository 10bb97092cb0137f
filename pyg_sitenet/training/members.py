"""A deep ensemble: one run per member, then one model file of all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pyg_sitenet.config import Config, override
from pyg_sitenet.model_file import load_network
from pyg_sitenet.nn import SiteNetEnsemble
from pyg_sitenet.training.loop.callbacks import History
from pyg_sitenet.training.loop.meter import MONITOR
from pyg_sitenet.training.run.metrics_file import read_metrics
from pyg_sitenet.training.run.run_folder import RunFolder


def member_config(config: Config, member: int) -> Config:
    """Return the settings of one member: a run of its own with a seed of its own.

    Ensembles of different seeds share no member.
    """
    seed = config.training.seed * config.training.members + member
    return override(config, ["training.members=1", f"training.seed={seed}"])


def member_folder(folder: RunFolder, member: int) -> RunFolder:
    """Return the run folder of a member, below that of the ensemble."""
    return RunFolder(folder.path / "members" / str(member))


def load_members(folder: RunFolder, members: int) -> tuple[SiteNetEnsemble, History]:
    """Read the trained members of a run, and the mean of their errors at each epoch."""
    paths = [member_folder(folder, k).path for k in range(members)]
    model = SiteNetEnsemble([load_network(path)[0] for path in paths])
    return model.eval(), _mean_history(_metrics_of_members(folder, members))


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
