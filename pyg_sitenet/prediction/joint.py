"""Several models at once: one stream of crystals, one row with what each says."""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import tee
from typing import TypeVar

from pyg_sitenet.data.graph.encoded import Encoded
from pyg_sitenet.data.graph.encoder import Encoder, Item
from pyg_sitenet.data.records import Failure
from pyg_sitenet.errors import ConfigError
from pyg_sitenet.prediction.columns import Prediction
from pyg_sitenet.prediction.headings import check_columns
from pyg_sitenet.prediction.intervals import Uncertainty
from pyg_sitenet.prediction.predictor import Predictor
from pyg_sitenet.prediction.spread import Spread

Result = Prediction | Failure
V = TypeVar("V")


class JointPredictor:
    """Predicts with several models what they would predict one after the other.

    A row has the columns of all; a warning says whose it is, the novelty is the lowest,
    the orderings are the fewest and the misfit is the largest. A crystal that one of
    them cannot predict is a failure. If all encode crystals alike, each is read and
    encoded once.

    Args:
        predictors: The models, by the name that warnings have.

    Raises:
        ConfigError: If two predict a target of the same name, or one that of a column
            of another.
    """

    window = Predictor.window

    def __init__(self, predictors: Mapping[str, Predictor]) -> None:
        self.predictors = dict(predictors)
        self._all = list(self.predictors.values())
        owners: dict[str, str] = {}
        for name, predictor in self.predictors.items():
            for target in predictor.description.targets:
                if target in owners:
                    raise ConfigError(
                        f"{owners[target]} and {name} both predict {target}; expected "
                        "models of different targets, predict with one after the other"
                    )
                owners[target] = name
        check_columns([t for p in self._all for t in p.description.layout.targets])

    @property
    def units(self) -> dict[str, str]:
        """Unit of each target that has one."""
        return {
            target: unit
            for predictor in self._all
            for target, unit in predictor.units.items()
        }

    @property
    def columns(self) -> list[str]:
        """Names of the columns of numbers, see :attr:`Predictor.columns`."""
        return [name for predictor in self._all for name in predictor.columns]

    @property
    def encoder(self) -> Encoder:
        """What makes the graphs for all of them.

        Raises:
            ConfigError: If they encode crystals differently.
        """
        if self._encode_alike():
            return self._all[0].encoder
        raise ConfigError(
            f"{', '.join(self.predictors)} encode crystals differently, which a "
            "cluster does not do at once; predict with one after the other"
        )

    def settings(self) -> dict[str, str | int | float]:
        """Return what decides the results beside the models."""
        return self._all[0].settings()

    def fingerprint(self) -> str:
        """Return a hash of all models in their order."""
        marks = [predictor.fingerprint() for predictor in self._all]
        return hashlib.sha256(" ".join(marks).encode()).hexdigest()

    def headings(self) -> list[str]:
        """Return the headings of a file of predictions."""
        names = {name: None for p in self._all for name in p.headings()[:-1]}
        return [*names, "warnings"]

    def row(self, prediction: Prediction) -> list[object]:
        """Return what a file of predictions says under its headings."""
        cells = {
            name: cell
            for p in self._all
            for name, cell in zip(p.headings(), p.row(prediction), strict=True)
        }
        return [cells[name] for name in self.headings()]

    def predict_records(
        self, records: Iterable[Item], *, workers: int | None = None
    ) -> Generator[Result, None, None]:
        """Predict a stream of any length, see :meth:`Predictor.predict_records`."""
        streams = [
            predictor.predict_encoded(graphs)
            for predictor, graphs in self._encoded(records, workers)
        ]
        for results in zip(*streams, strict=True):
            yield self._join(results)

    def _encoded(
        self, records: Iterable[Item], workers: int | None
    ) -> Iterable[tuple[Predictor, Iterator[Encoded | Failure]]]:
        """Give each predictor the graphs of all records."""
        if self._encode_alike():
            copies = tee(self._all[0].encode(records, workers), len(self._all))
            return zip(self._all, copies, strict=True)
        inputs = tee(records, len(self._all))
        return [
            (predictor, predictor.encode(own, workers))
            for predictor, own in zip(self._all, inputs, strict=True)
        ]

    def _encode_alike(self) -> bool:
        first = self._all[0].encoder.settings()
        return all(p.encoder.settings() == first for p in self._all)

    def _join(self, results: tuple[Result, ...]) -> Result:
        predictions = [result for result in results if isinstance(result, Prediction)]
        if len(predictions) < len(results):
            return next(result for result in results if isinstance(result, Failure))
        texts: dict[str, None] = {}
        for name, prediction in zip(self.predictors, predictions, strict=True):
            own = [t for t in prediction.warnings if not _of_all(t, predictions)]
            texts |= dict.fromkeys(f"{name}: {text}" for text in own)
        shared = [t for t in predictions[0].warnings if _of_all(t, predictions)]
        return replace(
            predictions[0],
            values=_merged([p.values for p in predictions]),
            labels=_merged([p.labels for p in predictions]),
            warnings=(*shared, *texts),
            spread=_joint_spread([p.spread for p in predictions if p.spread]),
            uncertainty=_joint_uncertainty(
                [p.uncertainty for p in predictions if p.uncertainty]
            ),
            novelty=min(
                (p.novelty for p in predictions if p.novelty is not None), default=None
            ),
        )


def _of_all(text: str, predictions: list[Prediction]) -> bool:
    return all(text in prediction.warnings for prediction in predictions)


def _merged(parts: list[dict[str, V]]) -> dict[str, V]:
    return {name: value for part in parts for name, value in part.items()}


def _joint_spread(parts: list[Spread]) -> Spread | None:
    if not parts:
        return None
    return Spread(
        orderings=min(part.orderings for part in parts),
        misfit=max(part.misfit for part in parts),
        std=_merged([part.std for part in parts]),
        min=_merged([part.min for part in parts]),
        max=_merged([part.max for part in parts]),
    )


def _joint_uncertainty(parts: list[Uncertainty]) -> Uncertainty | None:
    if not parts:
        return None
    return Uncertainty(
        members_std=_merged([part.members_std for part in parts]),
        lower=_merged([part.lower for part in parts]),
        upper=_merged([part.upper for part in parts]),
        sets=_merged([part.sets for part in parts]),
    )
