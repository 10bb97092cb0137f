"""One pass over a data set: what the model does with each crystal, a row each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import torch
from ase.data import chemical_symbols
from torch import Tensor
from torch_geometric.data import Data

from pyg_sitenet.analysis.attention import AttentionHistogram
from pyg_sitenet.analysis.complexity_encoder import (
    ComplexityEncoder,
    encode_groups,
    make_batch,
)
from pyg_sitenet.analysis.long_range import LONG_RANGE, head_column, largest_reach
from pyg_sitenet.data.graph.encoded import Encoded
from pyg_sitenet.data.graph.encoder import Item
from pyg_sitenet.data.ledger import Ledger
from pyg_sitenet.data.records import Failure
from pyg_sitenet.errors import DataError
from pyg_sitenet.prediction import Predictor, column_name

_COMPLEXITY = ("combinatorial", "coordinational", "configurational")


@dataclass(frozen=True)
class Survey:
    """What a model does with a data set.

    Attributes:
        crystals: One row per crystal: ``id``, ``formula``, ``elements`` (symbols with
            spaces between), ``sites`` (of the primitive cell), ``pairs``, ``volume
            [A^3]`` and ``cube root of volume [A]`` of the primitive cell,
            ``combinatorial``, ``coordinational`` and ``configurational complexity
            [bit]``, ``long range [A]`` (equation 8) and that of each block and head,
            for each target its known value (under its name with the unit, where the
            data have any) and ``predicted <name>``, and ``warnings``.
        attention: Attention against distance of all of them.
        failures: Inputs that could not be used, and why.
        targets: Targets whose known values the data have.
        ledger: What became of the inputs, in numbers.
    """

    crystals: pd.DataFrame
    attention: AttentionHistogram
    failures: list[Failure]
    targets: tuple[str, ...]
    ledger: Ledger


def survey(
    predictor: Predictor,
    entries: Iterable[Item],
    targets: Sequence[str] = (),
    *,
    workers: int | None = None,
) -> Survey:
    """Run a model over crystals and keep what there is to know of each.

    Args:
        predictor: The trained model.
        entries: The crystals, as ``open_source(data, targets).entries()`` gives them.
        targets: Targets of the model whose values the entries carry.
        workers: Other processes that encode, 0 for one per core; None for this one.

    Raises:
        DataError: If no crystal can be used.
    """
    model, ledger = predictor.description.config.model, Ledger()
    attention = AttentionHistogram(model.blocks, model.heads)
    rows: list[dict[str, Any]] = []
    failures: list[Failure] = []
    for group in encode_groups(predictor, entries, workers, ComplexityEncoder):
        usable = [item for item in group if isinstance(item, Encoded)]
        crystal_rows = _rows(predictor, usable, targets, attention)
        for item in group:
            row = item if isinstance(item, Failure) else next(crystal_rows)
            if isinstance(row, Failure):
                failures.append(row)
                ledger.add(row)
            else:
                rows.append(row)
                ledger.add(item)
    if not rows:
        reason = f"; the first failure: {failures[0].reason}" if failures else ""
        raise DataError(f"no crystal can be analysed ({len(failures)} failed){reason}")
    return Survey(pd.DataFrame(rows), attention, failures, tuple(targets), ledger)


@torch.inference_mode()
def _rows(
    predictor: Predictor,
    usable: Sequence[Encoded],
    targets: Sequence[str],
    histogram: AttentionHistogram,
) -> Iterator[dict[str, Any] | Failure]:
    if not usable:
        return
    batch = make_batch(usable, predictor)
    values = predictor.network(batch).cpu().double()
    attention = predictor.network.attention(batch)
    reach = largest_reach(attention, batch.batch).cpu().double()
    histogram.add(attention, batch.get("site_multiplicity"))
    for crystal, predicted, heads in zip(usable, values, reach, strict=True):
        if not predicted.isfinite().all():
            reason = "the prediction is not a finite number"
            remedy = "check the structure, or train the model again"
            yield Failure(crystal.origin, crystal.id, "predict", reason, remedy)
            continue
        yield {
            **_crystal_columns(crystal.data),
            **_reach_columns(heads),
            **_value_columns(predictor, crystal, predicted, targets),
            "warnings": "; ".join(crystal.warnings),
        }


def _crystal_columns(data: Data) -> dict[str, Any]:
    merged = data.get("site_multiplicity")
    volume = float(torch.linalg.det(data.cell[0].double()).abs())
    symbols = sorted({chemical_symbols[z] for z in data.z.tolist()})
    complexity = zip(_COMPLEXITY, data.complexity[0].tolist(), strict=True)
    return {
        "id": data.id,
        "formula": data.formula,
        "elements": " ".join(symbols),
        "sites": len(data.z) if merged is None else int(merged.sum()),
        "pairs": data.num_edges,
        "volume [A^3]": volume,
        "cube root of volume [A]": volume ** (1 / 3),
        **{f"{name} complexity [bit]": value for name, value in complexity},
    }


def _reach_columns(heads: Tensor) -> dict[str, float]:
    """Return the long-range coefficient and its parts, ``heads`` [blocks, heads]."""
    columns = {LONG_RANGE: float(heads[-1].sum())}
    for block, values in enumerate(heads.tolist(), start=1):
        for head, value in enumerate(values, start=1):
            columns[head_column(block, head)] = value
    return columns


def _value_columns(
    predictor: Predictor, crystal: Encoded, predicted: Tensor, targets: Sequence[str]
) -> dict[str, float]:
    description = predictor.description
    columns: dict[str, float] = {}
    truth, values = description.layout.known(crystal.targets), iter(predicted.tolist())
    for target in description.layout.targets:
        for name in target.outputs:
            column = column_name(name, description.units)
            if target.name in targets:
                columns[column] = truth[name]
            columns[f"predicted {column}"] = next(values)
    return columns
