"""The record of a run: its settings, data and environment, noted before the training.

A run that is continued is compared with it.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pyg_sitenet.atomic_write import write_text
from pyg_sitenet.config import Config, dump_config
from pyg_sitenet.csv_file import number_text, read_csv, write_rows
from pyg_sitenet.data.batches.datamodule import CrystalDataModule
from pyg_sitenet.data.failures_file import write_failures
from pyg_sitenet.errors import DataError
from pyg_sitenet.training.run.metrics_file import is_finished
from pyg_sitenet.training.run.provenance import describe_start
from pyg_sitenet.training.run.run_folder import RunFolder, reporting_write_errors

_SIZES = ("sites", "pairs")
# Values are written with all their digits; earlier versions kept seven.
_PRECISION = 1e-6

Rows = dict[str, list[str]]  # of each crystal: part, sizes, targets


def write_record(
    folder: RunFolder,
    config: Config,
    data: CrystalDataModule,
    num_processes: int,
    device: torch.device,
    notes: Sequence[str] | None = None,
) -> None:
    """Write what a run is begun or continued with.

    Args:
        folder: The run folder.
        config: All settings.
        data: The crystals, split.
        num_processes: Processes that train.
        device: What the first of them computes on.
        notes: What to know of the data; None leaves them out.

    Raises:
        SiteNetError: If the folder cannot be written.
    """
    starts = [*_earlier_starts(folder), describe_start(num_processes, device)]
    texts = {folder.environment: _json({"starts": starts})}
    if notes is not None:
        texts[folder.notes] = "".join(f"{note}\n" for note in notes)
    with reporting_write_errors(folder):
        # The data before the settings, which make the folder a run: whatever stops this
        # in between, a run that can be continued can be compared with its data.
        write_run_data(folder, data)
        write_config(folder, config, texts)
        write_failures(folder.failures, data.dataset.failures)


def write_config(
    folder: RunFolder, config: Config, texts: Mapping[Path, str] | None = None
) -> None:
    """Write the complete configuration; from here on the folder holds a run.

    A finished run that is to go on for longer is finished no more: its metrics go.

    Args:
        folder: The run folder.
        config: All settings.
        texts: Other files, written after it.

    Raises:
        SiteNetError: If the folder cannot be written.
    """
    with reporting_write_errors(folder):
        if not is_finished(folder, config):
            folder.metrics.unlink(missing_ok=True)
        texts = {folder.config: dump_config(config), **(texts or {})}
        for path, text in texts.items():
            write_text(path, text)


def read_notes(folder: RunFolder) -> list[str]:
    """Return the notes of :func:`write_record`."""
    if not folder.notes.is_file():
        return []
    return folder.notes.read_text("utf-8", errors="replace").splitlines()


def write_run_data(folder: RunFolder, data: CrystalDataModule) -> None:
    """Write ``data.json`` (hashes of the content) and ``crystals.csv``.

    The latter has a row for each graph: id, part, sites, pairs and targets.

    Raises:
        DataError: If the table cannot be written.
        OSError: If the hashes cannot.
    """
    rows, hashes = _crystal_rows(data), _json(_hashes(data))
    write_rows(folder.crystals, rows)
    write_text(folder.data, hashes)


def check_run_data(folder: RunFolder, data: CrystalDataModule) -> None:
    """Check that a run is continued with the crystals that it was begun with.

    Where they lie does not matter, what they are does. A run of an earlier version has
    no record, and passes.

    Raises:
        DataError: If they differ; says how.
    """
    if not folder.data.is_file():
        return
    before, now = _read_hashes(folder), _hashes(data)
    units = before.get("units", now["units"])
    alike = before.get("parts") == now["parts"] and units == now["units"]
    if alike and any(before.get(key) == now[key] for key in ("content", "graphs")):
        return
    _, *rows = _crystal_rows(data)
    crystals = {row[0]: row[1:] for row in rows}
    targets = data.dataset.targets
    changes = [
        f"{target} is in {_unit(now['units'], target)}, before {_unit(units, target)}"
        for target in targets
        if now["units"].get(target) != units.get(target)
    ]
    rows_before = _read_rows(folder)
    changes += _changes(rows_before, crystals, targets)
    changes = changes or [*_last_digits(rows_before, crystals, targets)]
    why = "; ".join(changes) or "their structures differ"
    raise DataError(
        f"{folder.data}: the run to continue has other data: {why}; start a new "
        "run in another folder, or bring the data back"
    )


def _hashes(data: CrystalDataModule) -> dict[str, Any]:
    digest = hashlib.sha256()
    for part, indices in sorted(data.splits.items()):
        digest.update(f"{part}\n".encode())
        digest.update(np.asarray(indices, np.int64).tobytes())
    return {
        "source": str(data.config.source),
        "content": hashlib.sha256(data.dataset.content.encode()).hexdigest(),
        "graphs": data.dataset.graphs_digest,
        "parts": digest.hexdigest(),
        "units": {**data.dataset.units, **data.config.units},
    }


def _crystal_rows(data: CrystalDataModule) -> list[list[str]]:
    """Return headings, and id, part, sizes and targets of each graph."""
    dataset, parts = data.dataset, [""] * len(data.dataset)
    for part, indices in data.splits.items():
        for k in indices.tolist():
            parts[k] = part
    rows = [["id", "part", *_SIZES, *dataset.targets]]
    columns = (dataset.ids, parts, dataset.num_sites, dataset.num_pairs)
    for *cells, values in zip(*columns, dataset.y.tolist(), strict=True):
        targets = ("" if math.isnan(value) else number_text(value) for value in values)
        rows.append([*map(str, cells), *targets])
    return rows


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


def _last_digits(before: Rows, now: Rows, targets: Sequence[str]) -> Iterator[str]:
    """Say which values differ by less than the digits that earlier versions kept."""
    for k, target in enumerate(targets, 1 + len(_SIZES)):
        others = [id_ for id_ in now if before[id_][k] != now[id_][k]]
        yield from _named(others, f"have another {target}, from the seventh digit on")


def _unit(units: Mapping[str, str], target: str) -> str:
    return repr(units[target]) if target in units else "no unit"


def _named(ids: Sequence[str], what: str) -> Iterator[str]:
    if ids:
        shown = ", ".join(ids[:3]) + (", ..." if len(ids) > 3 else "")
        yield f"{len(ids)} crystals {what} ({shown})"


def _alike(before: str, now: str) -> bool:
    if not before or not now:
        return before == now
    return math.isclose(float(before), float(now), rel_tol=_PRECISION)


def _read_hashes(folder: RunFolder) -> Mapping[str, Any]:
    try:
        values = json.loads(folder.data.read_text(encoding="utf-8"))
        return dict(values)
    except (OSError, ValueError, TypeError) as error:
        raise _damaged(folder.data) from error


def _read_rows(folder: RunFolder) -> Rows:
    try:
        _, *rows = read_csv(folder.crystals)
    except (DataError, ValueError) as error:
        raise _damaged(folder.crystals) from error
    return {row[0]: row[1:] for row in rows}


def _earlier_starts(folder: RunFolder) -> list[dict[str, Any]]:
    """Return the starts so far; a file that a crash cut short is begun anew."""
    try:
        starts: list[dict[str, Any]] = json.loads(folder.environment.read_text())[
            "starts"
        ]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return starts


def _json(values: Mapping[str, Any]) -> str:
    return json.dumps(values, indent=2) + "\n"


def _damaged(path: Path) -> DataError:
    return DataError(
        f"{path}: damaged, it says what the run was trained on; delete it to continue "
        "with the data as they are now"
    )
