"""Batches of other processes are those of this one, in the same order."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from itertools import islice

import pytest
import torch
from torch.utils.data import DataLoader
from torch_geometric.data import Batch

from pyg_sitenet.data.batches.loader import Loading
from pyg_sitenet.data.batches.sampler import BudgetBatchSampler
from pyg_sitenet.data.dataset import CrystalDataset
from pyg_sitenet.data.readers.named.bundled import BUNDLED


@pytest.fixture(scope="module")
def crystals(tmp_path_factory: pytest.TempPathFactory) -> CrystalDataset:
    root = tmp_path_factory.mktemp("cache")
    rows = islice(BUNDLED["dielectric"].rows(), 20)
    (root / "table.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return CrystalDataset(root, root / "table.jsonl", max_atoms=8, workers=1)


def _finish(batch: Batch) -> Batch:
    batch.number = len(batch.id)
    batch.ignored = signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    return batch


def _loader(crystals: CrystalDataset, workers: int) -> DataLoader[Batch]:
    sampler = BudgetBatchSampler(
        crystals.num_sites, crystals.num_pairs, max_sites=15, shuffle=True
    )
    return Loading(workers, finish=_finish).loader(crystals, sampler)


def _epochs(loader: DataLoader[Batch]) -> Iterator[Batch]:
    """Yield two epochs, the second from its third batch on, as a resumed run does."""
    yield from loader
    loader.batch_sampler.set_epoch(1)
    loader.batch_sampler.skip_once(2)
    yield from loader


@pytest.mark.filterwarnings("ignore:This DataLoader will create")  # on one core
def test_batches_are_the_same_in_the_same_order(crystals: CrystalDataset) -> None:
    own, others = (list(_epochs(_loader(crystals, workers))) for workers in (0, 2))
    assert len(own) > 5
    for batch, other in zip(own, others, strict=True):
        assert batch.id == other.id
        assert batch.number == other.number == batch.num_graphs
        for name in ("z", "x", "y", "edge_index", "edge_attr", "batch"):
            assert torch.equal(batch[name], other[name]), name


def test_signals_are_left_to_the_process_that_trains(crystals: CrystalDataset) -> None:
    assert next(iter(_loader(crystals, 1))).ignored
    assert not next(iter(_loader(crystals, 0))).ignored
