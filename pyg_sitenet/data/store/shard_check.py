"""What must be true of a shard's graphs before anything computes with them.

A name that fits the content says that the content was not damaged, not who made it: a
place beyond the sites would be read by compiled code.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Data

_TEXTS = ("ids", "origins")
_LARGEST_Z = 118


def check_notes(notes: dict[str, Any]) -> None:
    """Check that what is noted of the crystals has its form.

    Raises:
        ValueError: If it has not.
    """
    num_graphs = len(notes["ids"])
    are_texts = all(isinstance(text, str) for key in _TEXTS for text in notes[key])
    lengths = {len(notes[key]) for key in (*_TEXTS, "targets")}
    if lengths != {num_graphs} or not are_texts:
        raise ValueError("ids, origins and targets are not those of the graphs")
    if not all(isinstance(row, list) for row in notes["targets"]):
        raise ValueError("targets are not lists")
    for key, kind in (("warnings", dict), ("ordered", dict), ("failures", list)):
        if not isinstance(notes[key], kind):
            raise ValueError(f"{key} are of another form")
    # A disordered crystal has several graphs, and an entry that failed none.
    most = min(num_graphs, int(notes["num_entries"]))
    if not 0 <= int(notes["num_crystals"]) <= most:
        raise ValueError("the numbers of crystals are not those of the graphs")


def check_graphs(data: Data, slices: dict[str, Tensor], num_graphs: int) -> None:
    """Check that each graph lies in its tensors, and its pairs between its sites.

    Raises:
        ValueError: If it does not.
    """
    for key, ends in slices.items():
        value = data[key]
        if not isinstance(value, Tensor) or value.dim() == 0:
            continue
        is_list = ends.dim() == 1 and not ends.is_floating_point()
        if not is_list or len(ends) != num_graphs + 1:
            raise ValueError(f"the ends of `{key}` are not those of the graphs")
        size = value.size(data.__cat_dim__(key, value))
        if ends[0] != 0 or ends[-1] != size or bool((ends.diff() < 0).any()):
            raise ValueError(f"`{key}` of a graph lies outside of it")
    if "z" in data and num_graphs:
        z = data["z"]
        if bool((z < 1).any()) or bool((z > _LARGEST_Z).any()):
            raise ValueError("`z` holds what is no atomic number")
    if "edge_index" in slices:
        _check_pairs(data, slices)


def _check_pairs(data: Data, slices: dict[str, Tensor]) -> None:
    pairs, sites = data["edge_index"], slices.get("x", slices.get("z"))
    if sites is None or pairs.dim() != 2 or pairs.size(0) != 2:
        raise ValueError("`edge_index` does not join sites")
    most = torch.repeat_interleave(sites.diff(), slices["edge_index"].diff())
    if bool((pairs < 0).any()) or bool((pairs >= most).any()):
        raise ValueError("`edge_index` leads beyond the sites")
