"""Databases of ASE, SQLite and JSON, read without the objects that they name."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from typing import Any

import numpy as np
from ase import Atoms

from pyg_sitenet.data.geometry.lattice import Floats
from pyg_sitenet.data.structure.piece import Piece
from pyg_sitenet.data.structure.text import MAX_TEXT_BYTES, TextFile
from pyg_sitenet.errors import StructureError

_COLUMNS = ("id", "numbers", "positions", "cell", "pbc", "key_value_pairs")
# Results that are one number.
_RESULTS = ("energy", "free_energy", "magmom")
# Columns are of these two lists alone: no text of a file comes into a query.
_QUERY = "select {columns} from systems order by id"


def is_json_database(values: Mapping[str, Any]) -> bool:
    """Tell whether a JSON document is a database of ASE."""
    return "ids" in values and "nextid" in values


def read_json_database(rows: Mapping[str, Any], origin: str) -> Iterator[Piece]:
    """Yield the rows of a database that is JSON."""
    for name in _plain(rows["ids"]):
        row = {key: _plain(value) for key, value in rows[str(name)].items()}
        yield _piece(origin, name, row)


def read_database(file: TextFile) -> Iterator[Piece]:
    """Yield the rows of a database that is SQLite.

    Raises:
        StructureError: If it is damaged or of another program.
    """
    if file.path is None:
        raise StructureError(
            f"{file.name}: a database is read from a file of its own; unpack it"
        )
    address = f"{file.path.resolve().as_uri()}?mode=ro"
    with closing(sqlite3.connect(address, uri=True)) as base:
        base.execute("pragma trusted_schema = off")
        if hasattr(base, "setlimit"):  # from Python 3.11 on
            base.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_TEXT_BYTES)
        query = (
            "select count(*) from sqlite_master where name = 'systems' and"
            " type = 'table'"
        )
        (is_ours,) = base.execute(query).fetchone()
        if not is_ours:
            raise StructureError(
                f"{file.name}: an SQLite file but no database of ASE; export its"
                " structures"
            )
        columns = [row[1] for row in base.execute("pragma table_info(systems)")]
        names = [name for name in (*_COLUMNS, *_RESULTS) if name in columns]
        rows = base.execute(_QUERY.format(columns=", ".join(names)))
        unread = file.path.stat().st_size
        for values in rows:
            unread -= _length(values)
            if unread < 0:
                raise StructureError(
                    f"{file.name}: damaged: its rows lie in each other; export it again"
                )
            row = dict(zip(names, values, strict=True))
            yield _piece(file.name, row["id"], _decoded(row))


def _length(values: Sequence[object]) -> int:
    """Return at least so many bytes as a row takes in a file."""
    return 1 + sum(len(value) for value in values if isinstance(value, str | bytes))


def _piece(name: str, id_: object, row: Mapping[str, Any]) -> Piece:
    return Piece(str(id_), f"{name}, row {id_}", partial(_atoms, row))


def _decoded(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row of SQLite as one of JSON."""
    return {
        **row,
        "numbers": np.frombuffer(row["numbers"], "<i4"),
        "positions": _floats(row["positions"]),
        "cell": _floats(row["cell"]),
        "pbc": [bool(row["pbc"] & bit) for bit in (1, 2, 4)],
        "key_value_pairs": json.loads(row["key_value_pairs"] or "{}"),
    }


def _floats(content: bytes) -> Floats:
    return np.frombuffer(content, "<f8").reshape(-1, 3)


def _plain(value: Any) -> Any:  # noqa: ANN401 - whatever JSON holds
    """Return the numbers of what ASE writes as an array, or the value itself."""
    if isinstance(value, dict) and "__ndarray__" in value:
        shape, _, numbers = value["__ndarray__"]
        return np.reshape(numbers, shape)
    if isinstance(value, dict) and value.get("__ase_objtype__") == "cell":
        return _plain(value["array"])
    return value


def _atoms(row: Mapping[str, Any]) -> Atoms:
    pairs = row.get("key_value_pairs") or {}
    results = {name: row[name] for name in _RESULTS if row.get(name) is not None}
    return Atoms(
        numbers=np.asarray(row["numbers"], dtype=int),
        positions=np.asarray(row["positions"], dtype=float),
        cell=np.asarray(row.get("cell", np.zeros((3, 3))), dtype=float),
        pbc=np.asarray(row.get("pbc", [False] * 3), dtype=bool),
        info=results | dict(pairs),
    )
