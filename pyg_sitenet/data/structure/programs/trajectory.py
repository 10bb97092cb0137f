"""Trajectories of ASE (``.traj``), read without the objects that they name."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, BinaryIO

import numpy as np
from ase import Atoms

from pyg_sitenet.data.structure.piece import Piece
from pyg_sitenet.data.structure.text import MAX_TEXT_BYTES, TextFile
from pyg_sitenet.errors import StructureError

_MAGIC = (b"- of Ulm", b"AFFormat")
_TAG = b"ASE-Trajectory"
# Of each frame; those of the first are not repeated while they stay the same.
_REPEATED = ("numbers", "pbc")
_NUMBERS = "biuf"


def read_trajectory(file: TextFile) -> Iterator[Piece]:
    """Yield the frames; scalars that belong to one are in its ``info``.

    Raises:
        StructureError: If it is no trajectory, or cut off, after the frames before.
    """
    with file.open_bytes() as stream:
        ulm = _Ulm(stream, file.name)
        first: Mapping[str, Any] = {}
        for number in range(ulm.count):
            origin = f"{file.name}, frame {number}"
            frame = ulm.item(number)
            if not first:
                first = frame
            same = {name: first[name] for name in _REPEATED if name in first}
            atoms = partial(_atoms, {**same, **frame})
            yield Piece(str(number), origin, atoms)


class _Ulm:
    """The container of a trajectory: JSON with arrays beside it."""

    def __init__(self, stream: BinaryIO, name: str) -> None:
        self._stream, self._name = stream, name
        self._size = stream.seek(0, 2)
        # Every byte is read once; more were read where frames lie in each other.
        self._unread = self._size
        stream.seek(0)
        magic, tag = stream.read(8), stream.read(16)
        if magic not in _MAGIC or tag.rstrip() != _TAG:
            raise StructureError(
                f"{name}: cannot be read, it is damaged or no trajectory of ASE; export"
                " it again"
            )
        _, self.count, place = self._integers(3)
        if not 0 <= self.count <= self._size // 8:
            raise self._damaged()
        stream.seek(place)
        self._places = self._integers(self.count)

    def item(self, number: int) -> dict[str, Any]:
        """Return the values of a frame, its arrays read."""
        self._stream.seek(self._places[number])
        (length,) = self._integers(1)
        if not 0 <= length <= min(self._size, MAX_TEXT_BYTES):
            raise self._damaged()
        values = json.loads(self._bytes(length))
        if not isinstance(values, dict):
            raise self._damaged()
        order = "<" if values.pop("_little_endian", True) else ">"
        return self._with_arrays(values, order)

    def _with_arrays(self, values: Mapping[str, Any], order: str) -> dict[str, Any]:
        """Read the arrays of what has a dot behind its name."""
        read: dict[str, Any] = {}
        for key, value in values.items():
            if not key.endswith("."):
                read[key] = value
            elif "ndarray" in value:
                read[key[:-1]] = self._array(value["ndarray"], order)
            else:
                read[key[:-1]] = self._with_arrays(value, order)
        return read

    def _array(self, place: Sequence[Any], order: str) -> np.ndarray[Any, Any]:
        shape, kind, start = place
        dtype = np.dtype(kind).newbyteorder("<" if order == "<" else ">")
        length = math.prod(shape) * dtype.itemsize
        if dtype.kind not in _NUMBERS or not 0 <= length <= self._size:
            raise self._damaged()
        self._stream.seek(start)
        return np.frombuffer(self._bytes(length), dtype).reshape(shape)

    def _integers(self, count: int) -> tuple[int, ...]:
        values: tuple[int, ...] = struct.unpack(f"<{count}q", self._bytes(8 * count))
        return values

    def _bytes(self, length: int) -> bytes:
        content = self._stream.read(length)
        self._unread -= length
        if len(content) < length or self._unread < 0:
            raise self._damaged()
        return content

    def _damaged(self) -> StructureError:
        return StructureError(
            f"{self._name}: cannot be read, it is damaged or truncated; export it again"
        )


def _atoms(frame: Mapping[str, Any]) -> Atoms:
    results = frame.get("calculator", {})
    scalars = {
        name: value
        for name, value in results.items()
        if isinstance(value, int | float | str) and name != "name"
    }
    numbers = np.asarray(frame["numbers"], dtype=int)
    return Atoms(
        numbers=numbers,
        positions=np.asarray(frame["positions"], dtype=float),
        cell=np.asarray(frame["cell"], dtype=float),
        pbc=np.asarray(frame["pbc"], dtype=bool),
        info=dict(frame.get("info") or {}) | scalars,
    )
