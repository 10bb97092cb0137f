"""The accelerator that is asked for is the one that everything is computed on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from lightning.pytorch import Trainer
from lightning.pytorch.accelerators import AcceleratorRegistry, CPUAccelerator

from pyg_sitenet.config import Config, override
from pyg_sitenet.errors import ConfigError
from pyg_sitenet.training import train
from pyg_sitenet.training.loop.devices import Devices
from pyg_sitenet.training.loop.fit import device_of


class NotingAccelerator(CPUAccelerator):
    """The CPU under another name, which notes what it is asked for."""

    notes: ClassVar[list[str]] = []

    @staticmethod
    def get_parallel_devices(devices: int | str) -> list[torch.device]:
        NotingAccelerator.notes.append("chosen")
        return CPUAccelerator.get_parallel_devices(devices)

    def setup(self, trainer: Trainer) -> None:
        self.notes.append(f"trains {Path(trainer.default_root_dir).name}")
        super().setup(trainer)

    @staticmethod
    def name() -> str:
        return "noting"


@pytest.fixture
def notes() -> Iterator[list[str]]:
    AcceleratorRegistry.register("noting", NotingAccelerator)
    NotingAccelerator.notes.clear()
    yield NotingAccelerator.notes
    AcceleratorRegistry.remove("noting")


def test_ensemble_trains_and_predicts_on_the_accelerator(
    config: Config, cache: Path, tmp_path: Path, notes: list[str]
) -> None:
    settings = ["training.members=2", "training.max_epochs=1"]
    two = override(config, settings)
    whole = train(two, tmp_path, cache=cache, accelerator="noting").metrics
    members = [["chosen", "chosen", f"trains {k}"] for k in range(2)]
    assert notes == ["chosen", *members[0], *members[1]]
    # What is left of an ensemble after its end is done again: nothing but a member's.
    notes.clear()
    (tmp_path / "members" / "1" / "metrics.json").write_text('{"targets": {"ba')
    again = train(two, tmp_path, cache=cache, accelerator="noting", resume=True)
    assert notes == ["chosen", *members[1]]
    assert again.metrics["targets"] == whole["targets"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "gppu",
            "cannot train on 1 devices of 'gppu': .*invalid accelerator name.*Available"
            " names are: auto, .*cpu.*; ask for another",
        ),
        ("tpu", "cannot train on 1 devices of 'tpu': .*torch_xla.*; ask for another"),
        ("mps", "no device 'mps' here: it needs an Apple GPU"),
    ],
)
def test_accelerator_that_is_not_there_is_named_before_the_data_are_read(
    name: str, message: str, config: Config, tmp_path: Path
) -> None:
    if name == "mps" and torch.backends.mps.is_available():
        pytest.skip("there is an mps device here")
    no_data = override(config, ["data.source=no_such_folder"])
    with pytest.raises(ConfigError, match=message):
        train(no_data, tmp_path / "run", accelerator=name)
    assert not (tmp_path / "run").exists()


def test_device_is_that_of_the_accelerator() -> None:
    assert device_of(Devices(accelerator="cpu")) == torch.device("cpu")
