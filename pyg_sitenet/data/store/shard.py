"""A shard: some crystals of a data set in one file, with failures and warnings."""

from __future__ import annotations

import hashlib
import json
import mmap
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import save
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.data.collate import collate
from torch_geometric.data.separate import separate

from pyg_sitenet.atomic_write import DAMAGE
from pyg_sitenet.data.graph.encoded import Encoded
from pyg_sitenet.data.graph.plain_form import from_plain, to_plain
from pyg_sitenet.data.records import Failure
from pyg_sitenet.data.store.named_file import has_digest, write_content_addressed
from pyg_sitenet.data.store.shard_check import check_graphs, check_notes
from pyg_sitenet.errors import DataError

SHARD_SIZE = 64  # entries of the source, used or not

_HEADER = "pyg_sitenet"
_PLAIN = (str, int, float, bool, list, type(None))
_DTYPES = {
    "BOOL": torch.bool,
    "U8": torch.uint8,
    "I8": torch.int8,
    "I16": torch.int16,
    "I32": torch.int32,
    "I64": torch.int64,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F32": torch.float32,
    "F64": torch.float64,
}


class Written(NamedTuple):
    """A shard that is on the disk: its number, its entries and its file."""

    number: int
    num_entries: int
    name: str


class DamagedShardError(DataError):
    """A shard that is missing or is not what was written."""


def write_shard(
    folder: Path, number: int, results: Sequence[Encoded | Failure | None]
) -> str:
    """Write the results of all entries of a shard and return the file's name.

    Raises:
        DataError: If a graph holds what is neither a tensor nor text or a number, or
            if the folder cannot be written.
    """
    return write_shard_bytes(folder, number, shard_bytes(results))


def write_shard_bytes(folder: Path, number: int, content: bytes) -> str:
    """Write what :func:`shard_bytes` returned, and return the file's name.

    Raises:
        DataError: If the folder cannot be written.
    """
    return write_content_addressed(folder, f"{number:06d}", content)


def shard_bytes(results: Sequence[Encoded | Failure | None]) -> bytes:
    """Return what a shard's file holds; it depends on the results alone.

    Raises:
        DataError: If a graph holds what is neither a tensor nor text or a number.
    """
    crystals = [result for result in results if isinstance(result, Encoded)]
    failures = [result for result in results if isinstance(result, Failure)]
    # Each ordering of a disordered crystal is a graph.
    graphs = [(crystal, graph) for crystal in crystals for graph in crystal.graphs]
    tensors, plain = _join([to_plain(graph) for _, graph in graphs])
    notes = {
        "num_entries": len(results),
        "num_crystals": len(crystals),
        "ids": [crystal.id for crystal, _ in graphs],
        "origins": [crystal.origin for crystal, _ in graphs],
        "targets": [list(crystal.targets.values()) for crystal, _ in graphs],
        "ordered": {c.id: c.ordered for c in crystals if c.ordered},
        "warnings": {c.id: list(c.warnings) for c in crystals if c.warnings},
        "failures": [asdict(failure) for failure in failures],
    }
    # One key: the order of several would differ from file to file.
    header = {_HEADER: json.dumps({"plain": plain, "notes": notes}, sort_keys=True)}
    return save(tensors, header)


class Shard:
    """A shard on disk. Of its tensors only what is looked at is in memory.

    Args:
        path: Its file.

    Raises:
        DamagedShardError: If the file is missing or not what was written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._map = _map_checked(path)
        try:
            self._read()
        except DAMAGE as error:
            raise DamagedShardError(f"{path}: not a shard of crystals") from error
        self.forget()

    def _read(self) -> None:
        size = int.from_bytes(self._map[:8], "little")
        layout = json.loads(self._map[8 : 8 + size])
        header = json.loads(layout.pop("__metadata__")[_HEADER])
        self.notes: dict[str, Any] = header["notes"]
        values: dict[str, Any] = dict(header["plain"])
        self._slices: dict[str, Tensor] = {}
        for name, entry in layout.items():
            kind, _, key = name.partition("/")
            (values if kind == "data" else self._slices)[key] = _view(
                self._map, 8 + size, entry
            )
        self._data = Data.from_dict(values)
        check_notes(self.notes)
        check_graphs(self._data, self._slices, len(self))

    def __len__(self) -> int:
        return len(self.notes["ids"])

    def graph(self, index: int) -> Data:
        """Return a graph whose tensors lie in the mapped file."""
        graph: Data = separate(Data, self._data, index, self._slices, decrement=False)
        return from_plain(graph)

    def column(self, key: str) -> Any:  # noqa: ANN401 - tensor or list
        """Return an attribute of all graphs, joined."""
        return self._data[key]

    def num_sites(self) -> list[int]:
        """Return the unique sites of each graph, merged ones included."""
        if "site_multiplicity" not in self._slices:
            return self._sizes("x")
        counts = self._data["site_multiplicity"].cumsum(0)
        ends = torch.cat([counts.new_zeros(1), counts])[
            self._slices["site_multiplicity"]
        ]
        return [int(size) for size in ends.diff().tolist()]

    def num_pairs(self) -> list[int]:
        """Return the pairs of each graph."""
        return self._sizes("edge_index")

    def values_digest(self) -> str:
        """Return a hash of ids and tensors, not of where the crystals come from."""
        digest = hashlib.sha256(json.dumps(self.notes["ids"]).encode())
        with memoryview(self._map) as content:
            digest.update(content[8 + int.from_bytes(content[:8], "little") :])
        return digest.hexdigest()

    def forget(self) -> None:
        """Give back the memory of what was looked at; it can be read again."""
        if hasattr(self._map, "madvise"):
            self._map.madvise(mmap.MADV_DONTNEED)

    def _sizes(self, key: str) -> list[int]:
        if key not in self._slices:
            return [0] * len(self)
        sizes: list[int] = self._slices[key].diff().tolist()
        return sizes


def _join(graphs: list[Data]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Join graphs to tensors and plain values."""
    if not graphs:
        return {}, {}
    joined, slices, _ = collate(Data, graphs, increment=False, add_batch=False)
    tensors: dict[str, Tensor] = {}
    plain: dict[str, Any] = {}
    for key, value in joined.to_dict().items():
        if isinstance(value, Tensor) and value.dtype in _DTYPES.values():
            tensors[f"data/{key}"] = value.contiguous()
        elif isinstance(value, _PLAIN) and _is_plain(value):
            plain[key] = value
        else:
            raise DataError(
                f"`{key}` of the encoded crystals cannot be stored: expected a tensor, "
                f"text or numbers, got {_kind(value)} (from `pre_transform`?)"
            )
    for key, value in slices.items():
        tensors[f"slices/{key}"] = torch.as_tensor(value).clone()
    return tensors, plain


def _is_plain(value: Any) -> bool:  # noqa: ANN401
    if isinstance(value, list):
        return all(map(_is_plain, value))
    return isinstance(value, _PLAIN)


def _kind(value: Any) -> str:  # noqa: ANN401
    if isinstance(value, list):
        value = next((part for part in value if not _is_plain(part)), value)
    if isinstance(value, Tensor):
        return f"a tensor of {value.dtype}"
    return type(value).__name__


def _map_checked(path: Path) -> mmap.mmap:
    try:
        with path.open("rb") as file:
            # Copied on write: nobody can change the file through a graph.
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    except (OSError, ValueError) as error:
        raise DamagedShardError(f"{path}: missing or empty") from error
    with memoryview(mapped) as content:
        if not has_digest(path.name, content):
            raise DamagedShardError(f"{path}: damaged")
    return mapped


def _view(mapped: mmap.mmap, base: int, entry: dict[str, Any]) -> Tensor:
    dtype, (start, end) = _DTYPES[entry["dtype"]], entry["data_offsets"]
    if start == end:
        return torch.empty(entry["shape"], dtype=dtype)
    count = (end - start) // dtype.itemsize
    flat = torch.frombuffer(mapped, dtype=dtype, count=count, offset=base + start)
    return flat.reshape(entry["shape"])
