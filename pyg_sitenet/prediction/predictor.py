"""Predictions for crystals in any form: files, pymatgen structures, ASE atoms."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Generator, Iterable, Iterator, Sequence
from functools import cached_property
from itertools import chain, islice
from typing import Literal, cast

import pandas as pd
import torch
from torch_geometric.data import Data

from pyg_sitenet.config import DataConfig
from pyg_sitenet.data.batches.budget import cut, size_of
from pyg_sitenet.data.graph.encoded import Encoded
from pyg_sitenet.data.graph.encoder import Encoder, Item
from pyg_sitenet.data.graph.stream import encode_entries, encode_here
from pyg_sitenet.data.readers.objects import read_inputs
from pyg_sitenet.data.records import Failure
from pyg_sitenet.data.structure.load import StructureLike, load_structure
from pyg_sitenet.errors import StructureError
from pyg_sitenet.model_file import ModelDescription, hash_of_model
from pyg_sitenet.nn import SiteNet, SiteNetEnsemble, networks_of
from pyg_sitenet.prediction.answers import answer_graphs
from pyg_sitenet.prediction.columns import (
    Prediction,
    file_headings,
    file_row,
    table_headings,
    table_in_memory,
    table_row,
    value_columns,
)
from pyg_sitenet.prediction.result_builder import ResultBuilder

_logger = logging.getLogger(__name__)


class Predictor:
    """Predicts properties with a trained model.

    Args:
        model: The network.
        description: Its description: how crystals are encoded, targets and units.
        device: Where to compute.
        data: How crystals become graphs, if not as the description says; what a model
            was trained with should stay, except for the handling of disorder.
        level: Share of crystals whose true value is to lie in the interval that each
            prediction gets, such as 0.9. (default: no intervals)

    Attributes:
        encoder: Makes the graphs of its inputs.
        window: A batch ends after so many inputs, counted from the first one of a
            stream. Thus their place alone decides what is in a batch, and a stream that
            is continued at such a place gives the same digits as in one piece.

    Example:
        ``load_predictor("runs/gap").predict([atoms, structure, "a.cif"])``
    """

    window = 256

    def __init__(
        self,
        model: SiteNet | SiteNetEnsemble,
        description: ModelDescription,
        device: str | torch.device = "cpu",
        data: DataConfig | None = None,
        level: float | None = None,
    ) -> None:
        self.device = torch.device(device)
        self.model = model.to(self.device).eval()
        for network in networks_of(model):
            network.site_embedding.settle()
        self.description = description
        self.data = data = data or description.config.data
        self.encoder = Encoder.from_config(data)
        self._results = ResultBuilder(description, level)

    @cached_property
    def network(self) -> SiteNet:
        """The network, for what looks into a single one; of an ensemble the first."""
        first, *others = networks_of(self.model)
        if others:
            _logger.warning(
                "the model is an ensemble of %d; its first network is looked into",
                len(others) + 1,
            )
        return first

    @property
    def units(self) -> dict[str, str]:
        """Unit of each target that has one."""
        return self.description.units

    @property
    def columns(self) -> list[str]:
        """Names of the columns: targets with units, or probabilities of classes."""
        return value_columns(self.description)

    @property
    def orders(self) -> bool:
        """Whether disordered crystals are ordered, and so may have a spread."""
        return self.data.disorder != "error"

    @property
    def level(self) -> float | None:
        """Share of crystals whose true value is to lie in the intervals, if any."""
        return self._results.level

    def settings(self) -> dict[str, str | int | float]:
        """Return what decides the results beside the model: disorder and level."""
        chosen: dict[str, str | int | float] = {**self.encoder.disorder_settings}
        return chosen if self.level is None else chosen | {"level": self.level}

    def headings(self) -> list[str]:
        """Return the headings of a file of predictions."""
        return file_headings(
            self.description, with_spread=self.orders, level=self.level
        )

    def row(self, prediction: Prediction) -> list[object]:
        """Return what a file of predictions says under its headings."""
        return file_row(prediction, self.description, with_spread=self.orders)

    def fingerprint(self) -> str:
        """Return a hash of the weights and of the description of the model."""
        return hash_of_model(self.model, self.description)

    def graph(self, structure: StructureLike) -> Data:
        """Return the graph of an ordered crystal as the model reads it, not merged.

        Raises:
            StructureError: If it cannot be used.
        """
        checked = load_structure(structure)
        return cast("Data", self.encoder.graph(checked))

    def predict(
        self,
        structures: StructureLike | Iterable[StructureLike],
        *,
        on_error: Literal["raise", "record"] = "raise",
        workers: int | None = None,
    ) -> pd.DataFrame:
        """Predict one crystal or many; reasons to trust a value less are warned about.

        Args:
            structures: Paths, pymatgen structures or ASE atoms, one or many; of an
                iterator, such as the frames of a trajectory, few are held at a time.
            on_error: ``"raise"`` stops at the first unusable crystal; ``"record"``
                keeps its row without values and says why in a column ``reason``.
            workers: Other processes that read and encode crystals, 0 for one per core;
                by default this one does it.

        Returns:
            A table in the order of the input (of a column of pandas with its index):
            ``id`` (the path, or the position in the input), ``formula``, and a column
            for each target with its unit in brackets; of classes the most probable one,
            then the probability of each. An ensemble adds the standard deviation of its
            members, a ``level`` the ends of the interval (:class:`Uncertainty`), most
            models ``novelty``; the orderings of a disordered crystal, whose mean is the
            value, their :class:`Spread`, the number of ``orderings`` and ``misfit``.

        Raises:
            StructureError: If a crystal cannot be used and ``on_error="raise"``.
            ValueError: If ``on_error`` is neither of the two.
        """
        if on_error not in ("raise", "record"):
            raise ValueError(
                f"`on_error` must be 'raise' or 'record', got {on_error!r}"
            )
        rows: list[dict[str, object]] = []
        for result in self.predict_records(read_inputs(structures), workers=workers):
            if isinstance(result, Failure):
                if on_error == "raise":
                    raise StructureError(result.sentence())
            else:
                for text in result.warnings:
                    warnings.warn(f"{result.id}: {text}", UserWarning, stacklevel=2)
            rows.append(table_row(result, self.description))
        columns = table_headings(
            self.description, with_spread=self.orders, level=self.level
        )
        if on_error == "record":
            columns.append("reason")
        index = structures.index if isinstance(structures, pd.Series) else None
        return table_in_memory(rows, index, columns)

    def predict_records(
        self, records: Iterable[Item], *, workers: int | None = None
    ) -> Generator[Prediction | Failure, None, None]:
        """Predict a stream of any length, holding little more than a batch of it.

        Each input gives one result, in its place. Those that cannot be encoded, or of
        which the model makes no finite number, come out as :class:`Failure`; failures
        that come in go out unchanged.

        Args:
            records: The ``entries()`` of a source, or records that were read already.
            workers: See :meth:`predict`.
        """
        yield from self.predict_encoded(self.encode(records, workers))

    def encode(
        self, records: Iterable[Item], workers: int | None = None
    ) -> Iterator[Encoded | Failure]:
        """Yield the graphs of a stream, see :meth:`predict_records`."""
        limit = self.description.config.data.time_limit
        encoded = (
            encode_here(records, self.encoder, limit)
            if workers is None
            else encode_entries(records, self.encoder, workers, limit)
        )
        # Without a filter the encoder drops none.
        return (result for result in encoded if result is not None)

    def predict_encoded(
        self, graphs: Iterator[Encoded | Failure]
    ) -> Generator[Prediction | Failure, None, None]:
        """Predict what :meth:`encode` yields."""
        for first in graphs:
            window = chain([first], islice(graphs, self.window - 1))
            for batch in cut(window, size_of, self.data.max_sites, self.data.max_pairs):
                yield from self._predict_batch(batch)

    def _predict_batch(
        self, batch: Sequence[Encoded | Failure]
    ) -> Iterator[Prediction | Failure]:
        graphs = [
            graph
            for crystal in batch
            if isinstance(crystal, Encoded)
            for graph in crystal.graphs
        ]
        # More than one part only if the orderings of a single crystal fill it.
        parts = cut(graphs, size_of, self.data.max_sites, self.data.max_pairs)
        looked_at = self.description.novelty is not None
        rows = chain.from_iterable(
            answer_graphs(self.model, part, with_vectors=looked_at) for part in parts
        )
        for crystal in batch:
            if isinstance(crystal, Failure):
                yield crystal
            else:
                answers = list(islice(rows, len(crystal.graphs)))
                yield self._results.result(crystal, answers)
