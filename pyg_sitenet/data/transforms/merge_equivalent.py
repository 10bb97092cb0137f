"""Equal sites and pairs once, with their multiplicity: the same result for less."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch_geometric.data import Batch, Data
from torch_geometric.data.datapipes import functional_transform
from torch_geometric.transforms import BaseTransform

from pyg_sitenet.data.transforms.batches import graph_by_graph
from pyg_sitenet.data.transforms.carried import (
    FEATURES,
    Classes,
    Columns,
    Floats,
    Integers,
    carry,
    real_columns,
)

_NONE = np.empty(0, np.int64)


class _Rows(NamedTuple):
    """Pairs ordered by receiver, then class of the sender, then distance."""

    order: Integers  # [E] positions in the original list
    start: Integers  # [n + 1] first pair of each receiver
    sender: Integers  # [E] class of the sender
    distance: Floats  # [E]

    def pairs_of(self, receiver: int) -> slice:
        return slice(self.start[receiver], self.start[receiver + 1])


@functional_transform("merge_equivalent")
class MergeEquivalent(BaseTransform):
    r"""Keeps one of several equal sites and one of several equal pairs.

    Sites are equal if they have the same features and see the same multiset of (class
    of the sender, distance); the classes are refined from the features until they are
    stable (colour refinement). Pairs are equal if receiver class, sender class and
    distance are. Equal ones stay equal in every block, so that one of :math:`m` serves,
    with :math:`\ln m` added to its logit and with pooling weighted by the sites'
    multiplicity (:func:`~pyg_sitenet.nn.weighted_mean_pool`). Works on graphs of
    :func:`~pyg_sitenet.encode_structure` and on others with distances.

    Every other attribute of sites and pairs goes with those that stay, if it is the
    same for all that each stands for. ``pos`` and ``edge_shift`` are dropped, since
    merged pairs have no direction. A merged graph comes back as it is, and a ``Batch``
    is merged crystal by crystal.

    Args:
        tolerance: Distances (angstrom) are told apart by gaps above this; a group of
            equal ones is represented by its mean. (default: ``1e-3``)
        keep_origin: Also store ``merged_pair`` and ``merged_site``, the merged pair and
            site that each original one went to, for :func:`expand_pairs` and
            :func:`expand_sites`. (default: ``False``)

    Shapes:
        - **input:** ``edge_index [2, E]``; the distance in the first column of
          ``edge_attr [E, D]``, or in ``edge_dist [E]`` if there is that; ``z [n]``,
          ``x [n, F]`` and ``batch [n]`` *(optional)*
        - **output:** the same fields for the sites and pairs kept, and
          ``site_multiplicity [n']``, ``edge_multiplicity [E']``

    Raises:
        TypeError: If the graph is a ``HeteroData``.
        ValueError: If ``tolerance`` is not as described, or the graph holds no
            distances, pairs that require gradients, an attribute that differs between
            equal sites or pairs, or one of the two multiplicities alone.
    """

    def __init__(self, tolerance: float = 1e-3, *, keep_origin: bool = False) -> None:
        if not 0 <= tolerance < np.inf:
            raise ValueError(
                f"`tolerance` must be 0 or above and finite, got {tolerance}"
            )
        self.tolerance = tolerance
        self.keep_origin = keep_origin

    def forward(self, data: Data) -> Data:
        """Merge; ``data`` itself stays as it is."""
        if isinstance(data, Batch):
            return graph_by_graph(self, data)
        if _is_merged(data):
            return data
        distance = _distances(data)
        if "z" in data and "x" not in data:  # PyG does not count the sites by these
            data.num_nodes = len(data.z)
        sender, receiver = data.edge_index.cpu().numpy()
        classes, rows = _refine(
            _classes_by_features(data), sender, receiver, distance, self.tolerance
        )
        self._merge(data, classes, rows, real_columns(data, distance))
        return data

    def _merge(
        self, data: Data, classes: Integers, rows: _Rows, columns: Columns
    ) -> None:
        _, first, inverse, counts = np.unique(
            classes, return_index=True, return_inverse=True, return_counts=True
        )
        origin = np.empty(len(rows.order), dtype=np.int64)
        senders, sizes = [_NONE], [_NONE]
        means, num_pairs = [np.empty((0, columns.values.shape[1]))], 0
        for number in range(len(first)):
            members = np.flatnonzero(inverse == number).tolist()
            pairs = np.stack([rows.order[rows.pairs_of(i)] for i in members])
            sender = rows.sender[rows.pairs_of(members[0])]
            # Means over members and copies: independent of their order.
            mean = columns.values[pairs].mean(axis=0)
            group = _group(sender, mean[:, 0], self.tolerance)
            size = np.bincount(group)
            senders.append(sender[np.r_[0, size.cumsum()][:-1]])
            sizes.append(size)
            means.append(np.stack([np.bincount(group, c) / size for c in mean.T], 1))
            origin[pairs] = group + num_pairs
            num_pairs += len(size)
        receivers = np.repeat(np.arange(len(first)), [len(size) for size in sizes[1:]])
        carry(data, Classes(first, inverse, origin, np.concatenate(means)), columns)
        values = {
            "edge_index": np.stack([np.concatenate(senders), receivers]),
            "edge_multiplicity": np.concatenate(sizes),
            "site_multiplicity": counts,
        }
        if self.keep_origin:
            values |= {"merged_pair": origin, "merged_site": inverse}
        device = data.edge_index.device
        data.update({k: torch.from_numpy(v).to(device) for k, v in values.items()})

    def __repr__(self) -> str:
        return f"{self.__class__.__name__}(tolerance={self.tolerance})"


def _is_merged(data: Data) -> bool:
    """Tell whether a graph was merged before.

    Raises:
        TypeError: If it is no graph with one kind of nodes.
        ValueError: If it carries one multiplicity without the other.
    """
    if not isinstance(data, Data):
        raise TypeError(
            f"expected `Data`, got {type(data).__name__}; MergeEquivalent takes the "
            "graph that encode_structure returns without unfold=True"
        )
    names = ("edge_multiplicity", "site_multiplicity")
    present = [name for name in names if name in data]
    if len(present) == 1:
        raise ValueError(
            f"`data` must have both {' and '.join(names)}, or neither, got "
            f"{present[0]} alone; remove it before MergeEquivalent"
        )
    return bool(present)


def _distances(data: Data) -> Floats:
    """Return the distance of each pair, [E], from where the graph has it."""
    if "edge_index" not in data or not ("edge_attr" in data or "edge_dist" in data):
        raise ValueError(
            "`data` must have `edge_index`, and distances in `edge_dist` or in the "
            f"first column of `edge_attr`, got {', '.join(data.keys()) or 'nothing'}"
        )
    values = data.edge_dist if "edge_dist" in data else data.edge_attr
    distance = values.detach().cpu().double().numpy()
    if not distance.size:
        return np.zeros(len(distance))
    return np.asarray(distance.reshape(len(distance), -1)[:, 0])


def _classes_by_features(data: Data) -> Integers:
    """Number the sites by element, features and graph, [n]."""
    names = [name for name in FEATURES if name in data]
    if not names or not data.num_nodes:
        return np.zeros(data.num_nodes, dtype=np.int64)
    columns = [
        data[name].detach().cpu().double().numpy().reshape(data.num_nodes, -1)
        for name in names
    ]
    inverse = np.unique(np.hstack(columns), axis=0, return_inverse=True)[1]
    return np.asarray(inverse.reshape(-1))


def _refine(
    classes: Integers,
    sender: Integers,
    receiver: Integers,
    distance: Floats,
    tolerance: float,
) -> tuple[Integers, _Rows]:
    """Split classes until the members of each see the same."""
    start = np.r_[0, np.bincount(receiver, minlength=len(classes)).cumsum()]
    while True:
        order = np.lexsort((distance, classes[sender], receiver))
        rows = _Rows(order, start, classes[sender][order], distance[order])
        refined = np.empty_like(classes)
        count = 0
        for number in range(classes.max(initial=-1) + 1):
            for members in _split(np.flatnonzero(classes == number), rows, tolerance):
                refined[members] = count
                count += 1
        if count == classes.max(initial=-1) + 1:
            return classes, rows
        classes = refined


def _split(members: Integers, rows: _Rows, tolerance: float) -> list[Integers]:
    """Split the members of a class by what they see."""
    by_senders: dict[bytes, list[int]] = {}
    for member in members.tolist():
        by_senders.setdefault(rows.sender[rows.pairs_of(member)].tobytes(), []).append(
            member
        )
    parts: list[Integers] = []
    for same in by_senders.values():
        distances = np.stack([rows.distance[rows.pairs_of(member)] for member in same])
        parts.extend(np.array(same)[part] for part in _cluster(distances, tolerance))
    return parts


def _cluster(distances: Floats, tolerance: float) -> list[Integers]:
    """Group rows that agree within the tolerance in every column."""
    todo, clusters = [np.arange(len(distances))], []
    while todo:
        part = todo.pop()
        if not distances.shape[1]:  # sites that see nothing
            clusters.append(part)
            continue
        spread = np.ptp(distances[part], axis=0)
        column = int(spread.argmax())
        if spread[column] <= tolerance:
            clusters.append(part)
            continue
        part = part[np.argsort(distances[part, column], kind="stable")]
        gaps = np.diff(distances[part, column])
        # Without a clear gap no site is the other's equal: cut at the widest one.
        cuts = np.flatnonzero(gaps > min(tolerance, gaps.max() / 2)) + 1
        todo.extend(np.split(part, cuts))
    return clusters


def _group(sender: Integers, distance: Floats, tolerance: float) -> Integers:
    """Number the runs of pairs with equal sender class and distance, ``[E]``."""
    new = (np.diff(sender) != 0) | (np.diff(distance) > tolerance)
    return np.concatenate([[0], new.cumsum()])[: len(sender)]
