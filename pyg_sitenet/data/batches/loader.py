"""Batches that are read and put together in this process, or in others."""

from __future__ import annotations

import signal
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch.utils.data import DataLoader
from torch_geometric.data import Batch, Data

from pyg_sitenet.data.batches.sampler import BudgetBatchSampler
from pyg_sitenet.data.dataset import CrystalDataset
from pyg_sitenet.workers.pool import START_METHOD

_AHEAD = 4  # batches of each process


@dataclass(frozen=True)
class Loading:
    """How batches are made.

    Args:
        workers: Processes that read ahead; with 0 this one reads what is asked for.
        pin_memory: Keep batches where a CUDA device can fetch them by itself.
        finish: What is done to each batch.
    """

    workers: int = 0
    pin_memory: bool = False
    finish: Callable[[Batch], Batch] | None = None

    def collate(self, graphs: list[Data]) -> Batch:
        """Return graphs as a batch."""
        batch = Batch.from_data_list(graphs)
        return batch if self.finish is None else self.finish(batch)

    def loader(
        self, crystals: CrystalDataset, sampler: BudgetBatchSampler
    ) -> DataLoader[Batch]:
        """Return the batches of a sampler, in its order."""
        options: dict[str, Any] = {}
        if self.workers:
            options = {
                "num_workers": self.workers,
                "persistent_workers": True,
                "prefetch_factor": _AHEAD,
                "multiprocessing_context": START_METHOD,
                "worker_init_fn": _leave_signals_to_parent,
            }
        return _Loader(
            crystals,
            batch_sampler=sampler,
            collate_fn=self.collate,
            pin_memory=self.pin_memory,
            **options,
        )


class _Loader(DataLoader[Batch]):
    def __iter__(self) -> Any:  # noqa: ANN401 - an iterator that torch keeps to itself
        with warnings.catch_warnings():
            # Forking a process with threads is warned about: those that are forked here
            # compute on one thread, and not on the GPU.
            warnings.simplefilter("ignore", DeprecationWarning)
            return super().__iter__()


def _leave_signals_to_parent(worker: int) -> None:
    """Go on until the parent ends: it finishes its step and keeps its state first."""
    del worker
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
