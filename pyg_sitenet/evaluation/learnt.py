"""Crystals of an evaluation that the model was trained on."""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

from pyg_sitenet.csv_file import read_csv
from pyg_sitenet.data.records import Failure
from pyg_sitenet.errors import DataError, ModelFileError
from pyg_sitenet.model_file import find_model_file, read_description
from pyg_sitenet.prediction import Prediction

_logger = logging.getLogger(__name__)
_TABLE = "crystals.csv"
_PARTS = ("train", "val")
_SAME = 1e-6
_MOST_MODELS = 10  # one after the other
_MOST_UNLIKE = 9  # times more that are equal than that share the id alone
Result = TypeVar("Result", bound=Prediction | Failure)


class Learnt:
    """Tells crystals that a model was trained on from others.

    Ids may be the numbers of rows and values those of a few classes. So it is told
    only if nearly all crystals whose ids are shared have the same values, too.

    Args:
        places: The run folder, or its model file, and others to look at if that is not
            known. What the models that it began with have learnt counts, too.

    Attributes:
        is_known: Whether all that was learnt is on record; that of a ready model, which
            has no ``crystals.csv``, is not.
    """

    def __init__(self, *places: object) -> None:
        path = next((place for place in places if isinstance(place, str | Path)), None)
        tables = [None] if path is None else list(_tables(path))
        self.is_known = None not in tables
        self._values: dict[str, dict[str, str]] = {}
        for table in reversed(tables):
            self._values |= dict(_read(table)) if table is not None else {}
        names = Counter(map(_name, self._values))
        self._names = {
            _name(id_): id_ for id_ in self._values if names[_name(id_)] == 1
        }

    def count(self, crystals: Iterable[tuple[str, Mapping[str, float]]]) -> int:
        """Return how many were learnt, of ids with values."""
        kinds = Counter(self._kind(id_, values) for id_, values in crystals)
        return kinds["learnt"] if _are_learnt(kinds) else 0

    def counting(self, results: Iterable[Result]) -> Iterator[Result]:
        """Yield the results; at the end say how many were learnt."""
        kinds = Counter[str]()
        for result in results:
            if isinstance(result, Prediction):
                kinds[self._kind(result.id, result.targets)] += 1
            yield result
        if _are_learnt(kinds):
            _logger.warning(
                "the model was trained on %d of these %d crystals, to judge by their "
                "ids and values; the errors are not those of new crystals",
                kinds["learnt"],
                kinds.total(),
            )
        elif kinds and not self.is_known:
            _logger.warning(
                "which crystals the model has learnt is not on record; if these are "
                "among them, the errors are not those of new crystals"
            )

    def _kind(self, id_: str, values: Mapping[str, float]) -> str:
        known = {k: v for k, v in values.items() if not math.isnan(v)}
        learnt = self._values.get(id_)
        if learnt is None:
            named = self._values.get(self._names.get(_name(id_), ""), {})
            return "learnt" if _agree(named, known) else "new"
        return "learnt" if _agree(learnt, known) else "unlike"


def _name(id_: str) -> str:
    """Return an id without folders: a table beside a folder of files has them."""
    return id_.rpartition("/")[2]


def _tables(model: str | Path) -> Iterator[Path | None]:
    """Yield the record of a model and those of the models before it, None for none."""
    earlier: str | Path | None = model
    for _ in range(_MOST_MODELS):
        if earlier is None:
            return
        try:
            file = find_model_file(earlier)
        except ModelFileError:  # it has been removed since
            yield None
            return
        table = file.with_name(_TABLE)
        yield table if table.is_file() else None
        earlier = _model_before(file)


def _model_before(file: Path) -> str | None:
    try:
        return read_description(file).config.training.initial_model
    except ModelFileError:
        return None


def _are_learnt(kinds: Mapping[str, int]) -> bool:
    return kinds["learnt"] > _MOST_UNLIKE * kinds["unlike"]


def _read(table: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield id and values of each crystal that was learnt or chose the weights."""
    try:
        heading, *rows = read_csv(table)
    except (DataError, ValueError):  # of no use to a run that cannot be continued
        return
    for row in rows:
        values = dict(zip(heading, row, strict=False))
        if values.get("part") in _PARTS:
            yield values.get("id", ""), values


def _agree(learnt: Mapping[str, str], known: Mapping[str, float]) -> bool:
    """Tell whether all values that both have are equal, and there are some."""
    both = []
    for name, value in known.items():
        try:
            both.append(math.isclose(float(learnt[name]), value, rel_tol=_SAME))
        except (KeyError, ValueError):  # no value
            continue
    return bool(both) and all(both)
