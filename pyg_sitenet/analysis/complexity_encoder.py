"""Graphs of a data set for analysis, with their complexity, in batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch_geometric.data import Batch

from pyg_sitenet.analysis.complexity import structural_complexity
from pyg_sitenet.data.batches.budget import cut, size_of
from pyg_sitenet.data.graph.encoded import Encoded
from pyg_sitenet.data.graph.encoder import Encoder, Item, Preencoded
from pyg_sitenet.data.graph.stream import encode_entries, encode_here
from pyg_sitenet.data.readers.entry import Entry
from pyg_sitenet.data.records import Failure, Record, remedy_of
from pyg_sitenet.data.structure.check import refuse_disorder
from pyg_sitenet.errors import StructureError
from pyg_sitenet.prediction import Predictor

# Names, and known values, of which one crystal has more than another.
_NOT_IN_BATCHES = ["y", "id", "formula", "complexity"]
_NO_STRUCTURE = "prepared graphs hold no structure; give what they were prepared from"


@dataclass(frozen=True)
class ComplexityEncoder(Encoder):
    """Makes graphs with ``complexity`` [1, 3]: combinatorial, coordinational, both.

    Where there is none to be found the values are NaN and a warning says so; a
    disordered crystal is represented by its first ordering.
    """

    def __call__(self, item: Item) -> Encoded | Failure | None:
        """Return the graph, or why there is none."""
        item = item.read() if isinstance(item, Entry) else item
        result = super().__call__(item)
        if not isinstance(result, Encoded):
            return result
        values, texts = (torch.nan,) * 3, result.warnings
        try:
            values = _complexity(item)
        except StructureError as error:
            texts = (*texts, f"no complexity: {error}")
        result.data.complexity = torch.tensor([values], dtype=torch.float64)
        if result.ordered is not None:
            texts = (*texts, "disordered: its first ordering stands for it")
        return result._replace(warnings=texts, others=(), ordered=None)


def _complexity(item: Item) -> tuple[float, float, float]:
    if not isinstance(item, Record):
        raise StructureError(_NO_STRUCTURE)
    refuse_disorder(item.structure, item.origin)
    bits = structural_complexity(item.structure)
    return bits.combinatorial, bits.coordinational, bits.configurational


def read_crystal(item: Item) -> Record | Failure:
    """Read an ordered crystal, of which more than its graph is wanted."""
    record = item.read() if isinstance(item, Entry) else item
    if isinstance(record, Failure):
        return record
    try:
        if isinstance(record, Preencoded):
            raise StructureError(_NO_STRUCTURE)
        refuse_disorder(record.structure, record.origin)
    except StructureError as error:
        remedy = remedy_of(str(error), "give the ordered crystal itself")
        return Failure(item.origin, item.id, "read", str(error), remedy)
    return record


def encode_groups(
    predictor: Predictor,
    entries: Iterable[Item],
    workers: int | None,
    kind: type[Encoder] = Encoder,
    *,
    keep_origin: bool = False,
) -> Iterator[list[Encoded | Failure]]:
    """Encode crystals as the model saw them, in groups for one batch each.

    Args:
        predictor: The model with its settings of the data.
        entries: The crystals.
        workers: Other processes that encode, 0 for one per core; None for this one.
        kind: The class of the encoder.
        keep_origin: Let merged graphs say where their sites and pairs came from.
    """
    data = predictor.data
    encoder = kind.from_config(data, keep_origin=keep_origin)
    if workers is None:
        results = encode_here(entries, encoder, data.time_limit)
    else:
        results = encode_entries(entries, encoder, workers, data.time_limit)
    graphs = (result for result in results if result is not None)
    return cut(graphs, size_of, data.max_sites, data.max_pairs)


def make_batch(usable: Sequence[Encoded], predictor: Predictor) -> Batch:
    """Join graphs for the model, without what belongs to single crystals."""
    graphs = [encoded.data for encoded in usable]
    batch = Batch.from_data_list(graphs, exclude_keys=_NOT_IN_BATCHES)
    return batch.to(predictor.device)
