"""Crystals from any source as a PyG data set, encoded once and kept on disk."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch_geometric.data import Data, Dataset

from pyg_sitenet.data.graph.encoder import Encoder, Filter, Transform
from pyg_sitenet.data.ledger import Ledger
from pyg_sitenet.data.records import Failure
from pyg_sitenet.data.sources import open_source
from pyg_sitenet.data.sources.prepared import is_prepared, read_prepared
from pyg_sitenet.data.store.recipe import Recipe, open_store
from pyg_sitenet.errors import DataError

_logger = logging.getLogger(__name__)


class CrystalDataset(Dataset):
    """Crystals of a source as graphs, with their targets.

    Each graph is that of :func:`~pyg_sitenet.encode_structure` with the targets
    ``y`` [1, T] (float32, in their own units), ``id`` and ``formula``. Graphs
    are kept in a folder below ``root/processed``, whose name carries a hash of every
    setting, of the source's content and of the code that made them: a change of any
    leads to another folder, never to stale graphs. It is written in parallel, goes on
    where it was interrupted, and may be shared by several processes at once. Graphs are
    read from there as they are asked for, so that memory does not grow with their
    number; what is damaged is made anew.

    Args:
        root: Folder to keep the encoded crystals in.
        source: Name of a bundled data set, or anything that
            :func:`~pyg_sitenet.data.sources.open_source` opens. The graphs of a folder
            that was prepared are taken from there.
        targets: Names of the targets, in the order of the columns of ``y``.
        classes: Labels of the targets that are classes: ``y`` is the label's place.
        group: Column of the source that each graph carries as ``group``, to split by.
        max_atoms: Atoms of the environment at most.
        environment: Kind of environment.
        primitive_tolerance: Symmetry tolerance in angstrom.
        disorder: ``"error"`` refuses disordered crystals; with ``"sample"`` and
            ``"enumerate"`` (:func:`~pyg_sitenet.data.disorder.order_structure`) each of
            their orderings is a graph, all with the same ``id``, one after the other.
        orderings: Ordered approximants of a disordered crystal at most.
        disorder_seed: Decides the sampled orderings.
        time_limit: Seconds a crystal may take, else it is a failure; None for no limit.
        workers: Processes that encode; 0 takes one per core.
        transform: Applied at each access.
        pre_transform: Applied once, before the graph is kept.
        pre_filter: Says which graphs to keep, before ``pre_transform``.
        force_reload: Encode again even if the graphs are there.
        progress: Show a progress bar on the terminal.

    Attributes:
        units: Unit of each target that states one.
        targets: Names of the targets.
        classes: Labels of those that are classes.

    Raises:
        DataError: If the source cannot be opened, has no such target or no usable
            crystal, or if ``root`` cannot be written.
        ConfigError: If the source was prepared with other settings.

    Example:
        >>> dataset = CrystalDataset("cache", "dielectric", ("band_gap",))
        >>> dataset[0].id, dataset.units
        ('mp-441', {'band_gap': 'eV'})
    """

    def __init__(
        self,
        root: str | Path,
        source: str | Path | Sequence[str | Path] = "dielectric",
        targets: Sequence[str] = ("band_gap",),
        *,
        classes: Mapping[str, Sequence[str]] | None = None,
        group: str = "",
        max_atoms: int = 100,
        environment: str = "supercell",
        primitive_tolerance: float = 0.1,
        disorder: Literal["error", "sample", "enumerate"] = "error",
        orderings: int = 8,
        disorder_seed: int = 0,
        time_limit: float | None = 60.0,
        workers: int = 0,
        transform: Callable[[Data], Any] | None = None,
        pre_transform: Transform | None = None,
        pre_filter: Filter | None = None,
        force_reload: bool = False,
        progress: bool = False,
    ) -> None:
        self.targets = tuple(targets)
        encoder = Encoder(
            max_atoms,
            environment,
            primitive_tolerance,
            pre_filter,
            pre_transform,
            disorder,
            orderings,
            disorder_seed,
        )
        super().__init__(
            str(root), transform, pre_transform, pre_filter, False, force_reload
        )
        self.classes = {name: tuple(of) for name, of in (classes or {}).items()}
        recipe = Recipe(
            source,
            self.targets,
            encoder,
            time_limit,
            workers,
            open_source,
            self.classes,
            group,
        )
        opened = recipe.open()
        self.units = {k: v for k, v in opened.units.items() if k in self.targets}
        self._columns: list[int] | None = None
        if isinstance(source, str | Path) and is_prepared(source):
            prepared = read_prepared(Path(source), open_source)
            self._columns = prepared.columns(self.targets)
            self._store = prepared.store(encoder)
        else:
            folder = Path(self.processed_dir)
            self._store = open_store(
                folder, recipe, opened, anew=force_reload, progress=progress
            )
        self._report(opened.name)

    def len(self) -> int:
        """Return the number of crystals in the whole data set."""
        return len(self._store)

    def get(self, idx: int) -> Data:
        """Return a crystal by its place in the whole data set."""
        data = self._store.graph(idx)
        if self._columns is not None:
            data.y = data.y[:, self._columns]
        return data

    @property
    def processed_file_names(self) -> list[str]:
        """The files that the graphs are kept in, below ``root/processed``."""
        folder = self._store.folder.name
        return [f"{folder}/{name}" for name in self._store.index.names]

    @property
    def num_sites(self) -> list[int]:
        """Unique sites of each crystal, merged ones included."""
        return self._chosen(self._store.index.num_sites)

    @property
    def num_pairs(self) -> list[int]:
        """Pairs of each crystal."""
        return self._chosen(self._store.index.num_pairs)

    @property
    def ids(self) -> list[str]:
        """Id of the crystal of each graph: orderings of a disordered one share it."""
        ids = self._store.ids()
        return [ids[k] for k in self.indices()]

    @property
    def y(self) -> Tensor:
        """Targets of each crystal, [N, T]."""
        chosen = torch.tensor(list(self.indices()), dtype=torch.long)
        y = self._store.joined("y")[chosen]
        return y if self._columns is None else y[:, self._columns]

    @property
    def failures(self) -> list[Failure]:
        """Every input that could not be used, and why."""
        return list(self._store.failures())

    @property
    def warnings(self) -> dict[str, list[str]]:
        """What to know about crystals that are used nevertheless, by their id."""
        return dict(self._store.warnings())

    def ledger(self) -> Ledger:
        """Count the inputs of the whole data set by what became of them."""
        return self._store.index.ledger

    def _chosen(self, values: NDArray[Any]) -> list[int]:
        if self._indices is None:
            found: list[int] = values.tolist()
        else:
            found = values[np.asarray(self._indices, np.int64)].tolist()
        return found

    def _report(self, name: str) -> None:
        ledger = self.ledger()
        if not ledger.used:
            raise DataError(_explain_nothing(name, ledger))
        if ledger.warned:
            id_, texts = next(self._store.warnings())
            message = "%s: %d crystals are used with a warning, such as %s: %s"
            _logger.warning(message, name, ledger.warned, id_, texts[0])


def _explain_nothing(name: str, ledger: Ledger) -> str:
    if not ledger.failed:
        return f"{name}: no crystal in it, or `pre_filter` kept none"
    reasons = ledger.failed_by_reason.most_common(3)
    listed = "; ".join(f"{reason} ({count} times)" for reason, count in reasons)
    return f"{name}: none of {ledger.failed} crystals can be used: {listed}"
