"""A small folder of real crystals and one short run on it, shared by the tests."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from torch import Tensor
from torch.optim.optimizer import register_optimizer_step_post_hook

from pyg_sitenet.config import Config, override
from pyg_sitenet.data.records import Record
from pyg_sitenet.data.sources import open_source
from pyg_sitenet.training import RunResult, train

SMALL = (
    "data.max_atoms=20",
    "data.targets=[band_gap]",
    "data.units={band_gap: eV}",
    "data.max_sites=40",
    "data.workers=1",
    "model.heads=2",
    "model.site_channels_per_head=8",
    "model.edge_channels_per_head=4",
    "model.attention_hidden=[16]",
    "model.pre_pool=[16]",
    "model.post_pool=[16]",
    "model.embedding_channels=8",
    "model.standardize_features=true",
    "model.dropout=0.1",
    "training.max_epochs=3",
    "training.learning_rate=0.01",
    "training.standardize_target=true",
)


def _write_folder(folder: Path, records: list[Record]) -> Path:
    folder.mkdir()
    with (folder / "table.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "band_gap", "refractive_index"])
        for record in records:
            record.structure.to(filename=str(folder / f"{record.id}.cif"))
            values = (record.targets["band_gap"], record.targets["refractive_index"])
            writer.writerow([f"{record.id}.cif", *values])
    return folder


@pytest.fixture(scope="session")
def bundled_records() -> list[Record]:
    records = iter(open_source("dielectric", ("band_gap", "refractive_index")))
    return [
        entry for entry in itertools.islice(records, 24) if isinstance(entry, Record)
    ]


@pytest.fixture(scope="session")
def make_source(
    tmp_path_factory: pytest.TempPathFactory, bundled_records: list[Record]
) -> Callable[[int], Path]:
    """Write the first crystals of the bundled data as a folder of CIFs and a table."""

    def make(count: int) -> Path:
        folder = tmp_path_factory.mktemp("source") / f"crystals_{count}"
        return _write_folder(folder, bundled_records[:count])

    return make


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def config(make_source: Callable[[int], Path]) -> Config:
    return override(Config(), [*SMALL, f"data.source={make_source(24)}"])


@pytest.fixture(scope="session")
def run(
    config: Config, cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> RunResult:
    return train(config, tmp_path_factory.mktemp("runs") / "small", cache=cache)


@pytest.fixture
def watch_steps() -> Iterator[Callable[[Callable[[list[Tensor]], None]], None]]:
    """Show the weights, with their gradients, after each step of any optimiser."""
    hooks = []

    def watch(look: Callable[[list[Tensor]], None]) -> None:
        hooks.append(
            register_optimizer_step_post_hook(
                lambda optimizer, *_: look(optimizer.param_groups[0]["params"])
            )
        )

    yield watch
    for hook in hooks:
        hook.remove()
