"""On what a run computes: one device, several, or those of several machines."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.pytorch.strategies import DDPStrategy

from pyg_sitenet.devices import DEVICES, choose_device
from pyg_sitenet.errors import ConfigError
from pyg_sitenet.training.loop.checkpoint_files import AtomicCheckpointIO


@dataclass(frozen=True, slots=True)
class Devices:
    """Devices of a run, as Lightning takes them.

    Attributes:
        devices: Processes on each machine, one per device.
        nodes: Machines.
        accelerator: ``"cpu"``, ``"cuda"``, ``"mps"`` or another that Lightning knows.
    """

    devices: int = 1
    nodes: int = 1
    accelerator: str = "cpu"

    @classmethod
    def choose(
        cls, devices: int | None, nodes: int | None, accelerator: str = "auto"
    ) -> Devices:
        """Take what is given, else what ``torchrun`` or SLURM started.

        Args:
            devices: On each machine.
            nodes: Machines.
            accelerator: As :func:`~pyg_sitenet.devices.choose_device` takes it, or as
                Lightning names one that it does not know.

        Raises:
            ConfigError: If a number is below 1, or not that of the launcher, or there
                is no such device.
        """
        started = _launched()
        if accelerator in DEVICES:
            accelerator = choose_device(accelerator).type
        chosen = cls(
            devices if devices is not None else started[0],
            nodes if nodes is not None else started[1],
            accelerator,
        )
        if chosen.devices < 1 or chosen.nodes < 1:
            raise ConfigError(
                "the numbers of devices and nodes must be at least 1, got "
                f"{chosen.devices} and {chosen.nodes}"
            )
        if started != (1, 1) and (chosen.devices, chosen.nodes) != started:
            raise ConfigError(
                f"the launcher started {started[0]} processes on each of {started[1]} "
                f"nodes, but {chosen.devices} devices on {chosen.nodes} were asked "
                "for; leave --devices and --nodes out"
            )
        return chosen

    @property
    def num_processes(self) -> int:
        """All processes together."""
        return self.devices * self.nodes

    @property
    def rank(self) -> int:
        """Number of this process; the first, 0, writes the files."""
        return _rank(self.devices) if self.num_processes > 1 else 0

    def trainer_options(self) -> dict[str, Any]:
        """Return the arguments of Lightning's trainer."""
        plugins: list[Any] = [AtomicCheckpointIO()]
        if self.num_processes > 1 and SLURMEnvironment.detect():
            # Its requeueing would write a checkpoint that a resumed run does not see.
            plugins.append(SLURMEnvironment(auto_requeue=False))
        options: dict[str, Any] = {
            "accelerator": self.accelerator,
            "devices": self.devices,
            "num_nodes": self.nodes,
            "plugins": plugins,
        }
        if self.num_processes > 1:
            # Statistics of targets are equal everywhere: nothing to send around, and
            # processes may validate unequal numbers of batches.
            strategy = DDPStrategy(broadcast_buffers=False)
            options["strategy"] = strategy
        return options


def _launched() -> tuple[int, int]:
    """Return the processes per machine and the machines that a launcher started."""
    environment = os.environ
    if "TORCHELASTIC_RUN_ID" in environment:
        local = int(environment["LOCAL_WORLD_SIZE"])
        return local, int(environment["WORLD_SIZE"]) // local
    if SLURMEnvironment.detect() and "SLURM_PROCID" in environment:
        nodes = int(environment.get("SLURM_NNODES", "1"))
        return max(1, int(environment["SLURM_NTASKS"]) // nodes), nodes
    return 1, 1


def _rank(devices: int) -> int:
    """Return the number of this process among all, as whoever started it says."""
    environment = os.environ
    if "RANK" in environment:
        return int(environment["RANK"])
    if "LOCAL_RANK" not in environment and "SLURM_PROCID" in environment:
        return int(environment["SLURM_PROCID"])
    node = int(environment.get("NODE_RANK", environment.get("GROUP_RANK", "0")))
    return node * devices + int(environment.get("LOCAL_RANK", "0"))
