"""A crystal as a labelled graph: read, encode, label, filter, transform."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol, cast, runtime_checkable

import torch
from pymatgen.core import Structure
from torch_geometric.data import Data, HeteroData

from pyg_sitenet.config import DataConfig
from pyg_sitenet.data.disorder import Approximants, order_structure
from pyg_sitenet.data.disorder.approximants import Method
from pyg_sitenet.data.graph.description import describe
from pyg_sitenet.data.graph.encode import encode_checked
from pyg_sitenet.data.graph.encoded import Encoded, Ordered
from pyg_sitenet.data.readers.entry import Entry
from pyg_sitenet.data.records import Failure, Record, remedy_of
from pyg_sitenet.data.structure.check import refuse_disorder
from pyg_sitenet.data.structure.load import reduced_formula
from pyg_sitenet.data.transforms.merge_equivalent import MergeEquivalent
from pyg_sitenet.errors import ConfigError, SiteNetWarning

Transform = Callable[[Data], Data]
Filter = Callable[[Data], bool]


@runtime_checkable
class Preencoded(Protocol):
    """A crystal whose graph was made before."""

    id: str
    origin: str
    targets: dict[str, float]

    def encoded(self, encoder: Encoder) -> Encoded:
        """Return the graph, if an encoder would make the same."""
        ...


Item = Entry | Record | Failure | Preencoded


@dataclass(frozen=True)
class Encoder:
    """Encodes crystals as graphs, for data sets and for predictions alike.

    Args:
        max_atoms: Atoms of the environment at most.
        environment: Kind of environment.
        primitive_tolerance: Symmetry tolerance in angstrom.
        pre_filter: Says which graphs to keep.
        pre_transform: Applied to each graph that is kept.
        disorder: What to do with disordered crystals: ``"error"`` refuses them, else
            see :func:`~pyg_sitenet.data.disorder.order_structure`.
        orderings: Ordered approximants of a disordered crystal at most.
        disorder_seed: Decides, with the crystal, which are sampled.
    """

    max_atoms: int = 100
    environment: str = "supercell"
    primitive_tolerance: float = 0.003
    pre_filter: Filter | None = None
    pre_transform: Transform | None = None
    disorder: Literal["error", "sample", "enumerate"] = "error"
    orderings: int = 8
    disorder_seed: int = 0

    @classmethod
    def from_config(cls, config: DataConfig, *, keep_origin: bool = False) -> Encoder:
        """Return the encoder that the settings of a run ask for.

        This is the one place where settings become graphs.

        Args:
            config: The settings.
            keep_origin: Let merged graphs say where their sites and pairs came from.
        """
        merging = MergeEquivalent(keep_origin=keep_origin) if config.merge else None
        return cls(
            config.max_atoms,
            config.environment,
            config.primitive_tolerance,
            pre_transform=merging,
            disorder=config.disorder,
            orderings=config.orderings,
            disorder_seed=config.disorder_seed,
        )

    def settings(self) -> dict[str, Any]:
        """Return what decides about the graphs, by the names of ``DataConfig``.

        Functions of the user appear by their description.
        """
        merging = describe(self.pre_transform) == describe(MergeEquivalent())
        is_setting = merging or self.pre_transform is None
        return {
            "max_atoms": self.max_atoms,
            "environment": self.environment,
            "primitive_tolerance": self.primitive_tolerance,
            "merge": merging if is_setting else describe(self.pre_transform),
            "pre_filter": self.pre_filter and describe(self.pre_filter),
            **self.disorder_settings,
        }

    @property
    def disorder_settings(self) -> dict[str, str | int]:
        """Settings for disordered crystals; fixed values if those are refused."""
        if self.disorder == "error":
            return {"disorder": "error", "orderings": 1, "disorder_seed": 0}
        names = ("disorder", "orderings", "disorder_seed")
        return {name: getattr(self, name) for name in names}

    def __call__(self, item: Item) -> Encoded | Failure | None:
        """Return the graph, or why there is none; None if it was filtered out.

        Raises:
            ConfigError: If a setting is wrong, whatever the crystal.
        """
        if isinstance(item, Preencoded):
            return item.encoded(self)
        record = item.read() if isinstance(item, Entry) else item
        if isinstance(record, Failure):
            return record
        try:
            graphs, ordered, texts = self._encode(record)
        except ConfigError:
            raise
        except (ValueError, ArithmeticError, RuntimeError, MemoryError) as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            remedy = remedy_of(reason, "check the cell and the positions")
            return Failure(record.origin, record.id, "encode", reason, remedy)
        if self.pre_filter is not None and not self.pre_filter(graphs[0]):
            return None
        if self.pre_transform is not None:
            graphs = [_checked(self.pre_transform(graph)) for graph in graphs]
        texts = (*record.warnings, *texts)
        first, *others = graphs
        targets = dict(record.targets)
        return Encoded(
            first, record.id, texts, record.origin, targets, tuple(others), ordered
        )

    def graph(
        self,
        structure: Structure,
        *,
        unfold: bool = False,
        dtype: torch.dtype = torch.float32,
    ) -> Data | HeteroData:
        """Return the bare graph of an ordered crystal, without filter and transform.

        Args:
            structure: The crystal, checked when it was read.
            unfold: See :func:`~pyg_sitenet.encode_structure`.
            dtype: Of all real tensors.

        Raises:
            StructureError: If it cannot be encoded.
        """
        return encode_checked(
            structure,
            max_atoms=self.max_atoms,
            environment=self.environment,
            primitive_tolerance=self.primitive_tolerance,
            unfold=unfold,
            dtype=dtype,
        )

    def _encode(
        self, record: Record
    ) -> tuple[list[Data], Ordered | None, tuple[str, ...]]:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", SiteNetWarning)
            if record.structure.is_ordered:
                orderings = Approximants((record.structure,), (1.0,), {})
                ordered = None
            else:
                orderings = self._order(record)
                ordered = Ordered(orderings.weights, orderings.largest_misfit)
            structures = orderings.structures
            graphs = [cast("Data", self.graph(structure)) for structure in structures]
        for graph in graphs:
            graph.y = torch.tensor([list(record.targets.values())], dtype=torch.float64)
            graph.id = record.id
            graph.formula = reduced_formula(record.structure)
            if record.group:
                graph.group = record.group
        # Orderings are of one size: each gives the same warnings.
        messages = (str(warning.message) for warning in caught)
        texts = dict.fromkeys((*orderings.notes, *messages))
        return graphs, ordered, tuple(texts)

    def _order(self, record: Record) -> Approximants:
        if self.disorder == "error":
            refuse_disorder(record.structure, record.origin)
        return order_structure(
            record.structure,
            cast("Method", self.disorder),
            orderings=self.orderings,
            seed=self.disorder_seed,
            max_atoms=self.max_atoms,
            primitive_tolerance=self.primitive_tolerance,
        )


def _checked(graph: object) -> Data:
    """Return what `pre_transform` returned, if it is a graph."""
    if isinstance(graph, Data):
        return graph
    raise ConfigError(
        f"`pre_transform` must return a graph (`Data`), got {type(graph).__name__}; "
        "let it return its result, and drop crystals with `pre_filter`"
    )
