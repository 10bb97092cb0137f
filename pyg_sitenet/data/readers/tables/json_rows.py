"""Rows of JSON tables: lines, lists, what pandas writes, OPTIMADE exports."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from itertools import count
from typing import Any

from pyg_sitenet.brief import brief_line
from pyg_sitenet.data.readers.content import holds_structure
from pyg_sitenet.data.readers.tables.json_stream import JsonReader
from pyg_sitenet.data.readers.tables.row import (
    CRYSTAL_COLUMNS,
    STRUCTURE_COLUMNS,
    Row,
    Units,
)
from pyg_sitenet.data.structure.optimade import is_optimade
from pyg_sitenet.data.structure.plain_data import DuplicateKeyError, plain_json
from pyg_sitenet.data.structure.text import TextFile
from pyg_sitenet.errors import DataError

# What a structure is made of, apart from the values that an entry has beside it.
_STRUCTURE_KEYS = frozenset(
    {"lattice", "sites", "species", "frac_coords", "charge", "properties"}
)
_OPTIMADE_KEYS = frozenset(
    {
        "lattice_vectors",
        "cartesian_site_positions",
        "species",
        "species_at_sites",
        "dimension_types",
        "nperiodic_dimensions",
        "structure_features",
        "assemblies",
    }
)


def json_line_rows(file: TextFile) -> Iterator[Row | Units]:
    """Yield the rows of JSON lines; a broken line is one problem."""
    number = 0
    for line in file.lines():
        if not line.strip():
            continue
        try:
            values = plain_json(line)
        except (ValueError, RecursionError) as error:
            number += 1
            yield Row(number, problem=_why(error))
            continue
        if isinstance(values, dict) and _is_header(values):
            yield Units(_units_of_header(values))
            continue
        number += 1
        yield _row(number, values)


def json_document_rows(file: TextFile) -> Iterator[Row]:
    """Yield the rows of a JSON document.

    Raises:
        DataError: If it is not JSON or holds no rows.
    """
    reader = JsonReader(file.pieces())
    try:
        begin: dict[str, Callable[[], Iterator[object]]] = {
            "[": reader.elements,
            "{": partial(_rows_of_object, file.name, reader),
        }
        start = begin.get(reader.next_letter())
        if start is None:
            reader.value()
            raise _no_rows(file.name)
        for number, values in enumerate(start(), 1):
            yield _row(number, values)
        if reader.next_letter():
            raise ValueError("something follows the document")
    except (ValueError, RecursionError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{file.name}: {_why(error)}") from error


def _rows_of_object(name: str, reader: JsonReader) -> Iterator[object]:
    """Yield the list ``data`` as it is read; other objects are small or one row."""
    held: dict[str, Any] = {}
    is_done = False
    for key in reader.keys():  # noqa: SIM118 - not a dictionary
        if key in held or (key == "data" and is_done):
            raise DuplicateKeyError(key)
        if key == "data" and reader.next_letter() == "[":
            yield from _rows_of_data(name, reader, held)
            is_done = True
        else:
            held[key] = reader.value()
    if not is_done:
        yield from _rows_of_document(name, held)


def _rows_of_data(
    name: str, reader: JsonReader, held: Mapping[str, Any]
) -> Iterator[object]:
    """Rows of OPTIMADE, or of pandas' ``orient="split"``, as Matbench has its tasks."""
    index, columns = held.get("index"), held.get("columns")
    ids = iter(index) if isinstance(index, list) else count()
    for row in reader.elements():
        if not isinstance(row, list):
            yield row
            continue
        if not isinstance(columns, list) or not all(
            isinstance(column, str) for column in columns
        ):
            raise DataError(f"{name}: no `columns` before its `data`; export it again")
        yield {"id": next(ids, None), **dict(zip(columns, row, strict=False))}


def _rows_of_document(name: str, document: dict[str, Any]) -> list[object]:
    """Rows of one crystal, of ``{id: row}``, or pandas' ``{column: {id: value}}``."""
    if _is_structure(document) or _is_entry(document) or _is_row(document):
        return [document]
    if isinstance(document.get("data"), dict):
        return [document["data"]]
    if not document or not all(
        isinstance(attributes, dict) for attributes in document.values()
    ):
        raise _no_rows(name)
    if not {*CRYSTAL_COLUMNS} & {column.lower() for column in document}:
        return [{"id": id_, **row} for id_, row in document.items()]
    ids = dict.fromkeys(id_ for column in document.values() for id_ in column)
    return [
        {"id": id_, **{name: column.get(id_) for name, column in document.items()}}
        for id_ in ids
    ]


def _why(error: Exception) -> str:
    """Say why a text cannot be taken."""
    text = brief_line(error)
    return text if isinstance(error, DuplicateKeyError) else f"not JSON: {text}"


def _no_rows(name: str) -> DataError:
    return DataError(
        f"{name}: expected a list of rows such as "
        '[{"id": ..., "structure": ..., "gap": ...}]; name JSON lines *.jsonl'
    )


def _row(number: int, values: object) -> Row:
    if not isinstance(values, dict):
        return Row(number, problem=f"expected an object, got {type(values).__name__}")
    attributes = values.get("attributes")
    if isinstance(attributes, dict):
        identity = {"id": values["id"]} if "id" in values else {}
        return Row(number, identity | _apart(attributes, _OPTIMADE_KEYS))
    if is_optimade(values):
        return Row(number, _apart(values, _OPTIMADE_KEYS))
    if _is_structure(values):
        return Row(number, _apart(values, _STRUCTURE_KEYS))
    return Row(number, values)


def renamed_rows(
    start: Callable[[], Iterator[Row | Units]], names: Mapping[str, str]
) -> Iterator[Row | Units]:
    """Yield rows whose columns go by other names."""
    for row in start():
        if isinstance(row, Units):
            yield row
        else:
            values = {names.get(k, k): value for k, value in row.values.items()}
            yield replace(row, values=values)


def _apart(values: Mapping[str, Any], keys: frozenset[str]) -> dict[str, Any]:
    """Put what makes the structure into a column of its own, beside the rest."""
    rest = {name: value for name, value in values.items() if name not in keys}
    structure = {name: value for name, value in values.items() if name in keys}
    return rest | {"structure": structure}


def _is_entry(values: Mapping[str, Any]) -> bool:
    return isinstance(values.get("attributes"), dict) or is_optimade(values)


def _is_row(values: Mapping[str, Any]) -> bool:
    """Tell whether an object has a structure among its values, as pymatgen's entries.

    A column of pandas has structures below their ids.
    """
    return any(holds_structure(values.get(name)) for name in STRUCTURE_COLUMNS)


def _is_structure(values: Mapping[str, Any]) -> bool:
    if "structure" in values or "lattice" not in values:
        return False
    return "sites" in values or "species" in values or "frac_coords" in values


def _is_header(values: Mapping[str, Any]) -> bool:
    """Tell the lines that OPTIMADE's JSON lines begin with from crystals."""
    return "x-optimade" in values or values.get("type") == "info"


def _units_of_header(values: Mapping[str, Any]) -> dict[str, str]:
    described = values.get("properties")
    if not isinstance(described, dict):
        return {}
    return {
        name: about["unit"]
        for name, about in described.items()
        if isinstance(about, dict) and isinstance(about.get("unit"), str)
    }
