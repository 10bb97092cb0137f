"""Crystals from any source as a PyG data set, encoded once and kept on disk."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch_geometric.data import Data, Dataset

from pyg_sitenet.cache_folder import cache_folder
from pyg_sitenet.config import DataConfig
from pyg_sitenet.data.dataset_recipe import dataset_recipe
from pyg_sitenet.data.graph.encoder import Encoder, Filter, Transform
from pyg_sitenet.data.ledger import Ledger
from pyg_sitenet.data.records import Failure
from pyg_sitenet.data.sources import open_source
from pyg_sitenet.data.store.folder import is_prepared, open_cached, read_prepared
from pyg_sitenet.data.store.prepared_targets import PreparedTargets
from pyg_sitenet.data.store.recipe import Recipe
from pyg_sitenet.errors import DataError

_logger = logging.getLogger(__name__)


class CrystalDataset(Dataset):
    """Crystals of a source as graphs, with their targets.

    Each graph is that of :func:`~pyg_sitenet.encode_structure` with the targets
    ``y`` [1, T] (float64, in their own units), ``id`` and ``formula``. Graphs
    are kept in a folder below ``root/processed``, whose name carries a hash of every
    setting, of the source's content and of the code that made them (of a transform of
    yours: its class): a change of any leads to another folder, never to stale graphs.
    It is written in parallel, goes on where it was interrupted, and may be shared by
    several processes at once. Graphs are read from there as they are asked for, so that
    memory does not grow with their number; what is damaged is made anew.

    Args:
        root: Folder to keep the encoded crystals in. (default: ``PYG_SITENET_CACHE``,
            else the user's cache folder)
        source: Name of a bundled data set, or anything that
            :func:`~pyg_sitenet.data.sources.open_source` opens. The graphs of a folder
            that was prepared are taken from there.
        targets: Names of the targets, in the order of the columns of ``y``; a single
            one may stand alone.
        classes: Labels of targets that are classes (``[]``: all); ``y`` is their index.
        group: Column of the source that each graph carries as ``group``, to split by.
        units: Unit of each target in ``y``; values in another are converted. (default:
            the first that the source states)
        max_atoms: Atoms that a site attends to at most, in a sphere on average.
        environment: ``"supercell"`` or ``"sphere"``.
        primitive_tolerance: Symmetry tolerance in angstrom.
        disorder: ``"error"`` refuses disordered crystals; with ``"sample"`` and
            ``"enumerate"`` (:func:`~pyg_sitenet.data.disorder.order_structure`) each of
            their orderings is a graph, all with the same ``id``, one after the other.
        orderings: Most orderings of a disordered crystal.
        disorder_seed: Seed of the sampled orderings.
        time_limit: Seconds a crystal may take, else it is a failure; None for no limit.
        workers: Processes that encode; 0 takes one per core.
        transform: Applied at each access.
        pre_transform: Applied once, before the graph is kept; returns a ``Data``.
        pre_filter: Says which graphs to keep, before ``pre_transform``.
        force_reload: Encode again even if the graphs are there.
        progress: Show a progress bar on the terminal.

    Attributes:
        units: Unit of each target that states one.
        targets: Names of the targets.
        classes: Labels of those that are classes.
        notes: How the source's targets were understood, where that could be otherwise.
        unused: Columns of the source that are no targets.
        content: Hash of what the source holds, wherever it lies.

    Raises:
        DataError: If the source cannot be opened, has no such target or no usable
            crystal, or if ``root`` cannot be written.
        ConfigError: If a setting cannot be, or the source was prepared with others.

    Example:
        >>> dataset = CrystalDataset("cache", "dielectric", ("band_gap",))
        >>> dataset[0].id, dataset.units
        ('mp-441', {'band_gap': 'eV'})
    """

    def __init__(
        self,
        root: str | Path | None = None,
        source: str | Path | Sequence[str | Path] = "dielectric",
        targets: str | Sequence[str] = ("band_gap",),
        *,
        classes: Mapping[str, Sequence[str | float]] | None = None,
        group: str = "",
        units: Mapping[str, str] | None = None,
        max_atoms: int = 100,
        environment: str = "supercell",
        primitive_tolerance: float = 0.003,
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
        self.targets = (targets,) if isinstance(targets, str) else tuple(targets)
        recipe = dataset_recipe(
            source, self.targets, (pre_filter, pre_transform), time_limit=time_limit,
            group=group, units=units or {}, classes=dict(classes or {}),
            max_atoms=max_atoms, environment=environment,
            primitive_tolerance=primitive_tolerance, disorder=disorder,
            orderings=orderings, disorder_seed=disorder_seed, workers=workers,
        )  # fmt: skip
        self.classes = dict(recipe.classes)
        super().__init__(
            str(cache_folder(root)), transform, pre_transform, pre_filter, False,
            force_reload,
        )  # fmt: skip
        self._open(recipe, anew=force_reload, progress=progress)

    @classmethod
    def from_config(
        cls, root: str | Path, config: DataConfig, *, progress: bool = False
    ) -> CrystalDataset:
        """Return the data set that the settings of a run ask for.

        Args:
            root: Folder to keep the encoded crystals in.
            config: Source, targets and how crystals become graphs.
            progress: Show a progress bar on the terminal.
        """
        return cls(
            root,
            config.source,
            config.targets,
            classes=config.classes,
            group=config.group,
            units={k: v for k, v in config.units.items() if k in config.targets},
            time_limit=config.time_limit,
            workers=config.workers,
            progress=progress,
            **vars(Encoder.from_config(config)),  # each is an argument of its name
        )

    def _open(self, recipe: Recipe, *, anew: bool, progress: bool) -> None:
        source = recipe.open()
        self.units = {k: v for k, v in source.units.items() if k in self.targets}
        self.notes = tuple(source.notes)
        used = {*self.targets, recipe.group}
        columns = (*source.available, *source.labels)
        self.unused = tuple(name for name in columns if name not in used)
        self._prepared: PreparedTargets | None = None
        if isinstance(recipe.source, str | Path) and is_prepared(recipe.source):
            folder = read_prepared(recipe.source, open_source)
            self._prepared = PreparedTargets.find(folder, self.targets, source.units)
            self._store = folder.store(recipe.encoder)
            self.content = folder.key
        else:
            self.content = source.digest()
            key = recipe.key(self.content)
            cache = Path(self.processed_dir)
            self._store = open_cached(
                cache, recipe, source, key, anew=anew, progress=progress
            )
        self._report(source.name)

    def len(self) -> int:
        """Return the number of graphs in the whole data set."""
        return len(self._store)

    def get(self, idx: int) -> Data:
        """Return the graph with this index in the whole data set."""
        data = self._store.graph(idx)
        if self._prepared is not None:
            data.y = self._prepared.select(data.y)
        return data

    @property
    def processed_file_names(self) -> list[str]:
        """Paths of the files that hold the graphs."""
        folder = self._store.folder.absolute()
        return [str(folder / name) for name in self._store.index.names]

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
        return y if self._prepared is None else self._prepared.select(y)

    @property
    def failures(self) -> list[Failure]:
        """Every input that could not be used, and why."""
        return list(self._store.failures())

    @property
    def warnings(self) -> dict[str, list[str]]:
        """What to know about crystals that are used nevertheless, by their id."""
        return dict(self._store.warnings())

    @property
    def graphs_digest(self) -> str:
        """Hash of all graphs and their ids, wherever they come from."""
        parts = "".join(shard.values_digest() for shard in self._store.shards())
        return hashlib.sha256(parts.encode()).hexdigest()

    def ledger(self) -> Ledger:
        """Count the inputs of the whole data set by what became of them."""
        return self._store.index.ledger

    def _chosen(self, values: NDArray[Any]) -> list[int]:
        if self._indices is not None:
            values = values[np.asarray(self._indices, np.int64)]
        chosen: list[int] = values.tolist()
        return chosen

    def _report(self, name: str) -> None:
        ledger = self.ledger()
        if not ledger.used:
            nothing = f"{name}: no crystal in it, or `pre_filter` kept none"
            none = f"{name}: none of {ledger.failed} crystals can be used: "
            raise DataError(none + ledger.main_reasons() if ledger.failed else nothing)
        if ledger.warned:
            id_, texts = next(self._store.warnings())
            message = "%s: %d crystals are used with a warning, such as %s: %s"
            _logger.warning(message, name, ledger.warned, id_, texts[0])
