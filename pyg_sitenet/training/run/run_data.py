"""What a run was trained on: a record that a continued run is compared with."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pyg_sitenet.atomic_write import write_text
from pyg_sitenet.csv_file import read_csv, write_table
from pyg_sitenet.data.batches.datamodule import CrystalDataModule
from pyg_sitenet.data.dataset import CrystalDataset
from pyg_sitenet.errors import DataError

RECORD = "data.json"
CRYSTALS = "crystals.csv"
_SIZES = ("sites", "pairs")
# Values are written with all their digits; earlier versions kept seven.
_PRECISION = 1e-6

Rows = dict[str, list[str]]  # of each crystal: part, sizes, targets


def is_recorded(folder: Path) -> bool:
    """Say whether a run folder tells what its run was trained on."""
    return (folder / RECORD).is_file()


def write_run_data(folder: Path, data: CrystalDataModule) -> None:
    """Write ``data.json`` (hashes of the content) and ``crystals.csv``.

    The latter has a row for each graph: id, part, sites, pairs and targets.

    Raises:
        DataError: If the table cannot be written.
        OSError: If the hashes cannot.
    """
    dataset = data.dataset
    columns = (dataset.ids, _parts(data), dataset.num_sites, dataset.num_pairs)
    table = pd.DataFrame(dict(zip(("id", "part", *_SIZES), columns, strict=True)))
    values = pd.DataFrame(dataset.y.numpy(), columns=list(dataset.targets))
    write_table(folder / CRYSTALS, pd.concat([table, values], axis=1))
    write_text(folder / RECORD, json.dumps(_hashes(data), indent=2) + "\n")


def check_run_data(folder: Path, data: CrystalDataModule) -> None:
    """Check that a run is continued with the crystals that it was begun with.

    Where they lie does not matter, what they are does. A run of an earlier version has
    no record, and passes.

    Raises:
        DataError: If they differ; says how.
    """
    if not is_recorded(folder):
        return
    before, now = _read_hashes(folder), _hashes(data)
    same_parts = before.get("parts") == now["parts"]
    same_data = any(before.get(key) == now[key] for key in ("content", "graphs"))
    if same_parts and same_data:
        return
    rows = {row[0]: row[1:] for row in _rows(data.dataset, _parts(data))}
    changes = list(_changes(_read_rows(folder), rows, data.dataset.targets))
    why = "; ".join(changes) or "their structures differ"
    raise DataError(
        f"{folder / RECORD}: the run to continue has other data: {why}; start a new "
        "run in another folder, or bring the data back"
    )


def _hashes(data: CrystalDataModule) -> dict[str, str]:
    digest = hashlib.sha256()
    for part, indices in sorted(data.splits.items()):
        digest.update(f"{part}\n".encode())
        digest.update(np.asarray(indices, np.int64).tobytes())
    return {
        "source": str(data.config.source),
        "content": hashlib.sha256(data.dataset.content.encode()).hexdigest(),
        "graphs": data.dataset.graphs_digest,
        "parts": digest.hexdigest(),
    }


def _parts(data: CrystalDataModule) -> list[str]:
    """Return the part of each graph, empty if it is in none."""
    parts = [""] * len(data.dataset)
    for part, indices in data.splits.items():
        for k in indices.tolist():
            parts[k] = part
    return parts


def _rows(dataset: CrystalDataset, parts: Sequence[str]) -> Iterator[list[str]]:
    columns = (dataset.ids, parts, dataset.num_sites, dataset.num_pairs)
    for *cells, values in zip(*columns, dataset.y.tolist(), strict=True):
        targets = ("" if math.isnan(value) else repr(value) for value in values)
        yield [*map(str, cells), *targets]


def _changes(before: Rows, now: Rows, targets: Sequence[str]) -> Iterator[str]:
    """Say in words which crystals differ, and in what."""
    yield from _named([id_ for id_ in now if id_ not in before], "are new")
    yield from _named([id_ for id_ in before if id_ not in now], "are gone")
    common = [id_ for id_ in now if id_ in before]
    for k, target in enumerate(targets, 1 + len(_SIZES)):
        others = [id_ for id_ in common if not _alike(before[id_][k], now[id_][k])]
        yield from _named(others, f"have another {target}")
    sizes = slice(1, 1 + len(_SIZES))
    others = [id_ for id_ in common if before[id_][sizes] != now[id_][sizes]]
    yield from _named(others, "have another structure")
    others = [id_ for id_ in common if before[id_][0] != now[id_][0]]
    yield from _named(others, "would be in another part")


def _named(ids: Sequence[str], what: str) -> Iterator[str]:
    if ids:
        shown = ", ".join(ids[:3]) + (", ..." if len(ids) > 3 else "")
        yield f"{len(ids)} crystals {what} ({shown})"


def _alike(before: str, now: str) -> bool:
    if not before or not now:
        return before == now
    return math.isclose(float(before), float(now), rel_tol=_PRECISION)


def _read_hashes(folder: Path) -> Mapping[str, Any]:
    try:
        values = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        return dict(values)
    except (OSError, ValueError, TypeError) as error:
        raise _damaged(folder / RECORD) from error


def _read_rows(folder: Path) -> Rows:
    path = folder / CRYSTALS
    try:
        _, *rows = read_csv(path)
    except (DataError, ValueError) as error:
        raise _damaged(path) from error
    return {row[0]: row[1:] for row in rows}


def _damaged(path: Path) -> DataError:
    return DataError(
        f"{path}: damaged, it says what the run was trained on; delete it to continue "
        "with the data as they are now"
    )
