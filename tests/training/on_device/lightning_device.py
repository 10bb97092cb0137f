"""The simulated device as PyTorch's optimisers, Lightning and the package take it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import torch
from lightning.pytorch.accelerators import AcceleratorRegistry, CPUAccelerator
from lightning.pytorch.strategies import SingleDeviceStrategy
from lightning.pytorch.trainer.connectors import accelerator_connector
from simulation import DEVICE, SIMULATION, SimulatedTensor, Simulation
from torch.optim import optimizer, swa_utils
from torch.utils import _foreach_utils

from pyg_sitenet import devices
from pyg_sitenet.nn.fast import fused_form

NAME = "simulated"
_LISTS = ("_get_foreach_kernels_supported_devices",
          "_get_fused_kernels_supported_devices")  # fmt: skip


class SimulatedAccelerator(CPUAccelerator):
    """The device by its name for Lightning."""

    def setup_device(self, device: torch.device) -> None:
        """Take the device, which is not the CPU."""

    @staticmethod
    def name() -> str:
        """Return the name."""
        return NAME


class _Strategy(SingleDeviceStrategy):
    """Of a device that Lightning does not know it would take the CPU."""

    def __init__(self, device: Any = None) -> None:
        del device
        super().__init__(device=DEVICE)


@contextmanager
def simulated_device(*, has_doubles: bool = True) -> Iterator[Simulation]:
    """Let trainings and fused paths take the device, as they take a GPU.

    Args:
        has_doubles: Whether it has float64, which Apple's GPUs have not.
    """
    without = (*devices.WITHOUT_DOUBLES, DEVICE.type)
    types = (*fused_form.PLAIN_TENSORS, SimulatedTensor)
    listed = [*_foreach_utils._foreach_supported_types, SimulatedTensor]
    with ExitStack() as stack:
        AcceleratorRegistry.register(NAME, SimulatedAccelerator)
        stack.callback(AcceleratorRegistry.remove, NAME)

        def replace(owner: Any, name: str, value: Any) -> None:
            stack.enter_context(patch.object(owner, name, value))

        replace(accelerator_connector, "SingleDeviceStrategy", _Strategy)
        if not has_doubles:
            replace(SIMULATION, "has_doubles", False)
            replace(devices, "WITHOUT_DOUBLES", without)
        replace(fused_form, "PLAIN_TENSORS", types)
        for module in (_foreach_utils, optimizer, swa_utils):
            if hasattr(module, "_foreach_supported_types"):
                replace(module, "_foreach_supported_types", listed)
            for name in _LISTS:
                if hasattr(module, name):
                    names = [*getattr(module, name)(), DEVICE.type]
                    replace(module, name, lambda names=names: names)
        yield SIMULATION
