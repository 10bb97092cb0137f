"""The simulated device, and what was trained on it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from pymatgen.core import Structure
from torch_geometric.data import Batch

from pyg_sitenet import encode_structure
from pyg_sitenet.config import Config, load_preset, override
from pyg_sitenet.training import RunResult, train
from pyg_sitenet.training.batches import prepare_batch
from pyg_sitenet.transforms import MergeEquivalent

sys.path.insert(0, str(Path(__file__).parent))
from lightning_device import NAME, simulated_device
from simulation import Counts, Simulation
from torch.optim.optimizer import register_optimizer_step_post_hook

SETTINGS = (
    "data.max_atoms=20",
    "data.max_sites=40",
    "data.max_crystals=4",
    "data.targets=[band_gap]",
    "data.units={band_gap: eV}",
    "data.workers=1",
    "training.max_epochs=2",
)


class Trained(NamedTuple):
    """A training on the device."""

    config: Config
    result: RunResult
    steps: list[Counts]  # from one step of the optimiser to the next, same epoch

    @property
    def folder(self) -> Path:
        """The run folder."""
        return self.result.folder


@pytest.fixture(scope="module")
def simulation() -> Iterator[Simulation]:
    """The device, without float64: what runs on it runs on Apple's GPUs."""
    with simulated_device(has_doubles=False) as simulation:
        yield simulation


@pytest.fixture
def batch(quartz: Structure, vo2_m1: Structure, triclinic: Structure) -> Batch:
    """Crystals of which every site has many pairs, some of them equal."""
    graphs = [
        MergeEquivalent()(encode_structure(crystal, max_atoms=500))
        for crystal in (quartz, vo2_m1, triclinic)
    ]
    return prepare_batch(Batch.from_data_list(graphs))


@pytest.fixture(scope="module", params=["paper", "default"])
def trained(
    request: pytest.FixtureRequest,
    simulation: Simulation,
    make_source: Callable[[int], Path],
    cache: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Trained:
    """Two epochs of a preset."""
    source = f"data.source={make_source(24)}"
    config = override(load_preset(request.param), [*SETTINGS, source])
    folder = tmp_path_factory.mktemp("runs") / request.param
    steps, after_epoch = [], [True]
    with simulation.counting() as counts:
        last = Counts()

        def note(*_: Any) -> None:
            nonlocal last
            now = deepcopy(counts)
            if not after_epoch.pop():
                steps.append(now.since(last))
            after_epoch.append(False)
            last = now

        hook = register_optimizer_step_post_hook(note)
        result = train(
            config, folder, cache=cache, accelerator=NAME,
            watch=lambda _: after_epoch.__setitem__(0, True),
        )  # fmt: skip
        hook.remove()
    return Trained(config, result, steps)
