"""Graphs of a data set for analysis, with their complexity, in batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch

from pyg_sitenet.analysis.complexity import structural_complexity
from pyg_sitenet.config.settings import DataConfig
from pyg_sitenet.data.parallel import Encoded, Encoder
from pyg_sitenet.data.records import Failure
from pyg_sitenet.data.sources.entry import Entry
from pyg_sitenet.errors import StructureError
from pyg_sitenet.transforms import MergeEquivalent


@dataclass(frozen=True)
class ComplexityEncoder(Encoder):
    """Makes graphs with ``complexity`` [1, 3]: combinatorial, coordinational, both.

    Where no symmetry can be found the values are NaN and a warning says so.
    """

    def __call__(self, entry: Entry | Failure) -> Encoded | Failure | None:
        """Return the graph, or why there is none."""
        result = super().__call__(entry)
        if not isinstance(result, Encoded) or isinstance(entry, Failure):
            return result
        record = entry.read()
        if isinstance(record, Failure):  # a file that changed in between
            return record
        try:
            found = structural_complexity(record.structure)
        except StructureError as error:
            result.data.complexity = torch.full((1, 3), torch.nan)
            return result._replace(warnings=(*result.warnings, str(error)))
        values = found.combinatorial, found.coordinational, found.configurational
        result.data.complexity = torch.tensor([values], dtype=torch.float64)
        return result


def encoder_of(
    config: DataConfig, kind: type[Encoder] = Encoder, *, keep_origin: bool = False
) -> Encoder:
    """Return what makes graphs as the model saw them in training.

    Args:
        config: The model's settings of the data.
        kind: The class of the encoder.
        keep_origin: Let merged graphs say where their sites and pairs came from.
    """
    merge = MergeEquivalent(keep_origin=keep_origin)
    return kind(
        max_atoms=config.max_atoms,
        environment=config.environment,
        primitive_tolerance=config.primitive_tolerance,
        pre_transform=merge if config.merge else None,
    )


def in_batches(
    results: Iterable[Encoded | Failure | None], config: DataConfig
) -> Iterator[list[Encoded | Failure]]:
    """Group results so that the graphs of a group stay within the batch budgets.

    The order is kept; a graph above a budget forms a group of its own.
    """
    waiting: list[Encoded | Failure] = []
    sites = pairs = 0
    for result in results:
        if result is None:
            continue
        if isinstance(result, Encoded):
            num_sites, num_pairs = len(result.data.z), result.data.num_edges
            sites, pairs = sites + num_sites, pairs + num_pairs
            if sites > config.max_sites or pairs > config.max_pairs:
                yield waiting
                waiting, sites, pairs = [], num_sites, num_pairs
        waiting.append(result)
    yield waiting
