"""Batches are checked before a device gets them, and made by other processes alike."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from ase.build import bulk
from torch_geometric.data import Batch

from pyg_sitenet.config import Config, override
from pyg_sitenet.data.graph.encode import encode_structure
from pyg_sitenet.errors import DataError
from pyg_sitenet.model_file import load_model
from pyg_sitenet.training import RunResult, train
from pyg_sitenet.training.batches import prepare_batch
from pyg_sitenet.training.loading import load_data
from pyg_sitenet.training.loop.devices import Devices


def test_pair_of_a_site_that_is_not_there_is_an_error_on_the_cpu() -> None:
    graph = encode_structure(bulk("Si"), max_atoms=8)
    graph.id = "Si"
    graph.edge_index[0, 0] = 2
    message = r"batch with Si: `edge_index` must be from 0 to 1, got 0 to 2; check what"
    with pytest.raises(DataError, match=message):
        prepare_batch(Batch.from_data_list([graph]))


def test_processes_read_for_a_gpu_and_only_for_it(config: Config, cache: Path) -> None:
    def loading(accelerator: str, *settings: str) -> tuple[int, bool]:
        chosen, devices = override(config, settings), Devices(accelerator=accelerator)
        data = load_data(chosen, cache, None, devices, progress=False)
        return data.loading.workers, data.loading.pin_memory

    assert loading("cpu") == (0, False)
    workers, is_pinned = loading("cuda")
    assert 1 <= workers <= 4
    assert is_pinned
    assert loading("cuda", "data.loader_workers=0") == (0, True)


@pytest.mark.filterwarnings("ignore:This DataLoader will create")  # on one core
def test_run_with_reading_processes_is_resumed_bit_by_bit(
    run: RunResult, config: Config, cache: Path, tmp_path: Path
) -> None:
    options = ["data.loader_workers=2", "training.deterministic=true"]
    short = override(config, [*options, "training.max_epochs=1"])
    train(short, tmp_path, cache=cache)
    resumed = train(override(config, options), tmp_path, cache=cache, resume=True)
    assert resumed.metrics["history"] == run.metrics["history"]
    expected = load_model(run.folder)[0].state_dict()
    for name, tensor in load_model(resumed.folder)[0].state_dict().items():
        assert torch.equal(tensor, expected[name]), name
