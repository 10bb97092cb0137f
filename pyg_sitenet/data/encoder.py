"""One crystal as a labelled graph: read, encode, label, filter, transform."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from torch_geometric.data import Data

from pyg_sitenet.data.encode import encode_structure
from pyg_sitenet.data.records import Failure, Record
from pyg_sitenet.data.sources.entry import Entry
from pyg_sitenet.data.structure import reduced_formula
from pyg_sitenet.errors import ConfigError, SiteNetWarning

Transform = Callable[[Data], Data]
Filter = Callable[[Data], bool]


class Encoded(NamedTuple):
    """A graph, and of its crystal what the graph does not hold.

    Args:
        data: The graph with ``y`` [1, T], ``id`` and ``formula``.
        id: Name of the crystal.
        warnings: What a user should know about it although it can be used.
        origin: Where the crystal came from.
        targets: Its known values.
    """

    data: Data
    id: str
    warnings: tuple[str, ...] = ()
    origin: str = ""
    targets: dict[str, float] = {}  # noqa: RUF012 - never changed


@runtime_checkable
class Prepares(Protocol):
    """A crystal whose graph was made before."""

    id: str
    origin: str
    targets: dict[str, float]

    def encoded(self, encoder: Encoder) -> Encoded:
        """Return the graph, if an encoder would make the same."""
        ...


Item = Entry | Record | Failure | Prepares


@dataclass(frozen=True)
class Encoder:
    """Makes the graph of a crystal, for data sets and for predictions alike.

    Args:
        max_atoms: Atoms of the environment at most.
        environment: Kind of environment.
        primitive_tolerance: Symmetry tolerance in angstrom.
        pre_filter: Says which graphs to keep.
        pre_transform: Applied to each graph that is kept.
    """

    max_atoms: int = 100
    environment: str = "supercell"
    primitive_tolerance: float = 0.1
    pre_filter: Filter | None = None
    pre_transform: Transform | None = None

    def __call__(self, item: Item) -> Encoded | Failure | None:
        """Return the graph, or why there is none; None if it was filtered out.

        Raises:
            ConfigError: If a setting is wrong, whatever the crystal.
        """
        if isinstance(item, Prepares):
            return item.encoded(self)
        record = item.read() if isinstance(item, Entry) else item
        if isinstance(record, Failure):
            return record
        try:
            data, texts = self._encode(record)
        except ConfigError:
            raise
        except (ValueError, ArithmeticError, RuntimeError, MemoryError) as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            remedy = "check the cell and the positions"
            return Failure(record.origin, record.id, "encode", reason, remedy)
        if self.pre_filter is not None and not self.pre_filter(data):
            return None
        if self.pre_transform is not None:
            data = self.pre_transform(data)
        texts = (*record.warnings, *texts)
        return Encoded(data, record.id, texts, record.origin, dict(record.targets))

    def _encode(self, record: Record) -> tuple[Data, tuple[str, ...]]:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", SiteNetWarning)
            data = encode_structure(
                record.structure,
                max_atoms=self.max_atoms,
                environment=self.environment,
                primitive_tolerance=self.primitive_tolerance,
            )
        data.y = torch.tensor([list(record.targets.values())], dtype=torch.float32)
        data.id = record.id
        data.formula = reduced_formula(record.structure)
        return data, tuple(str(one.message) for one in caught)
