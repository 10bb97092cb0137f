"""Statistics over the frames of a trajectory."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import pandas as pd

from pyg_sitenet.csv_file import beside, read_csv
from pyg_sitenet.errors import DataError
from pyg_sitenet.prediction.columns import IN_MEMORY
from pyg_sitenet.prediction.trajectory.blocking import Series

HEADINGS = (
    "trajectory",
    "formula",
    "target",
    "frames",
    "mean",
    "standard error",
    "std",
    "min",
    "max",
    "independent",
)

_FRAME = re.compile(r"(?P<trajectory>.*)@\d+", re.DOTALL)  # "run@12": frame 12 of run


def statistics_file(output: Path) -> Path:
    """Return where the statistics go that belong to a file of predictions."""
    return beside(output, "statistics.csv")


def frame_statistics(
    predictions: pd.DataFrame | str | Path,
    columns: Sequence[str],
) -> pd.DataFrame:
    """Summarise the predictions for the frames of trajectories.

    Frames are those with one name before the ``@`` of their id, as files with many
    structures give it (``run@0``, ``run@1``), or structures that were given in memory,
    and of one formula. They are taken in their order, which counts: neighbours in time
    are alike, and the standard error allows for that
    (:class:`~pyg_sitenet.prediction.trajectory.blocking.Series`).

    Args:
        predictions: What ``Predictor.predict`` returned, or was selected of it, or the
            CSV file that ``sitenet predict`` has written, which may be of any length.
            Ids that are numbers alone are one trajectory in the former, and different
            crystals, such as the rows of a table, in a file or a table read from one.
        columns: Headings of the values: ``predictor.columns``.

    Returns:
        A row for each trajectory and target: number of ``frames``, ``mean`` and its
        ``standard error``, ``std``, ``min``, ``max``, all in units of the target, and
        how many ``independent`` frames would give that error. What has one frame only
        is left out.

    Raises:
        DataError: If the file cannot be read or has no such column.
    """
    in_memory = IN_MEMORY in getattr(predictions, "attrs", ())
    trajectories: dict[tuple[str, str], list[Series]] = {}
    for row in _rows(predictions, columns):
        trajectory = _trajectory(row["id"], in_memory=in_memory)
        values = [float(str(row[name])) for name in columns]
        if trajectory is None or not all(map(math.isfinite, values)):
            continue
        key = trajectory, str(row["formula"])
        series = trajectories.setdefault(key, [Series() for _ in columns])
        for column, value in zip(series, values, strict=True):
            column.add(value)
    rows = [
        (*key, name, s.count, s.mean, s.standard_error, s.std, s.min, s.max,
         s.independent)
        for key, series in trajectories.items()
        for name, s in zip(columns, series, strict=True)
        if s.count > 1
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=list(HEADINGS))


def _trajectory(id_: object, *, in_memory: bool) -> str | None:
    """Return the name of the trajectory that a frame is of; None if it is no frame.

    Positions in memory are text; numbers are ids of a file that pandas has read.
    """
    frame = _FRAME.fullmatch(str(id_))
    if frame is not None:
        return frame["trajectory"]
    is_position = in_memory and isinstance(id_, str) and id_.isdecimal()
    return "" if is_position else None


def _rows(
    predictions: pd.DataFrame | str | Path, columns: Sequence[str]
) -> Iterator[Mapping[str, object]]:
    if isinstance(predictions, pd.DataFrame):
        _check("the table", predictions.columns, columns)
        for row in predictions.to_dict("records"):
            yield {str(name): value for name, value in row.items()}
        return
    rows = read_csv(Path(predictions))
    headings = next(rows, [])
    _check(str(predictions), headings, columns)
    for cells in rows:
        yield dict(zip(headings, cells, strict=True))


def _check(origin: str, headings: Iterable[str], columns: Sequence[str]) -> None:
    for name in ("id", "formula", *columns):
        if name not in headings:
            available = ", ".join(headings)
            raise DataError(
                f"{origin}: no column {name!r} (available: {available}); give "
                "predictions of this model"
            )
