"""Graphs of plain dense tensors, to be sent and stored, and what they were before."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch_geometric import EdgeIndex, Index
from torch_geometric.data import Data

_FORM = "--form"  # of a key: how to make its value from plain ones
_PARTS = {
    torch.sparse_coo: ("indices", "values"),
    torch.sparse_csr: ("crow_indices", "col_indices", "values"),
    torch.sparse_csc: ("ccol_indices", "row_indices", "values"),
}


def to_plain(data: Data) -> Data:
    """Return a graph without sparse tensors and tensors of PyG's own types.

    They are taken apart into tensors of their own; the others are shared.
    """
    plain = Data()
    for key, value in data.to_dict().items():
        if isinstance(value, EdgeIndex):
            size, order = [*value.sparse_size()], value.sort_order
            order = getattr(order, "value", order)  # text, in some versions
            plain[key] = value.as_tensor()
            plain[key + _FORM] = ["edge_index", size, order, value.is_undirected]
        elif isinstance(value, Index):
            plain[key] = value.as_tensor()
            plain[key + _FORM] = ["index", value.dim_size, value.is_sorted]
        elif isinstance(value, Tensor) and value.layout in _PARTS:
            _take_apart(plain, key, value)
        else:
            plain[key] = value.detach() if isinstance(value, Tensor) else value
    return plain


def from_plain(data: Data) -> Data:
    """Return the graph that :func:`to_plain` was given, from what it returned."""
    for form_key in [key for key in data.keys() if key.endswith(_FORM)]:  # noqa: SIM118
        key = form_key.removesuffix(_FORM)
        kind, *form = data[form_key]
        del data[form_key]
        data[key] = _restored(data, key, kind, form)
    return data


def _take_apart(plain: Data, key: str, value: Tensor) -> None:
    layout = value.layout
    if layout == torch.sparse_coo:
        value = value.coalesce()
    for part in _PARTS[layout]:
        tensor = getattr(value, part)()
        # Graphs are joined along the first dimension.
        plain[f"{key}--{part}"] = tensor.T if part == "indices" else tensor
    plain[key + _FORM] = [str(layout).removeprefix("torch."), *value.shape]


def _restored(data: Data, key: str, kind: str, form: list[Any]) -> Tensor:
    if kind == "edge_index":
        size, order, is_undirected = form
        edge_index: Tensor = EdgeIndex(
            data[key].contiguous(),
            sparse_size=tuple(size),
            sort_order=order,
            is_undirected=is_undirected,
        )
        return edge_index
    if kind == "index":
        index: Tensor = Index(
            data[key].contiguous(), dim_size=form[0], is_sorted=form[1]
        )
        return index
    layout = getattr(torch, kind)
    parts = [data[f"{key}--{part}"] for part in _PARTS[layout]]
    for part in _PARTS[layout]:
        del data[f"{key}--{part}"]
    if layout == torch.sparse_coo:
        pairs = parts[0].T
        return torch.sparse_coo_tensor(
            pairs, parts[1], form, is_coalesced=True, check_invariants=False
        )
    compressed, plain, values = parts
    return torch.sparse_compressed_tensor(
        compressed, plain, values, size=form, layout=layout, check_invariants=False
    )
