"""Predictions for crystals in any form: files, pymatgen structures, ASE atoms."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pandas as pd
import torch
from ase.data import chemical_symbols
from torch import Tensor
from torch_geometric.data import Batch, Data

from pyg_sitenet.data.encoder import Encoded, Encoder
from pyg_sitenet.data.inputs import read_inputs
from pyg_sitenet.data.parallel import encode_here
from pyg_sitenet.data.records import Failure, Record
from pyg_sitenet.data.structure import StructureLike
from pyg_sitenet.errors import StructureError
from pyg_sitenet.model_file import ModelDescription, load_model
from pyg_sitenet.nn import SiteNet
from pyg_sitenet.transforms import MergeEquivalent


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the model says about one crystal.

    Attributes:
        id: Identifier of the crystal.
        formula: Reduced formula.
        values: Predicted value of each target, in units of the target.
        targets: Known values that came with the record, if any.
        origin: Where the crystal was read from.
        warnings: Reasons to trust the values less.
    """

    id: str
    formula: str
    values: dict[str, float]
    targets: dict[str, float] = field(default_factory=dict)
    origin: str = ""
    warnings: tuple[str, ...] = ()


class Predictor:
    """Predicts properties with a trained model.

    Args:
        model: The network.
        description: Its description: how crystals are encoded, targets and units.
        device: Where to compute.

    Example:
        ``load_predictor("runs/gap").predict([atoms, structure, "a.cif"])``
    """

    def __init__(
        self,
        model: SiteNet,
        description: ModelDescription,
        device: str | torch.device = "cpu",
    ) -> None:
        self.device = torch.device(device)
        self.model = model.to(self.device).eval()
        self.description = description
        self._known_elements = frozenset(description.elements)
        data = description.config.data
        self._encoder = Encoder(
            data.max_atoms,
            data.environment,
            data.primitive_tolerance,
            pre_transform=MergeEquivalent() if data.merge else None,
        )

    @property
    def columns(self) -> list[str]:
        """Names of the value columns: each target with its unit in brackets."""
        units = self.description.units
        return [column_name(name, units) for name in self.description.targets]

    def predict(
        self,
        structures: StructureLike | Iterable[StructureLike],
        *,
        on_error: Literal["raise", "record"] = "raise",
    ) -> pd.DataFrame:
        """Predict one crystal or many.

        Args:
            structures: Paths, pymatgen structures or ASE atoms, one or many.
            on_error: ``"raise"`` stops at the first unusable crystal; ``"record"``
                keeps its row without values and says why in a column ``reason``.

        Returns:
            A table in the order of the input: ``id`` (the path, or the position in the
            input), ``formula``, and one column per target with its unit in brackets.

        Raises:
            StructureError: If a crystal cannot be used and ``on_error="raise"``.
        """
        if on_error not in ("raise", "record"):
            raise ValueError(
                f"`on_error` must be 'raise' or 'record', got {on_error!r}"
            )
        stop = on_error == "raise"
        rows: list[dict[str, object]] = []
        for result in self.predict_records(read_inputs(structures, stop=stop)):
            if stop and isinstance(result, Failure):
                text = f"{result.origin}: {result.reason}; {result.remedy}"
                raise StructureError(text)
            for text in getattr(result, "warnings", ()):
                warnings.warn(f"{result.id}: {text}", UserWarning, stacklevel=2)
            rows.append(self._row(result))
        columns = ["id", "formula", *self.columns]
        if on_error == "record":
            columns.append("reason")
        return pd.DataFrame(rows, columns=columns)

    def predict_records(
        self, records: Iterable[Record | Failure]
    ) -> Iterator[Prediction | Failure]:
        """Predict a stream of records in batches; the order is kept.

        Records that cannot be encoded, or of which the model makes no finite number,
        come out as :class:`Failure`; failures that come in go out unchanged.
        """
        budget = self.description.config.data
        waiting: list[Encoded | Failure] = []
        sites = pairs = 0
        for item in encode_here(records, self._encoder, budget.time_limit):
            if item is None:  # filters are for data sets
                continue
            if isinstance(item, Encoded):
                num_sites, num_pairs = len(item.data.z), item.data.num_edges
                sites, pairs = sites + num_sites, pairs + num_pairs
                if sites > budget.max_sites or pairs > budget.max_pairs:
                    yield from self._predict_batch(waiting)
                    waiting, sites, pairs = [], num_sites, num_pairs
            waiting.append(item)
        yield from self._predict_batch(waiting)

    def _unseen(self, z: Tensor) -> tuple[str, ...]:
        unseen = sorted(set(z.tolist()) - self._known_elements)
        if not unseen or not self._known_elements:
            return ()
        names = ", ".join(chemical_symbols[number] for number in unseen)
        return (f"the model has never seen {names} in training",)

    def _predict_batch(
        self, items: Sequence[Encoded | Failure]
    ) -> Iterator[Prediction | Failure]:
        graphs = [item.data for item in items if not isinstance(item, Failure)]
        values = iter(self._forward(graphs))
        for item in items:
            if isinstance(item, Failure):
                yield item
                continue
            found = next(values)
            if not all(map(math.isfinite, found)):
                reason = "the prediction is not a finite number"
                remedy = "check the structure, or train the model again"
                yield Failure(item.origin, item.id, "predict", reason, remedy)
                continue
            yield Prediction(
                id=item.id,
                formula=item.data.formula,
                values=dict(zip(self.description.targets, found, strict=True)),
                targets=item.targets,
                origin=item.origin,
                warnings=(*item.warnings, *self._unseen(item.data.z)),
            )

    @torch.inference_mode()
    def _forward(self, graphs: list[Data]) -> list[list[float]]:
        if not graphs:
            return []
        # Known values may be there for some crystals only, and are not looked at.
        batch = Batch.from_data_list(graphs, exclude_keys=["y"])
        values: Tensor = self.model(batch.to(self.device))
        rows: list[list[float]] = values.tolist()  # [num_graphs, T]
        return rows

    def _row(self, result: Prediction | Failure) -> dict[str, object]:
        if isinstance(result, Failure):
            reason = f"{result.reason}; {result.remedy}".removesuffix("; ")
            return {"id": result.id, "formula": "", "reason": reason}
        values = (result.values[name] for name in self.description.targets)
        return {
            "id": result.id,
            "formula": result.formula,
            "reason": "",
            **dict(zip(self.columns, values, strict=True)),
        }


def load_predictor(path: str | Path, device: str | torch.device = "cpu") -> Predictor:
    """Load a trained model for prediction.

    Args:
        path: A model file or a run folder.
        device: Where to compute, for example ``"cuda"``.

    Raises:
        ModelFileError: If the file is damaged, not one of ours, or newer.
    """
    model, description = load_model(path)
    return Predictor(model, description, device)


def column_name(target: str, units: Mapping[str, str]) -> str:
    """Return the table heading of a target: its name, and its unit in brackets."""
    unit = units.get(target, "")
    return f"{target} [{unit}]" if unit else target
