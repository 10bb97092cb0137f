"""Vectors of sites and crystals for other models, written as they come."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO

import numpy as np
import torch
from numpy.typing import DTypeLike, NDArray
from torch_geometric.data import Data

from pyg_sitenet.analysis.complexity_encoder import encode_groups, make_batch
from pyg_sitenet.data.failures_file import check_failures_file
from pyg_sitenet.data.graph.encoded import Encoded
from pyg_sitenet.data.graph.encoder import Item, Preencoded
from pyg_sitenet.data.ledger import Ledger
from pyg_sitenet.data.records import Failure
from pyg_sitenet.errors import DataError, reporting_os_error
from pyg_sitenet.file_locks import check_archive, locked_file
from pyg_sitenet.prediction import Predictor
from pyg_sitenet.transforms import expand_sites

SUFFIX = ".npz"
_ARRAYS: dict[str, DTypeLike] = {
    "crystals": np.float32,
    "sites": np.float32,
    "predictions": np.float32,
    "crystal_of_site": np.int64,
    "z": np.int64,
}


@dataclass(frozen=True)
class EmbeddingFile:
    """Outcome of :func:`write_embeddings`.

    Attributes:
        path: The file.
        crystals: How many crystals it holds.
        sites: How many sites.
        failures: Inputs that could not be used, and why.
        ledger: What became of the inputs, in numbers.
    """

    path: Path
    crystals: int
    sites: int
    failures: list[Failure]
    ledger: Ledger


class _Rows:
    """Rows on the disk that become an array without being in memory."""

    def __init__(self, folder: Path, name: str, dtype: DTypeLike) -> None:
        self.path = folder / name
        self._file: BinaryIO = self.path.open("wb")
        self.dtype = np.dtype(dtype)
        self.shape: tuple[int, ...] = (0,)

    def add(self, rows: NDArray[np.generic]) -> None:
        """Append rows."""
        self._file.write(np.ascontiguousarray(rows, self.dtype).tobytes())
        self.shape = (self.shape[0] + len(rows), *rows.shape[1:])

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def array(self) -> NDArray[np.generic]:
        """Return all rows, mapped from the disk."""
        self.close()
        return np.memmap(self.path, self.dtype, "r", shape=self.shape)


def write_embeddings(
    predictor: Predictor,
    entries: Iterable[Item],
    output: str | Path,
    *,
    workers: int | None = None,
) -> EmbeddingFile:
    """Write the vectors of all crystals and of their sites to a NumPy archive.

    ``numpy.load(output)`` gives, for B crystals with n sites in all, float32 unless
    said: ``crystals`` [B, C], what the model's last linear map reads; ``sites`` [n, K],
    the site vectors of all blocks joined, or in the residual form of the last block;
    ``crystal_of_site`` [n] (int64), row of the crystal of each site; ``z`` [n] (int64)
    atomic numbers; ``predictions`` [B, T] in the units of the ``targets`` [T] (text);
    ``id`` and ``formula`` [B] (text). Sites are those of the primitive cell, in its
    order. Nothing in it is pickled. Memory does not grow with the number of crystals,
    but for their names.

    Args:
        predictor: The trained model.
        entries: The crystals, as ``open_source(data).entries()`` gives them.
        output: The file to write, ``*.npz``; it appears when it is complete.
        workers: Other processes that encode, 0 for one per core; None for this one.

    Raises:
        DataError: If the file has another ending, holds something else, cannot be
            written or is being written by another process, or if no crystal can be
            used.
    """
    path = Path(output)
    if path.suffix != SUFFIX:
        raise DataError(f"{path}: embeddings are a NumPy archive; name it *{SUFFIX}")
    check_archive(path, _ARRAYS, "embeddings")
    check_failures_file(path)
    with (
        reporting_os_error(path, "choose another --output"),
        locked_file(path),
        TemporaryDirectory(prefix=".embed-", dir=path.parent) as folder,
    ):
        return _write(predictor, entries, path, Path(folder), workers)


def _write(
    predictor: Predictor,
    entries: Iterable[Item],
    path: Path,
    folder: Path,
    workers: int | None,
) -> EmbeddingFile:
    with ExitStack() as stack:
        rows = {
            name: stack.enter_context(closing(_Rows(folder, name, dtype)))
            for name, dtype in _ARRAYS.items()
        }
        return _write_rows(predictor, entries, path, rows, workers)


def _write_rows(
    predictor: Predictor,
    entries: Iterable[Item],
    path: Path,
    rows: dict[str, _Rows],
    workers: int | None,
) -> EmbeddingFile:
    names: list[tuple[str, str]] = []
    failures: list[Failure] = []
    ledger = Ledger()
    items = map(_with_sites, entries)
    for group in encode_groups(predictor, items, workers, keep_origin=True):
        for item in group:
            ledger.add(item)
        failures += [item for item in group if isinstance(item, Failure)]
        usable = [item for item in group if isinstance(item, Encoded)]
        if usable:
            _add(predictor, usable, rows, len(names))
        names += [(crystal.id, crystal.data.formula) for crystal in usable]
    if not names:
        reason = f"; the first failure: {failures[0].reason}" if failures else ""
        raise DataError(f"no crystal can be embedded ({len(failures)} failed){reason}")
    ids, formulas = (np.array(column) for column in zip(*names, strict=True))
    arrays: dict[str, Any] = {name: vectors.array() for name, vectors in rows.items()}
    whole = rows["sites"].path.with_name(path.name)
    targets = np.array(predictor.description.outputs)
    np.savez(whole, **arrays, id=ids, formula=formulas, targets=targets)
    whole.replace(path)
    num_sites = rows["sites"].shape[0]
    return EmbeddingFile(path, len(names), num_sites, failures, ledger)


@torch.inference_mode()
def _add(
    predictor: Predictor, usable: Sequence[Encoded], rows: dict[str, _Rows], start: int
) -> None:
    """Add the crystals of a batch; the first of them is crystal ``start``."""
    model = predictor.network
    graphs = [crystal.data for crystal in usable]
    embedding = model.embed(make_batch(usable, predictor))
    rows["crystals"].add(embedding.crystals.cpu().numpy())
    values = model.activate(model.readout.linear(embedding.crystals))
    rows["predictions"].add(values.cpu().numpy())
    parts = embedding.sites.cpu().split([len(data.z) for data in graphs])
    for number, (data, sites) in enumerate(zip(graphs, parts, strict=True), start):
        z = _of_every_site(data, data.z)
        rows["z"].add(z.numpy())
        rows["sites"].add(_of_every_site(data, sites).numpy())
        rows["crystal_of_site"].add(np.full(len(z), number))


def _of_every_site(data: Data, values: torch.Tensor) -> torch.Tensor:
    return expand_sites(data, values) if "merged_site" in data else values


def _with_sites(item: Item) -> Item:
    if not isinstance(item, Preencoded):
        return item
    reason = "prepared graphs do not say which sites were merged"
    remedy = "embed the source it was prepared from"
    return Failure(item.origin, item.id, "encode", f"{reason}: {remedy}", remedy)
