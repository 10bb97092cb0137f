"""Equal sites and pairs once, with their multiplicity: the same result for less."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch_geometric.data import Data
from torch_geometric.data.datapipes import functional_transform
from torch_geometric.transforms import BaseTransform

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_NOISE = 1e-9  # far above rounding, far below what a distance means


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
    multiplicity. Works on graphs of :func:`~pyg_sitenet.encode_structure`.

    Args:
        tolerance: Distances (angstrom) are told apart by gaps above this; a group of
            equal ones is represented by its mean. (default: ``1e-3``)
        keep_origin: Also store ``merged_pair`` and ``merged_site``, the merged pair and
            site that each original one went to, for :func:`expand_pairs` and
            :func:`expand_sites`. (default: ``False``)

    Shapes:
        - **input:** ``z [n]``, ``x [n, 9]``, ``edge_index [2, E]`` sorted by receiver,
          ``edge_attr [E, 2]``
        - **output:** the same fields for the sites and pairs kept, and
          ``site_multiplicity [n']``, ``edge_multiplicity [E']``
    """

    def __init__(self, tolerance: float = 1e-3, *, keep_origin: bool = False) -> None:
        self.tolerance = tolerance
        self.keep_origin = keep_origin

    def forward(self, data: Data) -> Data:
        """Merge; ``data`` itself stays as it is."""
        features = np.column_stack(
            [data.z.cpu().numpy(), data.x.double().cpu().numpy()]
        )
        sender, receiver = data.edge_index.cpu().numpy()
        edge_attr = data.edge_attr.double().cpu().numpy()
        if "edge_weight" in data:  # a function of the distance, merged with it
            weight = data.edge_weight.double().cpu().numpy()
            edge_attr = np.column_stack([edge_attr, weight])
        classes = np.unique(features, axis=0, return_inverse=True)[1].reshape(-1)
        classes, rows = _refine(
            classes, sender, receiver, edge_attr[:, 0], self.tolerance
        )
        return self._merge(data, classes, rows, edge_attr)

    def _merge(
        self, data: Data, classes: Integers, rows: _Rows, edge_attr: Floats
    ) -> Data:
        _, first, inverse, counts = np.unique(
            classes, return_index=True, return_inverse=True, return_counts=True
        )
        senders, receivers, attributes, multiplicities = [], [], [], []
        origin = np.empty(len(rows.order), dtype=np.int64)
        num_pairs = 0
        for number in range(len(first)):
            members = np.flatnonzero(inverse == number).tolist()
            pairs = np.stack([rows.order[rows.pairs_of(i)] for i in members])
            sender = rows.sender[rows.pairs_of(members[0])]
            # Means over members and copies: independent of their order.
            mean = edge_attr[pairs].mean(axis=0)
            group = _group(sender, mean[:, 0], self.tolerance)
            size = np.bincount(group)
            senders.append(sender[np.r_[0, size.cumsum()[:-1]]])
            receivers.append(np.full(len(size), number))
            attributes.append(
                np.stack([np.bincount(group, column) / size for column in mean.T], 1)
            )
            multiplicities.append(size)
            origin[pairs] = group + num_pairs
            num_pairs += len(size)

        index = np.stack([np.concatenate(senders), np.concatenate(receivers)])
        device = data.edge_index.device
        data.z, data.x = data.z[first], data.x[first]
        data.edge_index = torch.from_numpy(index).to(device)
        means = _without_noise(np.concatenate(attributes))
        values = torch.from_numpy(means).to(data.edge_attr)
        data.edge_attr = values[:, :2]
        if "edge_weight" in data:
            data.edge_weight = values[:, 2]
        multiplicity = np.concatenate(multiplicities)
        data.edge_multiplicity = torch.from_numpy(multiplicity).to(device)
        data.site_multiplicity = torch.from_numpy(counts).to(device)
        if self.keep_origin:
            data.merged_pair = torch.from_numpy(origin).to(device)
            data.merged_site = torch.from_numpy(inverse).to(device)
        return data

    def __repr__(self) -> str:
        return f"{self.__class__.__name__}(tolerance={self.tolerance})"


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
        for number in range(classes.max() + 1):
            for members in _split(np.flatnonzero(classes == number), rows, tolerance):
                refined[members] = count
                count += 1
        if count == classes.max() + 1:
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
    return np.concatenate([[0], new.cumsum()])


def _without_noise(values: Floats) -> Floats:
    """Give what differs by rounding alone, as of (i, j) and (j, i), one value."""
    cleaned = np.empty_like(values)
    for number, column in enumerate(values.T):
        order = column.argsort(kind="stable")
        run = np.r_[0, (np.diff(column[order]) > _NOISE).cumsum()]
        means = np.bincount(run, column[order]) / np.bincount(run)
        cleaned[order, number] = means[run]
    return cleaned
