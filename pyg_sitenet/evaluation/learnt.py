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
from pyg_sitenet.errors import DataError
from pyg_sitenet.model_file import find_model_file
from pyg_sitenet.prediction import Prediction

_logger = logging.getLogger(__name__)
_PARTS = ("train", "val")
_SAME = 1e-6
_MOST_UNLIKE = 9  # times more that are equal than that share the id alone
Result = TypeVar("Result", bound=Prediction | Failure)


class Learnt:
    """Counts results that are training crystals of a run.

    Ids may be the numbers of rows and values those of a few classes. So it is told
    only if nearly all crystals whose ids are shared have the same values, too.

    Args:
        places: The run folder, or its model file, and others to look at if that is not
            known; nothing is counted without a ``crystals.csv``, as of a ready model.
    """

    def __init__(self, *places: object) -> None:
        self._values: dict[str, dict[str, str]] = {}
        self._counts = Counter[str]()
        for place in places:
            if isinstance(place, str | Path):
                table = find_model_file(place).with_name("crystals.csv")
                self._values = dict(_read(table)) if table.is_file() else {}
                return

    def counting(self, results: Iterable[Result]) -> Iterator[Result]:
        """Yield the results; at the end say how many were learnt."""
        for result in results:
            if isinstance(result, Prediction):
                self._counts[self._kind(result)] += 1
            yield result
        learnt = self._counts["learnt"]
        if learnt > _MOST_UNLIKE * self._counts["unlike"]:
            _logger.warning(
                "the model was trained on %d of these %d crystals, to judge by their "
                "ids and values; the errors are not those of new crystals",
                learnt,
                self._counts.total(),
            )

    def _kind(self, result: Prediction) -> str:
        known = {k: v for k, v in result.targets.items() if not math.isnan(v)}
        learnt = self._values.get(result.id)
        if learnt is None:
            return "new"
        return "learnt" if _agree(learnt, known) else "unlike"


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
