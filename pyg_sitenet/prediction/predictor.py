"""Predictions for crystals in any form: files, pymatgen structures, ASE atoms."""

from __future__ import annotations

import hashlib
import math
import warnings
from collections.abc import Generator, Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Literal

import pandas as pd
import torch
from torch import Tensor
from torch_geometric.data import Batch, Data

from pyg_sitenet.config import DataConfig, make_config
from pyg_sitenet.data.cluster import Cluster
from pyg_sitenet.data.encoder import Encoded, Encoder, Item
from pyg_sitenet.data.inputs import read_inputs
from pyg_sitenet.data.parallel import encode_entries, encode_here
from pyg_sitenet.data.records import Failure
from pyg_sitenet.data.structure import StructureLike
from pyg_sitenet.errors import StructureError
from pyg_sitenet.model_file import ModelDescription, load_model
from pyg_sitenet.nn import SiteNet
from pyg_sitenet.prediction.budget import cut
from pyg_sitenet.prediction.out_of_domain import OutOfDomain
from pyg_sitenet.prediction.rows import (
    Prediction,
    spread_columns,
    table_row,
    value_columns,
)
from pyg_sitenet.prediction.spread import average
from pyg_sitenet.prediction.windows_on_cluster import predict_windows
from pyg_sitenet.transforms import MergeEquivalent

# Known values, of which one record has more than another, and names.
_UNUSED = ["y", "id", "formula"]


class Predictor:
    """Predicts properties with a trained model.

    Args:
        model: The network.
        description: Its description: how crystals are encoded, targets and units.
        device: Where to compute.
        data: How crystals become graphs, if not as the description says; what a model
            was trained with should stay, except for the handling of disorder.

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
        data: DataConfig | None = None,
    ) -> None:
        self.device = torch.device(device)
        self.model = model.to(self.device).eval()
        self.model.site_embedding.settle()
        self.description = description
        self.data = data = data or description.config.data
        self._encoder = Encoder(
            data.max_atoms,
            data.environment,
            data.primitive_tolerance,
            pre_transform=MergeEquivalent() if data.merge else None,
            disorder=data.disorder,
            orderings=data.orderings,
            disorder_seed=data.disorder_seed,
        )
        self._out_of_domain = OutOfDomain(description)

    @property
    def columns(self) -> list[str]:
        """Names of the value columns: each target with its unit in brackets."""
        return value_columns(self.description)

    @property
    def orders(self) -> bool:
        """Whether disordered crystals are ordered, and so may have a spread."""
        return self.data.disorder != "error"

    def disorder_settings(self) -> dict[str, str | int]:
        """Return what decides how disordered crystals are predicted."""
        return self._encoder.disorder_settings

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
            If disordered crystals are ordered, also for each target the standard
            deviation, minimum and maximum over the orderings, whose mean is the value,
            and ``orderings`` and ``misfit`` (:class:`Spread`).

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
        if self.orders:
            columns += spread_columns(self.description)
        if on_error == "record":
            columns.append("reason")
        return pd.DataFrame(rows, columns=columns)

    def predict_records(
        self,
        records: Iterable[Item],
        *,
        workers: int | None = None,
        cluster: Cluster | None = None,
    ) -> Generator[Prediction | Failure, None, None]:
        """Predict a stream of any length, holding little more than a batch of it.

        Each input gives one result, in its place. Those that cannot be encoded, or of
        which the model makes no finite number, come out as :class:`Failure`; failures
        that come in go out unchanged.

        Args:
            records: The ``entries()`` of a source, or records that were read already.
            workers: See :meth:`predict`.
            cluster: Where to predict, if not here; it holds more, by its cores.
        """
        if cluster is not None:
            yield from predict_windows(cluster, self, self._encoder, records)
            return
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
        return cut(window, self.data.max_sites, self.data.max_pairs)

    def _predict_batch(
        self, batch: Sequence[Encoded | Failure]
    ) -> Iterator[Prediction | Failure]:
        graphs = [
            graph for one in batch if isinstance(one, Encoded) for graph in one.graphs
        ]
        # More than one part only if the orderings of a single crystal fill it.
        parts = cut(graphs, self.data.max_sites, self.data.max_pairs)
        values = (row for part in parts for row in self._forward(part))
        for one in batch:
            if isinstance(one, Failure):
                yield one
            else:
                yield self._result(one, list(islice(values, len(one.graphs))))

    @torch.inference_mode()
    def _forward(self, graphs: list[Data]) -> list[list[float]]:
        if not graphs:
            return []
        values: Tensor = self.model(
            Batch.from_data_list(graphs, exclude_keys=_UNUSED).to(self.device)
        )
        rows: list[list[float]] = values.tolist()  # [num_graphs, T]
        return rows

    def _result(
        self, one: Encoded, rows: Sequence[Sequence[float]]
    ) -> Prediction | Failure:
        if not all(math.isfinite(value) for row in rows for value in row):
            reason = "the prediction is not a finite number"
            remedy = "check the structure, or train the model again"
            return Failure(one.origin, one.id, "predict", reason, remedy)
        spread = None
        if one.ordered is None:
            values = dict(zip(self.description.targets, rows[0], strict=True))
        else:
            values, spread = average(self.description.targets, rows, one.ordered)
        texts = dict.fromkeys(one.warnings)
        for graph in one.graphs:
            texts |= dict.fromkeys(self._out_of_domain.of_crystal(graph))
        texts |= dict.fromkeys(self._out_of_domain.of_values(values))
        formula = one.data.formula
        return Prediction(
            one.id, formula, values, one.targets, one.origin, tuple(texts), spread
        )


def load_predictor(
    path: str | Path,
    device: str | torch.device = "cpu",
    *,
    disorder: str | None = None,
    orderings: int | None = None,
    disorder_seed: int | None = None,
) -> Predictor:
    """Load a trained model for prediction.

    Args:
        path: A model file or a run folder.
        device: Where to compute, for example ``"cuda"``.
        disorder: What to do with disordered crystals: refuse them (``"error"``),
            ``"sample"`` or ``"enumerate"`` their orderings
            (:func:`~pyg_sitenet.data.disorder.order_structure`). By default, as in
            training, as are the next two.
        orderings: How many of a crystal at most.
        disorder_seed: Decides which are sampled.

    Raises:
        ModelFileError: If the file is damaged, not one of ours, or newer.
        ConfigError: If a setting has an impossible value.
    """
    model, description = load_model(path)
    given = {
        "disorder": disorder,
        "orderings": orderings,
        "disorder_seed": disorder_seed,
    }
    chosen = {name: value for name, value in given.items() if value is not None}
    known = description.config.data.model_dump()
    config = make_config({"data": known | chosen}, origin="load_predictor")
    return Predictor(model, description, device, config.data)


def _explain(failure: Failure) -> str:
    known = failure.reason.startswith(failure.origin)
    where = "" if known else f"{failure.origin}: "
    return f"{where}{failure.reason}; {failure.remedy}"
