"""Predictions for crystals in any form: files, pymatgen structures, ASE atoms."""

from __future__ import annotations

import hashlib
import math
import warnings
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Literal

import pandas as pd
import torch
from torch import Tensor
from torch_geometric.data import Batch, Data

from pyg_sitenet.data.encoder import Encoded, Encoder, Item
from pyg_sitenet.data.inputs import read_inputs
from pyg_sitenet.data.parallel import encode_entries, encode_here
from pyg_sitenet.data.records import Failure
from pyg_sitenet.data.structure import StructureLike
from pyg_sitenet.errors import StructureError
from pyg_sitenet.model_file import ModelDescription, load_model
from pyg_sitenet.nn import SiteNet
from pyg_sitenet.prediction.out_of_domain import OutOfDomain
from pyg_sitenet.prediction.rows import Prediction, table_row, value_columns
from pyg_sitenet.transforms import MergeEquivalent

# Known values, of which one record has more than another, and names.
_UNUSED = ["y", "id", "formula"]


class Predictor:
    """Predicts properties with a trained model.

    Args:
        model: The network.
        description: Its description: how crystals are encoded, targets and units.
        device: Where to compute.

    Attributes:
        window: A batch ends after so many inputs, counted from the first one of a
            stream. Thus their place alone decides what is in a batch, and a stream that
            is continued at such a place gives the same digits as in one piece.

    Example:
        ``load_predictor("runs/gap").predict([atoms, structure, "a.cif"])``
    """

    window = 256

    def __init__(
        self,
        model: SiteNet,
        description: ModelDescription,
        device: str | torch.device = "cpu",
    ) -> None:
        self.device = torch.device(device)
        self.model = model.to(self.device).eval()
        self.model.site_embedding.settle()
        self.description = description
        data = description.config.data
        self._encoder = Encoder(
            data.max_atoms,
            data.environment,
            data.primitive_tolerance,
            pre_transform=MergeEquivalent() if data.merge else None,
        )
        self._out_of_domain = OutOfDomain(description)

    @property
    def columns(self) -> list[str]:
        """Names of the value columns: each target with its unit in brackets."""
        return value_columns(self.description)

    def fingerprint(self) -> str:
        """Return a hash of the weights and of the description of the model."""
        digest = hashlib.sha256(self.description.model_dump_json().encode())
        for name, tensor in self.model.state_dict().items():
            digest.update(name.encode() + b"\0" + tensor.cpu().numpy().tobytes())
        return digest.hexdigest()

    def predict(
        self,
        structures: StructureLike | Iterable[StructureLike],
        *,
        on_error: Literal["raise", "record"] = "raise",
        workers: int | None = None,
    ) -> pd.DataFrame:
        """Predict one crystal or many.

        Args:
            structures: Paths, pymatgen structures or ASE atoms, one or many; of an
                iterator, such as the frames of a trajectory, few are held at a time.
            on_error: ``"raise"`` stops at the first unusable crystal; ``"record"``
                keeps its row without values and says why in a column ``reason``.
            workers: Other processes that read and encode crystals, 0 for one per core;
                by default this one does it.

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
        rows: list[dict[str, object]] = []
        for result in self.predict_records(read_inputs(structures), workers=workers):
            if isinstance(result, Failure):
                if on_error == "raise":
                    raise StructureError(_explain(result))
            else:
                for text in result.warnings:
                    warnings.warn(f"{result.id}: {text}", UserWarning, stacklevel=2)
            rows.append(table_row(result, self.description))
        columns = ["id", "formula", *self.columns]
        if on_error == "record":
            columns.append("reason")
        return pd.DataFrame(rows, columns=columns)

    def predict_records(
        self, records: Iterable[Item], *, workers: int | None = None
    ) -> Iterator[Prediction | Failure]:
        """Predict a stream of any length, holding little more than a batch of it.

        Each input gives one result, in its place. Those that cannot be encoded, or of
        which the model makes no finite number, come out as :class:`Failure`; failures
        that come in go out unchanged.

        Args:
            records: The ``entries()`` of a source, or records that were read already.
            workers: See :meth:`predict`.
        """
        limit = self.description.config.data.time_limit
        encoded = (
            encode_here(records, self._encoder, limit)
            if workers is None
            else encode_entries(records, self._encoder, workers, limit)
        )
        graphs = (one for one in encoded if one is not None)  # the encoder drops none
        for first in graphs:
            for batch in self._batches(chain([first], islice(graphs, self.window - 1))):
                yield from self._predict_batch(batch)

    def _batches(
        self, window: Iterable[Encoded | Failure]
    ) -> Iterator[list[Encoded | Failure]]:
        """Cut a window so that each part stays within the budget of sites and pairs."""
        budget = self.description.config.data
        waiting: list[Encoded | Failure] = []
        sites = pairs = 0
        for item in window:
            if isinstance(item, Encoded):
                num_sites, num_pairs = len(item.data.z), item.data.num_edges
                sites, pairs = sites + num_sites, pairs + num_pairs
                if sites > budget.max_sites or pairs > budget.max_pairs:
                    yield waiting
                    waiting, sites, pairs = [], num_sites, num_pairs
            waiting.append(item)
        yield waiting

    def _predict_batch(
        self, batch: Sequence[Encoded | Failure]
    ) -> Iterator[Prediction | Failure]:
        graphs = [one.data for one in batch if isinstance(one, Encoded)]
        values = iter(self._forward(graphs))
        for one in batch:
            yield one if isinstance(one, Failure) else self._result(one, next(values))

    @torch.inference_mode()
    def _forward(self, graphs: list[Data]) -> list[list[float]]:
        if not graphs:
            return []
        values: Tensor = self.model(
            Batch.from_data_list(graphs, exclude_keys=_UNUSED).to(self.device)
        )
        rows: list[list[float]] = values.tolist()  # [num_graphs, T]
        return rows

    def _result(self, one: Encoded, found: Sequence[float]) -> Prediction | Failure:
        if not all(map(math.isfinite, found)):
            reason = "the prediction is not a finite number"
            remedy = "check the structure, or train the model again"
            return Failure(one.origin, one.id, "predict", reason, remedy)
        values = dict(zip(self.description.targets, found, strict=True))
        texts = (
            *one.warnings,
            *self._out_of_domain.of_crystal(one.data),
            *self._out_of_domain.of_values(values),
        )
        formula = one.data.formula
        return Prediction(one.id, formula, values, one.targets, one.origin, texts)


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


def _explain(failure: Failure) -> str:
    known = failure.reason.startswith(failure.origin)
    where = "" if known else f"{failure.origin}: "
    return f"{where}{failure.reason}; {failure.remedy}"
