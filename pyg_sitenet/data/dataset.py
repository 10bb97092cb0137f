"""Crystals from any source as a PyG data set, encoded once and kept on disk."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import Progress
from torch_geometric.data import Data, InMemoryDataset

from pyg_sitenet.data.cache import (
    describe,
    fingerprint,
    is_telling,
    load_graphs,
    save_graphs,
)
from pyg_sitenet.data.encoder import Encoder, Filter, Transform
from pyg_sitenet.data.parallel import encode_entries
from pyg_sitenet.data.records import Failure
from pyg_sitenet.data.sources import Source, open_source
from pyg_sitenet.errors import DataError

_logger = logging.getLogger(__name__)


class CrystalDataset(InMemoryDataset):
    """Crystals of a source as graphs, with their targets.

    Each graph is that of :func:`~pyg_sitenet.data.encode.encode_structure` with the
    targets ``y`` [1, T] (float32, in their own units), ``id`` and ``formula``. Graphs
    are kept in a file below ``root/processed``, whose name carries a hash of every
    setting, of the source's content and of the code that made them: a change of any
    leads to another file, never to stale graphs.

    Args:
        root: Folder to keep the encoded crystals in.
        source: Name of a bundled data set, or anything that
            :func:`~pyg_sitenet.data.sources.open_source` opens.
        targets: Names of the targets, in the order of the columns of ``y``.
        max_atoms: Atoms of the environment at most.
        environment: Kind of environment.
        primitive_tolerance: Symmetry tolerance in angstrom.
        time_limit: Seconds a crystal may take, else it is a failure; None for no limit.
        workers: Processes that encode; 0 takes one per core.
        transform: Applied at each access.
        pre_transform: Applied once, before the graph is kept.
        pre_filter: Says which graphs to keep, before ``pre_transform``.
        force_reload: Encode again even if the graphs are there.
        progress: Show a progress bar on the terminal.

    Attributes:
        failures: Every input that could not be used, and why.
        warnings: What to know about crystals that are used nevertheless, by their id.
        units: Unit of each target that states one.
        targets: Names of the targets.

    Raises:
        DataError: If the source cannot be opened, has no such target or no usable
            crystal, or if ``root`` cannot be written.

    Example:
        >>> dataset = CrystalDataset("cache", "dielectric", ("band_gap",))
        >>> dataset[0].id, dataset.units
        ('mp-441', {'band_gap': 'eV'})
    """

    failures: list[Failure]
    warnings: dict[str, list[str]]
    units: dict[str, str]
    targets: tuple[str, ...]

    def __init__(
        self,
        root: str | Path,
        source: str | Path | Sequence[str | Path] = "dielectric",
        targets: Sequence[str] = ("band_gap",),
        *,
        max_atoms: int = 100,
        environment: str = "supercell",
        primitive_tolerance: float = 0.1,
        time_limit: float | None = 60.0,
        workers: int = 0,
        transform: Callable[[Data], Any] | None = None,
        pre_transform: Transform | None = None,
        pre_filter: Filter | None = None,
        force_reload: bool = False,
        progress: bool = False,
    ) -> None:
        self.targets = tuple(targets)
        opened = open_source(source, self.targets)
        encoder = Encoder(
            max_atoms, environment, primitive_tolerance, pre_filter, pre_transform
        )
        settings = _settings(opened, self.targets, encoder, time_limit)
        self._file_name = f"{_slug(opened.name)}-{fingerprint(settings)}.safetensors"
        super().__init__(
            str(root), transform, pre_transform, pre_filter, False, force_reload
        )
        telling = all(map(is_telling, settings.values()))
        if force_reload or not (telling and self._load()):
            self._encode(
                opened, encoder, workers, time_limit=time_limit, progress=progress
            )
        if self.warnings:
            id_, texts = next(iter(self.warnings.items()))
            message = "%s: %d crystals are used with a warning, such as %s: %s"
            _logger.warning(message, opened.name, len(self.warnings), id_, texts[0])

    @property
    def processed_file_names(self) -> str:
        """The file that the graphs are kept in."""
        return self._file_name

    @property
    def num_sites(self) -> list[int]:
        """Unique sites of each crystal, merged ones included."""
        if "site_multiplicity" not in self._data:
            return self._sizes("x", 0)
        graphs = (self.get(i) for i in self.indices())
        return [int(graph.site_multiplicity.sum()) for graph in graphs]

    @property
    def num_pairs(self) -> list[int]:
        """Pairs of each crystal."""
        return self._sizes("edge_index", 1)

    # Not `process`: PyG would wrap it in a check of its own, which keeps pickled
    # descriptions of the transforms and is settled by the file's name here.
    def _encode(
        self,
        source: Source,
        encoder: Encoder,
        workers: int,
        *,
        time_limit: float | None,
        progress: bool,
    ) -> None:
        graphs: list[Data] = []
        failures: list[Failure] = []
        texts: dict[str, list[str]] = {}
        with _progress_bar(source, shown=progress) as advance:
            entries = source.entries()
            for result in encode_entries(entries, encoder, workers, time_limit):
                advance()
                if isinstance(result, Failure):
                    failures.append(result)
                elif result is not None:
                    graphs.append(result.data)
                    if result.warnings:
                        texts[result.id] = list(result.warnings)
        if not graphs:
            raise DataError(_explain_nothing(source.name, failures))
        self.failures, self.warnings = failures, texts
        self.units = {k: v for k, v in source.units.items() if k in self.targets}
        self._data, self.slices = self.collate(graphs)
        notes = {
            "failures": [asdict(failure) for failure in failures],
            "warnings": texts,
            "units": self.units,
        }
        save_graphs(Path(self.processed_paths[0]), self._data, self.slices, notes)

    def _load(self) -> bool:
        loaded = load_graphs(Path(self.processed_paths[0]))
        if loaded is None:
            return False
        self._data, self.slices, notes = loaded
        self.failures = [Failure(**values) for values in notes["failures"]]
        self.units, self.warnings = notes["units"], notes["warnings"]
        return True

    def _sizes(self, key: str, dim: int) -> list[int]:
        if self.slices is None:
            sizes = torch.tensor([self._data[key].size(dim)])
        else:
            sizes = self.slices[key].diff()
        chosen: list[int] = sizes[list(self.indices())].tolist()
        return chosen


def _settings(
    source: Source,
    targets: tuple[str, ...],
    encoder: Encoder,
    time_limit: float | None,
) -> dict[str, str]:
    return {
        "source": source.digest(),
        "targets": repr(targets),
        "max_atoms": repr(encoder.max_atoms),
        "environment": encoder.environment,
        "primitive_tolerance": repr(encoder.primitive_tolerance),
        "time_limit": repr(time_limit),
        "pre_filter": describe(encoder.pre_filter),
        "pre_transform": describe(encoder.pre_transform),
    }


def _slug(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", Path(name).name).strip("-")[:40] or "crystals"


@contextmanager
def _progress_bar(source: Source, *, shown: bool) -> Iterator[Callable[[], None]]:
    if not shown:
        yield lambda: None
        return
    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task(f"Encoding {source.name}", total=source.count)
        yield lambda: bar.advance(task)


def _explain_nothing(name: str, failures: list[Failure]) -> str:
    if not failures:
        return f"{name}: no crystal in it, or `pre_filter` kept none"
    reasons = Counter(failure.reason for failure in failures).most_common(3)
    listed = "; ".join(f"{reason} ({count} times)" for reason, count in reasons)
    return f"{name}: none of {len(failures)} crystals can be used: {listed}"
